//! Credits: 64-bit integers of a millionth of a credit, checked arithmetic only (L6).

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::decimal::{self, Decimal, DecimalError};

/// An amount of credits, signed, exact to a millionth; stored as an integer of millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Credits(i64);

/// Why an amount of credits is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Not a decimal, or with more than six fraction digits.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// Below zero where amounts are magnitudes.
    #[error("is negative; amounts are given as magnitudes")]
    Negative,
    /// Zero where credits must move.
    #[error("is zero; it must be more than 0")]
    Zero,
    /// Beyond 10^12 credits.
    #[error("is over the greatest amount, 1000000000000")]
    TooLarge,
}

/// A sum of credits beyond 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sum of credits is beyond what a balance can hold")]
pub struct Overflow;

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);
    /// The greatest amount that a caller can name: 10^12 credits.
    pub const MAX_AMOUNT: Self = Self(1_000_000_000_000_000_000);
    /// What settled and held stay within: 9 × 10^12 credits.
    pub const MAX_BALANCE: Self = Self(9_000_000_000_000_000_000);
    /// Fraction digits.
    pub const SCALE: u32 = 6;

    /// That many millionths of a credit.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths of a credit.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// A magnitude that a caller named: 0 to 10^12, at most six fraction digits.
    ///
    /// # Errors
    /// [`AmountError`] says what is wrong with it.
    pub fn amount(given: &Decimal) -> Result<Self, AmountError> {
        let micros = match given.scaled(Self::SCALE) {
            Err(DecimalError::Size) => return Err(AmountError::TooLarge),
            other => other?,
        };
        if micros < 0 {
            return Err(AmountError::Negative);
        }
        let amount = i64::try_from(micros).map(Self).map_err(|_| AmountError::TooLarge)?;
        if amount > Self::MAX_AMOUNT { Err(AmountError::TooLarge) } else { Ok(amount) }
    }

    /// As [`Credits::amount`], and more than zero.
    ///
    /// # Errors
    /// [`AmountError`] says what is wrong with it.
    pub fn positive_amount(given: &Decimal) -> Result<Self, AmountError> {
        match Self::amount(given)? {
            Self::ZERO => Err(AmountError::Zero),
            amount => Ok(amount),
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`] beyond 64 bits.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`Overflow`] beyond 64 bits.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// Whether it is more than zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Zero where it is negative.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        self.max(Self::ZERO)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, i128::from(self.0), Self::SCALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Result<Credits, AmountError> {
        Credits::amount(&Decimal::new(text)?)
    }

    #[test]
    fn an_amount_has_at_most_six_digits_and_is_at_most_a_trillion() {
        assert_eq!(amount("12.5"), Ok(Credits(12_500_000)));
        assert_eq!(amount("0.000001"), Ok(Credits(1)));
        assert_eq!(amount("1000000000000"), Ok(Credits::MAX_AMOUNT));
        assert_eq!(amount("1000000000000.000001"), Err(AmountError::TooLarge));
        assert_eq!(amount("99999999999999999999999999999999999999999"), Err(AmountError::TooLarge));
        assert_eq!(amount("0.0000001"), Err(AmountError::Decimal(DecimalError::Digits(6))));
        assert_eq!(amount("-1"), Err(AmountError::Negative));
        assert_eq!(amount("1."), Err(AmountError::Decimal(DecimalError::Form)));
    }
}
