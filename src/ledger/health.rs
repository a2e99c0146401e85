//! The audit of the ledger: do entries, lots, holds, balances and the hash chain agree?
//!
//! - L2: sequences run 1, 2, 3 … up to the balance's own.
//! - L3: each entry's sums follow from the entry before it, and each lot's remaining from the lot's last change; what
//!   the entries come to is what the balance, its lots and its holds say.
//! - L12: each hash is that of the entry behind the one before, and the balance holds the last.
//!
//! The heart is a pure fold over entries, `Fold`, that can stop and go on anywhere. An audit writes nothing and holds
//! nothing up: where a balance moves while it is looked at, it is looked at again.

use std::collections::BTreeMap;

use super::entry::{Entry, FIRST_HASH, Hash};
use super::model::{Balance, Lot};
use super::rows::LotRecord;
use super::{reads, store};
use crate::base::credits::{Credits, Overflow};
use crate::base::ids::BalanceId;
use crate::db::{Conn, DbError};

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
/// How often a balance is looked at that keeps moving.
const LOOKS: u32 = 20;

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which balance.
    pub balance: BalanceId,
    /// At which entry, where it is about one.
    pub sequence: Option<i64>,
    /// The rule that is broken: "L2", "L3" or "L12".
    pub rule: &'static str,
    /// A full sentence.
    pub detail: String,
}

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

/// What entries have come to so far.
#[derive(Clone, Debug)]
struct Fold {
    balance: BalanceId,
    sequence: i64,
    hash: Hash,
    settled: Credits,
    held: Credits,
    lots: BTreeMap<i64, (Credits, Credits)>,
    findings: Vec<Finding>,
}

impl Fold {
    fn new(balance: BalanceId) -> Self {
        let (settled, held) = (Credits::ZERO, Credits::ZERO);
        let (lots, findings) = (BTreeMap::new(), Vec::new());
        Self { balance, sequence: 0, hash: FIRST_HASH, settled, held, lots, findings }
    }

    fn find(&mut self, sequence: Option<i64>, rule: &'static str, detail: String) {
        self.findings.push(Finding { balance: self.balance, sequence, rule, detail });
    }

    fn place(&self) -> Place {
        let within = Some(Within { sequence: self.sequence, lots: self.lots.clone() });
        Place { balance: self.balance, within }
    }

    /// Checks one entry, and goes on from what it says: one fault is told once.
    fn take(&mut self, entry: &Entry) {
        let posting = &entry.posting;
        let at = Some(posting.sequence);
        let expected = self.sequence.saturating_add(1);
        if posting.sequence != expected {
            self.find(at, "L2", format!("Entry {} follows where entry {expected} is missing.", posting.sequence));
        }
        if entry.hash != entry.hash_behind(&self.hash) {
            self.find(at, "L12", "The hash is not that of this entry behind the one before it.".to_owned());
        }
        self.check_sum(at, "settledAfter", (self.settled.plus(posting.credits), posting.settled_after));
        self.check_sum(at, "heldAfter", (self.held.plus(posting.held_change), posting.held_after));
        let available = posting.settled_after.minus(posting.held_after);
        self.check_sum(at, "availableAfter", (available, posting.available_after));
        for allocation in &posting.allocations {
            let (remaining, held) = self.lots.get(&allocation.lot).copied().unwrap_or_default();
            let what = format!("what remains of the grant {}", self.balance.grant(allocation.lot));
            self.check_sum(at, &what, (remaining.plus(allocation.credits), allocation.remaining_after));
            let held = held.plus(allocation.held_change).unwrap_or_default();
            self.set_lot(allocation.lot, (allocation.remaining_after, held));
        }
        (self.sequence, self.hash) = (posting.sequence, entry.hash);
        (self.settled, self.held) = (posting.settled_after, posting.held_after);
        self.check_lots(at);
    }

    fn check_sum(&mut self, at: Option<i64>, what: &str, sums: (Result<Credits, Overflow>, Credits)) {
        let (expected, found) = sums;
        match expected {
            Ok(expected) if expected == found => {}
            Ok(expected) => self.find(at, "L3", format!("By the entries, {what} is {expected}; {found} is on record.")),
            Err(Overflow) => self.find(at, "L3", format!("By the entries, {what} is beyond what a balance holds.")),
        }
    }

    fn set_lot(&mut self, lot: i64, (remaining, held): (Credits, Credits)) {
        if remaining.is_zero() && held.is_zero() {
            self.lots.remove(&lot);
        } else {
            self.lots.insert(lot, (remaining, held));
        }
    }

    fn sum(&self, of: fn(&(Credits, Credits)) -> Credits) -> Result<Credits, Overflow> {
        self.lots.values().try_fold(Credits::ZERO, |sum, lot| sum.plus(of(lot)))
    }

    /// What was spent beyond the lots: settled = Σ remaining − debt.
    fn debt(&self) -> Result<Credits, Overflow> {
        self.sum(|(remaining, _)| *remaining)?.minus(self.settled)
    }

    /// Σ pinned = held; a lot has no less than is pinned of it; debt is not below zero and stands beside no free lot.
    fn check_lots(&mut self, at: Option<i64>) {
        self.check_sum(at, "what holds pin of the grants", (self.sum(|(_, held)| *held), self.held));
        let wrong = self.lots.iter().find(|(_, (remaining, held))| *held < Credits::ZERO || remaining < held);
        if let Some((&lot, (remaining, held))) = wrong {
            let grant = self.balance.grant(lot);
            self.find(at, "L3", format!("Of the grant {grant}, {remaining} remains and {held} is held."));
        }
        let free = self.sum(|(remaining, _)| *remaining).and_then(|all| all.minus(self.held));
        match (self.debt(), free) {
            (Ok(debt), _) if debt < Credits::ZERO => {
                let missing = debt.negated();
                self.find(at, "L3", format!("The grants have {missing} less than the entries add up to."));
            }
            (Ok(debt), Ok(free)) if debt.is_positive() && free.is_positive() => {
                self.find(at, "L3", format!("A debt of {debt} stands beside {free} that is free."));
            }
            (Ok(_), Ok(_)) => {}
            (Err(Overflow), _) | (_, Err(Overflow)) => {
                self.find(at, "L3", "What remains of the grants is beyond what a balance holds.".to_owned());
            }
        }
    }

    /// What does not agree between the entries and the balance with its lots and holds.
    fn compare(&self, balance: &Balance, lots: &[LotRecord], holds: &[(i64, Credits)]) -> Vec<Finding> {
        let mut told = Self { findings: Vec::new(), ..self.clone() };
        let account = &balance.account;
        if account.sequence != self.sequence {
            let (says, last) = (account.sequence, self.sequence);
            told.find(
                None,
                "L2",
                format!("The balance says that its newest entry is {says}; entry {last} is the last."),
            );
        }
        if balance.hash != self.hash {
            told.find(None, "L12", "The balance's hash is not that of its newest entry.".to_owned());
        }
        told.check_sum(None, "settled", (Ok(self.settled), account.settled));
        told.check_sum(None, "held", (Ok(self.held), account.held));
        told.check_sum(None, "debt", (self.debt(), account.debt));
        let kept: BTreeMap<i64, (Credits, Credits)> = account
            .lots
            .iter()
            .map(|lot| (lot.sequence, (lot.remaining, lot.held)))
            .filter(|(_, (remaining, held))| !remaining.is_zero() || !held.is_zero())
            .collect();
        if kept != self.lots {
            told.find(
                None,
                "L3",
                "What the balance says remains of its grants is not what its entries say.".to_owned(),
            );
        }
        let open = |lot: &&Lot| lot.ended.is_none();
        let terms = |lot: &Lot| (lot.sequence, lot.source, lot.terms());
        let mut of_balance: Vec<_> = account.lots.iter().filter(open).map(terms).collect();
        of_balance.sort_by_key(|(sequence, ..)| *sequence);
        if !of_balance.into_iter().eq(lots.iter().map(|record| terms(&record.lot))) {
            told.find(None, "L3", "The grants on record as open are not those of the balance.".to_owned());
        }
        if !account.holds.iter().map(|hold| (hold.sequence, hold.credits)).eq(holds.iter().copied()) {
            told.find(None, "L3", "The holds on record as active are not those of the balance.".to_owned());
        }
        let holds = account.holds.iter().try_fold(Credits::ZERO, |sum, hold| sum.plus(hold.credits));
        told.check_sum(None, "the sum of active holds", (holds, account.held));
        told.findings
    }
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
    async fn check(
        &mut self,
        conn: &mut Conn,
        mut balance: Balance,
        from: Option<Within>,
    ) -> Result<Option<Place>, DbError> {
        let id = balance.account.id;
        let mut fold = resume(conn, id, from).await?;
        for _ in 0..LOOKS {
            if self.read(conn, &mut fold).await? {
                return Ok(Some(fold.place()));
            }
            let lots = reads::list_open_lots(conn, id).await?;
            let holds = reads::list_active_holds(conn, id).await?;
            let findings = fold.compare(&balance, &lots, &holds);
            if findings.is_empty() {
                break;
            }
            let Some(again) = store::find_balances(conn, &[id]).await?.pop() else { break };
            if again.revision == balance.revision {
                self.tell(findings);
                break;
            }
            balance = again;
        }
        self.report.balances = self.report.balances.saturating_add(1);
        Ok(None)
    }

    /// Folds all entries that there are; answers whether it had to stop before.
    async fn read(&mut self, conn: &mut Conn, fold: &mut Fold) -> Result<bool, DbError> {
        loop {
            let limit = CHUNK.min(i64::try_from(self.left).unwrap_or(CHUNK));
            let entries = store::list_entries_after(conn, fold.balance, fold.sequence, limit).await?;
            for entry in &entries {
                fold.take(entry);
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

/// The fold as it was behind a place.
async fn resume(conn: &mut Conn, id: BalanceId, from: Option<Within>) -> Result<Fold, DbError> {
    let mut fold = Fold::new(id);
    let Some(Within { sequence, lots }) = from else { return Ok(fold) };
    if let Some(entry) = store::find_entry(conn, id, sequence).await? {
        (fold.sequence, fold.hash) = (sequence, entry.hash);
        (fold.settled, fold.held) = (entry.posting.settled_after, entry.posting.held_after);
        fold.lots = lots;
    }
    Ok(fold)
}

/// Audits balances in order of their ids, behind or from inside the place where an earlier audit stopped.
///
/// # Errors
/// Those of the database.
pub async fn audit(conn: &mut Conn, from: Option<Place>, extent: Extent) -> Result<Report, DbError> {
    let mut audit = Audit { report: Report::default(), left: extent.entries };
    let mut behind = from.as_ref().map(|place| place.balance);
    if let Some(Place { balance: id, within: Some(within) }) = from
        && let Some(balance) = store::find_balances(conn, &[id]).await?.pop()
    {
        audit.report.end = audit.check(conn, balance, Some(within)).await?;
        if audit.report.end.is_some() {
            return Ok(audit.report);
        }
    }
    let left = extent.balances.saturating_sub(audit.report.balances);
    let probe = i64::try_from(left.saturating_add(1)).unwrap_or(i64::MAX);
    let page = reads::list_balances_behind(conn, behind, probe).await?;
    let more = page.len() > left;
    for balance in page.into_iter().take(left) {
        let id = balance.account.id;
        if audit.is_over() {
            audit.report.end = behind.map(|balance| Place { balance, within: None });
            return Ok(audit.report);
        }
        if let Some(place) = audit.check(conn, balance, None).await? {
            audit.report.end = Some(place);
            return Ok(audit.report);
        }
        behind = Some(id);
    }
    if more {
        audit.report.end = behind.map(|balance| Place { balance, within: None });
    }
    Ok(audit.report)
}

/// Audits one balance, from its beginning or from inside it.
///
/// # Errors
/// Those of the database.
pub async fn audit_one(conn: &mut Conn, balance: Balance, from: Option<Within>) -> Result<Report, DbError> {
    let mut audit = Audit { report: Report::default(), left: MAX_ENTRIES };
    audit.report.end = audit.check(conn, balance, from).await?;
    Ok(audit.report)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::base::ids::{CustomerId, ProductId};
    use crate::base::settings::{Overdraft, Overrides};
    use crate::base::time::{SECOND, Time};
    use crate::ledger::command::{Command, Cover, NewGrant, Overrun, Spend, SpendKind};
    use crate::ledger::entry::{Note, Origin};
    use crate::ledger::model::{DEFAULT_PRIORITY, GrantSource, Policy};
    use crate::ledger::service::{Terms, Writes, post};

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds.saturating_mul(SECOND)).unwrap()
    }

    fn credits(whole: i64) -> Credits {
        Credits::from_micros(whole.saturating_mul(1_000_000))
    }

    fn grant(whole: i64, effective_at: Option<Time>, expires_at: Option<Time>) -> Command {
        let (source, priority) = (GrantSource::TopUp, DEFAULT_PRIORITY);
        Command::Grant(NewGrant { source, credits: credits(whole), priority, effective_at, expires_at, cost: None })
    }

    fn spend(whole: i64) -> Command {
        let (kind, cover) = (SpendKind::Usage, Cover::AsFarAsAllowed);
        Command::Spend(Spend { kind, credits: credits(whole), cover, occurred_at: None })
    }

    /// A balance with a life of its own: debt, a hold over a lot that expires, a lot that begins.
    fn history() -> (Balance, Vec<Arc<Entry>>) {
        let id = BalanceId { customer: CustomerId(Uuid::from_u128(7)), number: 1 };
        let mut balance = Balance::open(id, ProductId(Uuid::nil()), Overrides::default(), at(0));
        let policy = Policy { threshold: None, overdraft: Overdraft::Allow { limit: None } };
        let mut writes = Writes::default();
        let commands = [
            (1, grant(10, None, Some(at(6)))),
            (2, Command::Hold { credits: credits(4), expires_at: at(100) }),
            (3, spend(8)),
            (4, grant(5, Some(at(8)), None)),
            (7, Command::Capture { hold: 2, credits: Some(credits(1)), overrun: Overrun::Reject }),
            (9, spend(1)),
            (10, grant(20, None, None)),
        ];
        let mut entries = Vec::new();
        for (second, command) in commands {
            let terms = Terms { policy: &policy, renewals: &[], now: at(second) };
            entries.extend(post(&mut balance, terms, (&command, &Note::of(Origin::Api)), &mut writes).unwrap());
        }
        (balance, entries)
    }

    fn open_lots(balance: &Balance) -> Vec<LotRecord> {
        let record = |lot: &Lot| LotRecord {
            balance: balance.account.id,
            lot: *lot,
            reason: None,
            metadata: crate::base::json::CanonicalJson::empty_object(),
            created_at: at(0),
        };
        let mut lots: Vec<LotRecord> = balance.account.lots.iter().map(record).collect();
        lots.sort_by_key(|record| record.lot.sequence);
        lots
    }

    #[test]
    fn an_audit_may_stop_behind_any_entry_and_go_on_there() {
        let (balance, entries) = history();
        for stop in 0..=entries.len() {
            let mut first = Fold::new(balance.account.id);
            entries[..stop].iter().for_each(|entry| first.take(entry));
            let Some(Within { sequence, lots }) = first.place().within else { panic!("it is inside") };
            let mut second = Fold { lots, ..Fold::new(balance.account.id) };
            if let Some(last) = entries[..stop].last() {
                (second.sequence, second.hash) = (sequence, last.hash);
                (second.settled, second.held) = (last.posting.settled_after, last.posting.held_after);
            }
            entries[stop..].iter().for_each(|entry| second.take(entry));
            assert_eq!(second.findings, [], "stopped behind {stop}");
            assert_eq!(second.compare(&balance, &open_lots(&balance), &[]), []);
        }
    }

    #[test]
    fn what_an_entry_says_of_its_lots_must_follow_from_the_entries_before() {
        let (balance, entries) = history();
        for tampered in 0..entries.len() {
            let mut fold = Fold::new(balance.account.id);
            for (place, entry) in entries.iter().enumerate() {
                let mut entry = Entry::clone(entry);
                if place == tampered {
                    let Some(allocation) = entry.posting.allocations.first_mut() else { continue };
                    allocation.remaining_after = allocation.remaining_after.plus(Credits::from_micros(1)).unwrap();
                }
                fold.take(&entry);
            }
            let rules: Vec<&str> = fold.findings.iter().map(|finding| finding.rule).collect();
            assert!(rules.contains(&"L3"), "tampered with {tampered}: {rules:?}");
        }
    }
}
