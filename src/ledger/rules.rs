//! The pure heart of the ledger: (account, policy, command, now) → entries and the new account, or a refusal.

pub use super::allocation::grant_state;
pub use super::books::balance_state;
pub use super::due::{Span, carry, carry_to, next_change};

use super::books::{Books, Draft};
use super::command::{Command, Cover, NewGrant, Overrun, Renewal, Spend, SpendKind, VoidKind};
use super::error::Refusal;
use super::model::{
    Account, Applied, Cause, Ended, EntryKind, GrantSource, Hold, MAX_HOLDS, MAX_OPEN_LOTS, Pin, Policy,
};
use crate::base::credits::Credits;
use crate::base::time::Time;

/// Applies one command; what is due by `now` is posted before it (L8).
///
/// # Errors
/// A [`Refusal`]; nothing happened then, nor was anything posted that was due.
#[expect(clippy::too_many_arguments, reason = "these five are all that an outcome may depend on, and each is plain")]
pub fn apply(
    account: &Account,
    policy: &Policy,
    command: &Command,
    now: Time,
    renewals: &[Renewal],
) -> Result<Applied, Refusal> {
    if account.closed {
        return Err(Refusal::Closed);
    }
    let mut books = Books::open(account, policy, now);
    books.carry(books.now, renewals)?;
    match command {
        Command::Grant(grant) => books.grant(grant)?,
        Command::Spend(spend) => books.spend(spend)?,
        Command::Hold { credits, expires_at } => books.hold(*credits, *expires_at)?,
        Command::Extend { hold, expires_at } => books.extend(*hold, *expires_at)?,
        Command::Capture { hold, credits, overrun } => books.capture(*hold, *credits, *overrun)?,
        Command::Release { hold } => books.release(*hold)?,
        Command::Reverse(reversal) => books.reverse(reversal)?,
        Command::Void { lot, kind } => books.void(*lot, *kind)?,
        Command::Amend { lot, priority, expires_at } => books.amend(*lot, *priority, *expires_at)?,
        Command::Close => books.end()?,
    }
    Ok(books.close())
}

impl Books<'_> {
    fn grant(&mut self, grant: &NewGrant) -> Result<(), Refusal> {
        let effective_at = grant.effective_at.map_or(self.now, |begin| begin.max(self.now));
        if grant.expires_at.is_some_and(|end| end <= effective_at) {
            return Err(Refusal::ExpiryTooEarly);
        }
        // What is owed already is never refused for the number of lots; a purchase was checked before money moved.
        let by_hand = matches!(grant.source, GrantSource::TopUp | GrantSource::StartingBalance);
        if by_hand && self.account.lots.len() >= MAX_OPEN_LOTS {
            return Err(Refusal::TooManyLots);
        }
        self.check_room(grant.credits)?;
        self.make_lot(grant, effective_at, Cause::Command)
    }

    /// What may be taken before the floor is met; none when it stands below already (L4).
    fn spendable(&self) -> Result<Credits, Refusal> {
        let floor = self.policy.floor();
        // Beyond 64 bits it is more than anybody can ask for.
        Ok(self.account.available()?.minus(floor).unwrap_or(Credits::from_micros(i64::MAX)).at_least_zero())
    }

    fn spend(&mut self, spend: &Spend) -> Result<(), Refusal> {
        let taken = spend.credits.min(self.spendable()?);
        let uncovered = spend.credits.minus(taken)?;
        if uncovered.is_positive() && spend.cover == Cover::Whole {
            return Err(self.insufficient(spend.credits, self.policy.floor())?);
        }
        let kind = match spend.kind {
            SpendKind::Usage => EntryKind::Usage,
            SpendKind::Retention => EntryKind::Retention,
        };
        let mut draft = Draft::new(kind, Cause::Command);
        self.take(&mut draft, taken)?;
        draft.uncovered = uncovered;
        draft.occurred_at = spend.occurred_at;
        self.post(draft)
    }

    /// Burns `amount` from what is free, and makes debt of the rest.
    fn take(&mut self, draft: &mut Draft, amount: Credits) -> Result<(), Refusal> {
        let burned = draft.moves.burn(&mut self.account.lots, amount)?;
        self.owe(amount.minus(burned)?)?;
        draft.credits = draft.credits.minus(amount)?;
        Ok(())
    }

    fn hold(&mut self, credits: Credits, expires_at: Time) -> Result<(), Refusal> {
        if self.account.holds.len() >= MAX_HOLDS {
            return Err(Refusal::TooManyHolds);
        }
        if credits > self.account.available()? {
            return Err(self.insufficient(credits, Credits::ZERO)?);
        }
        let sequence = self.next_sequence();
        let mut draft = Draft::new(EntryKind::Hold, Cause::Command);
        let mut pins = Vec::new();
        let mut rest = credits;
        for lot in &mut self.account.lots {
            let part = lot.free()?.min(rest);
            if part.is_positive() {
                draft.moves.touch(lot, Credits::ZERO, part)?;
                pins.push(Pin { lot: lot.sequence, credits: part });
                rest = rest.minus(part)?;
            }
        }
        draft.held_change = credits;
        draft.hold = Some(sequence);
        self.account.holds.push(Hold { sequence, credits, expires_at, pins });
        self.post(draft)
    }

    fn extend(&mut self, sequence: i64, expires_at: Time) -> Result<(), Refusal> {
        let hold = self.account.holds.iter_mut().find(|hold| hold.sequence == sequence).ok_or(Refusal::NoSuchHold)?;
        hold.expires_at = hold.expires_at.max(expires_at);
        Ok(())
    }

    fn capture(&mut self, sequence: i64, credits: Option<Credits>, overrun: Overrun) -> Result<(), Refusal> {
        let place = self.account.holds.iter().position(|hold| hold.sequence == sequence).ok_or(Refusal::NoSuchHold)?;
        let all = self.account.holds.get(place).map(|hold| hold.credits).ok_or(Refusal::NoSuchHold)?;
        let amount = credits.unwrap_or(all);
        if amount.is_zero() {
            return self.release(sequence);
        }
        let extra = amount.minus(all)?.at_least_zero();
        let covered = match overrun {
            Overrun::Reject if extra.is_positive() => return Err(Refusal::BeyondHold { held: all }),
            Overrun::Reject => Credits::ZERO,
            Overrun::UpToAvailable => extra.min(self.account.available()?.at_least_zero()),
            Overrun::Overdraft if extra > self.spendable()? => {
                return Err(self.insufficient(extra, self.policy.floor())?);
            }
            Overrun::Overdraft => extra,
        };
        let hold = self.account.holds.remove(place);
        let mut draft = Draft::new(EntryKind::Capture, Cause::Command);
        let pinned = amount.min(all);
        let mut rest = pinned;
        for lot in &mut self.account.lots {
            if let Some(pin) = hold.pins.iter().find(|pin| pin.lot == lot.sequence) {
                let drawn = pin.credits.min(rest);
                draft.moves.touch(lot, drawn.negated(), pin.credits.negated())?;
                rest = rest.minus(drawn)?;
            }
        }
        draft.credits = pinned.negated();
        self.take(&mut draft, covered)?;
        draft.uncovered = extra.minus(covered)?;
        draft.held_change = all.negated();
        draft.hold = Some(sequence);
        self.post(draft)?;
        self.end_lots(None).map(drop)
    }

    fn release(&mut self, hold: i64) -> Result<(), Refusal> {
        self.free_hold(hold, Cause::Command)?;
        self.end_lots(None).map(drop)
    }

    fn void(&mut self, sequence: i64, kind: VoidKind) -> Result<(), Refusal> {
        let lot = self.living_lot(sequence)?;
        if kind == VoidKind::Refund && lot.held.is_positive() {
            return Err(Refusal::GrantPinned);
        }
        let kind = match kind {
            VoidKind::Void => EntryKind::Void,
            VoidKind::Refund => EntryKind::Refund,
        };
        let mut draft = Draft::new(kind, Cause::Command);
        let free = lot.free()?;
        lot.ended = Some(Ended::Voided);
        draft.moves.touch(lot, free.negated(), Credits::ZERO)?;
        draft.credits = free.negated();
        draft.grant = Some(sequence);
        let voided = *lot;
        self.remember(voided);
        self.post(draft)
    }

    fn amend(&mut self, sequence: i64, priority: i16, expires_at: Option<Time>) -> Result<(), Refusal> {
        let now = self.now;
        let lot = *self.living_lot(sequence)?;
        if expires_at.is_some_and(|end| end <= lot.effective_at.max(now)) {
            return Err(Refusal::ExpiryTooEarly);
        }
        self.account.lots.retain(|other| other.sequence != sequence);
        let amended = super::model::Lot { priority, expires_at, ..lot };
        self.add_lot(amended);
        let mut draft = Draft::new(EntryKind::Amendment, Cause::Command);
        draft.grant = Some(sequence);
        draft.terms = Some(amended.terms());
        self.post(draft)
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let account = &mut self.account;
        // What is settled is in lots or owed, and what is held is in holds.
        if !account.lots.is_empty() || !account.holds.is_empty() || !account.debt.is_zero() {
            return Err(Refusal::NotEmpty);
        }
        account.closed = true;
        Ok(())
    }
}
