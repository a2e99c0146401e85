//! The books of one balance while a command is applied: the account, and the entries so far.
//!
//! Every entry goes through [`Books::post`], which pays debt with what has become free (L3), carries the sums, and
//! takes lots out that are used up. A rule moves lots and says what the entry is; it never touches the sums.

use super::allocation::{self, Moves, grant_state};
use super::error::Refusal;
use super::model::{Account, Applied, BalanceState, Cause, Ended, EntryKind, GrantState, Lot, Policy, Posting, Terms};
use crate::base::credits::{Credits, Overflow};
use crate::base::settings::Overdraft;
use crate::base::time::Time;

/// One account at work.
pub(super) struct Books<'a> {
    pub(super) account: Account,
    pub(super) policy: &'a Policy,
    /// When entries are recorded.
    pub(super) now: Time,
    /// The instant that is being carried out: a due one, then `now`.
    pub(super) at: Time,
    postings: Vec<Posting>,
    lots: Vec<Lot>,
}

/// One entry in the making.
pub(super) struct Draft {
    pub(super) kind: EntryKind,
    pub(super) cause: Cause,
    pub(super) moves: Moves,
    pub(super) credits: Credits,
    pub(super) held_change: Credits,
    pub(super) uncovered: Credits,
    pub(super) grant: Option<i64>,
    pub(super) terms: Option<Terms>,
    pub(super) hold: Option<i64>,
    pub(super) reverses: Option<i64>,
    pub(super) occurred_at: Option<Time>,
}

impl Draft {
    pub(super) fn new(kind: EntryKind, cause: Cause) -> Self {
        Self {
            kind,
            cause,
            moves: Moves::default(),
            credits: Credits::ZERO,
            held_change: Credits::ZERO,
            uncovered: Credits::ZERO,
            grant: None,
            terms: None,
            hold: None,
            reverses: None,
            occurred_at: None,
        }
    }
}

/// The state by what is available (L15).
#[must_use]
pub fn balance_state(available: Credits, threshold: Option<Credits>) -> BalanceState {
    match threshold {
        _ if available < Credits::ZERO => BalanceState::Overdrawn,
        _ if available.is_zero() => BalanceState::Depleted,
        Some(threshold) if available <= threshold => BalanceState::Low,
        _ => BalanceState::Active,
    }
}

impl Account {
    /// What can be spent: settled − held.
    ///
    /// # Errors
    /// [`Overflow`], which books that are right never give.
    pub fn available(&self) -> Result<Credits, Overflow> {
        self.settled.minus(self.held)
    }
}

impl Policy {
    /// How low available may be taken (L4).
    #[must_use]
    pub fn floor(&self) -> Credits {
        match self.overdraft {
            Overdraft::Deny => Credits::ZERO,
            Overdraft::Allow { limit } => limit.unwrap_or(Credits::MAX_BALANCE).negated(),
        }
    }
}

impl<'a> Books<'a> {
    pub(super) fn open(account: &Account, policy: &'a Policy, now: Time) -> Self {
        let now = now.max(account.recorded_at);
        Self { account: account.clone(), policy, now, at: now, postings: Vec::new(), lots: Vec::new() }
    }

    pub(super) fn close(self) -> Applied {
        Applied { account: self.account, postings: self.postings, lots: self.lots }
    }

    /// The sequence of the next entry, which names the lot or hold that it makes.
    pub(super) fn next_sequence(&self) -> i64 {
        self.account.sequence.saturating_add(1)
    }

    /// Refuses what would take settled, pending lots included, beyond its bound.
    pub(super) fn check_room(&self, credits: Credits) -> Result<(), Refusal> {
        if credits > self.room()? { Err(Refusal::BeyondBalance) } else { Ok(()) }
    }

    /// How many credits may still come in.
    pub(super) fn room(&self) -> Result<Credits, Refusal> {
        let held_back = allocation::pending(&self.account.lots)?;
        let room = Credits::MAX_BALANCE.minus(held_back)?.minus(self.account.settled);
        Ok(room.unwrap_or(Credits::from_micros(i64::MAX)).at_least_zero())
    }

    /// The refusal that says what is missing; `limit` is how far below zero it may go.
    pub(super) fn insufficient(&self, required: Credits, floor: Credits) -> Result<Refusal, Refusal> {
        let available = self.account.available()?;
        let shortfall = required.plus(floor)?.minus(available).unwrap_or(Credits::from_micros(i64::MAX));
        Ok(Refusal::Insufficient { available, required, shortfall })
    }

    /// Remembers how a lot stands that was made, amended or ended.
    pub(super) fn remember(&mut self, lot: Lot) {
        self.lots.push(lot);
    }

    /// How a lot stands by what this call did to it so far, if it was made, amended or ended.
    pub(super) fn remembered(&self, sequence: i64) -> Option<Lot> {
        self.lots.iter().rfind(|lot| lot.sequence == sequence).copied()
    }

    /// Adds a lot to the open ones.
    pub(super) fn add_lot(&mut self, lot: Lot) {
        self.remember(lot);
        allocation::insert(&mut self.account.lots, lot);
    }

    /// Finds a lot that is to be ended or amended.
    pub(super) fn living_lot(&mut self, sequence: i64) -> Result<&mut Lot, Refusal> {
        let now = self.now;
        let open = self.account.lots.iter().find(|lot| lot.sequence == sequence).copied();
        // What is due was posted before: a lot that this ended is not open any more, but remembered.
        let lot = open.or_else(|| self.remembered(sequence)).ok_or(Refusal::NoSuchGrant)?;
        match grant_state(&lot, now) {
            GrantState::Pending | GrantState::Active => self.lot_mut(sequence),
            over @ (GrantState::Depleted | GrantState::Expired | GrantState::Voided) => Err(Refusal::GrantOver(over)),
        }
    }

    /// Finds an open lot.
    pub(super) fn lot_mut(&mut self, sequence: i64) -> Result<&mut Lot, Refusal> {
        self.account.lots.iter_mut().find(|lot| lot.sequence == sequence).ok_or(Refusal::NoSuchGrant)
    }

    /// Makes `amount` of debt, beyond what lots gave.
    pub(super) fn owe(&mut self, amount: Credits) -> Result<(), Refusal> {
        self.account.debt = self.account.debt.plus(amount)?;
        Ok(())
    }

    /// Writes an entry: what is free pays debt first, the sums are carried, used-up lots leave the open ones.
    pub(super) fn post(&mut self, mut draft: Draft) -> Result<(), Refusal> {
        if self.account.debt.is_positive() {
            let paid = draft.moves.burn(&mut self.account.lots, self.account.debt)?;
            self.account.debt = self.account.debt.minus(paid)?;
        }
        let first = self.account.sequence == 0;
        let state_before = (!first).then_some(self.account.state);
        self.account.sequence = self.next_sequence();
        self.account.recorded_at = self.now;
        self.account.settled = self.account.settled.plus(draft.credits)?;
        self.account.held = self.account.held.plus(draft.held_change)?;
        let available_after = self.account.available()?;
        self.account.state = balance_state(available_after, self.policy.threshold);
        let always = draft.grant.filter(|_| names_its_lot(draft.kind));
        self.postings.push(Posting {
            sequence: self.account.sequence,
            kind: draft.kind,
            cause: draft.cause,
            credits: draft.credits,
            held_change: draft.held_change,
            uncovered: draft.uncovered,
            available_after,
            settled_after: self.account.settled,
            held_after: self.account.held,
            state_after: self.account.state,
            state_before,
            allocations: draft.moves.named(always),
            grant: draft.grant,
            terms: draft.terms,
            hold: draft.hold,
            reverses: draft.reverses,
            occurred_at: draft.occurred_at.unwrap_or(self.at),
            recorded_at: self.now,
        });
        self.drop_spent_lots();
        Ok(())
    }

    fn drop_spent_lots(&mut self) {
        let at = self.at;
        let remembered = &mut self.lots;
        self.account.lots.retain_mut(|lot| {
            if !lot.is_spent() {
                // A reversal gave it something again. One that gave it only to debt leaves it as it was.
                if matches!(lot.ended, Some(Ended::Depleted | Ended::Expired)) {
                    lot.ended = None;
                    remembered.push(*lot);
                }
                return true;
            }
            let how = if lot.is_over(at) { Ended::Expired } else { Ended::Depleted };
            lot.ended.get_or_insert(how);
            remembered.push(*lot);
            false
        });
    }

    /// Ends what is free of lots that are over, each by an entry of its own, in order of creation (L8, L9).
    /// Answers how much of it may roll over: of lots that were made behind the entry `since`.
    pub(super) fn end_lots(&mut self, since: Option<i64>) -> Result<Credits, Refusal> {
        let at = self.at;
        let mut over: Vec<i64> =
            self.account.lots.iter().filter(|lot| lot.begun && lot.is_over(at)).map(|lot| lot.sequence).collect();
        over.sort_unstable();
        let mut unused = Credits::ZERO;
        for sequence in over {
            let lot = self.lot_mut(sequence)?;
            let (free, voided) = (lot.free()?, lot.ended == Some(Ended::Voided));
            if free.is_zero() {
                continue;
            }
            let kind = if voided { EntryKind::Void } else { EntryKind::Expiration };
            let mut draft = Draft::new(kind, Cause::Time);
            draft.moves.touch(lot, free.negated(), Credits::ZERO)?;
            if allocation::rolls_over(lot, at) && !voided && since.is_some_and(|since| since < sequence) {
                unused = unused.plus(free)?;
            }
            draft.credits = free.negated();
            draft.grant = Some(sequence);
            self.post(draft)?;
        }
        Ok(unused)
    }
}

/// Whether an entry makes or begins the lot it names, and so names it among its allocations even with 0 (L3).
fn names_its_lot(kind: EntryKind) -> bool {
    match kind {
        EntryKind::StartingBalance
        | EntryKind::TopUp
        | EntryKind::Purchase
        | EntryKind::Allowance
        | EntryKind::Rollover
        | EntryKind::Activation
        | EntryKind::Reversal => true,
        EntryKind::Usage
        | EntryKind::Retention
        | EntryKind::Hold
        | EntryKind::Capture
        | EntryKind::Release
        | EntryKind::Expiration
        | EntryKind::Void
        | EntryKind::Refund
        | EntryKind::Amendment => false,
    }
}
