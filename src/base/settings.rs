//! Settings that several rooms hand to each other: how far a balance may go, and how much usage weighs.

use super::credits::Credits;
use super::decimal::{self, Decimal, DecimalError};

/// What happens when usage exceeds what is available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overdraft {
    /// Nothing goes below zero.
    #[default]
    Deny,
    /// It may go below zero, down to minus the limit; `None` is without limit.
    Allow {
        /// How far below zero.
        limit: Option<Credits>,
    },
}

/// What a balance sets itself; `None` inherits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Its name.
    pub name: Option<String>,
    /// Warn when what is available is at or below this.
    pub low_balance_threshold: Option<Credits>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Option<Overdraft>,
}

impl Overrides {
    /// The names of the settings that it sets.
    #[must_use]
    pub fn set(&self) -> Vec<&'static str> {
        [
            self.name.as_ref().map(|_| "name"),
            self.low_balance_threshold.map(|_| "lowBalanceThreshold"),
            self.overdraft.map(|_| "overdraft"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Credits for each metered unit: an integer of 10^-12, 0 to 10^12 credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(i128);

impl Weight {
    /// Fraction digits.
    pub const SCALE: u32 = 12;
    /// The greatest weight: 10^12 credits for each unit.
    pub const MAX: Self = Self(1_000_000_000_000_000_000_000_000);

    /// A weight that a caller named; `None` inside when it is negative or over [`Weight::MAX`].
    ///
    /// # Errors
    /// [`DecimalError`] when it is no decimal of at most twelve fraction digits.
    pub fn of(given: &Decimal) -> Result<Option<Self>, DecimalError> {
        let weight = Self(given.scaled(Self::SCALE)?);
        Ok((weight.0 >= 0 && weight <= Self::MAX).then_some(weight))
    }

    /// That many 10^-12 of a credit for each unit.
    #[must_use]
    pub const fn from_scaled(scaled: i128) -> Self {
        Self(scaled)
    }

    /// 10^-12 of a credit for each unit.
    #[must_use]
    pub const fn scaled(self) -> i128 {
        self.0
    }

    /// The decimal text.
    #[must_use]
    pub fn text(self) -> String {
        decimal::text(self.0, Self::SCALE)
    }
}
