//! Which lots move: burning order, what is free, what is over.

use super::model::{Allocation, Ended, GrantSource, GrantState, Lot};
use crate::base::credits::{Credits, Overflow};
use crate::base::time::Time;

impl Lot {
    /// What can burn of it: begun, left and not pinned.
    ///
    /// # Errors
    /// [`Overflow`], which books that are right never give.
    pub fn free(&self) -> Result<Credits, Overflow> {
        self.remaining.minus(self.held)
    }

    /// Whether its end has come by `at`.
    #[must_use]
    pub fn is_over(&self, at: Time) -> bool {
        self.ended.is_some() || self.expires_at.is_some_and(|end| end <= at)
    }

    /// Whether nothing can come of it any more: begun or voided, and nothing left.
    #[must_use]
    pub(super) fn is_spent(&self) -> bool {
        self.remaining.is_zero() && (self.begun || self.ended == Some(Ended::Voided))
    }

    /// Its place among the lots of a balance (L7): priority, then earliest expiry, free before paid, oldest.
    #[must_use]
    pub fn burning_order(&self) -> (i16, Time, bool, i64) {
        let paid = self.cost.is_some_and(|cost| cost.minor > 0);
        (self.priority, self.expires_at.unwrap_or(Time::MAX), paid, self.sequence)
    }
}

/// The state of a lot at `now`.
#[must_use]
pub fn grant_state(lot: &Lot, now: Time) -> GrantState {
    match lot.ended {
        Some(Ended::Voided) => GrantState::Voided,
        Some(Ended::Depleted) => GrantState::Depleted,
        Some(Ended::Expired) => GrantState::Expired,
        None if now < lot.effective_at => GrantState::Pending,
        None if lot.is_over(now) => GrantState::Expired,
        None => GrantState::Active,
    }
}

/// Puts a lot at its place in burning order.
pub(super) fn insert(lots: &mut Vec<Lot>, lot: Lot) {
    let place = lots.partition_point(|other| other.burning_order() < lot.burning_order());
    lots.insert(place, lot);
}

/// The net changes that one entry makes to lots, in the order first touched (L3).
#[derive(Debug, Default)]
pub(super) struct Moves(Vec<Allocation>);

impl Moves {
    /// Adds to a lot's remaining and held, and remembers it.
    pub(super) fn touch(&mut self, lot: &mut Lot, credits: Credits, held: Credits) -> Result<(), Overflow> {
        lot.remaining = lot.remaining.plus(credits)?;
        lot.held = lot.held.plus(held)?;
        if let Some(known) = self.0.iter_mut().find(|known| known.lot == lot.sequence) {
            known.credits = known.credits.plus(credits)?;
            known.held_change = known.held_change.plus(held)?;
            known.remaining_after = lot.remaining;
        } else {
            let remaining_after = lot.remaining;
            self.0.push(Allocation { lot: lot.sequence, credits, held_change: held, remaining_after });
        }
        Ok(())
    }

    /// Burns up to `amount` of what is free, in burning order; answers how much that was.
    pub(super) fn burn(&mut self, lots: &mut [Lot], amount: Credits) -> Result<Credits, Overflow> {
        let mut rest = amount;
        for lot in lots.iter_mut() {
            if rest.is_zero() {
                break;
            }
            let part = lot.free()?.min(rest);
            if part.is_positive() {
                self.touch(lot, part.negated(), Credits::ZERO)?;
                rest = rest.minus(part)?;
            }
        }
        amount.minus(rest)
    }

    /// The changes; only those that change something, and the lot that is `always` named.
    pub(super) fn named(mut self, always: Option<i64>) -> Vec<Allocation> {
        self.0.retain(|a| !a.credits.is_zero() || !a.held_change.is_zero() || Some(a.lot) == always);
        self.0
    }
}

/// What lots that have not begun will bring.
pub(super) fn pending(lots: &[Lot]) -> Result<Credits, Overflow> {
    lots.iter().filter(|lot| !lot.begun).try_fold(Credits::ZERO, |sum, lot| sum.plus(lot.credits))
}

/// Whether a lot is unused included credits that end with their period at `at`, and so may roll over.
pub(super) fn rolls_over(lot: &Lot, at: Time) -> bool {
    lot.source == GrantSource::Allowance && lot.expires_at == Some(at)
}
