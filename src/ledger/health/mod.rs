//! The audit of the ledger: do entries, lots, holds, balances and the hash chain agree?
//!
//! - L2: sequences run 1, 2, 3 … up to the balance's own.
//! - L3: each entry's sums follow from the entry before it, and each lot's remaining from the lot's last change; what
//!   the entries come to is what the balance, its lots and its holds say.
//! - L8: the balance knows when time next changes it. L11: entries are recorded in the order of time.
//! - L12: each hash is that of the entry behind the one before, and the balance holds the last.
//! - L15: each entry's state follows from what is available after it, and is announced where it is new.
//!
//! The heart is a pure fold over entries (`fold.rs`). An audit writes nothing and holds nobody up: each balance is read in
//! a snapshot of its own. A row that cannot be read is a finding, and the audit goes on with the next balance.

mod fold;

use std::collections::BTreeMap;

pub use fold::Finding;
use fold::{Fold, Record};

use super::{records, store};
use crate::base::credits::Credits;
use crate::base::ids::BalanceId;
use crate::db::{Conn, Db, DbError};

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

/// A place inside a balance. The entry there is read again; of the lots only what is left of them must be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The last entry that was checked.
    pub sequence: i64,
    /// Remaining and held of each lot that has some, by sequence.
    pub lots: BTreeMap<i64, (Credits, Credits)>,
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
                let behind = fold.sequence;
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
        if let Some(Within { sequence, lots }) = from
            && let Some(entry) = store::find_entry(conn, id, sequence).await?
        {
            *fold = Fold::behind(&entry, lots);
        }
        if self.read(conn, fold).await? {
            return Ok(Some(fold.place()));
        }
        if let Some((balance, next_change_at)) = records::find_on_record(conn, id).await? {
            let lots = records::list_open_lots(conn, id).await?;
            let holds = records::list_active_holds(conn, id).await?;
            self.tell(fold.compare(&Record { balance, next_change_at, lots, holds }));
        }
        Ok(None)
    }

    /// Folds all entries that there are; answers whether it had to stop before.
    async fn read(&mut self, conn: &mut Conn, fold: &mut Fold) -> Result<bool, DbError> {
        let mut chunk = CHUNK;
        loop {
            let limit = chunk.min(i64::try_from(self.left).unwrap_or(chunk));
            let entries = match store::list_entries_after(conn, fold.balance, fold.sequence, limit).await {
                // One by one, those before the one that cannot be read are checked.
                Err(DbError::Corrupt(_)) if limit > 1 => {
                    chunk = 1;
                    continue;
                }
                other => other?,
            };
            let made: Vec<i64> = entries.iter().filter_map(fold::made_lot).collect();
            let lots = store::find_lots(conn, fold.balance, &made).await?;
            for entry in &entries {
                fold.take(entry);
                fold.check_made(entry, &lots);
                self.report.entries = self.report.entries.saturating_add(1);
                self.left = self.left.saturating_sub(1);
                self.tell(fold.findings.drain(..));
                if self.is_over() {
                    return Ok(true);
                }
            }
            if i64::try_from(entries.len()).is_ok_and(|read| read < limit) {
                return Ok(false);
            }
        }
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
            if let Ok(None) = records::find_on_record(conn, id).await {
                let detail = format!("There are entries of {id}, and no balance.");
                self.tell([Finding { balance: id, sequence: None, rule: "L2", detail }]);
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
