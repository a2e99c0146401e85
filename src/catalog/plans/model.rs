//! The shapes of plans.

use serde::{Deserialize, Serialize};

use crate::base::credits::Credits;
use crate::base::ids::{PlanId, PlanVersionId, ProductId};
use crate::base::money::Currency;
use crate::base::period::Interval;
use crate::base::settings::{CreditLayer, IncludedExpiration, Units};
use crate::base::time::Time;
use crate::catalog::model::{Price, ProductKind};

/// What customers subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// The caller's own key, unique among plans.
    pub key: String,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// The number of the newest version.
    pub latest_version: i32,
    /// When it was created.
    pub created_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}

/// A published version of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanVersion {
    /// Its id.
    pub id: PlanVersionId,
    /// The plan.
    pub plan: PlanId,
    /// Its number within the plan, from 1.
    pub version: i32,
    /// What it says.
    pub content: Content,
    /// When it was published.
    pub published_at: Time,
}

/// What a version of a plan says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How long a period lasts.
    pub interval: Interval,
    /// In which its prices are.
    pub currency: Currency,
    /// What it is made of, each product once.
    pub items: Vec<PlanItem>,
}

/// What a plan has of one product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanItem {
    /// The product.
    pub product: ProductId,
    /// What the version itself sets.
    pub options: ItemOptions,
}

impl PlanVersion {
    /// Its item of a product, and its place.
    #[must_use]
    pub fn item(&self, product: ProductId) -> Option<(usize, &PlanItem)> {
        self.content.items.iter().enumerate().find(|(_, item)| item.product == product)
    }
}

/// What a plan or a subscription sets of one product; what is absent inherits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemOptions {
    /// Of credits.
    Credit(CreditOptions),
    /// Of a flat fee.
    FlatFee(FeeOptions),
    /// Of seats.
    Seat(SeatOptions),
    /// Of usage.
    Usage(UsageOptions),
}

/// What is set of credits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditOptions {
    /// Granted at the start of each period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_credits: Option<Credits>,
    /// How they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_expiration: Option<IncludedExpiration>,
    /// At most so many of them, unused, live on for one more period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover_limit: Option<Credits>,
    /// Settings of the balance.
    #[serde(default)]
    pub layer: CreditLayer,
}

/// What is set of a flat fee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeOptions {
    /// For a period.
    pub price: Option<Price>,
}

/// What is set of seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatOptions {
    /// For a seat and period.
    pub price: Option<Price>,
    /// How many seats.
    pub quantity: Option<i32>,
}

/// What is set of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageOptions {
    /// For a metered unit.
    pub unit_price: Option<Price>,
    /// How many units of a period cost nothing.
    pub included_units: Option<Units>,
}

impl ItemOptions {
    /// Options of a kind of product that set nothing.
    #[must_use]
    pub fn none(kind: ProductKind) -> Self {
        match kind {
            ProductKind::Credit => Self::Credit(CreditOptions::default()),
            ProductKind::FlatFee => Self::FlatFee(FeeOptions::default()),
            ProductKind::Seat => Self::Seat(SeatOptions::default()),
            ProductKind::Usage => Self::Usage(UsageOptions::default()),
        }
    }

    /// The kind of product that they are of.
    #[must_use]
    pub const fn kind(&self) -> ProductKind {
        match self {
            Self::Credit(_) => ProductKind::Credit,
            Self::FlatFee(_) => ProductKind::FlatFee,
            Self::Seat(_) => ProductKind::Seat,
            Self::Usage(_) => ProductKind::Usage,
        }
    }

    /// The price that they set.
    #[must_use]
    pub const fn price(&self) -> Option<Price> {
        match self {
            Self::Credit(_) => None,
            Self::FlatFee(fee) => fee.price,
            Self::Seat(seat) => seat.price,
            Self::Usage(usage) => usage.unit_price,
        }
    }

    /// What they set of credits; nothing when they are of another kind.
    #[must_use]
    pub const fn credit(&self) -> Option<&CreditOptions> {
        if let Self::Credit(credit) = self { Some(credit) } else { None }
    }

    /// The names of the options that they set, as the API has them.
    #[must_use]
    pub fn set(&self) -> Vec<&'static str> {
        let all: &[(bool, &'static str)] = match self {
            Self::Credit(options) => &[
                (options.included_credits.is_some(), "includedCredits"),
                (options.included_expiration.is_some(), "includedExpiration"),
                (options.rollover_limit.is_some(), "rolloverLimit"),
                (options.layer.expiration.is_some(), "expiration"),
                (options.layer.low_balance_threshold.is_some(), "lowBalanceThreshold"),
                (options.layer.overdraft.is_some(), "overdraft"),
                (options.layer.consumption.is_some(), "consumption"),
                (options.layer.purchase_options.is_some(), "purchaseOptions"),
            ],
            Self::FlatFee(options) => &[(options.price.is_some(), "price")],
            Self::Seat(options) => &[(options.price.is_some(), "price"), (options.quantity.is_some(), "quantity")],
            Self::Usage(options) => {
                &[(options.unit_price.is_some(), "unitPrice"), (options.included_units.is_some(), "includedUnits")]
            }
        };
        all.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect()
    }
}
