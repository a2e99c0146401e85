//! The order of steps: a command becomes entries, sealed and ready to be written, always inside the caller's transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::{Command, Renewal};
use super::entry::{Entry, Note};
use super::error::Refusal;
use super::model::{Account, Applied, Balance, EntryKind, Hold, HoldState, Lot, Policy};
use super::rows::{
    BalanceRow, BooksChange, CheckpointRow, EntryRow, HoldChange, HoldRow, KeyRow, LotChange, LotRecord, LotRow,
    ReversalRow, SettingsChange,
};
use super::rules;
use crate::base::credits::Credits;
use crate::base::ids::{EntryId, GrantId, HoldId};
use crate::base::time::Time;
use crate::db::{Conn, DbError};

/// What is to be written for the commands of one transaction, gathered so that each table costs one statement.
///
/// Balances themselves are handed to [`Writes::flush`], since only how they stand in the end is written.
#[derive(Debug, Default)]
pub struct Writes {
    entries: Vec<Arc<Entry>>,
    new_lots: BTreeMap<GrantId, LotRow>,
    lots: BTreeMap<GrantId, LotChange>,
    new_holds: BTreeMap<HoldId, HoldRow>,
    holds: BTreeMap<HoldId, HoldChange>,
    checkpoints: Vec<CheckpointRow>,
    reversals: Vec<ReversalRow>,
    keys: Vec<KeyRow>,
}

/// A checkpoint is kept each time that so many entries were added, so that history is told from no further back.
const CHECKPOINT: i64 = 256;

/// The terms on which a command is applied.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What rules hold for the balance.
    pub policy: Policy,
    /// What periods bring that is not posted yet.
    pub renewals: Vec<Renewal>,
    /// When a period brings something next.
    pub renews_at: Option<Time>,
    /// The present.
    pub now: Time,
    /// How far time is carried, at most to the present.
    pub until: Time,
}

impl Terms {
    /// Those of a balance now, under a policy.
    #[must_use]
    pub fn of(balance: &Balance, policy: Policy, now: Time) -> Self {
        let now = now.max(balance.account.recorded_at);
        let (renewals, renews_at) = balance.renewals(now);
        Self { policy, renewals, renews_at, now, until: now }
    }

    /// The same for a step that posts what some periods bring at most: what is due behind them waits for the next.
    #[must_use]
    pub fn in_steps(mut self, most: usize) -> Self {
        if let Some(waiting) = self.renewals.get(most) {
            self.renews_at = Some(waiting.at);
            self.until = waiting.at.plus_micros(-1).unwrap_or(waiting.at);
            self.renewals.truncate(most);
        }
        self
    }
}

/// Applies one command to a balance; the entries are sealed and gathered in `writes`.
///
/// # Errors
/// A [`Refusal`]; neither the balance nor `writes` has changed then.
pub fn post(
    balance: &mut Balance,
    terms: &Terms,
    (command, note): (&Command, &Note),
    writes: &mut Writes,
) -> Result<Vec<Arc<Entry>>, Refusal> {
    let applied = rules::apply(&balance.account, &terms.policy, command, terms.now, &terms.renewals)?;
    let entries = writes.gather(balance, applied, note);
    balance.renews_at = terms.renews_at;
    if let Command::Extend { hold, .. } = command {
        writes.gather_extension(balance, *hold);
    }
    Ok(entries)
}

/// Posts what is due, as far as time is to be carried, and nothing else.
///
/// # Errors
/// [`Refusal::BeyondBalance`], which books that are right never give.
pub fn post_due(balance: &mut Balance, terms: &Terms, writes: &mut Writes) -> Result<Vec<Arc<Entry>>, Refusal> {
    let span = rules::Span { now: terms.now, until: terms.until };
    let applied = rules::carry_to(&balance.account, &terms.policy, span, &terms.renewals)?;
    balance.renews_at = terms.renews_at;
    Ok(writes.gather(balance, applied, &Note::of(super::entry::Origin::System)))
}

impl Writes {
    /// Seals the postings behind the balance's last entry, and brings the balance up to date.
    fn gather(&mut self, balance: &mut Balance, applied: Applied, note: &Note) -> Vec<Arc<Entry>> {
        let id = balance.account.id;
        let before = std::mem::replace(&mut balance.account, applied.account);
        let mut entries = Vec::with_capacity(applied.postings.len());
        for posting in applied.postings {
            let note = note.for_cause(posting.cause);
            let entry = Entry::seal(id, posting, note, &balance.hash);
            balance.hash = entry.hash;
            self.gather_hold(&entry, &before.holds, &balance.account.holds);
            self.gather_reversal(&entry);
            entries.push(Arc::new(entry));
        }
        for lot in &applied.lots {
            let made_by = entries.iter().find(|entry| entry.posting.sequence == lot.sequence);
            self.gather_lot(id.grant(lot.sequence), lot, made_by.map(|entry| &**entry));
        }
        self.gather_checkpoint(before.sequence, &balance.account, &entries);
        self.entries.extend(entries.iter().cloned());
        entries
    }

    /// Keeps what is open now and then, and whenever entries alone would not tell: what a reversal brings back was over.
    fn gather_checkpoint(&mut self, before: i64, account: &Account, entries: &[Arc<Entry>]) {
        let passed = |sequence: i64| sequence.checked_div(CHECKPOINT);
        let brought_back = |entry: &Arc<Entry>| entry.posting.kind == EntryKind::Reversal;
        if passed(before) != passed(account.sequence) || entries.iter().any(brought_back) {
            self.checkpoints.push(CheckpointRow::of(account));
        }
    }

    fn gather_lot(&mut self, id: GrantId, lot: &Lot, made_by: Option<&Entry>) {
        if let Some(entry) = made_by {
            self.new_lots.insert(id, LotRow::of(id.balance, lot, &entry.note, entry.posting.recorded_at));
        } else if let Some(row) = self.new_lots.get_mut(&id) {
            row.change_to(lot);
        } else {
            self.lots.insert(id, LotChange::of(id.balance, lot));
        }
    }

    fn gather_hold(&mut self, entry: &Entry, before: &[Hold], after: &[Hold]) {
        let Some(sequence) = entry.posting.hold else { return };
        let id = entry.balance.hold(sequence);
        if entry.posting.kind == EntryKind::Hold {
            let expires_at = after.iter().find(|hold| hold.sequence == sequence).map(|hold| hold.expires_at);
            let expires_at = expires_at.unwrap_or(entry.posting.recorded_at);
            self.new_holds.insert(id, HoldRow::of(id, expires_at, entry));
        } else {
            let expires_at = before.iter().find(|hold| hold.sequence == sequence).map(|hold| hold.expires_at);
            let expires_at = expires_at.unwrap_or(entry.posting.occurred_at);
            self.holds.insert(id, HoldChange::ended(id, expires_at, &entry.posting));
        }
    }

    fn gather_extension(&mut self, balance: &Balance, sequence: i64) {
        let id = balance.account.id.hold(sequence);
        if let Some(hold) = balance.account.holds.iter().find(|hold| hold.sequence == sequence) {
            self.holds.insert(id, HoldChange::extended(id, hold.expires_at));
        }
    }

    fn gather_reversal(&mut self, entry: &Entry) {
        if let Some(taken_back) = entry.posting.reverses {
            self.reversals.push(ReversalRow {
                customer_id: entry.balance.customer,
                balance: entry.balance.number,
                entry: taken_back,
                sequence: entry.posting.sequence,
                credits: entry.posting.credits,
            });
        }
    }

    /// An entry among those that are to be written.
    pub(super) fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        self.entries.iter().find(|entry| entry.id() == id).cloned()
    }

    /// What of an entry is to be given back.
    pub(super) fn reversals_of(&self, id: EntryId) -> impl Iterator<Item = Credits> {
        let (customer, balance) = (id.balance.customer, id.balance.number);
        let of =
            move |row: &&ReversalRow| (row.customer_id, row.balance, row.entry) == (customer, balance, id.sequence);
        self.reversals.iter().filter(of).map(|row| row.credits)
    }

    /// The state of a hold that is to be written.
    pub(super) fn hold_state(&self, id: HoldId) -> Result<Option<HoldState>, DbError> {
        let changed = self.holds.get(&id).map(|change| change.state);
        let state = changed.or_else(|| self.new_holds.get(&id).map(|row| row.state));
        state.map(HoldState::from_number).transpose()
    }

    /// A lot that is to be written for the first time.
    pub(super) fn new_lot(&self, id: GrantId) -> Result<Option<LotRecord>, DbError> {
        self.new_lots.get(&id).cloned().map(LotRow::into_record).transpose()
    }

    /// Brings a lot up to date that was read, where a change of it is to be written.
    pub(super) fn bring_up_to_date(&self, record: &mut LotRecord) -> Result<(), DbError> {
        self.lots.get(&record.id()).map_or(Ok(()), |change| change.apply(&mut record.lot))
    }

    /// Remembers what an idempotency key did.
    pub fn remember_key(&mut self, key: KeyRow) {
        self.keys.push(key);
    }

    /// The entries so far, in the order in which they were made.
    #[must_use]
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// Writes all of it, each table in the order of its key, with the balances as they stand in the end.
    ///
    /// A balance that was written counts one revision more than in `balances`.
    ///
    /// # Errors
    /// Those of the database; [`DbError::Conflict`] and [`DbError::Duplicate`] when another transaction was first.
    /// Nothing of this may then be committed.
    pub async fn flush(mut self, conn: &mut Conn, balances: &[Changed<'_>]) -> Result<(), DbError> {
        self.entries.sort_by_key(|entry| entry.id());
        self.checkpoints.sort_by_key(|row| (row.customer_id, row.balance, row.sequence));
        self.reversals.sort_by_key(|row| (row.customer_id, row.balance, row.entry, row.sequence));
        self.keys.sort_by(|a, b| (a.customer_id, a.scope, &a.key).cmp(&(b.customer_id, b.scope, &b.key)));
        let opened = rows(balances, |changed| changed.balance.revision == 0, BalanceRow::of);
        let books = rows(balances, |changed| changed.balance.revision > 0, BooksChange::of);
        let settings = rows(balances, |changed| changed.balance.revision > 0 && changed.settings, SettingsChange::of);
        let entries: Vec<EntryRow> = self.entries.iter().map(|entry| EntryRow::of(entry)).collect();
        let new_lots: Vec<LotRow> = self.new_lots.into_values().collect();
        let lots: Vec<LotChange> = self.lots.into_values().collect();
        let new_holds: Vec<HoldRow> = self.new_holds.into_values().collect();
        let holds: Vec<HoldChange> = self.holds.into_values().collect();
        BalanceRow::insert_all(conn, opened).await?;
        BooksChange::update_all(conn, books).await?;
        SettingsChange::update_all(conn, settings).await?;
        EntryRow::insert_all(conn, entries).await?;
        LotRow::insert_all(conn, new_lots).await?;
        LotChange::update_all(conn, lots).await?;
        HoldRow::insert_all(conn, new_holds).await?;
        HoldChange::update_all(conn, holds).await?;
        CheckpointRow::insert_all(conn, self.checkpoints).await?;
        ReversalRow::insert_all(conn, self.reversals).await?;
        KeyRow::insert_all(conn, self.keys).await
    }
}

/// A balance that a transaction changed.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// As it stands in the end; its revision is still the one that was read.
    pub balance: &'a Balance,
    /// Whether its settings changed too, or it was closed.
    pub settings: bool,
}

fn rows<T>(balances: &[Changed<'_>], which: fn(&Changed<'_>) -> bool, row: fn(&Balance) -> T) -> Vec<T> {
    balances.iter().filter(|changed| which(changed)).map(|changed| row(changed.balance)).collect()
}
