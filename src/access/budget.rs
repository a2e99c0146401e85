//! How much a caller may ask in a time: a bucket of points that refills steadily.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use super::model::Caller;
use crate::base::ids::{ApiKeyId, CustomerId};
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
    /// In millionths of a point.
    level: u64,
    at: Time,
}

impl Bucket {
    /// Takes points out, or says how long until there are enough.
    fn take(&mut self, budget: Budget, points: u64, now: Time) -> Result<Account, Wait> {
        let full = budget.burst.saturating_mul(MILLIONTHS);
        let passed = u64::try_from(now.micros().saturating_sub(self.at.micros())).unwrap_or_default();
        self.level = self.level.saturating_add(passed.saturating_mul(budget.per_second)).min(full);
        // A clock that goes back gives nothing, and takes nothing.
        self.at = now;
        let wanted = points.saturating_mul(MILLIONTHS);
        let missing = wanted.saturating_sub(self.level);
        if missing == 0 {
            self.level = self.level.saturating_sub(wanted);
        }
        let until = |lacking: u64| lacking.div_ceil(budget.per_second.max(1)).div_ceil(1_000);
        let account = Account {
            limit: budget.burst,
            remaining: self.level.checked_div(MILLIONTHS).unwrap_or_default(),
            full_after_ms: until(full.saturating_sub(self.level)),
        };
        if missing == 0 { Ok(account) } else { Err(Wait { account, retry_after_ms: until(missing) }) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Local,
    Key(ApiKeyId),
    Customer(CustomerId),
}

/// Everybody's buckets in this process.
#[derive(Debug)]
pub struct Buckets {
    keys: Budget,
    portal: Budget,
    of: Mutex<LruCache<Whose, Bucket>>,
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
    pub fn take(&self, caller: &Caller, points: u64, now: Time) -> Result<Account, Wait> {
        let (whose, budget) = match caller {
            Caller::Local => (Whose::Local, self.keys),
            Caller::Key(key) => (Whose::Key(key.id), self.keys),
            Caller::Portal(session) => (Whose::Customer(session.customer), self.portal),
        };
        let mut buckets = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Bucket { level: budget.burst.saturating_mul(MILLIONTHS), at: now };
        buckets.get_or_insert_mut(whose, full).take(budget, points, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { burst: 100, per_second: 10 };

    fn at(ms: i64) -> Time {
        Time::from_micros(ms * 1_000).unwrap()
    }

    #[test]
    fn a_bucket_refills_steadily_and_says_when() {
        let buckets = Buckets::new(BUDGET, BUDGET);
        let take = |points, ms| buckets.take(&Caller::Local, points, at(ms));
        assert_eq!(take(60, 0), Ok(Account { limit: 100, remaining: 40, full_after_ms: 6_000 }));
        let account = Account { limit: 100, remaining: 40, full_after_ms: 6_000 };
        assert_eq!(take(60, 0), Err(Wait { account, retry_after_ms: 2_000 }), "and takes nothing");
        assert!(take(60, 1_999).is_err());
        assert_eq!(take(60, 2_000), Ok(Account { limit: 100, remaining: 0, full_after_ms: 10_000 }));
        assert_eq!(take(1, 90_000).map(|account| account.remaining), Ok(99), "it holds no more than it can");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let buckets = Buckets::new(BUDGET, BUDGET);
        let take = |points, ms| buckets.take(&Caller::Local, points, at(ms)).map(|account| account.remaining);
        assert_eq!(take(50, 10_000), Ok(50));
        assert_eq!(take(10, 0), Ok(40));
        assert_eq!(take(0, 1_000), Ok(50));
    }

    #[test]
    fn each_customer_has_a_bucket_of_its_own() {
        let buckets = Buckets::new(BUDGET, Budget { burst: 5, per_second: 1 });
        let session = |bits| {
            Caller::Portal(super::super::model::PortalSession {
                customer: CustomerId(uuid::Uuid::from_u128(bits)),
                expires_at: Time::MAX,
            })
        };
        assert!(buckets.take(&session(1), 5, at(0)).is_ok() && buckets.take(&session(1), 1, at(0)).is_err());
        assert!(buckets.take(&session(2), 5, at(0)).is_ok() && buckets.take(&Caller::Local, 100, at(0)).is_ok());
    }
}
