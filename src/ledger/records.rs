//! The ledger's SQL for those who go through many entries: audits, history, consumption.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

use super::codec;
use super::entry::{Entry, Rating};
use super::model::{Balance, EntryKind, Hold, Lot};
use super::rows::{BalanceRow, CheckpointRow, EntryRow, HoldRecord, HoldRow, LotRecord, LotRow};
use super::store;
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId};
use crate::base::time::Time;
use crate::db::schema::{balances, checkpoints, entries, holds, idempotency_keys, lots, reversals};
use crate::db::types::JsonText;
use crate::db::{Conn, DbError, on};

// --- History -----------------------------------------------------------------------------------------------------------

/// What was open behind an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The entry; 0 is before the first.
    pub sequence: i64,
    /// When it was recorded.
    pub recorded_at: Option<Time>,
    /// Lots that were pending or had something left, in burning order.
    pub lots: Vec<Lot>,
    /// Holds that were active.
    pub holds: Vec<Hold>,
}

impl CheckpointRow {
    fn into_checkpoint(self) -> Result<Checkpoint, DbError> {
        let (lots, holds) = self.open()?;
        Ok(Checkpoint { sequence: self.sequence, recorded_at: Some(self.recorded_at), lots, holds })
    }
}

/// The last checkpoint of a balance that was recorded by an instant, up to an entry; that before the first entry when there
/// is none.
///
/// # Errors
/// Those of the database.
pub async fn find_checkpoint(conn: &mut Conn, balance: BalanceId, by: Time, up_to: i64) -> Result<Checkpoint, DbError> {
    let mut rows: Vec<CheckpointRow> = on!(conn, |c| checkpoints::table
        .filter(checkpoints::customer_id.eq(balance.customer))
        .filter(checkpoints::balance.eq(balance.number))
        .filter(checkpoints::recorded_at.le(by))
        .filter(checkpoints::sequence.le(up_to))
        .order((checkpoints::recorded_at.desc(), checkpoints::sequence.desc()))
        .limit(1)
        .select(CheckpointRow::as_select())
        .load(c))?;
    rows.pop().map_or_else(|| Ok(Checkpoint::default()), CheckpointRow::into_checkpoint)
}

/// The entries of a balance from one on, up to another, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_entries_between(
    conn: &mut Conn,
    balance: BalanceId,
    (from, up_to): (i64, i64),
) -> Result<Vec<Entry>, DbError> {
    let rows: Vec<EntryRow> = on!(conn, |c| entries::table
        .filter(entries::customer_id.eq(balance.customer))
        .filter(entries::balance.eq(balance.number))
        .filter(entries::sequence.ge(from))
        .filter(entries::sequence.le(up_to))
        .order(entries::sequence)
        .select(EntryRow::as_select())
        .load(c))?;
    rows.into_iter().map(EntryRow::into_entry).collect()
}

// --- Consumption -------------------------------------------------------------------------------------------------------

/// What one entry burned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burned {
    /// The entry.
    pub sequence: i64,
    /// When that happened.
    pub occurred_at: Time,
    /// How many credits, as a magnitude.
    pub credits: Credits,
    /// Of usage: how they came about.
    pub rating: Option<Rating>,
}

/// Which entries that burned are asked for.
#[derive(Clone, Copy, Debug)]
pub struct ListBurned {
    /// Of which balance.
    pub balance: BalanceId,
    /// The newest entry that counts.
    pub up_to: i64,
    /// What happened then or later.
    pub from: Time,
    /// What happened before that.
    pub until: Time,
    /// Behind this one, by when it happened and its sequence.
    pub behind: Option<(Time, i64)>,
    /// How many at most.
    pub limit: i64,
}

/// Usage, retentions and captures by when they happened.
///
/// # Errors
/// Those of the database.
pub async fn list_burned(conn: &mut Conn, list: &ListBurned) -> Result<Vec<Burned>, DbError> {
    let from = list.behind.map_or(list.from, |(time, _)| time);
    let rows: Vec<(i64, Time, Credits, Option<JsonText>)> = on!(conn, |c, B| {
        let mut query = entries::table
            .filter(entries::customer_id.eq(list.balance.customer))
            .filter(entries::balance.eq(list.balance.number))
            // In the very words of the index, which holds nothing else.
            .filter(diesel::dsl::sql::<Bool>("kind IN (6, 7, 9)"))
            .filter(entries::occurred_at.ge(from))
            .filter(entries::occurred_at.lt(list.until))
            .filter(entries::sequence.le(list.up_to))
            .select((entries::sequence, entries::occurred_at, entries::credits, entries::rating))
            .into_boxed::<B>();
        if let Some((time, sequence)) = list.behind {
            query = query.filter(entries::occurred_at.gt(time).or(entries::sequence.gt(sequence)));
        }
        query.order((entries::occurred_at, entries::sequence)).limit(list.limit).load(c)
    })?;
    let burned = |(sequence, occurred_at, credits, rating): (i64, Time, Credits, Option<JsonText>)| {
        let rating = rating.as_ref().map(codec::read_rating).transpose()?;
        Ok(Burned { sequence, occurred_at, credits: credits.negated(), rating })
    };
    rows.into_iter().map(burned).collect()
}

/// What reversals up to an entry gave back of the entries between two others: pairs of the entry and how much.
///
/// # Errors
/// Those of the database.
pub async fn list_given_back(
    conn: &mut Conn,
    balance: BalanceId,
    (from, until): (i64, i64),
    up_to: i64,
) -> Result<Vec<(i64, Credits)>, DbError> {
    on!(conn, |c| reversals::table
        .filter(reversals::customer_id.eq(balance.customer))
        .filter(reversals::balance.eq(balance.number))
        .filter(reversals::entry.ge(from))
        .filter(reversals::entry.le(until))
        .filter(reversals::sequence.le(up_to))
        .select((reversals::entry, reversals::credits))
        .load(c))
}

// --- Audits ------------------------------------------------------------------------------------------------------------

/// Balances behind one, in order of their ids, closed ones too.
///
/// # Errors
/// Those of the database.
pub async fn list_balances_behind(
    conn: &mut Conn,
    after: Option<BalanceId>,
    limit: i64,
) -> Result<Vec<BalanceId>, DbError> {
    let rows: Vec<(CustomerId, i32)> = on!(conn, |c, B| {
        let mut query = balances::table.select((balances::customer_id, balances::number)).into_boxed::<B>();
        if let Some(BalanceId { customer, number }) = after {
            let same = balances::customer_id.eq(customer).and(balances::number.gt(number));
            let behind = balances::customer_id.gt(customer).or(same);
            query = query.filter(balances::customer_id.ge(customer)).filter(behind);
        }
        query.order((balances::customer_id, balances::number)).limit(limit).load(c)
    })?;
    Ok(rows.into_iter().map(|(customer, number)| BalanceId { customer, number }).collect())
}

/// The first balance behind one, in order of their ids, that has entries, whether its own row is there or not.
///
/// # Errors
/// Those of the database.
pub async fn first_with_entries(conn: &mut Conn, after: Option<BalanceId>) -> Result<Option<BalanceId>, DbError> {
    let mut rows: Vec<(CustomerId, i32)> = on!(conn, |c, B| {
        let mut query = entries::table.select((entries::customer_id, entries::balance)).into_boxed::<B>();
        if let Some(BalanceId { customer, number }) = after {
            let same = entries::customer_id.eq(customer).and(entries::balance.gt(number));
            let behind = entries::customer_id.gt(customer).or(same);
            query = query.filter(entries::customer_id.ge(customer)).filter(behind);
        }
        query.order((entries::customer_id, entries::balance, entries::sequence)).limit(1).load(c)
    })?;
    Ok(rows.pop().map(|(customer, number)| BalanceId { customer, number }))
}

/// A balance and when time alone next changes it, as its row says.
///
/// # Errors
/// Those of the database.
pub async fn find_on_record(conn: &mut Conn, id: BalanceId) -> Result<Option<(Balance, Option<Time>)>, DbError> {
    let mut rows: Vec<BalanceRow> =
        on!(conn, |c| balances::table.find((id.customer, id.number)).select(BalanceRow::as_select()).load(c))?;
    let Some(row) = rows.pop() else { return Ok(None) };
    let next_change_at = row.next_change_at.time();
    Ok(Some((row.into_balance()?, next_change_at)))
}

/// The lots of a balance that were made behind one entry and up to another, by sequence.
///
/// # Errors
/// Those of the database.
pub async fn list_lots_between(
    conn: &mut Conn,
    balance: BalanceId,
    (behind, up_to): (i64, i64),
) -> Result<Vec<LotRecord>, DbError> {
    let rows: Vec<LotRow> = on!(conn, |c| lots::table
        .filter(lots::customer_id.eq(balance.customer))
        .filter(lots::balance.eq(balance.number))
        .filter(lots::sequence.gt(behind))
        .filter(lots::sequence.le(up_to))
        .order(lots::sequence)
        .select(LotRow::as_select())
        .load(c))?;
    rows.into_iter().map(LotRow::into_record).collect()
}

/// The holds of a balance that were made behind one entry and up to another, by sequence.
///
/// # Errors
/// Those of the database.
pub async fn list_holds_between(
    conn: &mut Conn,
    balance: BalanceId,
    (behind, up_to): (i64, i64),
) -> Result<Vec<HoldRecord>, DbError> {
    let rows: Vec<HoldRow> = on!(conn, |c| holds::table
        .filter(holds::customer_id.eq(balance.customer))
        .filter(holds::balance.eq(balance.number))
        .filter(holds::sequence.gt(behind))
        .filter(holds::sequence.le(up_to))
        .order(holds::sequence)
        .select(HoldRow::as_select())
        .load(c))?;
    rows.into_iter().map(HoldRow::into_record).collect()
}

/// The checkpoints of a balance behind one entry and up to another, by sequence.
///
/// # Errors
/// Those of the database.
pub async fn list_checkpoints_between(
    conn: &mut Conn,
    balance: BalanceId,
    (behind, up_to): (i64, i64),
) -> Result<Vec<Checkpoint>, DbError> {
    let rows: Vec<CheckpointRow> = on!(conn, |c| checkpoints::table
        .filter(checkpoints::customer_id.eq(balance.customer))
        .filter(checkpoints::balance.eq(balance.number))
        .filter(checkpoints::sequence.gt(behind))
        .filter(checkpoints::sequence.le(up_to))
        .order(checkpoints::sequence)
        .select(CheckpointRow::as_select())
        .load(c))?;
    rows.into_iter().map(CheckpointRow::into_checkpoint).collect()
}

/// What reversals behind one entry and up to another are on record: the entry taken back, the reversal, how much.
///
/// # Errors
/// Those of the database.
pub async fn list_reversal_rows(
    conn: &mut Conn,
    balance: BalanceId,
    (behind, up_to): (i64, i64),
) -> Result<Vec<(i64, i64, Credits)>, DbError> {
    on!(conn, |c| reversals::table
        .filter(reversals::customer_id.eq(balance.customer))
        .filter(reversals::balance.eq(balance.number))
        .filter(reversals::sequence.gt(behind))
        .filter(reversals::sequence.le(up_to))
        .select((reversals::entry, reversals::sequence, reversals::credits))
        .load(c))
}

/// The lots that reversals behind an entry moved.
///
/// # Errors
/// Those of the database.
pub async fn list_reversed_lots_behind(
    conn: &mut Conn,
    balance: BalanceId,
    behind: i64,
) -> Result<BTreeSet<i64>, DbError> {
    let rows: Vec<JsonText> = on!(conn, |c| entries::table
        .filter(entries::customer_id.eq(balance.customer))
        .filter(entries::balance.eq(balance.number))
        .filter(entries::sequence.gt(behind))
        .filter(entries::kind.eq(EntryKind::Reversal.number()))
        .select(entries::allocations)
        .load(c))?;
    let mut moved = BTreeSet::new();
    for allocations in rows {
        moved.extend(codec::read_allocations(&allocations)?.into_iter().map(|part| part.lot));
    }
    Ok(moved)
}

/// Keys that name an entry of a balance which does not name them; some at most.
///
/// # Errors
/// Those of the database.
pub async fn list_stray_keys(conn: &mut Conn, balance: BalanceId) -> Result<Vec<(String, i64)>, DbError> {
    let named = entries::table
        .filter(entries::customer_id.eq(idempotency_keys::customer_id))
        .filter(entries::balance.eq(idempotency_keys::balance))
        .filter(entries::sequence.eq(idempotency_keys::sequence))
        .filter(entries::idempotency_key.eq(idempotency_keys::key.nullable()));
    on!(conn, |c| idempotency_keys::table
        .filter(idempotency_keys::customer_id.eq(balance.customer))
        .filter(idempotency_keys::balance.eq(balance.number))
        .filter(idempotency_keys::purchase.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(named)))
        .order((idempotency_keys::scope, idempotency_keys::key))
        .limit(10)
        .select((idempotency_keys::key, idempotency_keys::sequence))
        .load(c))
}

/// Lots that are over and that an entry brings back, as they are on record.
///
/// # Errors
/// Those of the database.
pub async fn find_over(conn: &mut Conn, balance: BalanceId, over: &[i64]) -> Result<Vec<Lot>, DbError> {
    if over.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::find_lots(conn, balance, over).await?.into_iter().map(|record| record.lot).collect())
}
