//! What a command must look up beside the books: lots that are over, holds that have ended, an entry to take back. As it
//! is on record, and as the transaction that asks is about to write it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::command::Reversal;
use super::entry::Entry;
use super::model::{Balance, GrantState, HoldState, Lot, Pin};
use super::rules::grant_state;
use super::service::Writes;
use super::store::{self, LotRecord};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, GrantId, HoldId};
use crate::base::time::Time;
use crate::db::{Conn, DbError};

/// The state at an instant of a lot that is not open; `None` when there is no such lot.
///
/// # Errors
/// Those of the database.
pub async fn over_lot(
    conn: &mut Conn,
    writes: &Writes,
    lot: GrantId,
    now: Time,
) -> Result<Option<GrantState>, DbError> {
    let found = find_lots(conn, writes, lot.balance, &[lot.sequence]).await?.pop();
    Ok(found.map(|record| grant_state(&record.lot, now)))
}

/// How a hold ended that is not active any more; `None` when there is no such hold.
///
/// # Errors
/// Those of the database.
pub async fn ended_hold(
    conn: &mut Conn,
    writes: &Writes,
    balance: &Balance,
    hold: HoldId,
) -> Result<Option<HoldState>, DbError> {
    if balance.account.holds.iter().any(|active| active.sequence == hold.sequence) {
        // Nobody has written down yet that its time is over.
        return Ok(Some(HoldState::Lapsed));
    }
    match writes.hold_state(hold)? {
        Some(state) => Ok(Some(state)),
        None => Ok(store::find_holds(conn, &[hold]).await?.pop().map(|record| record.state)),
    }
}

/// The command's part that takes an entry back; `None` when there is no such entry.
///
/// # Errors
/// Those of the database.
pub async fn reversal(
    conn: &mut Conn,
    writes: &Writes,
    (balance, sequence): (&Balance, i64),
    credits: Option<Credits>,
) -> Result<Option<Reversal>, DbError> {
    let id = balance.account.id;
    let entry = match writes.entry(id.entry(sequence)) {
        Some(entry) => Some(entry),
        None => store::find_entry(conn, id, sequence).await?.map(Arc::new),
    };
    let Some(entry) = entry else { return Ok(None) };
    let Taken { credits: taken, lots, debt } = Taken::by(&entry)?;
    let open: BTreeSet<i64> = balance.account.lots.iter().map(|lot| lot.sequence).collect();
    let closed: Vec<i64> = lots.iter().map(|pin| pin.lot).filter(|lot| !open.contains(lot)).collect();
    let closed_lots = find_lots(conn, writes, id, &closed).await?;
    let before = store::list_reversals(conn, id, sequence).await?.into_iter().map(|(_, credits)| credits);
    let all = before.chain(writes.reversals_of(id.entry(sequence)));
    let reversed = all.into_iter().try_fold(Credits::ZERO, Credits::plus).map_err(overflow)?;
    let closed_lots: Vec<Lot> = closed_lots.into_iter().map(|record| record.lot).collect();
    let kind = entry.posting.kind;
    Ok(Some(Reversal { entry: sequence, kind, taken, lots, debt, reversed, credits, closed_lots }))
}

/// What an entry took, from which lots and as debt.
struct Taken {
    credits: Credits,
    lots: Vec<Pin>,
    debt: Credits,
}

impl Taken {
    fn by(entry: &Entry) -> Result<Self, DbError> {
        let taken = entry.posting.credits.negated().at_least_zero();
        let negative = entry.posting.allocations.iter().filter(|part| part.credits < Credits::ZERO);
        let lots: Vec<Pin> = negative.map(|part| Pin { lot: part.lot, credits: part.credits.negated() }).collect();
        let from_lots = lots.iter().try_fold(Credits::ZERO, |sum, pin| sum.plus(pin.credits)).map_err(overflow)?;
        // More than was taken comes from the lots where a capture let go of credits that paid older debt.
        let debt = taken.minus(from_lots).map_err(overflow)?.at_least_zero();
        Ok(Self { credits: taken, lots, debt })
    }
}

fn overflow(error: crate::base::credits::Overflow) -> DbError {
    DbError::Corrupt(error.to_string())
}

/// Lots of one balance as they will stand once all of it is written.
async fn find_lots(
    conn: &mut Conn,
    writes: &Writes,
    balance: BalanceId,
    sequences: &[i64],
) -> Result<Vec<LotRecord>, DbError> {
    if sequences.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = store::find_lots(conn, balance, sequences).await?;
    for record in &mut found {
        writes.bring_up_to_date(record)?;
    }
    for sequence in sequences {
        found.extend(writes.new_lot(balance.grant(*sequence))?);
    }
    Ok(found)
}
