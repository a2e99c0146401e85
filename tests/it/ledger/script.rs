//! Scripts: random lists of commands, made so that edges meet.
//!
//! Numbers are small, priorities few, and all instants lie on a coarse grid, so that lots tie, holds lapse when lots end
//! and debts come out at 0. A step names lots, holds and entries by their place ("the second open lot"); it becomes a
//! command when it is that step's turn, by the books as they stand then. Whoever plays a script keeps the [`Model`]
//! beside the ledger under test: [`Player::call`] makes the next call, and [`Player::done`] is told when it was accepted.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use scrip::base::credits::Credits;
use scrip::base::ids::{BalanceId, CustomerId};
use scrip::base::money::{Currency, Money};
use scrip::base::settings::Overdraft;
use scrip::base::time::{SECOND, Time};
use scrip::ledger::command::{
    Allowance, Command, Cover, NewGrant, Overrun, Renewal, Rollover, Spend, SpendKind, VoidKind,
};
use scrip::ledger::model::{EntryKind, GrantSource, Lot, Policy};
use uuid::Uuid;

use super::model::Model;

/// Instants that begin, end and lapse things are whole multiples of this.
const SLOT: i64 = 10 * SECOND;
/// 2026-01-01, a whole multiple of a slot.
const BEGINNING: i64 = 1_767_225_600 * SECOND;

/// A list of steps for one balance, and the periods that renew it meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// What every amount is multiplied by: 1, or so much that the greatest balance comes into reach.
    pub(crate) scale: i64,
    pub(crate) periods: Vec<PeriodPlan>,
    pub(crate) steps: Vec<Step>,
}

/// A renewal at a slot; nobody knows of it before that many steps, so that some come late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeriodPlan {
    pub(crate) slot: i64,
    pub(crate) unknown_steps: usize,
    pub(crate) rollover: Option<(i64, Option<i64>)>,
    pub(crate) allowance: Option<(i64, Option<i64>)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) tick: Tick,
    pub(crate) policy: Option<PolicyPlan>,
    pub(crate) act: Act,
}

/// How the clock moves before a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tick {
    Stay,
    /// By so many microseconds, or back.
    By(i64),
    /// To the next instant at which something begins, ends or lapses, or so many microseconds beside it.
    Next(i64),
}

/// The policy from a step on; amounts are in millionths, without the scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyPlan {
    pub(crate) threshold: Option<i64>,
    /// Its limit, where there is one.
    pub(crate) overdraft: Overdraft,
}

/// What a step does. Amounts are in millionths, without the scale; instants are slots after the present.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Somebody looks; nothing is written.
    Read,
    /// What is due is posted.
    Carry,
    Grant {
        source: GrantSource,
        credits: i64,
        priority: i16,
        effective: Option<i64>,
        expires: Option<i64>,
        cents: Option<i64>,
    },
    Spend {
        kind: SpendKind,
        credits: Size,
        cover: Cover,
        seconds_ago: Option<i64>,
    },
    Hold {
        credits: Size,
        expires: i64,
    },
    Extend {
        hold: Pick,
        expires: i64,
    },
    Capture {
        hold: Pick,
        part: Option<Part>,
        overrun: Overrun,
    },
    Release {
        hold: Pick,
    },
    Reverse {
        entry: Pick,
        part: Option<Part>,
    },
    Void {
        lot: Pick,
        kind: VoidKind,
    },
    Amend {
        lot: Pick,
        priority: i16,
        expires: Option<i64>,
    },
    Close,
}

/// One of those that can be meant, counted round; or just any entry's sequence, and the one that will be next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pick {
    Fitting(usize),
    Any(usize),
}

/// So many, or all that is available and so many more or less.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Exactly(i64),
    Available(i64),
}

/// How much of what is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Nothing,
    Eighths(i64),
    Over(i64),
}

// --- Strategies ------------------------------------------------------------------------------------------------------

/// Scripts of a third of that many steps up to that many.
pub(crate) fn scripts(most_steps: usize) -> impl Strategy<Value = Script> {
    let scale = prop_oneof![9 => Just(1), 1 => Just(100_000_000_000)];
    let periods = prop_oneof![2 => Just(Vec::new()), 3 => periods()];
    (scale, periods, vec(steps(), most_steps / 3..=most_steps)).prop_map(|(scale, periods, steps)| Script {
        scale,
        periods,
        steps,
    })
}

fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![8 => (1..=60_i64).prop_map(|n| n * 1_000_000), 1 => (1..=20_i64).prop_map(|n| n * 500_000), 1 => 1..=60_000_000_i64]
}

fn sizes() -> impl Strategy<Value = Size> {
    let beside = prop_oneof![Just(0), Just(0), Just(-1), Just(1), Just(-1_000_000), Just(5_000_000)];
    prop_oneof![
        5 => (1..=20_i64).prop_map(|n| Size::Exactly(n * 1_000_000)),
        2 => amounts().prop_map(Size::Exactly),
        2 => beside.prop_map(Size::Available),
    ]
}

fn priorities() -> impl Strategy<Value = i16> {
    prop_oneof![Just(0), Just(500), Just(500), Just(1000)]
}

/// Included credits mostly end with their period, when the next one may let them roll over.
fn periods() -> impl Strategy<Value = Vec<PeriodPlan>> {
    let rollover = option::of((amounts(), option::of(1..=4_i64)));
    let allowance = option::weighted(0.8, (amounts(), option::weighted(0.3, option::of(1..=3_i64))));
    let period = (1..=3_i64, prop_oneof![3 => Just(0), 1 => 0..=20_usize], rollover, allowance);
    vec(period, 1..=6).prop_map(|periods| {
        let mut slot = 0;
        let mut plans = Vec::new();
        for (length, unknown_steps, rollover, allowance) in periods {
            let allowance = allowance.map(|(credits, expires)| (credits, expires.unwrap_or(Some(length))));
            plans.push(PeriodPlan { slot, unknown_steps, rollover, allowance });
            slot += length;
        }
        plans
    })
}

fn steps() -> impl Strategy<Value = Step> {
    (ticks(), option::weighted(0.2, policies()), acts()).prop_map(|(tick, policy, act)| Step { tick, policy, act })
}

fn ticks() -> impl Strategy<Value = Tick> {
    prop_oneof![
        4 => Just(Tick::Stay),
        1 => (1..=9 * SECOND).prop_map(Tick::By),
        1 => (1..=2_i64).prop_map(|slots| Tick::By(slots * SLOT)),
        1 => (1..=2_i64).prop_map(|slots| Tick::By(-slots * SLOT)),
        3 => (-1..=1_i64).prop_map(Tick::Next),
    ]
}

fn policies() -> impl Strategy<Value = PolicyPlan> {
    let threshold = option::of(prop_oneof![Just(0), Just(5_000_000), Just(20_000_000)]);
    let limit = option::of(prop_oneof![Just(0), Just(10_000_000), Just(25_000_000)]);
    let allow = limit.prop_map(|limit| Overdraft::Allow { limit: limit.map(Credits::from_micros) });
    let overdraft = prop_oneof![1 => Just(Overdraft::Deny), 2 => allow];
    (threshold, overdraft).prop_map(|(threshold, overdraft)| PolicyPlan { threshold, overdraft })
}

fn picks() -> impl Strategy<Value = Pick> {
    prop_oneof![12 => (0..8_usize).prop_map(Pick::Fitting), 1 => any::<u8>().prop_map(|n| Pick::Any(n.into()))]
}

fn parts() -> impl Strategy<Value = Option<Part>> {
    let part = prop_oneof![
        5 => (1..=8_i64).prop_map(Part::Eighths),
        1 => Just(Part::Nothing),
        4 => amounts().prop_map(Part::Over),
    ];
    option::weighted(0.8, part)
}

fn acts() -> impl Strategy<Value = Act> {
    let covers = || prop_oneof![2 => Just(Cover::AsFarAsAllowed), 1 => Just(Cover::Whole)];
    let kinds = || prop_oneof![Just(SpendKind::Usage), Just(SpendKind::Retention)];
    let overruns = || prop_oneof![Just(Overrun::Reject), Just(Overrun::UpToAvailable), Just(Overrun::Overdraft)];
    let voids = prop_oneof![2 => Just(VoidKind::Void), 1 => Just(VoidKind::Refund)];
    prop_oneof![
        2 => Just(Act::Read),
        2 => Just(Act::Carry),
        25 => grants(),
        16 => (kinds(), sizes(), covers(), option::weighted(0.2, -30..=3_600_i64)).prop_map(
            |(kind, credits, cover, seconds_ago)| {
                // What is deducted by hand is deducted wholly or not at all.
                let cover = if kind == SpendKind::Retention { Cover::Whole } else { cover };
                Act::Spend { kind, credits, cover, seconds_ago }
            }
        ),
        14 => (sizes(), 1..=5_i64).prop_map(|(credits, expires)| Act::Hold { credits, expires }),
        3 => (picks(), -1..=6_i64).prop_map(|(hold, expires)| Act::Extend { hold, expires }),
        14 => (picks(), parts(), overruns()).prop_map(|(hold, part, overrun)| Act::Capture { hold, part, overrun }),
        6 => picks().prop_map(|hold| Act::Release { hold }),
        12 => (picks(), parts()).prop_map(|(entry, part)| Act::Reverse { entry, part }),
        7 => (picks(), voids).prop_map(|(lot, kind)| Act::Void { lot, kind }),
        5 => (picks(), priorities(), option::of(-1..=5_i64))
            .prop_map(|(lot, priority, expires)| Act::Amend { lot, priority, expires }),
        1 => Just(Act::Close),
    ]
}

fn grants() -> impl Strategy<Value = Act> {
    let source = prop_oneof![
        3 => Just((GrantSource::TopUp, None)),
        1 => Just((GrantSource::StartingBalance, None)),
        2 => (0..=2_i64).prop_map(|cents| (GrantSource::Purchase, Some(cents))),
    ];
    let effective = option::weighted(0.3, -1..=3_i64);
    (source, amounts(), priorities(), effective, option::of(0..=5_i64)).prop_map(
        |((source, cents), credits, priority, effective, expires)| Act::Grant {
            source,
            credits,
            priority,
            effective,
            expires,
            cents,
        },
    )
}

// --- Play ------------------------------------------------------------------------------------------------------------

/// What a step asks for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Show the books at this time, and write nothing.
    Read,
    /// Post what is due.
    Carry,
    /// Apply a command.
    Apply(Command),
}

/// One call of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) policy: Policy,
    pub(crate) now: Time,
    /// Those that are known and not posted yet, in time order.
    pub(crate) renewals: Vec<Renewal>,
    pub(crate) order: Order,
}

/// Turns the steps of a script into calls.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    scale: i64,
    now: Time,
    policy: Policy,
    steps: usize,
    /// What is not posted yet, by how many steps it stays unknown.
    periods: Vec<(usize, Renewal)>,
}

/// The balance that scripts are played on.
pub(crate) fn balance() -> BalanceId {
    BalanceId { customer: CustomerId(Uuid::from_u128(1)), number: 1 }
}

/// When it was created, and when a script begins.
pub(crate) fn beginning() -> Time {
    Time::from_micros(BEGINNING).expect("it can be written")
}

/// The instant that many slots after the last one up to `now`.
fn slot(now: Time, slots: i64) -> Time {
    let whole = (now.micros() - BEGINNING).div_euclid(SLOT);
    Time::from_micros(BEGINNING + (whole + slots) * SLOT).expect("scripts end within this century")
}

impl Player {
    pub(crate) fn new(script: &Script) -> Self {
        let scale = script.scale;
        let periods = (1..).zip(&script.periods).map(|(subscription, plan)| {
            let at = slot(beginning(), plan.slot);
            let until = |slots: Option<i64>| slots.map(|slots| slot(at, slots));
            let rollover = plan.rollover.map(|(limit, expires)| Rollover {
                since: 0,
                limit: Credits::from_micros(limit * scale),
                expires_at: until(expires),
            });
            let allowance = plan.allowance.map(|(credits, expires)| Allowance {
                credits: Credits::from_micros(credits * scale),
                expires_at: until(expires),
            });
            // Each is told apart from the others by the number of its subscription.
            (plan.unknown_steps, Renewal { at, subscription, rollover, allowance })
        });
        Self { scale, now: beginning(), policy: Policy::default(), steps: 0, periods: periods.collect() }
    }

    /// The next call, by the books as they stand.
    pub(crate) fn call(&mut self, step: &Step, books: &Model) -> Call {
        self.steps += 1;
        let renewals: Vec<Renewal> = self.known().collect();
        self.now = match step.tick {
            Tick::Stay => self.now,
            Tick::By(micros) => self.now.plus_micros(micros).expect("scripts are short"),
            Tick::Next(beside) => {
                let renewed = renewals.iter().map(|renewal| renewal.at);
                let next = books.every_instant().into_iter().chain(renewed).filter(|at| *at > self.now).min();
                next.and_then(|at| at.plus_micros(beside)).unwrap_or(self.now)
            }
        };
        if let Some(plan) = step.policy {
            let scaled = |credits: Credits| self.credits(credits.micros());
            self.policy = Policy {
                threshold: plan.threshold.map(|n| self.credits(n)),
                overdraft: match plan.overdraft {
                    Overdraft::Deny => Overdraft::Deny,
                    Overdraft::Allow { limit } => Overdraft::Allow { limit: limit.map(scaled) },
                },
            };
        }
        let order = self.order(step.act, books);
        Call { policy: self.policy, now: self.now, renewals, order }
    }

    /// The call was accepted, and what it posted is on record.
    pub(crate) fn done(&mut self, books: &Model) {
        let (steps, now) = (self.steps, books.time(self.now));
        self.periods.retain(|(unknown_steps, renewal)| *unknown_steps >= steps || renewal.at > now);
    }

    /// Those that are not posted yet, whether anybody knows of them or not.
    pub(crate) fn every_renewal(&self) -> Vec<Renewal> {
        self.periods.iter().map(|(_, renewal)| *renewal).collect()
    }

    fn known(&self) -> impl Iterator<Item = Renewal> {
        self.periods.iter().filter(|(unknown_steps, _)| *unknown_steps < self.steps).map(|(_, renewal)| *renewal)
    }

    fn credits(&self, micros: i64) -> Credits {
        Credits::from_micros(micros * self.scale)
    }

    fn order(&self, act: Act, books: &Model) -> Order {
        let after = |slots: i64| slot(books.time(self.now), slots);
        let command = match act {
            Act::Read => return Order::Read,
            Act::Carry => return Order::Carry,
            Act::Grant { source, credits, priority, effective, expires, cents } => Command::Grant(NewGrant {
                source,
                credits: self.credits(credits),
                priority,
                effective_at: effective.map(after),
                expires_at: expires.map(after),
                cost: cents.map(|minor| Money { minor, currency: Currency::parse("EUR").expect("a currency") }),
            }),
            Act::Spend { kind, credits, cover, seconds_ago } => Command::Spend(Spend {
                kind,
                credits: self.size(credits, books),
                cover,
                occurred_at: seconds_ago.and_then(|seconds| self.now.plus_micros(-seconds * SECOND)),
            }),
            Act::Hold { credits, expires } => {
                Command::Hold { credits: self.size(credits, books), expires_at: after(expires) }
            }
            Act::Extend { .. } | Act::Capture { .. } | Act::Release { .. } if books.holds().is_empty() => {
                Command::Hold { credits: self.credits(7_000_000), expires_at: after(2) }
            }
            Act::Void { .. } | Act::Amend { .. } if open_lots(books).is_empty() => Command::Grant(NewGrant {
                source: GrantSource::TopUp,
                credits: self.credits(30_000_000),
                priority: 500,
                effective_at: None,
                expires_at: Some(after(3)),
                cost: None,
            }),
            Act::Extend { hold, expires } => {
                Command::Extend { hold: pick(hold, &holds(books), books), expires_at: after(expires) }
            }
            Act::Capture { hold, part, overrun } => {
                let hold = pick(hold, &holds(books), books);
                let found = books.holds().iter().find(|other| other.sequence == hold);
                let whole = found.map_or(0, |hold| hold.credits.micros());
                let credits = part.map(|part| self.part(part, whole));
                Command::Capture { hold, credits, overrun }
            }
            Act::Release { hold } => Command::Release { hold: pick(hold, &holds(books), books) },
            Act::Reverse { entry, part } => {
                let Some(entry) = reversible(entry, books) else { return Order::Read };
                let record = books.reversal(entry, None);
                let left = record.taken.micros() - record.reversed.micros();
                let part = part.map(|part| self.part(part, left).max(Credits::from_micros(1)));
                Command::Reverse(books.reversal(entry, part))
            }
            Act::Void { lot, kind } => Command::Void { lot: pick(lot, &open_lots(books), books), kind },
            Act::Amend { lot, priority, expires } => {
                let lot = pick(lot, &open_lots(books), books);
                Command::Amend { lot, priority, expires_at: expires.map(after) }
            }
            Act::Close => Command::Close,
        };
        Order::Apply(command)
    }

    /// By what the books say on record; what is due by now may have changed it.
    fn size(&self, size: Size, books: &Model) -> Credits {
        match size {
            Size::Exactly(micros) => self.credits(micros),
            Size::Available(beside) => {
                let account = books.account();
                Credits::from_micros((account.settled.micros() - account.held.micros() + beside).max(1))
            }
        }
    }

    fn part(&self, part: Part, whole: i64) -> Credits {
        match part {
            Part::Nothing => Credits::ZERO,
            Part::Eighths(n) => Credits::from_micros(whole / 8 * n + whole % 8 * n / 8),
            Part::Over(more) => Credits::from_micros(whole.saturating_add(more * self.scale)),
        }
    }
}

fn holds(books: &Model) -> Vec<i64> {
    books.holds().iter().map(|hold| hold.sequence).collect()
}

fn open_lots(books: &Model) -> Vec<i64> {
    books.account().lots.iter().map(|lot: &Lot| lot.sequence).collect()
}

/// The newest first; `None` when there is no entry at all.
fn reversible(pick_of: Pick, books: &Model) -> Option<i64> {
    let took = |kind| matches!(kind, EntryKind::Usage | EntryKind::Retention | EntryKind::Capture);
    let fitting: Vec<i64> =
        books.entries().iter().rev().filter(|entry| took(entry.kind)).map(|entry| entry.sequence).collect();
    let count = i64::try_from(books.entries().len()).expect("entries can be counted");
    (count > 0).then(|| pick(pick_of, &fitting, books).min(count))
}

fn pick(pick: Pick, fitting: &[i64], books: &Model) -> i64 {
    let entries = books.entries().len();
    let any = |n: usize| i64::try_from(n % (entries + 1)).expect("entries can be counted") + 1;
    match pick {
        Pick::Fitting(n) if !fitting.is_empty() => fitting[n % fitting.len()],
        Pick::Fitting(n) | Pick::Any(n) => any(n),
    }
}
