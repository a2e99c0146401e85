//! Periods of a subscription: a calendar that begins at an instant and repeats by days, weeks, months or years, in UTC.
//!
//! Every period is counted from the anchor, never from the period before: a month that is too short cuts the day off, and
//! the next one that is long enough has it back (31 January, 28 February, 31 March).
//!
//! Periods are half-open, tile the time from the anchor on without gap or overlap, and are numbered 0, 1, 2 …

use chrono::{DateTime, Datelike, Months};
use serde::{Deserialize, Serialize};

use super::time::{DAY, Time};

/// How long a period lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Interval {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Periods of equal length by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// When the first period begins.
    pub anchor: Time,
    /// How long each lasts.
    pub interval: Interval,
}

/// The unit in which an interval counts.
enum Step {
    Micros(i64),
    Months(u32),
}

impl Interval {
    const fn step(self) -> Step {
        match self {
            Self::Day => Step::Micros(DAY),
            Self::Week => Step::Micros(7 * DAY),
            Self::Month => Step::Months(1),
            Self::Quarter => Step::Months(3),
            Self::Year => Step::Months(12),
        }
    }
}

impl Calendar {
    /// When a period begins; [`Time::MAX`] where that is beyond what can be written.
    #[must_use]
    pub fn start(&self, index: u32) -> Time {
        let start = match self.interval.step() {
            Step::Micros(micros) => {
                micros.checked_mul(i64::from(index)).and_then(|after| self.anchor.plus_micros(after))
            }
            Step::Months(months) => months.checked_mul(index).and_then(|after| self.months_after(after)),
        };
        start.unwrap_or(Time::MAX)
    }

    /// The period that an instant lies in; the first one for what lies before the anchor.
    #[must_use]
    pub fn index_at(&self, at: Time) -> u32 {
        let since = at.micros().saturating_sub(self.anchor.micros()).max(0);
        let about = match self.interval.step() {
            Step::Micros(micros) => since.checked_div(micros).unwrap_or_default(),
            Step::Months(months) => {
                let elapsed = month_number(at).saturating_sub(month_number(self.anchor));
                elapsed.checked_div(i64::from(months)).unwrap_or_default()
            }
        };
        // By months it may be the one before: on the 30th, a month that began on the 31st has not begun again.
        let about = u32::try_from(about.max(0)).unwrap_or(u32::MAX);
        if about > 0 && self.start(about) > at { about.saturating_sub(1) } else { about }
    }

    /// When the first period begins after an instant; the anchor for what lies before it.
    #[must_use]
    pub fn next(&self, after: Time) -> Time {
        if after < self.anchor { self.anchor } else { self.start(self.index_at(after).saturating_add(1)) }
    }

    fn months_after(&self, months: u32) -> Option<Time> {
        let anchor = DateTime::from_timestamp_micros(self.anchor.micros())?;
        Time::from_micros(anchor.checked_add_months(Months::new(months))?.timestamp_micros())
    }
}

/// Months since the year 0.
fn month_number(time: Time) -> i64 {
    let date = DateTime::from_timestamp_micros(time.micros()).unwrap_or_default();
    i64::from(date.year()).saturating_mul(12).saturating_add(i64::from(date.month0()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVALS: [Interval; 5] =
        [Interval::Day, Interval::Week, Interval::Month, Interval::Quarter, Interval::Year];

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    fn starts(anchor: &str, interval: Interval, count: u32) -> Vec<String> {
        let calendar = Calendar { anchor: time(anchor), interval };
        (0..count).map(|index| calendar.start(index).to_string()[..16].to_owned()).collect()
    }

    #[test]
    fn month_ends_are_cut_and_come_back() {
        assert_eq!(
            starts("2027-12-31T08:30:00Z", Interval::Month, 5),
            ["2027-12-31T08:30", "2028-01-31T08:30", "2028-02-29T08:30", "2028-03-31T08:30", "2028-04-30T08:30"]
        );
        assert_eq!(
            starts("2026-11-30T00:00:00Z", Interval::Quarter, 4),
            ["2026-11-30T00:00", "2027-02-28T00:00", "2027-05-30T00:00", "2027-08-30T00:00"]
        );
    }

    #[test]
    fn a_leap_day_comes_back_every_four_years() {
        assert_eq!(
            starts("2024-02-29T23:59:59Z", Interval::Year, 5),
            ["2024-02-29T23:59", "2025-02-28T23:59", "2026-02-28T23:59", "2027-02-28T23:59", "2028-02-29T23:59"]
        );
    }

    #[test]
    fn a_day_has_24_hours_when_clocks_change_too() {
        assert_eq!(
            starts("2026-03-28T01:30:00Z", Interval::Day, 3),
            ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T01:30"]
        );
        assert_eq!(starts("2026-10-24T01:30:00Z", Interval::Week, 2), ["2026-10-24T01:30", "2026-10-31T01:30"]);
    }

    #[test]
    fn what_cannot_be_written_does_not_begin() {
        let calendar = Calendar { anchor: time("9999-06-01T00:00:00Z"), interval: Interval::Year };
        assert_eq!(calendar.start(1), Time::MAX);
        assert_eq!(calendar.next(calendar.anchor), Time::MAX);
        assert_eq!(calendar.start(u32::MAX), Time::MAX);
    }

    proptest! {
        #[test]
        fn periods_tile_the_time_line_and_index_and_start_determine_each_other(
            anchor in -2_208_988_800_000_000_i64..4_102_444_800_000_000,
            interval in 0_usize..5,
            index in 0_u32..2_000,
            within in 0_i64..1_000,
        ) {
            let calendar = Calendar { anchor: Time::from_micros(anchor).unwrap(), interval: INTERVALS[interval] };
            let (start, end) = (calendar.start(index), calendar.start(index + 1));
            prop_assert!(start < end);
            let length = end.micros() - start.micros();
            let inside = start.plus_micros((length - 1) / 1_000 * within).unwrap();
            for at in [start, inside, end.plus_micros(-1).unwrap()] {
                prop_assert_eq!(calendar.index_at(at), index);
                prop_assert_eq!(calendar.next(at), end);
            }
            prop_assert_eq!(calendar.index_at(end), index + 1);
            prop_assert_eq!(calendar.next(calendar.anchor.plus_micros(-1).unwrap()), calendar.anchor);
        }

        #[test]
        fn a_period_begins_on_the_anchors_day_or_on_the_last_of_a_shorter_month(
            anchor in -2_208_988_800_000_000_i64..4_102_444_800_000_000,
            interval in 2_usize..5,
            index in 0_u32..500,
        ) {
            let calendar = Calendar { anchor: Time::from_micros(anchor).unwrap(), interval: INTERVALS[interval] };
            let day = |time: Time| DateTime::from_timestamp_micros(time.micros()).unwrap();
            let (first, this) = (day(calendar.anchor), day(calendar.start(index)));
            let last_of_month = this.date_naive().succ_opt().unwrap().day() == 1;
            prop_assert!(this.day() == first.day() || (this.day() < first.day() && last_of_month));
            prop_assert_eq!(this.time(), first.time());
        }
    }
}
