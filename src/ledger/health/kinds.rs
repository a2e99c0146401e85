//! What an entry may do by its kind, to the lots and holds that are open before it.

use super::fold::Fold;
use crate::base::credits::Credits;
use crate::base::decimal;
use crate::base::time::Time;
use crate::ledger::entry::{Entry, Rating};
use crate::ledger::model::{Allocation, EntryKind, Lot, Posting};

/// Fraction digits of a quantity and of a weight, and of what they come to.
const FINE: u32 = 12;
const EXACT: u32 = 2 * FINE;

/// Where a lot stands among those of its balance (L7).
pub(super) type Order = (i16, Time, bool, i64);

impl Fold {
    /// Checks what is particular to its kind; before the entry is taken.
    pub(super) fn check_kind(&mut self, entry: &Entry) {
        let posting = &entry.posting;
        self.check_uncovered(entry);
        self.check_begun(posting);
        match posting.kind {
            EntryKind::Hold => self.check_hold(posting),
            EntryKind::Capture | EntryKind::Release => self.check_ended_hold(posting),
            EntryKind::Activation | EntryKind::Expiration => self.check_instant(posting),
            EntryKind::Void | EntryKind::Refund => {
                if self.named(posting).is_none() {
                    self.find(Some(posting.sequence), "L14", "It ends a grant that is not open.");
                }
            }
            EntryKind::StartingBalance
            | EntryKind::TopUp
            | EntryKind::Purchase
            | EntryKind::Allowance
            | EntryKind::Rollover
            | EntryKind::Usage
            | EntryKind::Retention
            | EntryKind::Reversal
            | EntryKind::Amendment => {
                if !posting.held_change.is_zero() || posting.allocations.iter().any(|part| !part.held_change.is_zero())
                {
                    self.find(Some(posting.sequence), "L9", "It changes what is held, which its kind does not.");
                }
            }
        }
    }

    fn named(&self, posting: &Posting) -> Option<&Lot> {
        self.replay.lots.get(&posting.grant?)
    }

    /// What was not covered, and how usage came to its credits (L6, L10).
    fn check_uncovered(&mut self, entry: &Entry) {
        let posting = &entry.posting;
        let at = Some(posting.sequence);
        let may_be_uncovered = matches!(posting.kind, EntryKind::Usage | EntryKind::Capture);
        if posting.uncovered < Credits::ZERO || (!may_be_uncovered && !posting.uncovered.is_zero()) {
            self.find(at, "L10", format!("It says that {} was not covered.", posting.uncovered));
        }
        let Some(rating) = &entry.note.rating else { return };
        if posting.uncovered.minus(posting.credits) != Ok(rating.credits) {
            let (burned, uncovered) = (posting.credits.negated(), posting.uncovered);
            let detail = format!("It burned {burned} and left {uncovered} uncovered of {}.", rating.credits);
            self.find(at, "L10", detail);
        }
        if !is_exact(rating) {
            let Rating { quantity, credits_per_unit, credits, .. } = rating;
            self.find(at, "L6", format!("{quantity} × {credits_per_unit} is not {credits} credits."));
        }
    }

    /// Nothing burns of a lot before it begins; usage and retentions burn nothing of one that is over (L8).
    fn check_begun(&mut self, posting: &Posting) {
        let spends = matches!(posting.kind, EntryKind::Usage | EntryKind::Retention);
        let burned = posting.allocations.iter().filter(|part| part.credits < Credits::ZERO);
        let wrong = burned.filter_map(|part| self.replay.lots.get(&part.lot)).find(|lot| {
            let too_early = !lot.begun;
            too_early || (spends && lot.is_over(posting.recorded_at))
        });
        if let Some(lot) = wrong {
            let grant = self.balance.grant(lot.sequence);
            self.find(Some(posting.sequence), "L8", format!("It burns the grant {grant} out of its time."));
        }
    }

    fn check_hold(&mut self, posting: &Posting) {
        let pins_only = |part: &Allocation| part.credits.is_zero() && part.held_change.is_positive();
        let pinned = posting.allocations.iter().try_fold(Credits::ZERO, |sum, part| sum.plus(part.held_change));
        let whole = pinned == Ok(posting.held_change) && posting.allocations.iter().all(pins_only);
        if !whole || !posting.credits.is_zero() || posting.hold != Some(posting.sequence) {
            self.find(Some(posting.sequence), "L9", "A hold pins as many credits as it sets aside, and burns none.");
        }
    }

    /// A hold ends once and wholly: all that it pinned is free again, or burned.
    fn check_ended_hold(&mut self, posting: &Posting) {
        let at = Some(posting.sequence);
        let Some(hold) = posting.hold.and_then(|hold| self.replay.holds.get(&hold)) else {
            return self.find(at, "L9", "It ends a hold that is not active.");
        };
        let freed = |lot: i64| {
            let part = posting.allocations.iter().find(|part| part.lot == lot);
            part.map(|part| part.held_change).unwrap_or_default()
        };
        let whole = hold.pins.iter().all(|pin| freed(pin.lot) == pin.credits.negated());
        if !whole || posting.held_change != hold.credits.negated() {
            self.find(at, "L9", "What it lets go is not what its hold pinned.");
        }
    }

    /// A lot begins and ends at its own instant (L8).
    fn check_instant(&mut self, posting: &Posting) {
        let at = Some(posting.sequence);
        let Some(lot) = self.named(posting).copied() else {
            return self.find(at, "L8", "It begins or ends a grant that is not open.");
        };
        let right = if posting.kind == EntryKind::Activation {
            !lot.begun && lot.effective_at == posting.occurred_at && lot.credits == posting.credits
        } else {
            lot.begun && lot.expires_at.is_some_and(|end| end <= posting.occurred_at)
        };
        if !right {
            let (grant, occurred) = (self.balance.grant(lot.sequence), posting.occurred_at);
            self.find(at, "L8", format!("The grant {grant} does not begin or end so at {occurred}."));
        }
    }

    /// The last lot in burning order that a spend burned; before the entry is taken.
    pub(super) fn last_burned(&self, entry: &Entry) -> Option<Order> {
        let posting = &entry.posting;
        if !matches!(posting.kind, EntryKind::Usage | EntryKind::Retention) {
            return None;
        }
        let burned = posting.allocations.iter().filter(|part| part.credits < Credits::ZERO);
        burned.filter_map(|part| self.replay.lots.get(&part.lot)).map(Lot::burning_order).max()
    }

    /// Whoever burns a lot has burned all that is free of those before it (L7); after the entry is taken.
    pub(super) fn check_order(&mut self, at: Option<i64>, last: Option<Order>) {
        let Some(last) = last else { return };
        let is_free = |lot: &&Lot| lot.begun && lot.held < lot.remaining;
        let spared = self.replay.lots.values().filter(is_free).find(|lot| lot.burning_order() < last);
        if let Some(lot) = spared {
            let grant = self.balance.grant(lot.sequence);
            self.find(at, "L7", format!("It burns other grants though the grant {grant} burns first."));
        }
    }
}

/// Whether quantity × weight is what it says, and its credits that, rounded half away from zero (L6).
fn is_exact(rating: &Rating) -> bool {
    let parse = |text: &str, scale| decimal::parse(text, scale).ok();
    let product = || parse(&rating.quantity, FINE)?.checked_mul(parse(&rating.credits_per_unit, FINE)?);
    let in_micro = decimal::pow10(EXACT.saturating_sub(Credits::SCALE));
    let exact = parse(&rating.exact_credits, EXACT);
    let rounded = exact.and_then(|exact| decimal::div_round(exact, in_micro));
    exact.is_some() && product() == exact && rounded == Some(i128::from(rating.credits.micros()))
}
