//! Exact decimals as integers: a value and a fixed number of fraction digits ("scale").
//!
//! One reader and one writer for all of them; credits, weights, quantities and money differ in their scale alone.

use std::fmt;

use thiserror::Error;

/// Why a text is not a decimal that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Not of the form `-?[0-9]+(\.[0-9]+)?`.
    #[error("is not a decimal: write digits with at most one point, such as \"12.5\"")]
    Form,
    /// More fraction digits than the value may have, the superfluous ones not zero.
    #[error("has more than {0} fraction digits")]
    Digits(u32),
    /// More than 128-bit integers hold.
    #[error("is too large")]
    Size,
}

/// Reads `-?[0-9]+(\.[0-9]+)?` as an integer of 10^-scale. Zeros beyond the scale are superfluous, not wrong.
///
/// # Errors
/// [`DecimalError`] says what is wrong; nothing is ever rounded.
pub fn parse(text: &str, scale: u32) -> Result<i128, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return Err(DecimalError::Form),
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, ""),
    };
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return Err(DecimalError::Form);
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::try_from(scale)
        .ok()
        .and_then(|scale| scale.checked_sub(fraction.len()))
        .ok_or(DecimalError::Digits(scale))?;
    let magnitude = whole
        .bytes()
        .chain(fraction.bytes())
        .chain(std::iter::repeat_n(b'0', missing))
        .try_fold(0_i128, |value, digit| value.checked_mul(10)?.checked_add(i128::from(digit.checked_sub(b'0')?)))
        .ok_or(DecimalError::Size)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// 10^digits. Panics never: digits beyond 38 saturate.
#[must_use]
pub const fn pow10(digits: u32) -> i128 {
    10_i128.saturating_pow(digits)
}

/// `value / divisor`, rounded half away from zero; `None` for a divisor that is not positive.
#[must_use]
pub fn div_round(value: i128, divisor: i128) -> Option<i128> {
    if divisor <= 0 {
        return None;
    }
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?.abs();
    // rest * 2 cannot overflow where it matters: compare with what is missing to the next integer.
    if rest >= divisor.checked_sub(rest)? { quotient.checked_add(value.signum()) } else { Some(quotient) }
}

/// Writes an integer of 10^-scale without exponent or superfluous zeros.
///
/// # Errors
/// Those of the writer.
pub fn write(out: &mut impl fmt::Write, value: i128, scale: u32) -> fmt::Result {
    write_least(out, value, scale, 0)
}

/// As [`write()`], with at least `least` fraction digits, as money is written.
///
/// # Errors
/// Those of the writer.
pub fn write_least(out: &mut impl fmt::Write, value: i128, scale: u32, least: usize) -> fmt::Result {
    if value < 0 {
        out.write_char('-')?;
    }
    let unit = pow10(scale).unsigned_abs();
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    write!(out, "{whole}")?;
    if fraction == 0 && least == 0 {
        return Ok(());
    }
    let width = usize::try_from(scale).unwrap_or_default();
    let digits = format!("{fraction:0width$}");
    let kept = digits.trim_end_matches('0').len().max(least);
    let shown = digits.get(..kept).unwrap_or(&digits);
    if shown.is_empty() { Ok(()) } else { write!(out, ".{shown}") }
}

/// The text of an integer of 10^-scale.
#[must_use]
pub fn text(value: i128, scale: u32) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut out, value, scale);
    out
}

/// A decimal as a caller wrote it: of the right form, its size and digits not judged yet.
///
/// The wire hands these on; the room that knows what the amount is for reads it at its own scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// Takes `-?[0-9]+(\.[0-9]+)?` of at most 100 characters.
    ///
    /// # Errors
    /// [`DecimalError::Form`] or [`DecimalError::Size`].
    pub fn new(text: &str) -> Result<Self, DecimalError> {
        if text.len() > 100 {
            return Err(DecimalError::Size);
        }
        match parse(text, 100) {
            Err(DecimalError::Form) => Err(DecimalError::Form),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// Text that this program wrote, which is of the right form.
    #[must_use]
    pub const fn written(text: String) -> Self {
        Self(text)
    }

    /// The value as an integer of 10^-scale.
    ///
    /// # Errors
    /// [`DecimalError`] when it has more digits than that, or is too large.
    pub fn scaled(&self, scale: u32) -> Result<i128, DecimalError> {
        parse(&self.0, scale)
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self("0".to_owned())
    }

    /// The one text of the value, however it was given: "25.5" for "025.50".
    #[must_use]
    pub fn canonical(&self) -> String {
        let (negative, digits) = self.0.strip_prefix('-').map_or((false, self.0.as_str()), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_digits_with_one_point_are_decimals() {
        for text in ["", "-", "+1", ".5", "5.", "1_000", "1e3", " 1", "1 ", "1.2.3", "--1", "0x10", "١"] {
            assert_eq!(parse(text, 6), Err(DecimalError::Form), "{text}");
        }
        assert_eq!(parse("-0012.500000000", 6), Ok(-12_500_000));
        assert_eq!(parse("0.0000001", 6), Err(DecimalError::Digits(6)));
        assert_eq!(parse(&"9".repeat(60), 6), Err(DecimalError::Size));
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (value, rounded) in [(14, 1), (15, 2), (-14, -1), (-15, -2), (24, 2), (25, 3), (0, 0)] {
            assert_eq!(div_round(value, 10), Some(rounded), "{value}");
        }
        assert_eq!(div_round(i128::MAX, 1), Some(i128::MAX));
        assert_eq!(div_round(1, 0), None);
    }

    #[test]
    fn a_value_has_one_canonical_text() {
        for (given, canonical) in
            [("25.50", "25.5"), ("025", "25"), ("-0.00", "0"), ("-00.10", "-0.1"), ("100", "100"), ("0.0", "0")]
        {
            assert_eq!(Decimal::new(given).map(|decimal| decimal.canonical()), Ok(canonical.to_owned()), "{given}");
        }
    }

    #[test]
    fn money_keeps_the_digits_of_its_currency() {
        let mut out = String::new();
        write_least(&mut out, 500, 2, 2).unwrap();
        assert_eq!(out, "5.00");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any::<i64>(), scale in 0_u32..25) {
            prop_assert_eq!(parse(&text(i128::from(value), scale), scale), Ok(i128::from(value)));
        }

        #[test]
        fn a_written_decimal_has_no_superfluous_zeros(value in any::<i64>(), scale in 0_u32..25) {
            let written = text(i128::from(value), scale);
            prop_assert!(!written.contains('.') || !written.ends_with(['0', '.']), "{}", written);
        }
    }
}
