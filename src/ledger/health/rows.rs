//! Rows that must agree with the entries beside them: lots, holds, reversals, keys, checkpoints, and the balance itself.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::Fold;
use crate::base::credits::Credits;
use crate::base::ids::EntryId;
use crate::base::json::CanonicalJson;
use crate::base::time::Time;
use crate::db::{Conn, DbError};
use crate::ledger::entry::{Entry, Origin};
use crate::ledger::model::{Balance, BalanceState, Cause, EntryKind, Hold, HoldState, Lot};
use crate::ledger::replay::made_lot;
use crate::ledger::store::{HoldRecord, LotRecord};
use crate::ledger::{reads, records, store};

/// How many lots are looked up at a time.
const CHUNK: usize = 1_000;

/// Compares the rows that entries made or changed, and finds rows between two entries that none made.
pub(super) async fn check_rows(
    conn: &mut Conn,
    fold: &mut Fold,
    between: (i64, i64),
    entries: &[Entry],
) -> Result<(), DbError> {
    let id = fold.balance;
    let lots = records::list_lots_between(conn, id, between).await?;
    fold.check_made_lots(entries, &lots);
    let holds = records::list_holds_between(conn, id, between).await?;
    fold.check_made_holds(entries, &holds);
    let is_end = |entry: &&Entry| matches!(entry.posting.kind, EntryKind::Capture | EntryKind::Release);
    let ended: Vec<&Entry> = entries.iter().filter(is_end).collect();
    let ids: Vec<_> = ended.iter().filter_map(|entry| Some(id.hold(entry.posting.hold?))).collect();
    let holds = if ids.is_empty() { Vec::new() } else { store::find_holds(conn, &ids).await? };
    for entry in ended {
        fold.check_ended_row(entry, &holds);
    }
    check_reversals(conn, fold, between, entries).await?;
    check_keys(conn, fold, entries).await
}

/// What was reversed is on record as such, and never more than was taken (L13).
async fn check_reversals(
    conn: &mut Conn,
    fold: &mut Fold,
    between: (i64, i64),
    entries: &[Entry],
) -> Result<(), DbError> {
    let id = fold.balance;
    let rows = records::list_reversal_rows(conn, id, between).await?;
    let reversals = entries.iter().filter(|entry| entry.posting.kind == EntryKind::Reversal);
    let mut told: BTreeMap<i64, (i64, Credits)> = BTreeMap::new();
    for entry in reversals {
        let posting = &entry.posting;
        told.insert(posting.sequence, (posting.reverses.unwrap_or_default(), posting.credits));
    }
    let kept: BTreeMap<i64, (i64, Credits)> =
        rows.iter().map(|(entry, sequence, credits)| (*sequence, (*entry, *credits))).collect();
    let sequences: BTreeSet<i64> = told.keys().chain(kept.keys()).copied().collect();
    for sequence in sequences {
        if told.get(&sequence) != kept.get(&sequence) {
            let detail = "What is on record as reversed is not what the entry says.";
            fold.find(Some(sequence), "L13", detail);
        }
    }
    let reversed: BTreeSet<i64> = told.values().map(|(entry, _)| *entry).collect();
    let (Some(first), Some(last)) = (reversed.first(), reversed.last()) else { return Ok(()) };
    let mut sums: BTreeMap<i64, i128> = BTreeMap::new();
    for (entry, credits) in records::list_given_back(conn, id, (*first, *last), i64::MAX).await? {
        let sum = sums.entry(entry).or_default();
        *sum = sum.saturating_add(i128::from(credits.micros()));
    }
    let ids: Vec<EntryId> = reversed.iter().map(|sequence| id.entry(*sequence)).collect();
    let found = reads::find_entries(conn, &ids).await?;
    for sequence in reversed {
        let taken = found.iter().find(|entry| entry.posting.sequence == sequence).map(|entry| &entry.posting);
        let reversible = |kind| matches!(kind, EntryKind::Usage | EntryKind::Retention | EntryKind::Capture);
        let sum = sums.get(&sequence).copied().unwrap_or_default();
        if !taken.is_some_and(|it| reversible(it.kind) && sum <= i128::from(it.credits.negated().micros())) {
            fold.find(Some(sequence), "L13", "More was given back of it than it took.");
        }
    }
    Ok(())
}

/// A key names the entry that it made (L5).
async fn check_keys(conn: &mut Conn, fold: &mut Fold, entries: &[Entry]) -> Result<(), DbError> {
    let key = |entry: &Entry| {
        let scope = i16::from(entry.note.origin == Origin::Portal);
        Some((entry.balance.customer, scope, entry.note.idempotency_key.clone()?))
    };
    let wanted: Vec<_> = entries.iter().filter_map(key).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = store::find_keys(conn, &wanted).await?;
    for entry in entries {
        let Some((_, scope, key)) = key(entry) else { continue };
        let row = rows.iter().find(|row| row.scope == scope && row.key == key);
        if row.map(|row| (row.balance, row.sequence)) != Some((entry.balance.number, entry.posting.sequence)) {
            fold.find(Some(entry.posting.sequence), "L5", "Its idempotency key is not on record as what made it.");
        }
    }
    Ok(())
}

/// Compares lots that came to their end with their rows. Where the audit goes on behind, one that is brought back there is
/// left to it.
pub(super) async fn check_closed(conn: &mut Conn, fold: &mut Fold, goes_on: bool) -> Result<(), DbError> {
    let id = fold.balance;
    let closed: Vec<Lot> = std::mem::take(&mut fold.closed).into_values().collect();
    for lots in closed.chunks(CHUNK) {
        let sequences: Vec<i64> = lots.iter().map(|lot| lot.sequence).collect();
        let rows = store::find_lots(conn, id, &sequences).await?;
        let mut wrong: Vec<i64> = lots.iter().filter(|lot| !is_on_record(lot, &rows)).map(|lot| lot.sequence).collect();
        if goes_on && !wrong.is_empty() {
            let moved = records::list_reversed_lots_behind(conn, id, fold.sequence()).await?;
            wrong.retain(|lot| !moved.contains(lot));
        }
        for lot in wrong {
            let grant = id.grant(lot);
            fold.find(Some(lot), "L3", format!("How the grant {grant} ended is not what is on record of it."));
        }
    }
    Ok(())
}

/// Compares the balance with what its entries come to, and the rows of what is open.
pub(super) async fn check_balance(
    conn: &mut Conn,
    fold: &mut Fold,
    (balance, next_change_at): (&Balance, Option<Time>),
) -> Result<(), DbError> {
    fold.compare(balance, next_change_at);
    let id = fold.balance;
    for (key, sequence) in records::list_stray_keys(conn, id).await? {
        fold.find(Some(sequence), "L5", format!("The idempotency key {key:?} names an entry that it did not make."));
    }
    let open: Vec<Lot> = fold.replay.lots.values().copied().collect();
    let sequences: Vec<i64> = open.iter().map(|lot| lot.sequence).collect();
    let rows = store::find_lots(conn, id, &sequences).await?;
    if !open.iter().all(|lot| is_on_record(lot, &rows)) {
        fold.find(None, "L3", "The grants on record as open are not those of the balance.");
    }
    let ids: Vec<_> = balance.account.holds.iter().map(|hold| id.hold(hold.sequence)).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_holds(conn, &ids).await? };
    let same = |hold: &Hold| {
        let row = rows.iter().find(|row| row.id.sequence == hold.sequence);
        let said = |row: &HoldRecord| (row.state, row.expires_at, row.captured, row.ended_at);
        row.map(said) == Some((HoldState::Active, hold.expires_at, Credits::ZERO, None))
    };
    if !balance.account.holds.iter().all(same) {
        fold.find(None, "L9", "The holds on record as active are not those of the balance.");
    }
    Ok(())
}

/// Whether a lot's row has its terms, and how it ended.
fn is_on_record(lot: &Lot, rows: &[LotRecord]) -> bool {
    let paid = lot.cost.is_some_and(|cost| cost.minor > 0);
    let said = |record: &LotRecord| (record.lot.source, record.lot.terms(), record.lot.ended, record.paid);
    let row = rows.iter().find(|row| row.lot.sequence == lot.sequence);
    row.map(said) == Some((lot.source, lot.terms(), lot.ended, paid))
}

impl Fold {
    /// A lot keeps what its entry set, but for what an amendment may change; and every row was made by an entry.
    fn check_made_lots(&mut self, entries: &[Entry], rows: &[LotRecord]) {
        let makers: Vec<&Entry> = entries.iter().filter(|entry| made_lot(&entry.posting).is_some()).collect();
        for row in rows {
            if !makers.iter().any(|entry| entry.posting.sequence == row.lot.sequence) {
                self.find(Some(row.lot.sequence), "L3", format!("No entry made the grant {}.", row.id()));
            }
        }
        for entry in makers {
            let at = Some(entry.posting.sequence);
            let (Some(row), Some(terms)) = (rows.iter().find(|row| Some(row.lot.sequence) == at), entry.posting.terms)
            else {
                self.find(at, "L3", "The grant that this entry made is not on record.");
                continue;
            };
            let lot = &row.lot;
            if (lot.credits, lot.effective_at, lot.cost) != (terms.credits, terms.effective_at, terms.cost) {
                self.find(at, "L3", "The terms of the grant on record are not those that this entry set.");
            }
            let said =
                (entry.note.reason.as_ref(), (entry.note.subscription, entry.note.purchase), entry.posting.recorded_at);
            let metadata = entry.note.metadata.clone().unwrap_or_else(CanonicalJson::empty_object);
            if (row.reason.as_ref(), (row.subscription, row.purchase), row.created_at) != said
                || row.metadata != metadata
            {
                self.find(at, "L12", "What is on record of the grant is not what was said with this entry.");
            }
        }
    }

    /// A hold keeps what its entry said, but for when it lapses; and every row was made by an entry.
    fn check_made_holds(&mut self, entries: &[Entry], rows: &[HoldRecord]) {
        let makers: Vec<&Entry> = entries.iter().filter(|entry| entry.posting.kind == EntryKind::Hold).collect();
        for row in rows {
            if !makers.iter().any(|entry| entry.posting.sequence == row.id.sequence) {
                self.find(Some(row.id.sequence), "L9", format!("No entry made the hold {}.", row.id));
            }
        }
        for entry in makers {
            let at = Some(entry.posting.sequence);
            let Some(row) = rows.iter().find(|row| Some(row.id.sequence) == at) else {
                self.find(at, "L9", "The hold that this entry made is not on record.");
                continue;
            };
            let said = (entry.note.reason.as_ref(), entry.posting.held_change, entry.posting.recorded_at);
            let metadata = entry.note.metadata.clone().unwrap_or_else(CanonicalJson::empty_object);
            if (row.reason.as_ref(), row.credits, row.created_at) != said || row.metadata != metadata {
                self.find(at, "L12", "What is on record of the hold is not what was said with this entry.");
            }
        }
    }

    /// A hold's row says how it ended (L9).
    fn check_ended_row(&mut self, entry: &Entry, rows: &[HoldRecord]) {
        let posting = &entry.posting;
        let state = match (posting.kind, posting.cause) {
            (EntryKind::Capture, _) => HoldState::Captured,
            (_, Cause::Time) => HoldState::Lapsed,
            (_, Cause::Command | Cause::Renewal(_)) => HoldState::Released,
        };
        let row = rows.iter().find(|row| Some(row.id.sequence) == posting.hold);
        let ended = (state, posting.credits.negated(), Some(posting.occurred_at));
        // A hold lapses when its time is over, and is captured or released before that.
        let in_time = row.is_some_and(|row| match row.state {
            HoldState::Lapsed => row.ended_at == Some(row.expires_at),
            _ => row.ended_at.is_some_and(|ended| ended < row.expires_at),
        });
        if row.map(|row| (row.state, row.captured, row.ended_at)) != Some(ended) || !in_time {
            self.find(Some(posting.sequence), "L9", "How the hold ended is not what is on record of it.");
        }
    }

    /// Compares the balance's own row.
    pub(super) fn compare(&mut self, balance: &Balance, next_change_at: Option<Time>) {
        let account = &balance.account;
        if account.sequence != self.sequence() {
            let (says, last) = (account.sequence, self.sequence());
            let detail = format!("The balance says that its newest entry is {says}; entry {last} is the last.");
            self.find(None, "L2", detail);
        }
        if balance.hash != self.hash {
            self.find(None, "L12", "The balance's hash is not that of its newest entry.");
        }
        self.check_sum(None, "settled", (Ok(self.replay.settled), account.settled));
        self.check_sum(None, "held", (Ok(self.replay.held), account.held));
        self.check_sum(None, "debt", (self.debt(), account.debt));
        let left =
            |lots: &[Lot]| lots.iter().map(|lot| (lot.sequence, lot.remaining, lot.held)).collect::<BTreeSet<_>>();
        let burning = self.replay.burning();
        if left(&account.lots) != left(&burning) {
            self.find(None, "L3", "What the balance says remains of its grants is not what its entries say.");
        } else if account.lots != burning {
            self.find(
                None,
                "L7",
                "The grants of the balance do not have the terms and the order that entries gave them.",
            );
        }
        let pins = |hold: &Hold| (hold.sequence, hold.credits, hold.pins.clone());
        if !account.holds.iter().map(pins).eq(self.replay.holds.values().map(pins)) {
            self.find(None, "L9", "The holds of the balance, or what they pin, are not what its entries say.");
        }
        self.compare_state(balance);
        self.compare_schedule(balance, next_change_at);
    }

    fn compare_state(&mut self, balance: &Balance) {
        let account = &balance.account;
        let last = self.last.map_or(BalanceState::Depleted, |(state, _)| state);
        let state = if balance.closed_at.is_some() { BalanceState::Closed } else { last };
        if account.state != state {
            let (expected, found) = (state.name(), account.state.name());
            self.find(None, "L15", format!("By the entries, the state is {expected}; {found} is on record."));
        }
        let says = account.recorded_at;
        match self.last {
            Some((_, last)) if says != last => {
                self.find(
                    None,
                    "L11",
                    format!("The balance stands at {says}; its newest entry was recorded at {last}."),
                );
            }
            None if says > balance.created_at.max(balance.updated_at) => {
                self.find(None, "L11", format!("The balance stands at {says}, and has no entry of that time."));
            }
            Some(_) | None => {}
        }
    }

    /// The balance knows when time alone next changes it (L8).
    fn compare_schedule(&mut self, balance: &Balance, next_change_at: Option<Time>) {
        let name = |time: Option<Time>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
        let due = balance.next_change_at();
        if next_change_at != due {
            let (expected, found) = (name(due), name(next_change_at));
            let detail = format!("By its grants, holds and periods, it next changes {expected}; on record is {found}.");
            self.find(None, "L8", detail);
        }
        let Some(at) = balance.renews_at else { return };
        let plan = balance.plan.as_deref();
        let begins = plan.and_then(|plan| plan.next_renewal(at.plus_micros(-1)));
        let last = plan.and_then(|plan| self.renewed.get(&plan.subscription).copied());
        if begins != Some(at) || last.is_some_and(|last| at <= last) {
            self.find(None, "L8", format!("At {at} no period begins that brings something yet."));
        }
    }
}
