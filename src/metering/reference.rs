//! Decimals of any size by long-hand arithmetic, digit by digit: slow, and independent of what it checks.

#![expect(clippy::arithmetic_side_effects, reason = "the reference is written as one would on paper")]

use std::cmp::Ordering;

use proptest::prelude::*;
use serde_json::Number;

/// A decimal: its digits, the most significant first, the last `scale` of them after the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BigDecimal {
    negative: bool,
    digits: Vec<u8>,
    scale: usize,
}

impl BigDecimal {
    /// Reads plain or scientific text: `-12.5`, `1.5e-7`, `1e+21`.
    pub(super) fn of(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().unwrap();
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        let mut scale = i64::try_from(fraction.len()).unwrap() - exponent;
        while scale < 0 {
            digits.push(0);
            scale += 1;
        }
        Self { negative, digits, scale: usize::try_from(scale).unwrap() }.trimmed()
    }

    /// One value, one form: a digit before the point, no superfluous zeros, no negative zero.
    fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.digits.last() == Some(&0) {
            self.digits.pop();
            self.scale -= 1;
        }
        while self.digits.len() < self.scale + 1 {
            self.digits.insert(0, 0);
        }
        while self.digits.len() > self.scale + 1 && self.digits.first() == Some(&0) {
            self.digits.remove(0);
        }
        self.negative &= !self.is_zero();
        self
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == 0)
    }

    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(super) fn magnitude_is_below(&self, limit: &str) -> bool {
        let magnitude = Self { negative: false, ..self.clone() };
        magnitude.compare(&Self::of(limit)).is_lt()
    }

    pub(super) fn text(&self) -> String {
        let mut text: String = self.digits.iter().map(|digit| char::from(digit + b'0')).collect();
        if self.scale > 0 {
            text.insert(text.len() - self.scale, '.');
        }
        if self.negative { format!("-{text}") } else { text }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        if self.negative != other.negative {
            return other.negative.cmp(&self.negative);
        }
        let scale = self.scale.max(other.scale);
        let width = (self.digits.len() - self.scale).max(other.digits.len() - other.scale) + scale;
        let spelled = |number: &Self| {
            let mut digits = number.digits.clone();
            digits.resize(digits.len() + scale - number.scale, 0);
            let mut spelled = vec![0; width - digits.len()];
            spelled.append(&mut digits);
            spelled
        };
        let magnitudes = spelled(self).cmp(&spelled(other));
        if self.negative { magnitudes.reverse() } else { magnitudes }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut product = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, left) in self.digits.iter().enumerate() {
            for (j, right) in other.digits.iter().enumerate() {
                product[i + j + 1] += u32::from(*left) * u32::from(*right);
            }
        }
        for place in (1..product.len()).rev() {
            product[place - 1] += product[place] / 10;
            product[place] %= 10;
        }
        let digits = product.into_iter().map(|digit| u8::try_from(digit).unwrap()).collect();
        Self { negative: self.negative != other.negative, digits, scale: self.scale + other.scale }.trimmed()
    }

    /// Rounded half away from zero to that many fraction digits.
    pub(super) fn rounded(&self, places: usize) -> Self {
        if self.scale <= places {
            return self.clone();
        }
        let mut rounded = self.clone();
        let cut = rounded.digits.split_off(self.digits.len() - (self.scale - places));
        rounded.scale = places;
        if cut[0] >= 5 {
            rounded.digits.insert(0, 0);
            let mut place = rounded.digits.len() - 1;
            while rounded.digits[place] == 9 {
                rounded.digits[place] = 0;
                place -= 1;
            }
            rounded.digits[place] += 1;
        }
        rounded.trimmed()
    }
}

/// Any number that JSON can carry, those that meters meet more often than others.
pub(super) fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-2_000_i64..2_000).prop_map(Number::from),
        (-(1_i64 << 54)..(1_i64 << 54)).prop_map(Number::from),
        any::<f64>().prop_filter_map("JSON has finite numbers only", Number::from_f64),
        "-?[0-9]{1,17}(\\.[0-9]{1,17})?e-?[0-9]{1,2}".prop_map(|text| text
            .parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .unwrap()),
        "-?[0-9]{1,3}\\.[0-9]{1,3}".prop_map(|text| text.parse::<f64>().ok().and_then(Number::from_f64).unwrap()),
    ]
}

#[test]
fn the_reference_itself_calculates_rightly() {
    let of = BigDecimal::of;
    assert_eq!(of("-0012.500").text(), "-12.5");
    assert_eq!(of("1.5e-7").text(), "0.00000015");
    assert_eq!(of("1e+21").text(), "1000000000000000000000");
    assert_eq!(of("-0.0"), of("0"));
    assert_eq!(of("99.99").times(&of("-0.5")).text(), "-49.995");
    assert_eq!(of("99.995").rounded(2).text(), "100");
    assert_eq!(of("-0.00049").rounded(3).text(), "0");
    assert_eq!(of("-0.0005").rounded(3).text(), "-0.001");
    assert!(of("-2").compare(&of("-1.5")).is_lt() && of("10").compare(&of("9.99")).is_gt());
}
