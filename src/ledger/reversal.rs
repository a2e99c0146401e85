//! Taking an entry back (L13): what it took last comes back first.

use super::allocation;
use super::books::{Books, Draft};
use super::command::Reversal;
use super::error::Refusal;
use super::model::{Cause, DEFAULT_PRIORITY, EntryKind, GrantSource, Lot, Pin};
use crate::base::credits::Credits;

/// What comes back: first the debt that the entry made, then its lots backwards.
#[derive(Debug, PartialEq, Eq)]
struct Returned {
    debt: Credits,
    lots: Vec<Pin>,
}

/// The next `credits` of what the entry took, behind what earlier reversals gave back.
fn returned(reversal: &Reversal, credits: Credits) -> Result<Returned, Refusal> {
    let (mut skip, mut rest) = (reversal.reversed, credits);
    let mut part_of = |taken: Credits| -> Result<Credits, Refusal> {
        let skipped = taken.min(skip);
        let part = taken.minus(skipped)?.min(rest);
        skip = skip.minus(skipped)?;
        rest = rest.minus(part)?;
        Ok(part)
    };
    let debt = part_of(reversal.debt)?;
    let mut lots = Vec::new();
    for pin in reversal.lots.iter().rev() {
        let credits = part_of(pin.credits)?;
        if credits.is_positive() {
            lots.push(Pin { lot: pin.lot, credits });
        }
    }
    Ok(Returned { debt, lots })
}

impl Books<'_> {
    /// Gives back what an entry took, to the debt and the lots that it was taken from.
    pub(super) fn reverse(&mut self, reversal: &Reversal) -> Result<(), Refusal> {
        if !matches!(reversal.kind, EntryKind::Usage | EntryKind::Retention | EntryKind::Capture) {
            return Err(Refusal::NotReversible);
        }
        let left = reversal.taken.minus(reversal.reversed)?;
        let credits = reversal.credits.unwrap_or(left);
        if credits > left || credits.is_zero() {
            return Err(Refusal::BeyondEntry { left });
        }
        self.check_room(credits)?;
        let back = returned(reversal, credits)?;
        let mut draft = Draft::new(EntryKind::Reversal, Cause::Command);
        draft.credits = credits;
        draft.reverses = Some(reversal.entry);
        for pin in &back.lots {
            self.reopen(pin.lot, &reversal.closed_lots)?;
            let lot = self.lot_mut(pin.lot)?;
            draft.moves.touch(lot, pin.credits, Credits::ZERO)?;
        }
        let lowered = back.debt.min(self.account.debt);
        self.account.debt = self.account.debt.minus(lowered)?;
        let beyond = back.debt.minus(lowered)?;
        if beyond.is_positive() {
            self.make_returned_lot(&mut draft, beyond)?;
        }
        self.post(draft)?;
        self.end_lots(None).map(drop)
    }

    /// Brings a lot back among the open ones that was used up or over.
    fn reopen(&mut self, sequence: i64, closed: &[Lot]) -> Result<(), Refusal> {
        if self.account.lots.iter().any(|lot| lot.sequence == sequence) {
            return Ok(());
        }
        // It may have ended only now, by what was due before this.
        let on_record = closed.iter().find(|lot| lot.sequence == sequence).copied();
        let lot = self.remembered(sequence).or(on_record).ok_or(Refusal::NoSuchGrant)?;
        allocation::insert(&mut self.account.lots, lot);
        Ok(())
    }

    /// The debt was paid since: what comes back for it is a lot of its own.
    fn make_returned_lot(&mut self, draft: &mut Draft, credits: Credits) -> Result<(), Refusal> {
        let sequence = self.next_sequence();
        let mut lot = Lot {
            sequence,
            source: GrantSource::Reversal,
            credits,
            priority: DEFAULT_PRIORITY,
            effective_at: self.now,
            expires_at: None,
            cost: None,
            begun: true,
            remaining: Credits::ZERO,
            held: Credits::ZERO,
            ended: None,
        };
        draft.moves.touch(&mut lot, credits, Credits::ZERO)?;
        draft.grant = Some(sequence);
        draft.terms = Some(lot.terms());
        self.add_lot(lot);
        Ok(())
    }
}
