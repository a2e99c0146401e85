//! What a subscription means for one balance: what its periods bring, and the settings that the balance inherits from it.
//!
//! All of it is plain values that follow from the subscription and stand in the balance's own row, so that whoever has the
//! balance knows the next allowance to the microsecond and asks nobody: a command posts it, a read shows it.
//!
//! - Terms hold in stretches, each from the start of a period on: now, and from the next period on where that differs.
//! - At the start of a period comes the rollover of what the one before left unused, by that one's terms, then the
//!   period's own allowance (L8).
//! - From its end on, a subscription says nothing any more.

use serde::{Deserialize, Serialize};

use crate::base::credits::Credits;
use crate::base::period::Calendar;
use crate::base::settings::{CreditLayer, IncludedExpiration};
use crate::base::time::{DAY, Time};

/// What a subscription says of a balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTerms {
    /// The subscription's number within the customer.
    pub subscription: i32,
    /// The balance's newest entry when the subscription came: what it brings comes behind that.
    pub since: i64,
    /// What holds from when on, in order of time; at least one.
    pub stretches: Vec<Stretch>,
    /// When the subscription ends, or leaves this balance.
    pub until: Option<Time>,
}

/// What holds from the start of a period on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When its first period begins.
    pub from: Time,
    /// Its periods; `from` is the start of one.
    pub calendar: Calendar,
    /// What each of them brings.
    pub included: Included,
    /// The settings that the balance inherits.
    pub layer: CreditLayer,
}

/// What a period brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Included {
    /// How many credits.
    pub credits: Credits,
    /// How they end.
    pub expiration: IncludedExpiration,
    /// At most so many of them, unused, live on for one more period.
    pub rollover: Credits,
}

/// What a period brings (L8): handed to the carrying of time, so that reads show it before it is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The instant at which the period begins.
    pub at: Time,
    /// The subscription's number within the customer.
    pub subscription: i32,
    /// Unused included credits that live on: a ROLLOVER lot of what expires of ALLOWANCE lots at `at`.
    pub rollover: Option<Rollover>,
    /// Included credits: an ALLOWANCE lot.
    pub allowance: Option<Allowance>,
}

/// Terms of a rollover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollover {
    /// At most so many credits.
    pub limit: Credits,
    /// Of lots that were made behind this entry: by the same subscription.
    pub since: i64,
    /// When the lot ends.
    pub expires_at: Option<Time>,
}

/// Terms of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many credits; none when 0.
    pub credits: Credits,
    /// When the lot ends.
    pub expires_at: Option<Time>,
}

impl Included {
    fn brings_something(&self) -> bool {
        self.credits.is_positive() || self.rollover.is_positive()
    }

    /// When credits end that came with the period from `start` to `end`.
    fn expires_at(&self, start: Time, end: Time) -> Option<Time> {
        match self.expiration {
            IncludedExpiration::EndOfPeriod => Some(end),
            IncludedExpiration::Never => None,
            IncludedExpiration::AfterDays(days) => start.plus_micros(i64::from(days).checked_mul(DAY)?),
        }
    }
}

impl PlanTerms {
    /// The stretch in force at an instant.
    #[must_use]
    pub fn at(&self, at: Time) -> Option<&Stretch> {
        let in_time = self.until.is_none_or(|until| at < until);
        self.stretches.iter().rfind(|stretch| stretch.from <= at).filter(|_| in_time)
    }

    /// Whether it still says something at an instant, or will.
    #[must_use]
    pub fn lasts_beyond(&self, at: Time) -> bool {
        self.until.is_none_or(|until| at < until)
    }

    /// The first instant, after `after` where one is given, at which a period brings something.
    #[must_use]
    pub fn next_renewal(&self, after: Option<Time>) -> Option<Time> {
        let mut before: Option<&Stretch> = None;
        for (place, stretch) in self.stretches.iter().enumerate() {
            let next = self.stretches.get(place.saturating_add(1));
            let end = next.map(|next| next.from).into_iter().chain(self.until).min().unwrap_or(Time::MAX);
            let first = stretch.included.credits.is_positive()
                || before.is_some_and(|before| before.included.rollover.is_positive());
            before = Some(stretch);
            if first && after.is_none_or(|after| after < stretch.from) && stretch.from < end {
                return Some(stretch.from);
            }
            if stretch.included.brings_something() {
                let start = stretch.calendar.next(after.map_or(stretch.from, |after| after.max(stretch.from)));
                if start < end {
                    return Some(start);
                }
            }
        }
        None
    }

    /// What the period that begins at an instant brings.
    #[must_use]
    pub fn renewal(&self, at: Time) -> Option<Renewal> {
        let stretch = self.at(at)?;
        let end = stretch.calendar.next(at);
        let before = self.stretches.iter().rfind(|stretch| stretch.from < at);
        let limit = before.map(|before| before.included.rollover).filter(|limit| limit.is_positive());
        let included = stretch.included;
        Some(Renewal {
            at,
            subscription: self.subscription,
            rollover: limit.map(|limit| Rollover { limit, expires_at: Some(end), since: self.since }),
            allowance: included
                .credits
                .is_positive()
                .then(|| Allowance { credits: included.credits, expires_at: included.expires_at(at, end) }),
        })
    }

    /// What the periods bring that begin from `from` up to `now`, and when the next one brings something.
    #[must_use]
    pub fn renewals(&self, from: Option<Time>, now: Time) -> (Vec<Renewal>, Option<Time>) {
        let mut renewals = Vec::new();
        let mut next = from;
        while let Some(at) = next.filter(|at| *at <= now) {
            renewals.extend(self.renewal(at));
            next = self.next_renewal(Some(at));
        }
        (renewals, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::period::Interval;

    fn time(text: &str) -> Time {
        Time::parse(&format!("{text}T00:00:00Z")).unwrap()
    }

    fn credits(whole: i64) -> Credits {
        Credits::from_micros(whole.saturating_mul(1_000_000))
    }

    fn stretch(from: &str, whole: i64, rollover: i64) -> Stretch {
        Stretch {
            from: time(from),
            calendar: Calendar { anchor: time(from), interval: Interval::Month },
            included: Included { credits: credits(whole), rollover: credits(rollover), ..Included::default() },
            layer: CreditLayer::default(),
        }
    }

    fn all(terms: &PlanTerms, until: &str) -> Vec<String> {
        let (renewals, _) = terms.renewals(terms.next_renewal(None), time(until));
        let told = |renewal: &Renewal| {
            let rollover = renewal.rollover.map_or(String::new(), |it| format!(" rollover {}", it.limit));
            let allowance = renewal.allowance.map_or(String::new(), |it| format!(" allowance {}", it.credits));
            format!("{}{rollover}{allowance}", &renewal.at.to_string()[..10])
        };
        renewals.iter().map(told).collect()
    }

    #[test]
    fn each_period_brings_its_allowance_and_from_the_second_on_the_rollover() {
        let terms = PlanTerms { subscription: 1, since: 0, stretches: vec![stretch("2026-01-31", 10, 3)], until: None };
        assert_eq!(
            all(&terms, "2026-04-01"),
            ["2026-01-31 allowance 10", "2026-02-28 rollover 3 allowance 10", "2026-03-31 rollover 3 allowance 10"]
        );
        let ended = PlanTerms { until: Some(time("2026-02-28")), ..terms };
        assert_eq!(all(&ended, "2026-04-01"), ["2026-01-31 allowance 10"]);
        assert!(ended.at(time("2026-02-27")).is_some() && ended.at(time("2026-02-28")).is_none());
    }

    #[test]
    fn closed_balance_is_brought_nothing() {
        use crate::base::ids::{BalanceId, CustomerId, ProductId};
        use crate::base::settings::Overrides;
        use crate::ledger::model::Balance;

        let id = BalanceId { customer: CustomerId(uuid::Uuid::from_u128(1)), number: 1 };
        let product = ProductId(uuid::Uuid::from_u128(2));
        let mut balance = Balance::open(id, product, Overrides::default(), time("2026-01-31"));
        let terms = PlanTerms { subscription: 1, since: 0, stretches: vec![stretch("2026-01-31", 10, 3)], until: None };
        balance.renews_at = terms.next_renewal(None);
        balance.plan = Some(terms.into());
        assert_eq!(balance.renewals(time("2026-04-01")).0.len(), 3);
        balance.account.closed = true;
        assert_eq!(balance.renewals(time("2026-04-01")), (vec![], None));
    }

    #[test]
    fn what_rolls_over_is_said_by_the_terms_of_the_period_that_ends() {
        let next = Stretch { included: Included::default(), ..stretch("2026-03-01", 0, 0) };
        let stretches = vec![stretch("2026-02-01", 10, 3), next];
        let terms = PlanTerms { subscription: 1, since: 0, stretches, until: None };
        assert_eq!(all(&terms, "2027-01-01"), ["2026-02-01 allowance 10", "2026-03-01 rollover 3"]);
        assert_eq!(terms.next_renewal(Some(time("2026-03-01"))), None);
    }

    #[test]
    fn periods_that_bring_nothing_are_passed_over() {
        let stretches = vec![stretch("2026-02-01", 0, 0), stretch("2026-06-01", 5, 0)];
        let terms = PlanTerms { subscription: 1, since: 0, stretches, until: None };
        assert_eq!(all(&terms, "2026-07-01"), ["2026-06-01 allowance 5", "2026-07-01 allowance 5"]);
    }
}
