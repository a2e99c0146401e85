//! What entries leave open of a balance, entry by entry: the account as it was behind any of them.
//!
//! Entries say all of it but two things: when a hold lapses (it can be extended without an entry) and what a lot is that a
//! reversal brings back, which was over before. The first is on record with the hold; for the second, what is open is kept
//! behind each reversal, and whoever goes past one hands in the lot.

use std::collections::BTreeMap;

use super::allocation;
use super::entry::Entry;
use super::model::{Account, BalanceState, Cause, Ended, EntryKind, GrantSource, Hold, Lot, Pin, Posting};
use super::records::Checkpoint;
use crate::base::credits::{Credits, Overflow};
use crate::base::ids::BalanceId;
use crate::base::time::Time;

/// Why an entry cannot be replayed: the program never writes such a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplayError {
    /// The sums leave 64 bits.
    #[error("what remains of a grant is beyond what a balance holds")]
    Overflow,
    /// Only credits that come in make a lot.
    #[error("an entry of the kind {0:?} makes no grant")]
    MakesNoLot(EntryKind),
}

impl From<Overflow> for ReplayError {
    fn from(Overflow: Overflow) -> Self {
        Self::Overflow
    }
}

/// What is open behind an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replay {
    /// The newest entry that was taken.
    pub(super) sequence: i64,
    pub(super) settled: Credits,
    pub(super) held: Credits,
    pub(super) recorded_at: Time,
    pub(super) lots: BTreeMap<i64, Lot>,
    pub(super) holds: BTreeMap<i64, Hold>,
}

impl Replay {
    /// Of a balance, before its first entry.
    pub(super) const fn new(created_at: Time) -> Self {
        Self {
            sequence: 0,
            settled: Credits::ZERO,
            held: Credits::ZERO,
            recorded_at: created_at,
            lots: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// Goes on from what was open behind an entry.
    pub(super) fn behind(checkpoint: Checkpoint, entry: &Entry) -> Self {
        Self {
            sequence: checkpoint.sequence,
            settled: entry.posting.settled_after,
            held: entry.posting.held_after,
            recorded_at: entry.posting.recorded_at,
            lots: checkpoint.lots.into_iter().map(|lot| (lot.sequence, lot)).collect(),
            holds: checkpoint.holds.into_iter().map(|hold| (hold.sequence, hold)).collect(),
        }
    }

    /// Whether an entry moves a lot that is not open and that it does not make.
    pub(super) fn reopened_by(&self, entry: &Entry) -> impl Iterator<Item = i64> {
        let made = made_lot(&entry.posting);
        let moved = entry.posting.allocations.iter().map(|part| part.lot);
        moved.filter(move |lot| Some(*lot) != made && !self.lots.contains_key(lot))
    }

    /// Goes on behind an entry; answers the lots that it used up or ended for good.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<Vec<Lot>, ReplayError> {
        let posting = &entry.posting;
        self.sequence = posting.sequence;
        self.settled = posting.settled_after;
        self.held = posting.held_after;
        self.recorded_at = posting.recorded_at;
        self.set_terms(posting)?;
        self.set_hold(posting);
        for part in &posting.allocations {
            if let Some(lot) = self.lots.get_mut(&part.lot) {
                lot.remaining = part.remaining_after;
                lot.held = lot.held.plus(part.held_change)?;
            }
        }
        Ok(self.close_lots(posting))
    }

    fn set_terms(&mut self, posting: &Posting) -> Result<(), ReplayError> {
        if let (Some(sequence), Some(terms)) = (made_lot(posting), posting.terms) {
            let begun = terms.effective_at <= posting.occurred_at;
            let lot = Lot {
                sequence,
                source: source_of(posting.kind).ok_or(ReplayError::MakesNoLot(posting.kind))?,
                credits: terms.credits,
                priority: terms.priority,
                effective_at: terms.effective_at,
                expires_at: terms.expires_at,
                cost: terms.cost,
                begun,
                remaining: Credits::ZERO,
                held: Credits::ZERO,
                ended: None,
            };
            self.lots.insert(sequence, lot);
            return Ok(());
        }
        let Some(lot) = posting.grant.and_then(|lot| self.lots.get_mut(&lot)) else { return Ok(()) };
        match (posting.kind, posting.terms) {
            (EntryKind::Activation, _) => lot.begun = true,
            (EntryKind::Void | EntryKind::Refund, _) => lot.ended = Some(Ended::Voided),
            (_, Some(terms)) => (lot.priority, lot.expires_at) = (terms.priority, terms.expires_at),
            (_, None) => {}
        }
        Ok(())
    }

    fn set_hold(&mut self, posting: &Posting) {
        let Some(sequence) = posting.hold else { return };
        if posting.kind != EntryKind::Hold {
            self.holds.remove(&sequence);
            return;
        }
        let pinned = posting.allocations.iter().filter(|part| part.held_change.is_positive());
        let pins = pinned.map(|part| Pin { lot: part.lot, credits: part.held_change }).collect();
        self.holds.insert(sequence, Hold { sequence, credits: posting.held_change, expires_at: Time::MAX, pins });
    }

    /// Takes out what is spent, as the books do behind each entry.
    fn close_lots(&mut self, posting: &Posting) -> Vec<Lot> {
        let at = match posting.cause {
            Cause::Command => posting.recorded_at,
            Cause::Time | Cause::Renewal(_) => posting.occurred_at,
        };
        let mut closed = Vec::new();
        let touched = posting.allocations.iter().map(|part| part.lot).chain(posting.grant);
        for sequence in touched {
            let Some(lot) = self.lots.get_mut(&sequence) else { continue };
            if !lot.is_spent() {
                lot.ended = lot.ended.filter(|ended| *ended == Ended::Voided);
                continue;
            }
            let how = if lot.is_over(at) { Ended::Expired } else { Ended::Depleted };
            lot.ended.get_or_insert(how);
            closed.extend(self.lots.remove(&sequence));
        }
        closed
    }

    /// What was spent beyond the lots: settled = Σ remaining − debt.
    pub(super) fn debt(&self) -> Result<Credits, Overflow> {
        self.lots.values().try_fold(Credits::ZERO, |sum, lot| sum.plus(lot.remaining))?.minus(self.settled)
    }

    /// Lots in burning order.
    pub(super) fn burning(&self) -> Vec<Lot> {
        let mut lots = Vec::with_capacity(self.lots.len());
        self.lots.values().for_each(|lot| allocation::insert(&mut lots, *lot));
        lots
    }

    /// The account, as it was.
    pub(super) fn account(&self, id: BalanceId, closed: bool) -> Result<Account, Overflow> {
        Ok(Account {
            id,
            sequence: self.sequence,
            recorded_at: self.recorded_at,
            settled: self.settled,
            held: self.held,
            debt: self.debt()?,
            // By which threshold is not asked here.
            state: BalanceState::Active,
            lots: self.burning(),
            holds: self.holds.values().cloned().collect(),
            closed,
        })
    }
}

/// The lot that an entry made, if it made one.
pub(super) fn made_lot(posting: &Posting) -> Option<i64> {
    posting.grant.filter(|lot| *lot == posting.sequence)
}

/// The source of the lot that an entry of this kind makes.
fn source_of(kind: EntryKind) -> Option<GrantSource> {
    match kind {
        EntryKind::StartingBalance => Some(GrantSource::StartingBalance),
        EntryKind::TopUp => Some(GrantSource::TopUp),
        EntryKind::Purchase => Some(GrantSource::Purchase),
        EntryKind::Allowance => Some(GrantSource::Allowance),
        EntryKind::Rollover => Some(GrantSource::Rollover),
        EntryKind::Reversal => Some(GrantSource::Reversal),
        EntryKind::Activation
        | EntryKind::Usage
        | EntryKind::Retention
        | EntryKind::Hold
        | EntryKind::Capture
        | EntryKind::Release
        | EntryKind::Expiration
        | EntryKind::Void
        | EntryKind::Refund
        | EntryKind::Amendment => None,
    }
}
