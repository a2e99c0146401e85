//! Settings that several rooms hand to each other: how far a balance may go, how much usage weighs, how credits end.

use serde::{Deserialize, Serialize};

use super::credits::Credits;
use super::decimal::{self, Decimal, DecimalError};
use super::ids::{MeterId, PurchaseOptionId};

/// What happens when usage exceeds what is available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// What a plan or a subscription says of settings of credits; `None` says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditLayer {
    /// Warn when what is available is at or below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_balance_threshold: Option<Credits>,
    /// What happens when usage exceeds what is available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdraft: Option<Overdraft>,
    /// Which usage burns credits, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumption: Option<Vec<ConsumptionRule>>,
    /// How bought, topped-up and starting credits end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    /// Which of the product's purchase options are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_options: Option<Vec<PurchaseOptionId>>,
}

/// How many credits each unit of a meter burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumptionRule {
    /// The meter.
    pub meter: MeterId,
    /// Credits for each unit.
    pub credits_per_unit: Weight,
}

/// How credits end that come without an expiry of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// They do not.
    #[default]
    Never,
    /// That many days of 24 hours after they begin.
    AfterDays(i32),
}

/// How the included credits of a period end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IncludedExpiration {
    /// With their period.
    #[default]
    EndOfPeriod,
    /// They do not.
    Never,
    /// That many days of 24 hours after they begin.
    AfterDays(i32),
}

/// Declares a decimal of at most twelve fraction digits, 0 to 10^12: an integer of 10^-12, stored as text.
macro_rules! fine_decimal {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(i128);

        impl $name {
            /// Fraction digits.
            pub const SCALE: u32 = 12;
            /// The greatest: 10^12.
            pub const MAX: Self = Self(1_000_000_000_000_000_000_000_000);

            /// What a caller named; `None` inside when it is negative or over the greatest.
            ///
            /// # Errors
            /// [`DecimalError`] when it is no decimal of at most twelve fraction digits.
            pub fn of(given: &Decimal) -> Result<Option<Self>, DecimalError> {
                let value = match given.scaled(Self::SCALE) {
                    Err(DecimalError::Size) => return Ok(None),
                    other => Self(other?),
                };
                Ok((value.0 >= 0 && value <= Self::MAX).then_some(value))
            }

            /// That many 10^-12.
            #[must_use]
            pub const fn from_scaled(scaled: i128) -> Self {
                Self(scaled)
            }

            /// How many 10^-12.
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

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.text()
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let value = Decimal::new(&text).ok().and_then(|given| Self::of(&given).ok().flatten());
                value.ok_or("is no decimal from 0 to 10^12")
            }
        }
    };
}

fine_decimal!(
    /// Credits for each metered unit.
    Weight
);
fine_decimal!(
    /// A number of metered units.
    Units
);
fine_decimal!(
    /// Major units of a currency: what a product costs for a period, a seat, or a metered unit.
    Rate
);
