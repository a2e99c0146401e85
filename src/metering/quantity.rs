//! How much usage an event is: the quantity that a meter reads from it.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use super::property::JsonDecimal;
use crate::base::decimal;

/// A number of metered units: an integer of 10^-12, in magnitude below 10^15 units.
///
/// What is rated is never negative; a negative one is only kept to say why its event was not rated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// Why a property is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// There is no such property, or it is null.
    #[error("is missing")]
    Missing,
    /// Neither a number nor a string of plain digits.
    #[error("is not a number")]
    NotANumber,
    /// Less than zero, after rounding.
    #[error("is negative")]
    Negative(Quantity),
    /// 10^15 or more in magnitude, after rounding.
    #[error("is out of range")]
    OutOfRange,
}

impl Quantity {
    /// Fraction digits.
    pub const SCALE: u32 = 12;
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit: what each event is to a meter that counts.
    pub const ONE: Self = Self(1_000_000_000_000);

    /// 10^15 units, the first magnitude that is out of range.
    const LIMIT: i128 = 1_000_000_000_000_000_000_000_000_000;
    /// Digits before the point that no quantity has.
    const TOO_MANY_WHOLE_DIGITS: i32 = 16;

    /// That many 10^-12 of a unit.
    #[must_use]
    pub const fn from_scaled(scaled: i128) -> Self {
        Self(scaled)
    }

    /// 10^-12 of a unit.
    #[must_use]
    pub const fn scaled(self) -> i128 {
        self.0
    }

    /// The decimal text.
    #[must_use]
    pub fn text(self) -> String {
        decimal::text(self.0, Self::SCALE)
    }

    /// Reads a property (L6): a JSON number in its shortest decimal form, or a string of the form
    /// `-?[0-9]+(\.[0-9]+)?`, rounded half away from zero to 12 fraction digits.
    ///
    /// Range and sign are judged after rounding: -10^-20 is zero, not negative, and what rounds to 10^15 is out of
    /// range. What is both negative and out of range is out of range.
    ///
    /// # Errors
    /// [`QuantityError`] says why it is no quantity.
    pub fn read(property: Option<&Value>) -> Result<Self, QuantityError> {
        let scaled = match property {
            None | Some(Value::Null) => Err(QuantityError::Missing),
            Some(Value::Number(number)) => scaled_number(JsonDecimal::of(number).ok_or(QuantityError::NotANumber)?)
                .ok_or(QuantityError::OutOfRange),
            Some(Value::String(text)) => scaled_text(text),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(QuantityError::NotANumber),
        }?;
        if scaled.unsigned_abs() >= Self::LIMIT.unsigned_abs() {
            Err(QuantityError::OutOfRange)
        } else if scaled < 0 {
            Err(QuantityError::Negative(Self(scaled)))
        } else {
            Ok(Self(scaled))
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0, Self::SCALE)
    }
}

/// A number as an integer of 10^-12, rounded half away from zero; `None` far out of range.
fn scaled_number(number: JsonDecimal) -> Option<i128> {
    if number.whole_digits() >= Quantity::TOO_MANY_WHOLE_DIGITS {
        return None;
    }
    let magnitude = i128::try_from(number.digits).ok()?;
    let shift = number.exponent.checked_add_unsigned(Quantity::SCALE)?;
    let power = decimal::pow10(shift.unsigned_abs());
    // Beyond 38 digits the power saturates, which is still far greater than any 21 digits: they round to zero.
    let scaled = if shift >= 0 { magnitude.checked_mul(power)? } else { decimal::div_round(magnitude, power)? };
    if number.negative { scaled.checked_neg() } else { Some(scaled) }
}

/// A string of plain digits, however long, as an integer of 10^-12, rounded half away from zero.
fn scaled_text(text: &str) -> Result<i128, QuantityError> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return Err(QuantityError::NotANumber),
        Some(parts) => parts,
        None => (digits, ""),
    };
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return Err(QuantityError::NotANumber);
    }
    let places = usize::try_from(Quantity::SCALE).unwrap_or_default();
    let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(places);
    let magnitude = whole
        .bytes()
        .chain(kept)
        .try_fold(0_i128, |value, byte| value.checked_mul(10)?.checked_add(i128::from(byte.checked_sub(b'0')?)));
    // Of the digits that are cut off, the first alone decides which way a half goes: away from zero.
    let carry = fraction.as_bytes().get(places).is_some_and(|&digit| digit >= b'5');
    let magnitude = magnitude.and_then(|magnitude| magnitude.checked_add(i128::from(carry)));
    let scaled = if negative { magnitude.and_then(i128::checked_neg) } else { magnitude };
    scaled.ok_or(QuantityError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::reference::{BigDecimal, any_number};
    use super::*;

    fn read(value: &Value) -> Result<String, QuantityError> {
        Quantity::read(Some(value)).map(Quantity::text)
    }

    #[test]
    fn numbers_and_strings_of_plain_digits_are_quantities() {
        for (value, quantity) in [
            (json!(0), "0"),
            (json!(-0.0), "0"),
            (json!(1200), "1200"),
            (json!(0.1), "0.1"),
            (json!(1e3), "1000"),
            (json!(2.5e-7), "0.00000025"),
            (json!(999_999_999_999_999_u64), "999999999999999"),
            (json!(999_999_999_999_999.9), "999999999999999.9"),
            (json!("0"), "0"),
            (json!("-0"), "0"),
            (json!("0012.50"), "12.5"),
            (json!("999999999999999.999999999999"), "999999999999999.999999999999"),
            (json!("9007199254740.993"), "9007199254740.993"),
        ] {
            assert_eq!(read(&value).as_deref(), Ok(quantity), "{value}");
        }
    }

    #[test]
    fn halves_of_the_thirteenth_digit_are_rounded_away_from_zero_and_the_rest_is_not_looked_at() {
        for (value, quantity) in [
            (json!(4e-13), "0"),
            (json!(5e-13), "0.000000000001"),
            (json!(1.5e-12), "0.000000000002"),
            (json!(5e-324), "0"),
            (json!("0.0000000000004999999999999999999999999999999999999999999"), "0"),
            (json!("0.0000000000005"), "0.000000000001"),
            (json!("0.9999999999995"), "1"),
            (json!(format!("{}1.{}", "0".repeat(5_000), "0".repeat(5_000))), "1"),
        ] {
            assert_eq!(read(&value).as_deref(), Ok(quantity), "{value}");
        }
    }

    #[test]
    fn a_quantity_that_rounds_to_zero_from_below_is_not_negative() {
        for value in [json!(-1e-20), json!(-4e-13), json!("-0.0000000000004"), json!("-0.000")] {
            assert_eq!(read(&value).as_deref(), Ok("0"), "{value}");
        }
        for (value, scaled) in [(json!(-5e-13), -1), (json!("-0.0000000000005"), -1), (json!(-1), -1_000_000_000_000)] {
            assert_eq!(read(&value), Err(QuantityError::Negative(Quantity(scaled))), "{value}");
        }
    }

    #[test]
    fn what_is_no_plain_number_is_refused() {
        for text in ["", "-", "+1", "1e3", ".5", "5.", "1.2.3", " 1", "1 ", "1_000", "--1", "٣", "NaN", "0x10", "1,5"]
        {
            assert_eq!(read(&json!(text)), Err(QuantityError::NotANumber), "{text}");
        }
        for value in [json!(true), json!([1]), json!({"n": 1})] {
            assert_eq!(read(&value), Err(QuantityError::NotANumber), "{value}");
        }
        assert_eq!(read(&json!(null)), Err(QuantityError::Missing));
        assert_eq!(Quantity::read(None), Err(QuantityError::Missing));
    }

    #[test]
    fn from_a_quadrillion_on_a_quantity_is_out_of_range() {
        for value in [
            json!(1e15),
            json!(-1e15),
            json!(1_000_000_000_000_000_u64),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e308),
            json!("1000000000000000"),
            json!("999999999999999.9999999999995"),
            json!("9".repeat(10_000)),
            json!(format!("-{}", "9".repeat(10_000))),
        ] {
            assert_eq!(read(&value), Err(QuantityError::OutOfRange), "{value}");
        }
        // The form is judged before the size.
        assert_eq!(read(&json!(format!("{}x", "9".repeat(100)))), Err(QuantityError::NotANumber));
    }

    /// What the rules say of a decimal text, by long-hand arithmetic.
    fn expected(text: &str) -> Result<String, QuantityError> {
        let rounded = BigDecimal::of(text).rounded(12);
        let scaled = || Quantity(decimal::parse(&rounded.text(), 12).unwrap());
        match (rounded.magnitude_is_below("1000000000000000"), rounded.is_negative()) {
            (false, _) => Err(QuantityError::OutOfRange),
            (true, true) => Err(QuantityError::Negative(scaled())),
            (true, false) => Ok(rounded.text()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_number_is_rounded_as_by_hand(number in any_number()) {
            let canonical = serde_json_canonicalizer::to_string(&number).unwrap();
            prop_assert_eq!(read(&Value::Number(number)), expected(&canonical), "{}", canonical);
        }

        #[test]
        fn a_string_of_digits_is_rounded_as_by_hand(text in "-?[0-9]{1,18}(\\.[0459]{1,15})?") {
            prop_assert_eq!(read(&json!(text)), expected(&text));
        }

        #[test]
        fn no_string_makes_the_reader_panic(text in "\\PC{0,30}") {
            let _ = read(&json!(text));
        }
    }
}
