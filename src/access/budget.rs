//! How much a caller may ask in a time: a bucket of points that refills steadily. What an answer took is known only behind
//! it, and may leave a bucket with less than nothing; then its caller waits until the debt is paid.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::base::caller::CallerId;
use crate::base::time::Time;

/// How many callers' buckets are kept; whose is dropped begins with a full one.
const CALLERS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// What a point is counted in.
const MILLIONTHS: u64 = 1_000_000;

/// A bucket's size, and how fast it refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most points that it holds.
    pub burst: u64,
    /// How many come back each second, at least 1.
    pub per_second: u64,
}

/// What is left after a request, or why it has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Points of the full bucket.
    pub limit: u64,
    /// Points that are left.
    pub remaining: u64,
    /// Milliseconds until it is full again.
    pub full_after_ms: u64,
}

/// A request that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How the bucket stands.
    pub account: Account,
    /// Milliseconds until there are points enough; nothing else may be asked meanwhile.
    pub retry_after_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In millionths of a point; below zero when answers took more than there was.
    level: i64,
    at: Time,
}

impl Bucket {
    fn full(budget: Budget, now: Time) -> Self {
        Self { level: millionths(budget.burst), at: now }
    }

    /// Takes points out, or says how long until there are enough. An empty bucket lets nothing in, whatever it costs.
    fn take(&mut self, budget: Budget, points: u64, now: Time) -> Result<Account, Wait> {
        self.refill(budget, now);
        let missing = millionths(points.max(1)).saturating_sub(self.level);
        if missing <= 0 {
            self.level = self.level.saturating_sub(millionths(points));
        }
        let until = |lacking: i64| {
            let lacking = u64::try_from(lacking).unwrap_or_default();
            lacking.div_ceil(budget.per_second.max(1)).div_ceil(1_000)
        };
        let account = Account {
            limit: budget.burst,
            remaining: u64::try_from(self.level).unwrap_or_default().checked_div(MILLIONTHS).unwrap_or_default(),
            full_after_ms: until(millionths(budget.burst).saturating_sub(self.level)),
        };
        if missing <= 0 { Ok(account) } else { Err(Wait { account, retry_after_ms: until(missing) }) }
    }

    /// Takes points out that were used already. A debt is never larger than a full bucket.
    fn charge(&mut self, budget: Budget, points: u64, now: Time) {
        self.refill(budget, now);
        let floor = millionths(budget.burst).saturating_neg();
        self.level = self.level.saturating_sub(millionths(points)).max(floor);
    }

    fn give_back(&mut self, budget: Budget, points: u64) {
        self.level = self.level.saturating_add(millionths(points)).min(millionths(budget.burst));
    }

    fn refill(&mut self, budget: Budget, now: Time) {
        // A clock that goes back gives nothing, and takes nothing.
        let passed = now.micros().saturating_sub(self.at.micros()).max(0);
        let refill = passed.saturating_mul(i64::try_from(budget.per_second).unwrap_or(i64::MAX));
        self.level = self.level.saturating_add(refill).min(millionths(budget.burst));
        self.at = now;
    }
}

/// So many points in the unit of a bucket.
fn millionths(points: u64) -> i64 {
    i64::try_from(points.saturating_mul(MILLIONTHS)).unwrap_or(i64::MAX)
}

/// Everybody's buckets in this process.
#[derive(Debug)]
pub struct Buckets {
    keys: Budget,
    portal: Budget,
    of: Mutex<LruCache<CallerId, Bucket>>,
}

impl Buckets {
    /// Full ones: of this size for keys, of that for customers.
    #[must_use]
    pub fn new(keys: Budget, portal: Budget) -> Self {
        Self { keys, portal, of: Mutex::new(LruCache::new(CALLERS)) }
    }

    /// Takes points out of a caller's bucket.
    ///
    /// # Errors
    /// How long to wait when there are too few; then none are taken.
    pub fn take(&self, caller: CallerId, points: u64, now: Time) -> Result<Account, Wait> {
        self.with(caller, now, |bucket, budget| bucket.take(budget, points, now))
    }

    /// Takes points out of a caller's bucket that were used already, whether they are in it or not.
    pub fn charge(&self, caller: CallerId, points: u64, now: Time) {
        if points > 0 {
            self.with(caller, now, |bucket, budget| bucket.charge(budget, points, now));
        }
    }

    /// Puts points back that were taken for what did not come.
    pub fn give_back(&self, caller: CallerId, points: u64, now: Time) {
        if points > 0 {
            self.with(caller, now, |bucket, budget| bucket.give_back(budget, points));
        }
    }

    fn with<R>(&self, caller: CallerId, now: Time, done: impl FnOnce(&mut Bucket, Budget) -> R) -> R {
        let budget = if matches!(caller, CallerId::Customer(_)) { self.portal } else { self.keys };
        let mut buckets = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        done(buckets.get_or_insert_mut(caller, || Bucket::full(budget, now)), budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::CustomerId;

    const BUDGET: Budget = Budget { burst: 100, per_second: 10 };

    fn at(ms: i64) -> Time {
        Time::from_micros(ms * 1_000).unwrap()
    }

    #[test]
    fn a_bucket_refills_steadily_and_says_when() {
        let buckets = Buckets::new(BUDGET, BUDGET);
        let take = |points, ms| buckets.take(CallerId::Local, points, at(ms));
        assert_eq!(take(60, 0), Ok(Account { limit: 100, remaining: 40, full_after_ms: 6_000 }));
        let account = Account { limit: 100, remaining: 40, full_after_ms: 6_000 };
        assert_eq!(take(60, 0), Err(Wait { account, retry_after_ms: 2_000 }), "and takes nothing");
        assert!(take(60, 1_999).is_err());
        assert_eq!(take(60, 2_000), Ok(Account { limit: 100, remaining: 0, full_after_ms: 10_000 }));
        assert_eq!(take(1, 90_000).map(|account| account.remaining), Ok(99), "it holds no more than it can");
    }

    #[test]
    fn what_was_used_already_is_paid_before_anything_else_is_let_in() {
        let buckets = Buckets::new(BUDGET, BUDGET);
        let take = |points, ms| buckets.take(CallerId::Local, points, at(ms));
        buckets.charge(CallerId::Local, 130, at(0));
        let account = Account { limit: 100, remaining: 0, full_after_ms: 13_000 };
        assert_eq!(take(0, 0), Err(Wait { account, retry_after_ms: 3_100 }), "an empty bucket lets nothing in");
        assert!(take(0, 3_099).is_err());
        assert_eq!(take(0, 3_100).map(|account| account.remaining), Ok(1));
        buckets.charge(CallerId::Local, u64::MAX, at(3_100));
        assert_eq!(take(1, 3_100).unwrap_err().retry_after_ms, 10_100, "a debt is at most a full bucket");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let buckets = Buckets::new(BUDGET, BUDGET);
        let take = |points, ms| buckets.take(CallerId::Local, points, at(ms)).map(|account| account.remaining);
        assert_eq!(take(50, 10_000), Ok(50));
        assert_eq!(take(10, 0), Ok(40));
        assert_eq!(take(0, 1_000), Ok(50));
    }

    #[test]
    fn each_customer_has_a_bucket_of_its_own() {
        let buckets = Buckets::new(BUDGET, Budget { burst: 5, per_second: 1 });
        let customer = |bits| CallerId::Customer(CustomerId(uuid::Uuid::from_u128(bits)));
        assert!(buckets.take(customer(1), 5, at(0)).is_ok() && buckets.take(customer(1), 1, at(0)).is_err());
        assert!(buckets.take(customer(2), 5, at(0)).is_ok() && buckets.take(CallerId::Local, 100, at(0)).is_ok());
    }
}
