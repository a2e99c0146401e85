//! The audit of the ledger: do entries, lots, holds, balances and the hash chain agree?
//!
//! - L2: sequences run 1, 2, 3 … up to the balance's own.
//! - L3: each entry's sums follow from the entry before it, and each lot's remaining from the lot's last change; what
//!   the entries come to is what the balance, its lots, its holds and its checkpoints say.
//! - L5: a key names the entry that it made. L6: a rating is exact. L7: spends burn lots in their order.
//! - L8: lots begin and end at their instants, and the balance knows when time next changes it. L9: holds pin what they
//!   set aside, and end once and wholly. L10: what was not covered is what was not burned.
//! - L11: entries are recorded in the order of time. L12: each hash is that of the entry behind the one before, the
//!   balance holds the last, and what was said of a lot or hold is what its entry says.
//! - L13: what is reversed is on record, and no more than was taken. L14: only what is open is voided.
//! - L15: each entry's state follows from what is available after it, and is announced where it is new.
//!
//! Not to be seen from the tables is what policy allowed at the time (L4).
//!
//! The heart is a pure fold over entries (`fold.rs`). An audit writes nothing and holds nobody up: each balance is read in
//! a snapshot of its own. A row that cannot be read is a finding, and the audit goes on with the next balance.

mod fold;
mod kinds;
mod rows;

pub use fold::Finding;
use fold::Fold;

use super::replay::Replay;
use super::{records, store};
use crate::base::ids::BalanceId;
use crate::base::time::Time;
use crate::db::{Conn, Db, DbError};
use crate::ledger::entry::Entry;

/// How many problems one audit tells at most.
pub const MAX_PROBLEMS: usize = 100;
/// How many entries one audit reads at most.
pub const MAX_ENTRIES: u64 = 50_000;
/// How many balances one audit may be asked for.
pub const MAX_BALANCES: usize = 1_000;

/// How far one audit goes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many balances it begins.
    pub balances: usize,
    /// How many entries it reads; the next goes on inside the balance where that is enough.
    pub entries: u64,
}

impl Extent {
    /// So many balances, as far as one audit may go.
    #[must_use]
    pub fn balances(balances: usize) -> Self {
        Self { balances: balances.clamp(1, MAX_BALANCES), entries: MAX_ENTRIES }
    }
}

/// How many entries are read at a time.
const CHUNK: i64 = 1_000;

/// What an audit came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many balances were gone through to their end.
    pub balances: usize,
    /// How many entries were read.
    pub entries: u64,
    /// What does not agree, at most [`MAX_PROBLEMS`].
    pub findings: Vec<Finding>,
    /// Where to go on; `None` when all is done.
    pub end: Option<Place>,
}

/// Where an audit stopped: behind a balance, or inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The balance.
    pub balance: BalanceId,
    /// How far it came within the balance; `None` when it is done with it.
    pub within: Option<Within>,
}

/// A place inside a balance. What is open there is found again from the checkpoint before it, which was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// The last entry that was checked.
    pub sequence: i64,
}

/// What an audit may still read, and what it has found.
struct Audit {
    report: Report,
    left: u64,
}

impl Audit {
    fn is_over(&self) -> bool {
        self.left == 0 || self.report.findings.len() >= MAX_PROBLEMS
    }

    fn tell(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let room = MAX_PROBLEMS.saturating_sub(self.report.findings.len());
        self.report.findings.extend(findings.into_iter().take(room));
    }

    /// Goes through one balance; answers where it stopped, if that was inside.
    async fn check(&mut self, db: &Db, id: BalanceId, from: Option<Within>) -> Result<Option<Place>, DbError> {
        let mut fold = Fold::new(id);
        let mut txn = db.long_snapshot().await?;
        let stopped = self.check_in(&mut txn, &mut fold, from).await;
        txn.rollback().await;
        let stopped = match stopped {
            // What cannot be read cannot be chained.
            Err(DbError::Corrupt(why)) => {
                let behind = fold.sequence();
                fold.find(None, "L12", format!("Of {id}, what is behind entry {behind} cannot be read: {why}."));
                self.tell(fold.findings);
                None
            }
            other => other?,
        };
        if stopped.is_none() {
            self.report.balances = self.report.balances.saturating_add(1);
        }
        Ok(stopped)
    }

    async fn check_in(
        &mut self,
        conn: &mut Conn,
        fold: &mut Fold,
        from: Option<Within>,
    ) -> Result<Option<Place>, DbError> {
        let id = fold.balance;
        if let Some(Within { sequence }) = from {
            self.resume(conn, fold, sequence).await?;
        }
        let stopped = self.read(conn, fold).await?;
        rows::check_closed(conn, fold, stopped).await?;
        if !stopped {
            fold.miss_checkpoint();
        }
        if !stopped && let Some((balance, next_change_at)) = records::find_on_record(conn, id).await? {
            rows::check_balance(conn, fold, (&balance, next_change_at)).await?;
        }
        self.tell(fold.findings.drain(..));
        Ok(stopped.then(|| fold.place()))
    }

    /// Goes back to where an earlier audit stopped.
    async fn resume(&self, conn: &mut Conn, fold: &mut Fold, sequence: i64) -> Result<(), DbError> {
        let id = fold.balance;
        let checkpoint = records::find_checkpoint(conn, id, Time::MAX, sequence).await?;
        let first = checkpoint.sequence.max(1);
        let mut begin = Some(checkpoint).filter(|checkpoint| checkpoint.sequence > 0);
        let mut replay = Replay::new(Time::MIN);
        let entries = records::list_entries_between(conn, id, (first, sequence)).await?;
        for entry in &entries {
            if let Some(checkpoint) = begin.take() {
                replay = Replay::behind(checkpoint, entry);
                continue;
            }
            let over: Vec<i64> = replay.reopened_by(entry).collect();
            for lot in records::find_over(conn, id, &over).await? {
                replay.lots.insert(lot.sequence, lot);
            }
            // What does not add up was told where it was checked.
            drop(replay.take(entry));
        }
        if let Some(last) = entries.last().filter(|last| last.posting.sequence == sequence) {
            *fold = Fold::behind(last, replay);
        }
        Ok(())
    }

    /// Folds all entries that there are; answers whether it had to stop before.
    async fn read(&mut self, conn: &mut Conn, fold: &mut Fold) -> Result<bool, DbError> {
        let mut chunk = CHUNK;
        loop {
            let behind = fold.sequence();
            let limit = chunk.min(i64::try_from(self.left).unwrap_or(chunk));
            let entries = match store::list_entries_after(conn, fold.balance, behind, limit).await {
                // One by one, those before the one that cannot be read are checked.
                Err(DbError::Corrupt(_)) if limit > 1 => {
                    chunk = 1;
                    continue;
                }
                other => other?,
            };
            let is_last = i64::try_from(entries.len()).is_ok_and(|read| read < limit);
            let up_to = entries.last().map_or(behind, |last| last.posting.sequence);
            let between = (behind, if is_last { i64::MAX } else { up_to });
            self.take(conn, fold, (&entries, between)).await?;
            rows::check_rows(conn, fold, between, &entries).await?;
            self.tell(fold.findings.drain(..));
            if is_last || self.is_over() {
                return Ok(!is_last);
            }
        }
    }

    /// Folds a chunk of entries.
    async fn take(
        &mut self,
        conn: &mut Conn,
        fold: &mut Fold,
        (entries, between): (&[Entry], (i64, i64)),
    ) -> Result<(), DbError> {
        let kept = records::list_checkpoints_between(conn, fold.balance, between).await?;
        for entry in entries {
            let over = records::find_over(conn, fold.balance, &fold.unknown_lots(entry)).await?;
            fold.take(entry, &over);
            fold.expect_checkpoint(entry);
            if let Some(kept) = kept.iter().find(|kept| kept.sequence == entry.posting.sequence) {
                fold.check_checkpoint(kept);
            }
        }
        let invented = kept.iter().find(|kept| !entries.iter().any(|entry| entry.posting.sequence == kept.sequence));
        if let Some(kept) = invented {
            fold.find(Some(kept.sequence), "L3", "There is a checkpoint where there is no entry.");
        }
        let read = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        self.report.entries = self.report.entries.saturating_add(read);
        self.left = self.left.saturating_sub(read);
        Ok(())
    }
}

impl Audit {
    /// Tells of balances between two others of which there are entries and nothing else.
    async fn check_between(
        &mut self,
        conn: &mut Conn,
        mut behind: Option<BalanceId>,
        until: Option<BalanceId>,
    ) -> Result<(), DbError> {
        while let Some(id) = records::first_with_entries(conn, behind).await?
            && until.is_none_or(|until| id < until)
            && !self.is_over()
        {
            // It may have been opened since its neighbours were listed.
            match records::find_on_record(conn, id).await {
                Ok(None) => {
                    let detail = format!("There are entries of {id}, and no balance.");
                    self.tell([Finding { balance: id, sequence: None, rule: "L2", detail }]);
                }
                // It is there; what of it cannot be read is told where it is checked.
                Ok(Some(_)) | Err(DbError::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
            behind = Some(id);
        }
        Ok(())
    }
}

/// Audits balances in order of their ids, behind or from inside the place where an earlier audit stopped.
///
/// # Errors
/// Those of the database.
pub async fn audit(db: &Db, from: Option<Place>, extent: Extent) -> Result<Report, DbError> {
    let mut audit = Audit { report: Report::default(), left: extent.entries };
    let mut behind = from.as_ref().map(|place| place.balance);
    if let Some(Place { balance, within: within @ Some(_) }) = from {
        audit.report.end = audit.check(db, balance, within).await?;
        if audit.report.end.is_some() {
            return Ok(audit.report);
        }
    }
    let left = extent.balances.saturating_sub(audit.report.balances);
    let probe = i64::try_from(left.saturating_add(1)).unwrap_or(i64::MAX);
    let page = records::list_balances_behind(&mut db.read().await?, behind, probe).await?;
    let more = page.len() > left;
    for id in page.into_iter().take(left) {
        if audit.is_over() {
            audit.report.end = behind.map(|balance| Place { balance, within: None });
            return Ok(audit.report);
        }
        audit.check_between(&mut db.read().await?, behind, Some(id)).await?;
        if let Some(place) = audit.check(db, id, None).await? {
            audit.report.end = Some(place);
            return Ok(audit.report);
        }
        behind = Some(id);
    }
    if more {
        audit.report.end = behind.map(|balance| Place { balance, within: None });
    } else {
        audit.check_between(&mut db.read().await?, behind, None).await?;
    }
    Ok(audit.report)
}

/// Audits one balance, from its beginning or from inside it.
///
/// # Errors
/// Those of the database.
pub async fn audit_one(db: &Db, balance: BalanceId, from: Option<Within>) -> Result<Report, DbError> {
    let mut audit = Audit { report: Report::default(), left: MAX_ENTRIES };
    audit.report.end = audit.check(db, balance, from).await?;
    Ok(audit.report)
}
