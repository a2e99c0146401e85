//! What entries come to: a pure fold over them that can stop and go on anywhere.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Place, Within};
use crate::base::credits::{Credits, Overflow};
use crate::base::ids::BalanceId;
use crate::base::time::Time;
use crate::ledger::entry::Entry;
use crate::ledger::model::{BalanceState, Cause, EntryKind, FIRST_HASH, Hash, Lot};
use crate::ledger::records::Checkpoint;
use crate::ledger::replay::{Replay, ReplayError};

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which balance.
    pub balance: BalanceId,
    /// At which entry, where it is about one.
    pub sequence: Option<i64>,
    /// The rule that is broken, such as "L3".
    pub rule: &'static str,
    /// A full sentence.
    pub detail: String,
}

/// What entries have come to so far.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub(super) balance: BalanceId,
    pub(super) hash: Hash,
    /// The state and the time of the last entry.
    pub(super) last: Option<(BalanceState, Time)>,
    /// What the entries leave open.
    pub(super) replay: Replay,
    /// Lots that came to their end since the fold began, as they ended.
    pub(super) closed: BTreeMap<i64, Lot>,
    /// When each subscription last brought something, since the fold began.
    pub(super) renewed: BTreeMap<i32, Time>,
    /// The reversal behind which a checkpoint must come before the next command.
    awaits: Option<i64>,
    pub(super) findings: Vec<Finding>,
}

impl Fold {
    pub(super) const fn new(balance: BalanceId) -> Self {
        Self {
            balance,
            hash: FIRST_HASH,
            last: None,
            replay: Replay::new(Time::MIN),
            closed: BTreeMap::new(),
            renewed: BTreeMap::new(),
            awaits: None,
            findings: Vec::new(),
        }
    }

    /// The fold as it was behind an entry that was checked before.
    pub(super) fn behind(entry: &Entry, replay: Replay) -> Self {
        let last = Some((entry.posting.state_after, entry.posting.recorded_at));
        Self { hash: entry.hash, last, replay, ..Self::new(entry.balance) }
    }

    pub(super) fn find(&mut self, sequence: Option<i64>, rule: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding { balance: self.balance, sequence, rule, detail: detail.into() });
    }

    /// The newest entry that was checked.
    pub(super) const fn sequence(&self) -> i64 {
        self.replay.sequence
    }

    pub(super) fn place(&self) -> Place {
        Place { balance: self.balance, within: Some(Within { sequence: self.sequence() }) }
    }

    /// Lots that an entry brings back and that nothing is known of here: they were over before the fold began.
    pub(super) fn unknown_lots(&self, entry: &Entry) -> Vec<i64> {
        self.replay.reopened_by(entry).filter(|lot| !self.closed.contains_key(lot)).collect()
    }

    /// Checks one entry, and goes on from what it says: one fault is told once. `over` are lots that it may bring back.
    pub(super) fn take(&mut self, entry: &Entry, over: &[Lot]) {
        let posting = &entry.posting;
        let at = Some(posting.sequence);
        let expected = self.sequence().saturating_add(1);
        if posting.sequence != expected {
            self.find(at, "L2", format!("Entry {} follows where entry {expected} is missing.", posting.sequence));
        }
        if entry.hash != entry.hash_behind(&self.hash) {
            self.find(at, "L12", "The hash is not that of this entry behind the one before it.");
        }
        let Replay { settled, held, .. } = self.replay;
        self.check_sum(at, "settledAfter", (settled.plus(posting.credits), posting.settled_after));
        self.check_sum(at, "heldAfter", (held.plus(posting.held_change), posting.held_after));
        let available = posting.settled_after.minus(posting.held_after);
        self.check_sum(at, "availableAfter", (available, posting.available_after));
        self.reopen(entry, over);
        self.check_allocations(entry);
        self.check_kind(entry);
        self.check_time_and_state(entry);
        let burned = self.last_burned(entry);
        match self.replay.take(entry) {
            Ok(closed) => self.closed.extend(closed.into_iter().map(|lot| (lot.sequence, lot))),
            Err(ReplayError::Overflow) => {
                self.find(at, "L3", "What remains of a grant is beyond what a balance holds.");
            }
            Err(ReplayError::MakesNoLot(kind)) => {
                self.find(at, "L3", format!("It makes a grant, which no entry of the kind {kind:?} does."));
            }
        }
        self.check_order(at, burned);
        if let Cause::Renewal(subscription) = posting.cause {
            self.renewed.insert(subscription, posting.occurred_at);
        }
        self.hash = entry.hash;
        self.last = Some((posting.state_after, posting.recorded_at));
        self.check_lots(at);
    }

    /// A lot that was over is open again; only a reversal does that.
    fn reopen(&mut self, entry: &Entry, over: &[Lot]) {
        let at = Some(entry.posting.sequence);
        let reopened: Vec<i64> = self.replay.reopened_by(entry).collect();
        for sequence in reopened {
            let grant = self.balance.grant(sequence);
            if entry.posting.kind != EntryKind::Reversal {
                self.find(at, "L3", format!("It moves the grant {grant}, of which nothing is left."));
            }
            let known =
                self.closed.remove(&sequence).or_else(|| over.iter().find(|lot| lot.sequence == sequence).copied());
            match known {
                Some(lot) => drop(self.replay.lots.insert(sequence, lot)),
                None => self.find(at, "L3", format!("It moves the grant {grant}, which no entry made.")),
            }
        }
    }

    /// What is left of each lot follows from what was left before.
    fn check_allocations(&mut self, entry: &Entry) {
        let at = Some(entry.posting.sequence);
        for part in &entry.posting.allocations {
            let made = self.replay.lots.get(&part.lot);
            let before = made.map(|lot| lot.remaining).unwrap_or_default();
            let what = format!("what remains of the grant {}", self.balance.grant(part.lot));
            self.check_sum(at, &what, (before.plus(part.credits), part.remaining_after));
        }
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

    pub(super) fn check_sum(&mut self, at: Option<i64>, what: &str, sums: (Result<Credits, Overflow>, Credits)) {
        let (expected, found) = sums;
        match expected {
            Ok(expected) if expected == found => {}
            Ok(expected) => self.find(at, "L3", format!("By the entries, {what} is {expected}; {found} is on record.")),
            Err(Overflow) => self.find(at, "L3", format!("By the entries, {what} is beyond what a balance holds.")),
        }
    }

    /// What is kept as open behind an entry is what the entries leave open; when holds lapse stands elsewhere.
    pub(super) fn check_checkpoint(&mut self, kept: &Checkpoint) {
        let pins = |holds: &[crate::ledger::model::Hold]| {
            holds.iter().map(|hold| (hold.sequence, hold.credits, hold.pins.clone())).collect::<Vec<_>>()
        };
        let holds: Vec<_> = self.replay.holds.values().cloned().collect();
        self.awaits = None;
        let recorded_at = self.last.map(|(_, recorded_at)| recorded_at);
        if kept.lots != self.replay.burning() || pins(&kept.holds) != pins(&holds) || kept.recorded_at != recorded_at {
            let detail = "The checkpoint behind this entry does not hold what the entries leave open.";
            self.find(Some(kept.sequence), "L3", detail);
        }
    }

    /// What a reversal brings back was over: what is open behind it is kept, else history could not be told from there.
    pub(super) fn expect_checkpoint(&mut self, entry: &Entry) {
        if entry.posting.cause == Cause::Command {
            self.miss_checkpoint();
        }
        if entry.posting.kind == EntryKind::Reversal {
            self.awaits = Some(entry.posting.sequence);
        }
    }

    /// Nothing comes any more that could be the checkpoint.
    pub(super) fn miss_checkpoint(&mut self) {
        if let Some(sequence) = self.awaits.take() {
            self.find(Some(sequence), "L3", "There is no checkpoint behind this reversal.");
        }
    }

    fn sum(&self, of: fn(&Lot) -> Credits) -> Result<Credits, Overflow> {
        self.replay.lots.values().try_fold(Credits::ZERO, |sum, lot| sum.plus(of(lot)))
    }

    /// What was spent beyond the lots: settled = Σ remaining − debt.
    pub(super) fn debt(&self) -> Result<Credits, Overflow> {
        self.replay.debt()
    }

    /// Σ pinned = held = Σ active holds; a lot has no less than is pinned of it; debt is not below zero and stands beside no
    /// free lot.
    fn check_lots(&mut self, at: Option<i64>) {
        let held = self.replay.held;
        self.check_sum(at, "what holds pin of the grants", (self.sum(|lot| lot.held), held));
        let holds = self.replay.holds.values().try_fold(Credits::ZERO, |sum, hold| sum.plus(hold.credits));
        self.check_sum(at, "the sum of active holds", (holds, held));
        let wrong = self.replay.lots.values().find(|lot| lot.held < Credits::ZERO || lot.remaining < lot.held);
        if let Some(Lot { sequence, remaining, held, .. }) = wrong {
            let grant = self.balance.grant(*sequence);
            self.find(at, "L3", format!("Of the grant {grant}, {remaining} remains and {held} is held."));
        }
        let free = self.sum(|lot| lot.remaining).and_then(|all| all.minus(held));
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
                self.find(at, "L3", "What remains of the grants is beyond what a balance holds.");
            }
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
    use crate::ledger::model::{Balance, DEFAULT_PRIORITY, GrantSource, Policy};
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

    #[test]
    fn an_audit_may_stop_behind_any_entry_and_go_on_there() {
        let (balance, entries) = history();
        for stop in 0..=entries.len() {
            let mut first = Fold::new(balance.account.id);
            entries[..stop].iter().for_each(|entry| first.take(entry, &[]));
            let Some(Within { sequence }) = first.place().within else { panic!("it is inside") };
            let last = entries.iter().find(|entry| entry.posting.sequence == sequence);
            let mut second = last.map_or(Fold::new(balance.account.id), |last| Fold::behind(last, first.replay));
            entries[stop..].iter().for_each(|entry| second.take(entry, &[]));
            second.compare(&balance, balance.next_change_at());
            assert_eq!(second.findings, [], "stopped behind {stop}");
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
                fold.take(&entry, &[]);
            }
            let rules: Vec<&str> = fold.findings.iter().map(|finding| finding.rule).collect();
            assert!(rules.contains(&"L3"), "tampered with {tampered}: {rules:?}");
        }
    }
}
