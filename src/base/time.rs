//! Instants: microseconds since 1970, UTC, and their one written form.
//!
//! The written form is RFC 3339 with exactly six fraction digits and `Z`. Digits finer than a microsecond are cut off
//! on the way in, towards the past.

use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// An instant to the microsecond, UTC.
///
/// Between the years 1 and 9999, so that its written form is always RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(i64);

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Microseconds in 24 hours.
pub const DAY: i64 = 24 * HOUR;

impl Time {
    /// The first instant that can be written: the year 1.
    pub const MIN: Self = Self(-62_135_596_800 * SECOND);
    /// The last instant that can be written: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799 * SECOND + 999_999);

    /// The instant that many microseconds after 1970, or `None` outside [`Time::MIN`]..=[`Time::MAX`].
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        let time = Self(micros);
        (Self::MIN <= time && time <= Self::MAX).then_some(time)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This instant plus `micros`, or `None` when the result cannot be written.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Option<Self> {
        Self::from_micros(self.0.checked_add(micros)?)
    }

    /// Reads RFC 3339 in any offset; digits finer than a microsecond are cut off. `None` when it is not such a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // chrono also takes a space between date and time.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return None;
        }
        let parsed = DateTime::parse_from_rfc3339(text).ok()?;
        // A leap second is chrono's second 59 with a second of nanoseconds or more: it is cut to the last microsecond.
        let micros = parsed.timestamp().checked_mul(SECOND)?;
        Self::from_micros(micros.checked_add(i64::from(parsed.timestamp_subsec_micros().min(999_999)))?)
    }

    /// Appends the written form to `out`; the hot path's way to write a time without a formatter.
    pub fn write_to(self, out: &mut String) {
        let time: DateTime<Utc> = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        let digits = |out: &mut String, value: u32, width: u32| {
            for place in (0..width).rev() {
                let digit = value / 10_u32.pow(place) % 10;
                out.push(char::from_digit(digit, 10).unwrap_or('0'));
            }
        };
        digits(out, u32::try_from(time.year()).unwrap_or_default(), 4);
        out.push('-');
        digits(out, time.month(), 2);
        out.push('-');
        digits(out, time.day(), 2);
        out.push('T');
        digits(out, time.hour(), 2);
        out.push(':');
        digits(out, time.minute(), 2);
        out.push(':');
        digits(out, time.second(), 2);
        out.push('.');
        digits(out, time.timestamp_subsec_micros(), 6);
        out.push('Z');
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(27);
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_six_digits_and_z() {
        for (given, written) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
            ("2026-01-02T03:04:05.1234569+02:00", "2026-01-02T01:04:05.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
            ("2026-01-02t03:04:05z", "2026-01-02T03:04:05.000000Z"),
        ] {
            assert_eq!(Time::parse(given).map(|t| t.to_string()).as_deref(), Some(written), "{given}");
        }
    }

    #[test]
    fn what_is_no_rfc_3339_is_no_time() {
        for text in [
            "",
            "2026-01-02",
            "2026-01-02 03:04:05Z",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05",
            "0000-01-01T00:00:00Z",
            "now",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }
}
