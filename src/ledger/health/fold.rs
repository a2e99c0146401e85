//! What entries come to: a pure fold over them that can stop and go on anywhere.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Place, Within};
use crate::base::credits::{Credits, Overflow};
use crate::base::ids::BalanceId;
use crate::base::json::CanonicalJson;
use crate::base::time::Time;
use crate::ledger::entry::Entry;
use crate::ledger::model::{Balance, BalanceState, FIRST_HASH, Hash, Lot};
use crate::ledger::rows::LotRecord;

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which balance.
    pub balance: BalanceId,
    /// At which entry, where it is about one.
    pub sequence: Option<i64>,
    /// The rule that is broken: "L2", "L3", "L8", "L11", "L12" or "L15".
    pub rule: &'static str,
    /// A full sentence.
    pub detail: String,
}

/// What entries have come to so far.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub(super) balance: BalanceId,
    pub(super) sequence: i64,
    hash: Hash,
    settled: Credits,
    held: Credits,
    /// The state and the time of the last entry.
    last: Option<(BalanceState, Time)>,
    lots: BTreeMap<i64, (Credits, Credits)>,
    pub(super) findings: Vec<Finding>,
}

/// The lot that an entry made, if it made one.
pub(super) fn made_lot(entry: &Entry) -> Option<i64> {
    let posting = &entry.posting;
    posting.grant.filter(|lot| *lot == posting.sequence)
}

/// A balance as it is on record, with all that must agree with its entries.
pub(super) struct Record {
    /// The balance.
    pub(super) balance: Balance,
    /// When time alone next changes it, as its row says.
    pub(super) next_change_at: Option<Time>,
    /// Its lots that are on record as open, by sequence.
    pub(super) lots: Vec<LotRecord>,
    /// Its holds that are on record as active, by sequence, and how much each holds.
    pub(super) holds: Vec<(i64, Credits)>,
}

impl Fold {
    pub(super) fn new(balance: BalanceId) -> Self {
        let (settled, held) = (Credits::ZERO, Credits::ZERO);
        let (lots, findings) = (BTreeMap::new(), Vec::new());
        Self { balance, sequence: 0, hash: FIRST_HASH, settled, held, last: None, lots, findings }
    }

    /// The fold as it was behind an entry that was checked before, with what was left of the lots then.
    pub(super) fn behind(entry: &Entry, lots: BTreeMap<i64, (Credits, Credits)>) -> Self {
        Self { lots, ..Self::new(entry.balance) }.at(entry)
    }

    /// Goes on from what an entry says.
    fn at(self, entry: &Entry) -> Self {
        let posting = &entry.posting;
        Self {
            sequence: posting.sequence,
            hash: entry.hash,
            settled: posting.settled_after,
            held: posting.held_after,
            last: Some((posting.state_after, posting.recorded_at)),
            ..self
        }
    }

    pub(super) fn find(&mut self, sequence: Option<i64>, rule: &'static str, detail: String) {
        self.findings.push(Finding { balance: self.balance, sequence, rule, detail });
    }

    pub(super) fn place(&self) -> Place {
        let within = Some(Within { sequence: self.sequence, lots: self.lots.clone() });
        Place { balance: self.balance, within }
    }

    /// Checks one entry, and goes on from what it says: one fault is told once.
    pub(super) fn take(&mut self, entry: &Entry) {
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
        self.check_time_and_state(entry);
        *self = std::mem::replace(self, Self::new(self.balance)).at(entry);
        self.check_lots(at);
    }

    /// Time does not go back (L11); the state is one that what is available allows, and announced where it is new (L15).
    fn check_time_and_state(&mut self, entry: &Entry) {
        let posting = &entry.posting;
        let at = Some(posting.sequence);
        if let Some((_, before)) = self.last.filter(|(_, before)| posting.recorded_at < *before) {
            let recorded = posting.recorded_at;
            self.find(at, "L11", format!("It was recorded at {recorded}, before the entry before it at {before}."));
        }
        let state = posting.state_after;
        let allowed = match posting.available_after.cmp(&Credits::ZERO) {
            Ordering::Less => state == BalanceState::Overdrawn,
            Ordering::Equal => state == BalanceState::Depleted,
            Ordering::Greater => matches!(state, BalanceState::Active | BalanceState::Low),
        };
        if !allowed {
            let (state, available) = (state.name(), posting.available_after);
            self.find(at, "L15", format!("The state after it is {state} with {available} available."));
        }
        let before = self.last.map(|(before, _)| before).filter(|before| *before != state);
        if entry.announces() != before {
            let name = |state: Option<BalanceState>| state.map_or("none", BalanceState::name);
            let (expected, found) = (name(before), name(entry.announces()));
            self.find(at, "L15", format!("It left the state {expected} by the entries; on record is {found}."));
        }
    }

    /// A lot keeps what its entry set, but for what an amendment may change.
    pub(super) fn check_made(&mut self, entry: &Entry, lots: &[LotRecord]) {
        let (Some(made), Some(terms)) = (made_lot(entry), &entry.posting.terms) else { return };
        let at = Some(made);
        let Some(record) = lots.iter().find(|record| record.lot.sequence == made) else {
            return self.find(at, "L3", "The grant that this entry made is not on record.".to_owned());
        };
        let lot = &record.lot;
        if (lot.credits, lot.effective_at, lot.cost) != (terms.credits, terms.effective_at, terms.cost) {
            self.find(at, "L3", "The terms of the grant on record are not those that this entry set.".to_owned());
        }
        let said = entry.note.metadata.clone().unwrap_or_else(CanonicalJson::empty_object);
        if (&record.reason, &record.metadata) != (&entry.note.reason, &said)
            || record.created_at != entry.posting.recorded_at
        {
            self.find(at, "L12", "What is on record of the grant is not what was said with this entry.".to_owned());
        }
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
    pub(super) fn compare(&self, record: &Record) -> Vec<Finding> {
        let mut told = Self { findings: Vec::new(), ..self.clone() };
        let account = &record.balance.account;
        if account.sequence != self.sequence {
            let (says, last) = (account.sequence, self.sequence);
            told.find(
                None,
                "L2",
                format!("The balance says that its newest entry is {says}; entry {last} is the last."),
            );
        }
        if record.balance.hash != self.hash {
            told.find(None, "L12", "The balance's hash is not that of its newest entry.".to_owned());
        }
        told.check_sum(None, "settled", (Ok(self.settled), account.settled));
        told.check_sum(None, "held", (Ok(self.held), account.held));
        told.check_sum(None, "debt", (self.debt(), account.debt));
        told.compare_state(record);
        told.compare_lots(record);
        if !account.holds.iter().map(|hold| (hold.sequence, hold.credits)).eq(record.holds.iter().copied()) {
            told.find(None, "L3", "The holds on record as active are not those of the balance.".to_owned());
        }
        let holds = account.holds.iter().try_fold(Credits::ZERO, |sum, hold| sum.plus(hold.credits));
        told.check_sum(None, "the sum of active holds", (holds, account.held));
        told.findings
    }

    fn compare_state(&mut self, Record { balance, next_change_at, .. }: &Record) {
        let account = &balance.account;
        let closed = balance.closed_at.is_some();
        let last = self.last.map_or(BalanceState::Depleted, |(state, _)| state);
        let state = if closed { BalanceState::Closed } else { last };
        if account.state != state {
            let (expected, found) = (state.name(), account.state.name());
            self.find(None, "L15", format!("By the entries, the state is {expected}; {found} is on record."));
        }
        if let Some((_, last)) = self.last.filter(|(_, last)| account.recorded_at < *last) {
            let says = account.recorded_at;
            self.find(None, "L11", format!("The balance stands at {says}; its newest entry was recorded at {last}."));
        }
        let due = balance.next_change_at();
        if *next_change_at != due {
            let name = |time: Option<Time>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
            let (expected, found) = (name(due), name(*next_change_at));
            self.find(
                None,
                "L8",
                format!("By its grants, holds and periods, it next changes {expected}; on record is {found}."),
            );
        }
    }

    fn compare_lots(&mut self, Record { balance, lots, .. }: &Record) {
        let account = &balance.account;
        let kept: BTreeMap<i64, (Credits, Credits)> = account
            .lots
            .iter()
            .map(|lot| (lot.sequence, (lot.remaining, lot.held)))
            .filter(|(_, (remaining, held))| !remaining.is_zero() || !held.is_zero())
            .collect();
        if kept != self.lots {
            self.find(
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
            self.find(None, "L3", "The grants on record as open are not those of the balance.".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::base::ids::{CustomerId, ProductId};
    use crate::base::settings::{Overdraft, Overrides};
    use crate::base::time::SECOND;
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
            let terms = Terms::of(&balance, policy, at(second));
            entries.extend(post(&mut balance, &terms, (&command, &Note::of(Origin::Api)), &mut writes).unwrap());
        }
        (balance, entries)
    }

    fn record(balance: &Balance) -> Record {
        let record = |lot: &Lot| LotRecord {
            balance: balance.account.id,
            lot: *lot,
            reason: None,
            metadata: CanonicalJson::empty_object(),
            created_at: at(0),
            subscription: None,
        };
        let mut lots: Vec<LotRecord> = balance.account.lots.iter().map(record).collect();
        lots.sort_by_key(|record| record.lot.sequence);
        let next_change_at = balance.next_change_at();
        Record { balance: balance.clone(), next_change_at, lots, holds: Vec::new() }
    }

    #[test]
    fn an_audit_may_stop_behind_any_entry_and_go_on_there() {
        let (balance, entries) = history();
        for stop in 0..=entries.len() {
            let mut first = Fold::new(balance.account.id);
            entries[..stop].iter().for_each(|entry| first.take(entry));
            let Some(Within { sequence, lots }) = first.place().within else { panic!("it is inside") };
            let last = entries.iter().find(|entry| entry.posting.sequence == sequence);
            let mut second = last.map_or(Fold::new(balance.account.id), |last| Fold::behind(last, lots));
            entries[stop..].iter().for_each(|entry| second.take(entry));
            assert_eq!(second.findings, [], "stopped behind {stop}");
            assert_eq!(second.compare(&record(&balance)), []);
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
