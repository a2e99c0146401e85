//! What entries must add up to, found out from the entries alone: no model, no account, only sums.

use std::collections::BTreeMap;

use scrip::base::credits::Credits;
use scrip::base::settings::Overdraft;
use scrip::base::time::Time;
use scrip::ledger::model::{Account, BalanceState, Cause, EntryKind, Lot, Policy, Posting};

/// The sums over the entries seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit {
    entries: i64,
    settled: i64,
    held: i64,
    debt: i64,
    /// Remaining and held of each lot.
    lots: BTreeMap<i64, (i64, i64)>,
    /// What each active hold holds.
    holds: BTreeMap<i64, i64>,
    state: Option<BalanceState>,
    recorded_at: Option<Time>,
}

impl Audit {
    /// Adds the entries of one call, made under `policy`.
    pub(crate) fn add(&mut self, entries: &[Posting], policy: &Policy) {
        for entry in entries {
            self.number(entry);
            self.time(entry);
            self.state(entry, policy);
            let available = self.settled - self.held;
            self.sums(entry);
            self.hold(entry);
            self.floor(entry, available, policy);
        }
        let due = entries.iter().filter(|entry| entry.cause != Cause::Command);
        // What ends at once when a command freed it comes behind the command, at the command's instant.
        assert!(due.map(|entry| entry.occurred_at).is_sorted(), "L8: in the order of their instants: {entries:#?}");
    }

    /// L2.
    fn number(&mut self, entry: &Posting) {
        self.entries += 1;
        assert_eq!(entry.sequence, self.entries, "L2: no gap");
    }

    /// L8, L11.
    fn time(&mut self, entry: &Posting) {
        assert!(self.recorded_at <= Some(entry.recorded_at), "L11: recordedAt does not go back: {entry:#?}");
        self.recorded_at = Some(entry.recorded_at);
        if entry.cause != Cause::Command {
            assert!(entry.occurred_at <= entry.recorded_at, "L8: nothing is posted before its time: {entry:#?}");
        }
    }

    /// L15.
    fn state(&mut self, entry: &Posting, policy: &Policy) {
        assert_eq!(entry.state_before, self.state, "L15: the state before is the one after the entry before");
        self.state = Some(entry.state_after);
        let available = entry.available_after.micros();
        let threshold = policy.threshold.map_or(0, Credits::micros);
        let state = match available {
            n if n < 0 => BalanceState::Overdrawn,
            0 => BalanceState::Depleted,
            n if n <= threshold => BalanceState::Low,
            _ => BalanceState::Active,
        };
        assert_eq!(entry.state_after, state, "L15: by the threshold in force: {entry:#?}");
    }

    /// L3.
    fn sums(&mut self, entry: &Posting) {
        self.settled += entry.credits.micros();
        self.held += entry.held_change.micros();
        let (debt, mut named) = (self.debt, Vec::new());
        for allocation in &entry.allocations {
            assert!(!named.contains(&allocation.lot), "L3: one allocation a lot: {entry:#?}");
            named.push(allocation.lot);
            let (remaining, held) = self.lots.entry(allocation.lot).or_default();
            *remaining += allocation.credits.micros();
            *held += allocation.held_change.micros();
            assert_eq!(allocation.remaining_after.micros(), *remaining, "L3: the lot's remaining after it: {entry:#?}");
            let changes = !allocation.credits.is_zero() || !allocation.held_change.is_zero();
            let makes = allocation.lot == entry.sequence || entry.kind == EntryKind::Activation;
            assert!(changes || makes, "L3: only lots that change: {entry:#?}");
        }
        assert!(self.lots.values().all(|(remaining, held)| 0 <= *held && held <= remaining), "L3: no lot below 0");
        let remaining: i64 = self.lots.values().map(|(remaining, _)| remaining).sum();
        let pinned: i64 = self.lots.values().map(|(_, held)| held).sum();
        self.debt = remaining - self.settled;
        assert!(self.debt >= 0, "L3: settled is what the lots hold, less debt: {entry:#?}");
        let allocated: i64 = entry.allocations.iter().map(|allocation| allocation.credits.micros()).sum();
        assert_eq!(allocated, entry.credits.micros() + self.debt - debt, "L3: allocations: {entry:#?}");
        assert_eq!(pinned, self.held, "L3: held is what is pinned: {entry:#?}");
        assert!(self.debt == 0 || remaining == pinned, "L3: debt beside free credits: {entry:#?}");
        assert_eq!(entry.settled_after.micros(), self.settled, "L3: {entry:#?}");
        assert_eq!(entry.held_after.micros(), self.held, "L3: {entry:#?}");
        assert_eq!(entry.available_after.micros(), self.settled - self.held, "L3: {entry:#?}");
        let greatest = 9_000_000_000_000_000_000;
        assert!(self.settled.abs() <= greatest && self.held <= greatest, "L6: {entry:#?}");
    }

    /// L3, L9.
    fn hold(&mut self, entry: &Posting) {
        match (entry.kind, entry.hold) {
            (EntryKind::Hold, Some(hold)) => {
                assert_eq!(hold, entry.sequence, "a hold is named by the entry that made it");
                self.holds.insert(hold, entry.held_change.micros());
            }
            (EntryKind::Capture | EntryKind::Release, Some(hold)) => {
                let freed = self.holds.remove(&hold).map(|held| -held);
                assert_eq!(freed, Some(entry.held_change.micros()), "L9: a hold ends once, wholly: {entry:#?}");
            }
            (_, hold) => {
                assert_eq!((hold, entry.held_change.micros()), (None, 0), "only holds hold: {entry:#?}");
            }
        }
        assert_eq!(self.holds.values().sum::<i64>(), self.held, "L3: held is what active holds hold");
    }

    /// L4.
    fn floor(&self, entry: &Posting, before: i64, policy: &Policy) {
        let floor = match policy.overdraft {
            Overdraft::Deny => 0,
            Overdraft::Allow { limit } => limit.map_or(-9_000_000_000_000_000_000, |limit| -limit.micros()),
        };
        let after = self.settled - self.held;
        assert!(after >= floor.min(before), "L4: {before} before, {after} after, floor {floor}: {entry:#?}");
        if entry.kind == EntryKind::Hold {
            assert!(after >= 0, "L9: a hold takes no overdraft: {entry:#?}");
        }
    }

    /// The account says the same as its entries.
    pub(crate) fn covers(&self, account: &Account) {
        assert_eq!(account.sequence, self.entries, "L2");
        assert_eq!(account.settled.micros(), self.settled, "L3");
        assert_eq!(account.held.micros(), self.held, "L3");
        assert_eq!(account.debt.micros(), self.debt, "L3");
        let has_something = |(_, (remaining, _)): &(&i64, &(i64, i64))| *remaining > 0;
        let lots: Vec<_> = self.lots.iter().filter(has_something).map(|(lot, sums)| (*lot, *sums)).collect();
        let begun = account.lots.iter().filter(|lot| lot.begun);
        let mut open: Vec<_> =
            begun.map(|lot: &Lot| (lot.sequence, (lot.remaining.micros(), lot.held.micros()))).collect();
        open.sort_unstable();
        assert_eq!(open, lots, "L3: the lots hold what their allocations add up to");
        for hold in &account.holds {
            let pinned: i64 = hold.pins.iter().map(|pin| pin.credits.micros()).sum();
            assert_eq!(hold.credits.micros(), pinned, "L3: a hold holds what it pins");
            assert_eq!(self.holds.get(&hold.sequence), Some(&pinned), "L3: a hold holds what its entry says");
        }
        assert_eq!(account.holds.len(), self.holds.len(), "L3: the active holds");
    }
}
