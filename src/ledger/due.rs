//! What time alone does (L8): holds lapse, lots end, periods bring credits, lots begin, each at its own instant.

use super::books::{Books, Draft};
use super::command::{Allowance, NewGrant, Renewal, Rollover};
use super::error::Refusal;
use super::model::{Account, Applied, Balance, Cause, DEFAULT_PRIORITY, EntryKind, GrantSource, Lot, Policy, Terms};
use crate::base::buying::Buying;
use crate::base::credits::Credits;
use crate::base::time::Time;

/// Carries an account to `now`: posts what is due, each at its instant.
///
/// # Errors
/// [`Refusal::BeyondBalance`], which books that are right never give.
pub fn carry(account: &Account, policy: &Policy, now: Time, renewals: &[Renewal]) -> Result<Applied, Refusal> {
    carry_to(account, policy, Span { now, until: now }, renewals)
}

/// What is posted when, and up to which instant time is carried.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The present: when entries are recorded.
    pub now: Time,
    /// How far time is carried, at most to the present.
    pub until: Time,
}

/// As [`carry`], but no further than to an instant: what comes after it stays due.
///
/// # Errors
/// As [`carry`].
pub fn carry_to(account: &Account, policy: &Policy, span: Span, renewals: &[Renewal]) -> Result<Applied, Refusal> {
    let mut books = Books::open(account, policy, span.now);
    let until = if span.until < span.now { span.until } else { books.now };
    books.carry(until, renewals)?;
    Ok(books.close())
}

/// The first instant at which available, settled or held changes by itself; `None` when none will.
#[must_use]
pub fn next_change(account: &Account) -> Option<Time> {
    let lapse = account.holds.iter().map(|hold| hold.expires_at).min();
    let lot = account.lots.iter().filter_map(next_change_of).min();
    match (lapse, lot) {
        (Some(lapse), Some(lot)) => Some(lapse.min(lot)),
        (lapse, lot) => lapse.or(lot),
    }
}

impl Balance {
    /// When there is next something to do though nobody asks for it: time alone changes it, or credits may be bought again. A
    /// closed one's time stands still.
    #[must_use]
    pub fn next_change_at(&self) -> Option<Time> {
        let buys_at = self.buying.as_deref().and_then(Buying::looks_at);
        let next = [next_change(&self.account), self.renews_at, buys_at].into_iter().flatten().min();
        next.filter(|_| self.closed_at.is_none())
    }
}

fn next_change_of(lot: &Lot) -> Option<Time> {
    if lot.begun { lot.expires_at.filter(|_| lot.held < lot.remaining) } else { Some(lot.effective_at) }
}

/// A grant that a period brings.
fn brought(source: GrantSource, credits: Credits, expires_at: Option<Time>) -> NewGrant {
    NewGrant { source, credits, priority: DEFAULT_PRIORITY, effective_at: None, expires_at, cost: None }
}

impl Books<'_> {
    /// Posts everything that is due by `until`, instant by instant.
    pub(super) fn carry(&mut self, until: Time, renewals: &[Renewal]) -> Result<(), Refusal> {
        let mut renewals = renewals.iter().filter(|renewal| renewal.at <= until).peekable();
        if self.account.closed {
            return Ok(());
        }
        loop {
            let renewal = renewals.peek().map(|renewal| renewal.at);
            let own = next_change(&self.account);
            let due = [renewal, own].into_iter().flatten().min().filter(|due| *due <= until);
            let Some(due) = due else { break };
            self.at = due;
            self.lapse_holds()?;
            let renewing = renewals.peek().filter(|renewal| renewal.at <= due).and_then(|renewal| renewal.rollover);
            let mut unused = self.end_lots(renewing.map(|rollover| rollover.since))?;
            while let Some(renewal) = renewals.next_if(|renewal| renewal.at <= due) {
                self.renew(renewal, std::mem::take(&mut unused))?;
            }
            self.begin_lots()?;
        }
        self.at = self.now;
        Ok(())
    }

    fn lapse_holds(&mut self) -> Result<(), Refusal> {
        let at = self.at;
        let lapsed: Vec<i64> =
            self.account.holds.iter().filter(|hold| hold.expires_at <= at).map(|hold| hold.sequence).collect();
        lapsed.into_iter().try_for_each(|hold| self.free_hold(hold, Cause::Time))
    }

    fn begin_lots(&mut self) -> Result<(), Refusal> {
        let at = self.at;
        let mut begun: Vec<i64> = self
            .account
            .lots
            .iter()
            .filter(|lot| !lot.begun && lot.effective_at <= at)
            .map(|lot| lot.sequence)
            .collect();
        begun.sort_unstable();
        for sequence in begun {
            let lot = self.lot_mut(sequence)?;
            lot.begun = true;
            let credits = lot.credits;
            let mut draft = Draft::new(EntryKind::Activation, Cause::Time);
            draft.moves.touch(lot, credits, Credits::ZERO)?;
            draft.credits = credits;
            draft.grant = Some(sequence);
            self.post(draft)?;
        }
        Ok(())
    }

    fn renew(&mut self, renewal: &Renewal, unused: Credits) -> Result<(), Refusal> {
        if let Some(Rollover { limit, expires_at, .. }) = renewal.rollover {
            let grant = brought(GrantSource::Rollover, unused.min(limit), expires_at);
            self.bring(grant, renewal.subscription)?;
        }
        if let Some(Allowance { credits, expires_at }) = renewal.allowance {
            self.bring(brought(GrantSource::Allowance, credits, expires_at), renewal.subscription)?;
        }
        Ok(())
    }

    /// Brings what a period grants: it lives from the period's own start, however late it is posted. What would not
    /// fit into a balance at all is cut off, since nobody is there to be refused.
    fn bring(&mut self, grant: NewGrant, subscription: i32) -> Result<(), Refusal> {
        let credits = grant.credits.min(self.room()?);
        if credits.is_zero() {
            return Ok(());
        }
        self.make_lot(&NewGrant { credits, ..grant }, self.at, Cause::Renewal(subscription))
    }

    /// Makes a lot, begun or pending, by an entry of the lot's source.
    pub(super) fn make_lot(&mut self, grant: &NewGrant, effective_at: Time, cause: Cause) -> Result<(), Refusal> {
        let begun = effective_at <= self.at;
        let sequence = self.next_sequence();
        let mut lot = Lot {
            sequence,
            source: grant.source,
            credits: grant.credits,
            priority: grant.priority,
            effective_at,
            expires_at: grant.expires_at,
            cost: grant.cost,
            begun,
            remaining: Credits::ZERO,
            held: Credits::ZERO,
            ended: None,
        };
        let mut draft = Draft::new(kind_of(grant.source), cause);
        draft.credits = if begun { grant.credits } else { Credits::ZERO };
        draft.moves.touch(&mut lot, draft.credits, Credits::ZERO)?;
        draft.grant = Some(sequence);
        draft.terms = Some(lot.terms());
        self.add_lot(lot);
        self.post(draft)
    }

    /// Ends a hold without capture: what it pinned is free again, pays debt, and ends where its lot is over.
    pub(super) fn free_hold(&mut self, sequence: i64, cause: Cause) -> Result<(), Refusal> {
        let place = self.account.holds.iter().position(|hold| hold.sequence == sequence).ok_or(Refusal::NoSuchHold)?;
        let hold = self.account.holds.remove(place);
        let mut draft = Draft::new(EntryKind::Release, cause);
        for lot in &mut self.account.lots {
            if let Some(pin) = hold.pins.iter().find(|pin| pin.lot == lot.sequence) {
                draft.moves.touch(lot, Credits::ZERO, pin.credits.negated())?;
            }
        }
        draft.held_change = hold.credits.negated();
        draft.hold = Some(sequence);
        self.post(draft)
    }
}

impl Lot {
    /// Its terms as they stand.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            credits: self.credits,
            priority: self.priority,
            effective_at: self.effective_at,
            expires_at: self.expires_at,
            cost: self.cost,
        }
    }
}

/// The kind of the entry that makes a lot of this source.
fn kind_of(source: GrantSource) -> EntryKind {
    match source {
        GrantSource::StartingBalance => EntryKind::StartingBalance,
        GrantSource::TopUp => EntryKind::TopUp,
        GrantSource::Purchase => EntryKind::Purchase,
        GrantSource::Allowance => EntryKind::Allowance,
        GrantSource::Rollover => EntryKind::Rollover,
        GrantSource::Reversal => EntryKind::Reversal,
    }
}
