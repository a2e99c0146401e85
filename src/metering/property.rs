//! How a property of an event is found, and which decimal its number is.
//!
//! A dot descends into an object, and a key may hold a dot itself. At each level the key that is written exactly like
//! the rest of the name wins, even when its value is null; else the part before the first dot names an object, in
//! which the search goes on. So `a.b` finds 1 in `{"a.b": 1, "a": {"b": 2}}`, and 2 without the first field. There is
//! no turning back, and an array has no named parts.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The greatest integer up to which every integer is an IEEE double: 2^53.
const EXACT_INTEGERS: u64 = 1 << 53;

/// The value of a property; `None` when it is missing or null, which are the same here.
#[must_use]
pub fn find_property<'a>(properties: &'a Value, name: &str) -> Option<&'a Value> {
    let (mut here, mut rest) = (properties, name);
    loop {
        let fields = here.as_object()?;
        if let Some(value) = fields.get(rest) {
            return (!value.is_null()).then_some(value);
        }
        let (head, tail) = rest.split_once('.')?;
        (here, rest) = (fields.get(head)?, tail);
    }
}

/// A JSON number as the decimal that its shortest form spells: ±digits × 10^exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonDecimal {
    /// Below zero; never with digits of 0.
    pub(super) negative: bool,
    /// At most 21 digits.
    pub(super) digits: u128,
    /// From −324 to 308.
    pub(super) exponent: i32,
}

impl JsonDecimal {
    /// Reads what serde_json holds, without allocating. An integer beyond 2^53 is the IEEE double that RFC 8785 makes
    /// of it, so it counts as that double's shortest form. `None` for what JSON has no number for.
    pub(super) fn of(number: &Number) -> Option<Self> {
        let integer = match number.as_i64() {
            Some(integer) => Some((integer < 0, integer.unsigned_abs())),
            None => number.as_u64().map(|integer| (false, integer)),
        };
        match integer {
            Some((negative, digits)) if digits <= EXACT_INTEGERS => {
                Some(Self { negative, digits: u128::from(digits), exponent: 0 })
            }
            _ => Self::of_double(number.as_f64()?),
        }
    }

    /// Reads the shortest decimal that is read back as the same double. Where two are as short and as near, the even
    /// one, as RFC 8785 has it and Rust's own formatting has not: 10000000000000.8125 is 10000000000000.812.
    fn of_double(double: f64) -> Option<Self> {
        let mut buffer = ryu_js::Buffer::new();
        let text = double.is_finite().then(|| buffer.format_finite(double))?;
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.bytes().chain(fraction.bytes()).try_fold(0_u128, |value, byte| {
            value.checked_mul(10)?.checked_add(u128::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?))
        })?;
        let exponent = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { negative: negative && digits != 0, digits, exponent })
    }

    /// How many digits stand before the point, less than 1 for what is below 0.1; 0 for zero.
    pub(super) fn whole_digits(self) -> i32 {
        self.exponent.saturating_add(self.length())
    }

    fn length(self) -> i32 {
        self.digits.checked_ilog10().map_or(0, |log| i32::try_from(log.saturating_add(1)).unwrap_or(i32::MAX))
    }

    /// Compares two numbers exactly, at any exponent.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self.sign(), other.sign()) {
            (1, 1) => self.compare_magnitude(other),
            (-1, -1) => other.compare_magnitude(self),
            (mine, theirs) => mine.cmp(&theirs),
        }
    }

    fn sign(self) -> i8 {
        match (self.digits, self.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// Neither is zero. The one with more digits before the point is greater; else both are written with as many
    /// digits, at most 21, and compared as integers.
    fn compare_magnitude(self, other: Self) -> Ordering {
        let padded = |number: Self, to: i32| {
            let missing = u32::try_from(to.saturating_sub(number.length())).unwrap_or_default();
            number.digits.saturating_mul(10_u128.saturating_pow(missing))
        };
        let longest = self.length().max(other.length());
        self.whole_digits().cmp(&other.whole_digits()).then_with(|| padded(self, longest).cmp(&padded(other, longest)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::reference::{BigDecimal, any_number};
    use super::*;

    #[test]
    fn a_property_is_found_by_its_exact_key_first_and_by_dots_after_that() {
        let found = |properties: Value, name: &str| find_property(&properties, name).cloned();
        for (properties, name, value) in [
            (json!({"a": 1}), "a", Some(json!(1))),
            (json!({"a": {"b": {"c": 3}}}), "a.b.c", Some(json!(3))),
            (json!({"a.b": 1, "a": {"b": 2}}), "a.b", Some(json!(1))),
            (json!({"a": {"b.c": 2, "b": {"c": 3}}}), "a.b.c", Some(json!(2))),
            (json!({"": {"": 4}}), ".", Some(json!(4))),
            (json!({"a": false}), "a", Some(json!(false))),
            (json!({"a": {}}), "a", Some(json!({}))),
            // Null is as good as missing, and an exact key with null still hides what the dots would find.
            (json!({"a": null}), "a", None),
            (json!({"a.b": null, "a": {"b": 2}}), "a.b", None),
            (json!({"a": null}), "a.b", None),
            // Only the whole rest of the name, or what is before its first dot, is a key.
            (json!({"a.b": {"c": 1}}), "a.b.c", None),
            (json!({"a": [{"b": 1}]}), "a.0.b", None),
            (json!({"a": "text"}), "a.b", None),
            (json!({"a": 1}), "A", None),
            (json!({}), "", None),
            (json!([1]), "0", None),
        ] {
            assert_eq!(found(properties.clone(), name), value, "{name} in {properties}");
        }
    }

    #[test]
    fn a_number_is_the_decimal_that_its_shortest_form_spells() {
        for (text, digits, exponent) in [
            ("0", 0, 0),
            ("-0.0", 0, 0),
            ("1200", 1200, 0),
            ("0.1", 1, -1),
            ("1e21", 1, 21),
            ("5e-324", 5, -324),
            ("1.7976931348623157e308", 17_976_931_348_623_157, 292),
            ("0.30000000000000004", 30_000_000_000_000_004, -17),
            ("9007199254740992", 9_007_199_254_740_992, 0),
            ("9007199254740993", 9_007_199_254_740_992, 0),
            ("18446744073709551615", 18_446_744_073_709_552_000, 0),
            ("123456789012345678901", 123_456_789_012_345_680_000, 0),
            ("123456789012345678901234567890", 12_345_678_901_234_568, 13),
            // Halfway between two decimals that are as short: the even one.
            ("10000000000000.8125", 10_000_000_000_000_812, -3),
            ("10000000000000.6875", 10_000_000_000_000_688, -3),
        ] {
            let number: Number = serde_json::from_str(text).unwrap();
            let read = JsonDecimal::of(&number).unwrap();
            assert!(!read.negative, "{text}");
            assert_eq!((read.digits, read.exponent), (digits, exponent), "{text}");
        }
        assert!(JsonDecimal::of(&Number::from(i64::MIN)).unwrap().negative);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_number_is_what_its_canonical_text_says(number in any_number()) {
            let read = JsonDecimal::of(&number).unwrap();
            let sign = if read.negative { "-" } else { "" };
            let read = BigDecimal::of(&format!("{sign}{}e{}", read.digits, read.exponent));
            let canonical = serde_json_canonicalizer::to_string(&number).unwrap();
            prop_assert_eq!(read, BigDecimal::of(&canonical), "{}", canonical);
        }

        #[test]
        fn a_number_is_read_back_as_the_same_double_and_no_text_is_shorter(double in any::<f64>()) {
            prop_assume!(double.is_finite());
            let read = JsonDecimal::of(&Number::from_f64(double).unwrap()).unwrap();
            let back: f64 = format!("{}e{}", read.digits, read.exponent).parse().unwrap();
            prop_assert_eq!(back.to_bits(), double.abs().to_bits());
            let rust = format!("{:e}", double.abs());
            let shortest = rust.split('e').next().unwrap().replace('.', "");
            let digits = read.digits.to_string();
            prop_assert_eq!(digits.trim_end_matches('0').len(), shortest.trim_end_matches('0').len(), "{}", rust);
        }

        #[test]
        fn numbers_compare_as_decimals(left in any_number(), right in any_number()) {
            let exact = |number: &Number| BigDecimal::of(&serde_json_canonicalizer::to_string(number).unwrap());
            let compared = JsonDecimal::of(&left).unwrap().compare(JsonDecimal::of(&right).unwrap());
            prop_assert_eq!(compared, exact(&left).compare(&exact(&right)), "{} and {}", left, right);
        }
    }
}
