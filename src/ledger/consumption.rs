//! What was burned over time, in buckets, by meter: usage, retentions and captures, less what was reversed of them.
//!
//! It is added up from the entries of the time that is asked for, which an index holds; what lies before or behind it costs
//! nothing.

use std::collections::{BTreeMap, HashMap};

use super::records::{Burned, ListBurned, list_burned, list_given_back};
use crate::base::credits::{Credits, Overflow};
use crate::base::decimal;
use crate::base::ids::{BalanceId, MeterId};
use crate::base::period::{Calendar, Interval};
use crate::base::time::{DAY, HOUR, Time};
use crate::db::{Conn, DbError};

/// How many buckets there are at most.
pub const MAX_BUCKETS: usize = 1_000;
/// How many entries are read at a time.
const CHUNK: i64 = 2_000;
/// Fraction digits of a quantity.
const SCALE: u32 = 12;

/// How long a bucket is, by the calendar of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum TimeBucket {
    Hour,
    Day,
    Week,
    Month,
}

/// What was burned in one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// From then on.
    pub from: Time,
    /// Until just before that.
    pub until: Time,
    /// What was burned by each meter; `None` is what no meter measured.
    pub by_meter: BTreeMap<Option<MeterId>, Consumed>,
}

/// What was burned by one meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// What the meter read, in units of 10^-12.
    quantity: i128,
    /// In millionths; over time it may be more than a balance ever holds.
    credits: i128,
}

impl Consumed {
    /// What the meter read, as a decimal.
    #[must_use]
    pub fn quantity(&self) -> String {
        decimal::text(self.quantity, SCALE)
    }

    /// How many credits, as a decimal.
    #[must_use]
    pub fn credits(&self) -> String {
        decimal::text(self.credits, Credits::SCALE)
    }
}

/// Buckets from one instant to another, each a step long and the last as long as is left; `None` when there are more than
/// [`MAX_BUCKETS`].
#[must_use]
pub fn buckets(from: Time, until: Time, step: TimeBucket) -> Option<Vec<Bucket>> {
    let mut buckets: Vec<Bucket> = Vec::new();
    let mut begin = from;
    for count in 1_u32.. {
        if begin >= until {
            break;
        }
        if buckets.len() >= MAX_BUCKETS {
            return None;
        }
        let end = start(from, step, count).min(until);
        buckets.push(Bucket { from: begin, until: end, by_meter: BTreeMap::new() });
        begin = end;
    }
    Some(buckets)
}

/// When the bucket with this number begins.
fn start(from: Time, step: TimeBucket, count: u32) -> Time {
    let after = |micros: i64| micros.checked_mul(i64::from(count)).and_then(|after| from.plus_micros(after));
    match step {
        TimeBucket::Hour => after(HOUR).unwrap_or(Time::MAX),
        TimeBucket::Day => after(DAY).unwrap_or(Time::MAX),
        TimeBucket::Week => after(7 * DAY).unwrap_or(Time::MAX),
        TimeBucket::Month => Calendar { anchor: from, interval: Interval::Month }.start(count),
    }
}

/// Fills buckets with what a balance burned, by its entries up to one, and says how many entries that took.
///
/// # Errors
/// Those of the database.
pub async fn fill(
    conn: &mut Conn,
    (balance, up_to): (BalanceId, i64),
    buckets: &mut [Bucket],
) -> Result<usize, DbError> {
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return Ok(0) };
    let (from, until) = (first.from, last.until);
    let mut wanted = ListBurned { balance, up_to, from, until, behind: None, limit: CHUNK };
    let mut read = 0_usize;
    loop {
        let burned = list_burned(conn, &wanted).await?;
        read = read.saturating_add(burned.len());
        let Some(newest) = burned.last() else { return Ok(read) };
        wanted.behind = Some((newest.occurred_at, newest.sequence));
        let back = given_back(conn, &wanted, &burned).await?;
        for burned in &burned {
            let back = back.get(&burned.sequence).copied().unwrap_or_default();
            let place = buckets.partition_point(|bucket| bucket.until <= burned.occurred_at);
            if let Some(bucket) = buckets.get_mut(place) {
                bucket.add(burned, back).map_err(|error| DbError::Corrupt(error.to_string()))?;
            }
        }
        if i64::try_from(burned.len()).is_ok_and(|read| read < CHUNK) {
            return Ok(read);
        }
    }
}

/// How much of each entry was given back.
async fn given_back(conn: &mut Conn, list: &ListBurned, burned: &[Burned]) -> Result<HashMap<i64, Credits>, DbError> {
    let sequences = || burned.iter().map(|burned| burned.sequence);
    let (Some(least), Some(greatest)) = (sequences().min(), sequences().max()) else { return Ok(HashMap::new()) };
    let mut back: HashMap<i64, Credits> = HashMap::new();
    for (entry, credits) in list_given_back(conn, list.balance, (least, greatest), list.up_to).await? {
        let sum = back.entry(entry).or_default();
        *sum = sum.plus(credits).map_err(|error| DbError::Corrupt(error.to_string()))?;
    }
    Ok(back)
}

impl Bucket {
    /// How many credits were burned, as a decimal.
    #[must_use]
    pub fn credits(&self) -> String {
        decimal::text(self.by_meter.values().fold(0, |sum, of| of.credits.saturating_add(sum)), Credits::SCALE)
    }

    fn add(&mut self, burned: &Burned, back: Credits) -> Result<(), Overflow> {
        let of_meter = self.by_meter.entry(burned.rating.as_ref().map(|rating| rating.meter)).or_default();
        let credits = i128::from(burned.credits.minus(back)?.micros());
        of_meter.credits = of_meter.credits.checked_add(credits).ok_or(Overflow)?;
        if let Some(rating) = &burned.rating {
            let quantity = decimal::parse(&rating.quantity, SCALE).map_err(|_| Overflow)?;
            of_meter.quantity = of_meter.quantity.checked_add(quantity).ok_or(Overflow)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    fn starts(from: &str, until: &str, step: TimeBucket) -> Vec<String> {
        let buckets = buckets(time(from), time(until), step).unwrap();
        for pair in buckets.windows(2) {
            assert_eq!(pair[0].until, pair[1].from);
        }
        assert_eq!(buckets.last().map(|bucket| bucket.until), Some(time(until)));
        buckets.iter().map(|bucket| bucket.from.to_string()[..16].to_owned()).collect()
    }

    #[test]
    fn buckets_are_calendar_steps_from_the_first_instant_on() {
        assert_eq!(
            starts("2028-01-31T08:30:00Z", "2028-04-30T08:30:00.000001Z", TimeBucket::Month),
            ["2028-01-31T08:30", "2028-02-29T08:30", "2028-03-31T08:30", "2028-04-30T08:30"]
        );
        assert_eq!(
            starts("2026-12-30T12:00:00Z", "2027-01-08T00:00:00Z", TimeBucket::Week),
            ["2026-12-30T12:00", "2027-01-06T12:00"]
        );
        assert_eq!(
            starts("2026-12-31T23:15:00Z", "2027-01-01T01:15:00Z", TimeBucket::Hour),
            ["2026-12-31T23:15", "2027-01-01T00:15"]
        );
    }

    #[test]
    fn consumed_is_told_in_units_and_in_credits() {
        let consumed = Consumed { quantity: 1_250_000_000_000, credits: -3_000_010 };
        assert_eq!((consumed.quantity().as_str(), consumed.credits().as_str()), ("1.25", "-3.00001"));
    }

    #[test]
    fn there_are_at_most_1000_buckets() {
        let from = time("2026-01-01T00:00:00Z");
        let until = from.plus_micros(1_000 * HOUR).unwrap();
        assert_eq!(buckets(from, until, TimeBucket::Hour).map(|buckets| buckets.len()), Some(1_000));
        assert_eq!(buckets(from, until.plus_micros(1).unwrap(), TimeBucket::Hour), None);
        assert_eq!(buckets(from, from, TimeBucket::Day), Some(Vec::new()));
        assert_eq!(buckets(time("9999-12-31T23:59:59Z"), Time::MAX, TimeBucket::Month).map(|all| all.len()), Some(1));
    }
}
