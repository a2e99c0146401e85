//! The reference model of the ledger: as small as it can be, slow, and obviously right.
//!
//! It keeps every entry and every lot there ever was. Sums are added up anew each time they are needed, lots are sorted
//! each time they burn, what an entry says is found by comparing the lots before it with the lots after it, what is
//! left of an entry by looking through all that came later, and the next change by trying every instant that could be it.
//!
//! Not here: anything that the real ledger does to be quick, and anything taken from its rules.

mod steps;

use scrip::base::credits::Credits;
use scrip::base::ids::BalanceId;
use scrip::base::money::Money;
use scrip::base::settings::Overdraft;
use scrip::base::time::Time;
use scrip::ledger::command::{Command, Renewal, Reversal};
use scrip::ledger::error::Refusal;
use scrip::ledger::model::{
    Account, Allocation, BalanceState, Cause, Ended, EntryKind, GrantSource, GrantState, Hold, Lot, Pin, Policy,
    Posting, Terms,
};

/// 9 × 10^12 credits: settled stays within it, and it is the limit of an overdraft without one.
const GREATEST: i128 = Credits::MAX_BALANCE.micros() as i128;

/// Amounts in the model are plain integers of a millionth of a credit.
fn micros(credits: Credits) -> i128 {
    i128::from(credits.micros())
}

fn credits(micros: i128) -> Credits {
    Credits::from_micros(i64::try_from(micros).expect("the model's amounts fit"))
}

/// A lot, open or not.
#[derive(Clone, Copy, Debug)]
struct Bag {
    sequence: i64,
    source: GrantSource,
    credits: i128,
    priority: i16,
    effective_at: Time,
    expires_at: Option<Time>,
    cost: Option<Money>,
    begun: bool,
    remaining: i128,
    held: i128,
    /// Kept once it is known: time ends a lot by itself, see [`Bag::is_over`].
    ended: Option<Ended>,
}

impl Bag {
    fn free(&self) -> i128 {
        self.remaining - self.held
    }

    fn is_pending(&self) -> bool {
        !self.begun && self.ended.is_none()
    }

    fn is_open(&self) -> bool {
        self.is_pending() || self.remaining > 0
    }

    /// Whether its end has come by `at`, by time or by hand.
    fn is_over(&self, at: Time) -> bool {
        self.ended == Some(Ended::Voided) || self.expires_at.is_some_and(|end| end <= at)
    }

    /// L7: priority, then end (those without one last), then free before paid, then age.
    fn order(&self) -> (i16, bool, Option<Time>, bool, i64) {
        let paid = self.cost.is_some_and(|cost| cost.minor > 0);
        (self.priority, self.expires_at.is_none(), self.expires_at, paid, self.sequence)
    }

    /// The contract: "VOIDED, else PENDING before effectiveAt, DEPLETED when all of it was burned, EXPIRED from
    /// expiresAt, else ACTIVE."
    fn state(&self, at: Time) -> GrantState {
        match self.ended {
            Some(Ended::Voided) => GrantState::Voided,
            _ if at < self.effective_at => GrantState::Pending,
            Some(Ended::Depleted) => GrantState::Depleted,
            _ if self.is_over(at) => GrantState::Expired,
            _ => GrantState::Active,
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            credits: credits(self.credits),
            priority: self.priority,
            effective_at: self.effective_at,
            expires_at: self.expires_at,
            cost: self.cost,
        }
    }

    fn lot(&self) -> Lot {
        Lot {
            sequence: self.sequence,
            source: self.source,
            credits: credits(self.credits),
            priority: self.priority,
            effective_at: self.effective_at,
            expires_at: self.expires_at,
            cost: self.cost,
            begun: self.begun,
            remaining: credits(self.remaining),
            held: credits(self.held),
            ended: self.ended,
        }
    }
}

/// What an entry took at one go: from a lot, or by debt.
type Take = (Option<i64>, i128);

/// The books of one balance, all of them.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    id: BalanceId,
    created_at: Time,
    entries: Vec<Posting>,
    /// What each entry took, in order.
    takes: Vec<Vec<Take>>,
    bags: Vec<Bag>,
    holds: Vec<Hold>,
    debt: i128,
    closed: bool,
    /// Of the call under way: the lots that were closed before it, what holds for it, its time, the lots its entry
    /// touched and what its entry took.
    gone: Vec<i64>,
    policy: Policy,
    now: Time,
    touched: Vec<i64>,
    taken: Vec<Take>,
}

// --- What it answers -------------------------------------------------------------------------------------------------

impl Model {
    pub(crate) fn new(id: BalanceId, created_at: Time) -> Self {
        Self {
            id,
            created_at,
            entries: Vec::new(),
            takes: Vec::new(),
            bags: Vec::new(),
            holds: Vec::new(),
            debt: 0,
            closed: false,
            gone: Vec::new(),
            policy: Policy::default(),
            now: created_at,
            touched: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The books after `command`, or why it is refused; a refusal leaves these books as they are.
    #[expect(clippy::too_many_arguments, reason = "these are what the ledger itself is given")]
    pub(crate) fn apply(
        &self,
        policy: &Policy,
        command: &Command,
        now: Time,
        renewals: &[Renewal],
    ) -> Result<Self, Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        let mut next = self.carry(policy, now, renewals);
        next.obey(command)?;
        Ok(next)
    }

    /// The books at `now`, by time alone (L8): one instant after the other, until none is due.
    pub(crate) fn carry(&self, policy: &Policy, now: Time, renewals: &[Renewal]) -> Self {
        let mut next = self.clone();
        next.gone = self.bags.iter().filter(|bag| !bag.is_open()).map(|bag| bag.sequence).collect();
        next.policy = *policy;
        next.now = self.time(now);
        let mut renewals = if self.closed { Vec::new() } else { renewals.to_vec() };
        let due = |next: &Self, renewals: &[Renewal]| {
            let renewed = renewals.iter().map(|renewal| renewal.at);
            next.instants(|bag| bag.free() > 0).into_iter().chain(renewed).filter(|at| *at <= next.now).min()
        };
        while let Some(at) = due(&next, &renewals) {
            next.live_through(at, &renewals);
            renewals.retain(|renewal| renewal.at != at);
        }
        next
    }

    /// L11: time does not go back behind the newest entry.
    pub(crate) fn time(&self, now: Time) -> Time {
        now.max(self.recorded_at())
    }

    pub(crate) fn entries(&self) -> &[Posting] {
        &self.entries
    }

    /// Active holds, in order of creation.
    pub(crate) fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Every lot there ever was, in order of creation.
    pub(crate) fn lots(&self) -> Vec<Lot> {
        self.bags.iter().map(Bag::lot).collect()
    }

    /// The state of a lot as these books stand.
    pub(crate) fn grant_state(&self, lot: i64) -> Option<GrantState> {
        self.bags.iter().find(|bag| bag.sequence == lot).map(|bag| bag.state(self.now))
    }

    /// What the real ledger would have loaded of these books.
    pub(crate) fn account(&self) -> Account {
        let open = self.in_order().into_iter().filter(Bag::is_open);
        Account {
            id: self.id,
            sequence: self.next_sequence() - 1,
            recorded_at: self.recorded_at(),
            settled: credits(self.settled()),
            held: credits(self.held()),
            debt: credits(self.debt),
            state: self.entries.last().map_or(BalanceState::Depleted, |entry| entry.state_after),
            lots: open.map(|bag| bag.lot()).collect(),
            holds: self.holds.clone(),
            closed: self.closed,
        }
    }

    /// The first instant at which available, settled or held changes by itself: each that could be is tried.
    pub(crate) fn next_change(&self) -> Option<Time> {
        let mut instants = self.every_instant();
        instants.sort();
        instants.dedup();
        instants.into_iter().find(|at| self.carry(&self.policy, *at, &[]).entries.len() > self.entries.len())
    }

    /// When something open begins, ends or lapses, whether that moves credits or not.
    pub(crate) fn every_instant(&self) -> Vec<Time> {
        self.instants(Bag::is_open)
    }

    /// When lots begin, holds lapse, and those lots end.
    fn instants(&self, ends: impl Fn(&Bag) -> bool) -> Vec<Time> {
        let begins = self.bags.iter().filter(|bag| bag.is_pending()).map(|bag| bag.effective_at);
        let ends = self.bags.iter().filter(|bag| ends(bag)).filter_map(|bag| bag.expires_at);
        begins.chain(ends).chain(self.holds.iter().map(|hold| hold.expires_at)).collect()
    }

    /// The command that takes an entry back, with what a store would find on record about it.
    pub(crate) fn reversal(&self, entry: i64, amount: Option<Credits>) -> Reversal {
        let posting = &self.entries[usize::try_from(entry - 1).expect("entries are numbered from 1")];
        let taken = -micros(posting.credits);
        // More than was taken where a capture let go of credits that paid older debt: they count, and are last.
        let from_lots: i128 = posting.allocations.iter().map(|allocation| -micros(allocation.credits)).sum();
        let took = posting.allocations.iter().filter(|allocation| allocation.credits < Credits::ZERO);
        let lots: Vec<Pin> = took.map(|part| Pin { lot: part.lot, credits: part.credits.negated() }).collect();
        let is_its_own = |bag: &&Bag| lots.iter().any(|pin| pin.lot == bag.sequence);
        Reversal {
            entry,
            kind: posting.kind,
            taken: credits(taken.max(0)),
            debt: credits((taken - from_lots).max(0)),
            reversed: credits(self.reversed(entry)),
            credits: amount,
            closed_lots: self.bags.iter().filter(is_its_own).filter(|bag| !bag.is_open()).map(Bag::lot).collect(),
            lots,
        }
    }

    /// What earlier reversals gave back of an entry.
    pub(crate) fn reversed(&self, entry: i64) -> i128 {
        self.entries.iter().filter(|later| later.reverses == Some(entry)).map(|later| micros(later.credits)).sum()
    }
}

// --- Sums ------------------------------------------------------------------------------------------------------------

impl Model {
    fn recorded_at(&self) -> Time {
        self.entries.last().map_or(self.created_at, |entry| entry.recorded_at)
    }

    fn next_sequence(&self) -> i64 {
        i64::try_from(self.entries.len() + 1).expect("entries can be counted")
    }

    fn settled(&self) -> i128 {
        self.bags.iter().map(|bag| bag.remaining).sum::<i128>() - self.debt
    }

    fn held(&self) -> i128 {
        self.bags.iter().map(|bag| bag.held).sum()
    }

    fn available(&self) -> i128 {
        self.settled() - self.held()
    }

    /// How far below zero it may go (L4).
    fn limit(&self) -> i128 {
        match self.policy.overdraft {
            Overdraft::Deny => 0,
            Overdraft::Allow { limit } => limit.map_or(GREATEST, micros),
        }
    }

    /// What can be taken before the floor is met.
    fn takeable(&self) -> i128 {
        (self.available() + self.limit()).max(0)
    }

    /// What can come in before it is more than a balance holds; what is pending has its place already.
    fn room(&self) -> i128 {
        let pending: i128 = self.bags.iter().filter(|bag| bag.is_pending()).map(|bag| bag.credits).sum();
        GREATEST - self.settled() - pending
    }

    fn insufficient(&self, required: i128, limit: i128) -> Refusal {
        Refusal::Insufficient {
            available: credits(self.available()),
            required: credits(required),
            shortfall: credits((required - self.available() - limit).min(i128::from(i64::MAX))),
        }
    }

    fn in_order(&self) -> Vec<Bag> {
        let mut bags = self.bags.clone();
        bags.sort_by_key(Bag::order);
        bags
    }

    fn bag(&mut self, lot: i64) -> &mut Bag {
        self.touched.push(lot);
        self.bags.iter_mut().find(|bag| bag.sequence == lot).expect("the lot is there")
    }
}

// --- Entries ---------------------------------------------------------------------------------------------------------

impl Model {
    fn entry(&self, kind: EntryKind, cause: Cause, occurred_at: Time) -> Posting {
        Posting {
            sequence: self.next_sequence(),
            kind,
            cause,
            credits: Credits::ZERO,
            held_change: Credits::ZERO,
            uncovered: Credits::ZERO,
            available_after: Credits::ZERO,
            settled_after: Credits::ZERO,
            held_after: Credits::ZERO,
            state_after: BalanceState::Depleted,
            state_before: self.entries.last().map(|entry| entry.state_after),
            allocations: Vec::new(),
            grant: None,
            terms: None,
            hold: None,
            reverses: None,
            occurred_at,
            recorded_at: self.now,
        }
    }

    fn commanded(&self, kind: EntryKind) -> Posting {
        self.entry(kind, Cause::Command, self.now)
    }

    /// Makes a change and adds the entry that says what it was. What is free then pays debt first, in the same entry (L3).
    fn post(&mut self, mut entry: Posting, change: impl FnOnce(&mut Self)) {
        let (bags, settled, held) = (self.bags.clone(), self.settled(), self.held());
        self.touched.clear();
        self.taken.clear();
        change(self);
        let free: i128 = self.bags.iter().map(Bag::free).sum();
        let paid = self.debt.min(free);
        self.debt -= paid;
        for (from, part) in self.take(paid) {
            self.took(from, part);
        }

        let at = if entry.cause == Cause::Command { self.now } else { entry.occurred_at };
        for bag in &mut self.bags {
            if bag.remaining > 0 && bag.ended == Some(Ended::Depleted) {
                bag.ended = None;
            } else if bag.remaining == 0 && bag.begun && bag.ended.is_none() {
                bag.ended = Some(if bag.is_over(at) { Ended::Expired } else { Ended::Depleted });
            }
        }
        entry.credits = credits(self.settled() - settled);
        entry.held_change = credits(self.held() - held);
        entry.available_after = credits(self.available());
        entry.settled_after = credits(self.settled());
        entry.held_after = credits(self.held());
        entry.state_after = state(self.available(), self.policy.threshold.map(micros));
        entry.allocations = self.allocations(&bags, entry.sequence);
        self.entries.push(entry);
        self.takes.push(self.taken.clone());
    }

    /// The net change of each lot since `before`, in the order first touched; a lot that is new is always named.
    fn allocations(&self, before: &[Bag], sequence: i64) -> Vec<Allocation> {
        let mut named = Vec::<Allocation>::new();
        for lot in &self.touched {
            let after = self.bags.iter().find(|bag| bag.sequence == *lot).expect("lots do not vanish");
            let was = before.iter().find(|bag| bag.sequence == *lot);
            let allocation = Allocation {
                lot: *lot,
                credits: credits(after.remaining - was.map_or(0, |bag| bag.remaining)),
                held_change: credits(after.held - was.map_or(0, |bag| bag.held)),
                remaining_after: credits(after.remaining),
            };
            let begins = after.begun && was.is_some_and(|bag| !bag.begun);
            let changes = !allocation.credits.is_zero() || !allocation.held_change.is_zero();
            let is_named = named.iter().any(|other| other.lot == *lot);
            if !is_named && (changes || begins || *lot == sequence) {
                named.push(allocation);
            }
        }
        named
    }

    /// Takes what is free out of the lots, in burning order, and says from which.
    fn take(&mut self, amount: i128) -> Vec<Take> {
        let mut left = amount;
        let mut taken = Vec::new();
        for bag in self.in_order() {
            let part = left.min(bag.free());
            if part > 0 {
                self.bag(bag.sequence).remaining -= part;
                taken.push((Some(bag.sequence), part));
                left -= part;
            }
        }
        taken
    }

    /// Takes from the lots, and makes debt of what they do not have.
    fn burn(&mut self, amount: i128) {
        let taken = self.take(amount);
        let debt = amount - taken.iter().map(|(_, part)| part).sum::<i128>();
        self.debt += debt;
        for (from, part) in taken {
            self.took(from, part);
        }
        if debt > 0 {
            self.took(None, debt);
        }
    }

    /// Remembers what the entry takes: one sum a lot, as its allocations say it.
    fn took(&mut self, from: Option<i64>, part: i128) {
        match self.taken.iter_mut().find(|(other, _)| *other == from) {
            Some((_, sum)) => *sum += part,
            None => self.taken.push((from, part)),
        }
    }
}

/// L15.
fn state(available: i128, threshold: Option<i128>) -> BalanceState {
    match available {
        ..0 => BalanceState::Overdrawn,
        0 => BalanceState::Depleted,
        _ if threshold.is_some_and(|threshold| available <= threshold) => BalanceState::Low,
        _ => BalanceState::Active,
    }
}
