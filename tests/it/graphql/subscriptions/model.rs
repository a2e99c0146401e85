//! A reference model of one subscription: what its periods bring and cost, written as plainly as can be, in whole credits
//! and cents. It walks from instant to instant and keeps lists; it shares nothing with the program.

use std::collections::BTreeSet;

use chrono::{DateTime, Months, TimeDelta, Utc};

pub(crate) type Time = DateTime<Utc>;

/// How long a period lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Every {
    Days(i64),
    Month,
}

/// A plan as the model knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) every: Every,
    /// Included credits; none when the plan has no credits at all.
    pub(crate) credits: Option<i64>,
    pub(crate) rollover: i64,
    /// After how many days included credits end; `Some(0)` with their period, `None` never.
    pub(crate) ends_after: Option<i64>,
    /// In cents.
    pub(crate) fee: Option<i64>,
    /// How many seats, at 10.00 each.
    pub(crate) seats: Option<i64>,
    /// How many calls are included, at 0.01 each.
    pub(crate) calls: Option<i64>,
}

/// What the subscription sets itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Own {
    pub(crate) credits: Option<i64>,
    pub(crate) rollover: Option<i64>,
    pub(crate) threshold: Option<i64>,
    pub(crate) seats: Option<i64>,
}

#[derive(Clone, Debug)]
struct Lot {
    left: i64,
    from: Time,
    until: Option<Time>,
    allowance: bool,
}

/// One customer with one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: Time,
    plans: Vec<Plan>,
    start: Time,
    anchor: Time,
    every: Every,
    /// The period under way: its number and start.
    period: Option<(i32, Time)>,
    plan: usize,
    own: Own,
    /// What holds from the next period on.
    pending: Option<(usize, Own)>,
    ends: Option<Time>,
    over: bool,
    /// Whether the balance was opened.
    pub(crate) opened: bool,
    lots: Vec<Lot>,
    calls: Vec<Time>,
    /// "ALLOWANCE 100 at …" of all that periods brought, in order.
    pub(crate) brought: Vec<String>,
    /// "0 [start, end) fee 2900" of all that was charged.
    pub(crate) charged: BTreeSet<String>,
}

impl Model {
    pub(crate) fn new(plans: &[Plan], plan: usize, (start, now): (Time, Time)) -> Self {
        let every = plans[plan].every;
        let mut model = Self {
            now,
            plans: plans.to_vec(),
            start,
            anchor: start,
            every,
            period: None,
            plan,
            own: Own::default(),
            pending: None,
            ends: None,
            over: false,
            opened: start <= now && plans[plan].credits.is_some(),
            lots: Vec::new(),
            calls: Vec::new(),
            brought: Vec::new(),
            charged: BTreeSet::new(),
        };
        model.live(now);
        model
    }

    fn plan(&self) -> Plan {
        self.plans[self.plan]
    }

    fn boundary(&self) -> Time {
        let Some((_, start)) = self.period else { return self.start };
        let nth = |index: i64| match self.every {
            Every::Days(days) => self.anchor + TimeDelta::days(days * index),
            Every::Month => self.anchor + Months::new(u32::try_from(index).unwrap()),
        };
        (0..10_000).map(nth).find(|time| *time > start).unwrap()
    }

    /// Goes to an instant, through all that happens on the way.
    pub(crate) fn live(&mut self, to: Time) {
        loop {
            let lot = self.lots.iter().filter(|lot| lot.left > 0).filter_map(|lot| lot.until).min();
            let period = (!self.over).then(|| self.ends.map_or(self.boundary(), |end| end.min(self.boundary())));
            let Some(at) = lot.into_iter().chain(period).min().filter(|at| *at <= to) else { break };
            let mut unused = 0;
            for lot in self.lots.iter_mut().filter(|lot| lot.until == Some(at)) {
                unused += if lot.allowance { lot.left } else { 0 };
                lot.left = 0;
            }
            if period == Some(at) {
                self.cross(at, unused);
            }
        }
        self.now = to;
    }

    fn cross(&mut self, at: Time, unused: i64) {
        self.charge_usage(at);
        if self.ends == Some(at) {
            self.over = true;
            return;
        }
        let before = self.plan();
        let rolls = self.period.is_some() && before.credits.is_some();
        let limit = self.own.rollover.unwrap_or(before.rollover);
        if let Some((plan, own)) = self.pending.take() {
            if std::mem::discriminant(&self.every) != std::mem::discriminant(&self.plans[plan].every)
                || matches!((self.every, self.plans[plan].every), (Every::Days(a), Every::Days(b)) if a != b)
            {
                self.anchor = at;
            }
            (self.plan, self.own, self.every) = (plan, own, self.plans[plan].every);
        }
        self.begin(at, if rolls { unused.min(limit) } else { 0 });
    }

    fn begin(&mut self, at: Time, rollover: i64) {
        let index = self.period.map_or(0, |(index, _)| index + 1);
        self.period = Some((index, at));
        let (plan, end) = (self.plan(), self.boundary());
        if let Some(credits) = plan.credits {
            self.opened = true;
            self.bring("ROLLOVER", rollover, (at, Some(end)));
            let until = match plan.ends_after {
                None => None,
                Some(0) => Some(end),
                Some(days) => Some(at + TimeDelta::days(days)),
            };
            self.bring("ALLOWANCE", self.own.credits.unwrap_or(credits), (at, until));
        }
        if let Some(fee) = plan.fee {
            self.charged.insert(format!("{index} [{at}, {end}) platform {fee}"));
        }
        if let Some(seats) = plan.seats {
            let seats = self.own.seats.unwrap_or(seats);
            self.charged.insert(format!("{index} [{at}, {end}) seats {}", seats * 1000));
        }
    }

    fn bring(&mut self, kind: &str, credits: i64, (from, until): (Time, Option<Time>)) {
        if credits > 0 {
            self.brought.push(format!("{kind} {credits} at {from}"));
            self.lots.push(Lot { left: credits, from, until, allowance: kind == "ALLOWANCE" });
        }
    }

    /// Charges the calls of the period that ends at an instant.
    fn charge_usage(&mut self, end: Time) {
        let (Some((index, start)), Some(included)) = (self.period, self.plan().calls) else { return };
        if start < end {
            let made = self.calls.iter().filter(|call| start <= **call && **call < end).count();
            let beyond = (i64::try_from(made).unwrap() - included).max(0);
            self.charged.insert(format!("{index} [{start}, {end}) calls {beyond}"));
        }
    }

    /// Ends the period now: what is unused of it is gone.
    fn cut(&mut self) {
        self.charge_usage(self.now);
        if let Some((_, start)) = self.period {
            self.lots.retain(|lot| lot.from < start);
        }
    }

    pub(crate) fn available(&self) -> i64 {
        self.lots.iter().map(|lot| lot.left).sum()
    }

    /// The threshold in force, where the product says 20 and no plan says anything.
    pub(crate) fn threshold(&self) -> i64 {
        let runs = !self.over && self.period.is_some() && self.plan().credits.is_some();
        if runs { self.own.threshold.unwrap_or(20) } else { 20 }
    }

    pub(crate) fn burn(&mut self, credits: i64) {
        let mut rest = credits;
        self.lots.sort_by_key(|lot| lot.until.unwrap_or(Time::MAX_UTC));
        for lot in &mut self.lots {
            let part = lot.left.min(rest);
            lot.left -= part;
            rest -= part;
        }
    }

    pub(crate) fn call(&mut self) {
        self.calls.push(self.now);
    }

    // --- What may be refused: each says whether it was done ------------------------------------------------------------

    pub(crate) fn cancel(&mut self, now: bool) -> bool {
        if self.over {
            return true;
        }
        if now {
            self.cut();
            (self.ends, self.over) = (Some(self.now), true);
        } else {
            self.ends = Some(self.boundary());
            self.stay();
        }
        true
    }

    pub(crate) fn resume(&mut self) -> bool {
        if !self.over {
            self.ends = None;
            self.stay();
        }
        !self.over
    }

    /// A change of plan that is pending is none.
    fn stay(&mut self) {
        if let Some((plan, _)) = &mut self.pending {
            *plan = self.plan;
        }
    }

    pub(crate) fn change(&mut self, plan: usize, now: bool) -> bool {
        if self.over || self.ends.is_some() {
            return false;
        }
        if plan == self.plan {
            self.stay();
            return true;
        }
        let own = self.pending.map_or(self.own, |(_, own)| own);
        let new = self.plans[plan];
        let rolls = own.rollover.unwrap_or(new.rollover) > 0;
        if new.credits.is_some() && own != Own::default() && rolls && new.ends_after != Some(0) {
            return false;
        }
        if self.period.is_none() {
            (self.plan, self.own, self.every, self.pending) = (plan, own, new.every, None);
        } else if now {
            self.cut();
            (self.plan, self.own, self.every, self.pending) = (plan, own, new.every, None);
            self.anchor = self.now;
            self.begin(self.now, 0);
        } else {
            self.pending = Some((plan, own));
        }
        true
    }

    /// Sets something of the credits, at once or from the next period on.
    pub(crate) fn set_credits(&mut self, set: impl Fn(&mut Own)) -> bool {
        let next = self.pending.map_or(self.plan, |(plan, _)| plan);
        let held: Vec<Plan> = [next, self.plan].map(|plan| self.plans[plan]).into();
        let mut held = held.into_iter().filter(|plan| plan.credits.is_some()).peekable();
        if self.over || held.peek().is_none() {
            return false;
        }
        let mut own = self.pending.map_or(self.own, |(_, own)| own);
        set(&mut own);
        // It must be possible under both: a change of plan can be taken back.
        if held.any(|plan| own.rollover.unwrap_or(plan.rollover) > 0 && plan.ends_after != Some(0)) {
            return false;
        }
        if self.period.is_none() {
            self.own = own;
        } else {
            if self.plan().credits.is_some() {
                self.own.threshold = own.threshold;
            }
            self.pending = Some((next, own));
        }
        true
    }

    /// Sets how many seats there are from the next period on.
    pub(crate) fn set_seats(&mut self, seats: Option<i64>) -> bool {
        let next = self.pending.map_or(self.plan, |(plan, _)| plan);
        let held = [next, self.plan].into_iter().any(|plan| self.plans[plan].seats.is_some());
        if self.over || !held {
            return false;
        }
        let mut own = self.pending.map_or(self.own, |(_, own)| own);
        own.seats = seats;
        if self.period.is_none() {
            self.own = own;
        } else {
            self.pending = Some((next, own));
        }
        true
    }
}
