//! The shapes of subscriptions.

use serde::{Deserialize, Serialize};

use crate::base::ids::{ChargeId, MeterId, PlanId, PlanVersionId, ProductId, SubscriptionId};
use crate::base::json::CanonicalJson;
use crate::base::money::{Currency, Money};
use crate::base::period::Calendar;
use crate::base::settings::Units;
use crate::base::time::Time;
use crate::catalog::model::Price;
use crate::catalog::plans::model::ItemOptions;

/// A customer's subscription to a plan, as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// When its first period begins.
    pub starts_at: Time,
    /// When it ends or ended.
    pub ends_at: Option<Time>,
    /// The last period that was begun on record.
    pub period: Option<Begun>,
    /// What holds in it, or will hold in the first one.
    pub phase: Phase,
    /// What holds from the next period on, where that differs.
    pub next: Option<Next>,
    /// Whether its end is on record, with all that follows from it.
    pub settled: bool,
    /// The caller's own data.
    pub metadata: CanonicalJson,
    /// When it was created.
    pub created_at: Time,
    /// Grows by 1 with every write of the row; 0 is not written yet.
    pub revision: i64,
}

/// What became of what was asked.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The subscription as it stands.
    pub subscription: Subscription,
    /// Whether it was so already.
    pub replayed: bool,
    /// Whether more is due than one step writes down: of what was asked, nothing is done yet but for a part of that. The
    /// same again goes on from there, and others have their turn in between.
    pub unfinished: bool,
}

/// A period that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its number, from 0.
    pub index: i32,
    /// When it began.
    pub start: Time,
}

/// What holds for some periods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The plan.
    pub plan: PlanId,
    /// The version of it.
    pub version: PlanVersionId,
    /// The periods.
    pub calendar: Calendar,
    /// What the subscription sets itself, each product once; of products that the version does not hold it says nothing.
    pub overrides: Vec<Override>,
}

/// What a subscription sets itself of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The product.
    pub product: ProductId,
    /// What it sets.
    pub options: ItemOptions,
}

/// What holds from the next period on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// When that period begins.
    pub at: Time,
    /// What holds.
    pub phase: Phase,
}

/// A period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its number, from 0.
    pub index: i32,
    /// When it begins.
    pub start: Time,
    /// When it ends.
    pub end: Time,
}

/// How a subscription stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Status {
    Scheduled,
    Active,
    Canceled,
}

/// What a period of an item costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Its id: the subscription, the period, the item.
    pub id: ChargeId,
    /// The product.
    pub product: ProductId,
    /// The period.
    pub period: Period,
    /// For people.
    pub description: String,
    /// How much it comes to.
    pub amount: Amount,
    /// When it was written; of usage, when it was metered.
    pub created_at: Time,
}

/// How much a charge comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// It is known.
    Known {
        /// How many units, a decimal.
        quantity: String,
        /// What they cost.
        amount: Money,
    },
    /// Usage is yet to be metered.
    ToBeMetered(Metered),
}

/// What usage is charged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// What measures it.
    pub meter: MeterId,
    /// What a unit costs.
    pub price: Price,
    /// How many units cost nothing.
    pub included: Units,
}

impl Metered {
    /// In which it is charged.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.price.currency
    }
}

impl Phase {
    /// What the subscription sets itself of a product.
    #[must_use]
    pub fn set(&self, product: ProductId) -> Option<&ItemOptions> {
        self.overrides.iter().find(|own| own.product == product).map(|own| &own.options)
    }

    /// The same with other options of a product; none where they set nothing.
    #[must_use]
    pub fn with(mut self, product: ProductId, options: ItemOptions) -> Self {
        self.overrides.retain(|own| own.product != product);
        if !options.set().is_empty() {
            self.overrides.push(Override { product, options });
            self.overrides.sort_by_key(|own| own.product);
        }
        self
    }
}
