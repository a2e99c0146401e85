//! When credits are bought without being asked for: one pure decision, for commits that act on it and for people who want to
//! know why nothing is bought.

use crate::base::buying::{AutoTopUp, Buying, Failed};
use crate::base::credits::Credits;
use crate::base::time::{DAY, HOUR, Time};

use super::rules::MAX_QUANTITY;

/// How long to wait after each payment that failed, one behind the other; then it stops until it is set again.
const WAITS: [i64; 3] = [HOUR, 4 * HOUR, 24 * HOUR];

/// How it stands, by the contract's own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Status {
    Idle,
    PendingPayment,
    DailyLimitReached,
    PaymentFailed,
    NoPaymentMethod,
    Disabled,
}

/// What it is to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: there is enough.
    Enough,
    /// Nothing, though there is too little.
    Blocked {
        /// How it stands.
        status: Status,
        /// Why nothing is bought.
        reason: String,
        /// When that passes by itself.
        until: Option<Time>,
    },
    /// To buy so many at once.
    Buy(i32),
}

/// What is known of the world besides the balance.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// How many credits one of the option brings; or why it cannot be bought.
    pub pack: Result<Credits, String>,
    /// Whether there is a way to pay without asking the customer.
    pub can_pay: bool,
    /// The present.
    pub now: Time,
}

impl AutoTopUp {
    /// How long nothing is bought after what failed; forever when absent.
    fn rests_until(failed: &Failed) -> Option<Time> {
        let place = usize::try_from(failed.times).ok()?.checked_sub(1)?;
        failed.at.plus_micros(*WAITS.get(place)?)
    }

    /// Purchases of the last 24 hours.
    fn recent(&self, now: Time) -> Vec<Time> {
        let ends = |at: &Time| at.plus_micros(DAY).is_none_or(|end| now < end);
        self.bought.iter().copied().filter(ends).collect()
    }

    /// Whether it should look at all: whether there is too little, with what is awaited counted as if it were there.
    #[must_use]
    pub fn is_called_for(&self, available: Credits, awaited: Credits) -> bool {
        self.enabled && available.plus(awaited).is_ok_and(|there| there <= self.threshold)
    }

    /// What is to be done now.
    #[must_use]
    pub fn decide(&self, available: Credits, awaited: Credits, world: &Circumstances) -> Decision {
        let blocked = |status, reason: String, until| Decision::Blocked { status, reason, until };
        if !self.enabled {
            return blocked(Status::Disabled, "It is switched off.".to_owned(), None);
        }
        if self.waits_for.is_some() {
            return blocked(Status::PendingPayment, "A purchase waits for its money.".to_owned(), None);
        }
        if !self.is_called_for(available, awaited) {
            return Decision::Enough;
        }
        let credits = match &world.pack {
            Ok(credits) => *credits,
            Err(why) => return blocked(Status::Disabled, why.clone(), None),
        };
        if let Some(failed) = &self.failed {
            let reason = failed.reason.trim_end_matches('.');
            match Self::rests_until(failed) {
                None => {
                    let reason = format!("{reason}, {} times in a row; set it again to go on.", failed.times);
                    return blocked(Status::PaymentFailed, reason, None);
                }
                Some(until) if world.now < until => {
                    return blocked(Status::PaymentFailed, format!("{reason}; tries again at {until}."), Some(until));
                }
                Some(_) => {}
            }
        }
        let recent = self.recent(world.now);
        let limit = usize::try_from(self.daily_limit).unwrap_or_default();
        if let Some(place) = recent.len().checked_sub(limit) {
            let until = recent.get(place).and_then(|oldest| oldest.plus_micros(DAY));
            let reason = format!("It has bought {} times in 24 hours, which is as often as it may.", recent.len());
            return blocked(Status::DailyLimitReached, reason, until);
        }
        if !world.can_pay {
            let reason = "The customer has no way of payment on record; one is saved with the first purchase he pays.";
            return blocked(Status::NoPaymentMethod, reason.to_owned(), None);
        }
        let there = available.plus(awaited).unwrap_or(available);
        Decision::Buy(packs(self.target.and_then(|target| target.minus(there).ok()), credits))
    }

    /// Takes note of what it bought.
    pub fn bought(&mut self, purchase: i32, now: Time) {
        self.bought = self.recent(now);
        self.bought.push(now);
        self.waits_for = Some(purchase);
    }

    /// Takes note of what became of a purchase: why there is no money, if there is none.
    pub fn ended(&mut self, purchase: i32, failure: Option<&str>, (made, now): (Time, Time)) {
        if self.waits_for != Some(purchase) {
            return;
        }
        self.waits_for = None;
        match failure {
            None => self.failed = None,
            Some(reason) => {
                if let Some(place) = self.bought.iter().position(|at| *at == made) {
                    self.bought.remove(place);
                }
                let times = self.failed.as_ref().map_or(0, |failed| failed.times).saturating_add(1);
                self.failed = Some(Failed { times, at: now, reason: reason.to_owned() });
            }
        }
    }
}

/// How many packs close a gap: one when there is none.
fn packs(gap: Option<Credits>, credits: Credits) -> i32 {
    let gap = gap.map_or(0, Credits::micros).max(0);
    let packs = gap.checked_div(credits.micros()).unwrap_or_default();
    let rest = gap.checked_rem(credits.micros()).unwrap_or_default();
    let packs = if rest > 0 { packs.saturating_add(1) } else { packs };
    i32::try_from(packs).unwrap_or(MAX_QUANTITY).clamp(1, MAX_QUANTITY)
}

impl Buying {
    /// When to look again, though nothing is committed until then.
    #[must_use]
    pub fn looks_at(&self) -> Option<Time> {
        self.auto.as_ref().and_then(|auto| auto.looks_at)
    }
}
