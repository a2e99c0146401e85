//! The shapes of the catalog.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::credits::Credits;
use crate::base::decimal;
use crate::base::ids::{MeterId, ProductId, PurchaseOptionId};
use crate::base::json::CanonicalJson;
use crate::base::money::{Currency, Money};
pub use crate::base::settings::{ConsumptionRule, Expiration};
use crate::base::settings::{Overdraft, Rate};
use crate::base::time::Time;

/// What turns usage events into a quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// Its id.
    pub id: MeterId,
    /// The caller's own key, unique among meters.
    pub key: String,
    /// For people.
    pub name: String,
    /// The type of the events that it listens to.
    pub event_type: String,
    /// How an event becomes a quantity.
    pub aggregation: Aggregation,
    /// The event counts when one of these is met; empty lets every event of the type through.
    pub filter: Vec<EventFilter>,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}

/// How an event becomes a quantity. Only what can be said of one event alone can burn at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Each event is 1.
    Count,
    /// Each event is the value of a property; dots descend into objects.
    Sum {
        /// The property's name.
        property: String,
    },
}

/// Met when all of its conditions are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventFilter {
    /// The conditions, at most 20.
    pub all: Vec<PropertyFilter>,
}

/// One condition on one property of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyFilter {
    /// The property's name; dots descend into objects.
    pub name: String,
    /// How it is compared.
    pub operator: FilterOperator,
    /// With what: none, one, or 1 to 100, by the operator.
    pub values: Vec<Value>,
}

/// How a property is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum FilterOperator {
    Eq,
    Neq,
    In,
    NotIn,
    Gt,
    Gte,
    Lt,
    Lte,
    Exists,
    NotExists,
}

/// What kind of thing a product sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductKind {
    /// Credits.
    Credit,
    /// A fixed fee for each period.
    FlatFee,
    /// A fee for each seat and period.
    Seat,
    /// A fee for each metered unit.
    Usage,
}

/// A product of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Product {
    /// Credits.
    Credit(Arc<CreditProduct>),
    /// What money is paid for each period.
    Priced(Arc<PricedProduct>),
}

/// A product that money is paid for: a flat fee, seats, or usage. Its prices never change.
#[derive(Clone, Debug, PartialEq)]
pub struct PricedProduct {
    /// Its id.
    pub id: ProductId,
    /// The caller's own key, unique among products of all kinds.
    pub key: String,
    /// What is paid for.
    pub kind: PricedKind,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// The caller's own data.
    pub metadata: CanonicalJson,
    /// What it costs, in each currency at most once, in order.
    pub prices: Vec<Price>,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PricedKind {
    /// Each period.
    FlatFee,
    /// Each seat and period.
    Seat,
    /// Each unit of a meter.
    Usage {
        /// The meter.
        meter: MeterId,
    },
}

/// A price in major units; that of a period or seat has no more digits than its currency, that of a unit up to twelve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// How much.
    pub amount: Rate,
    /// The currency.
    pub currency: Currency,
}

/// A product whose purchase is credits.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditProduct {
    /// Its id.
    pub id: ProductId,
    /// The caller's own key, unique among products of all kinds.
    pub key: String,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// The caller's own data.
    pub metadata: CanonicalJson,
    /// What one credit is called to customers.
    pub unit_name: String,
    /// Which usage burns credits, in the order in which an event's entries are written.
    pub consumption: Vec<ConsumptionRule>,
    /// Warn when what is available is at or below this.
    pub low_balance_threshold: Option<Credits>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Overdraft,
    /// How bought, topped-up and starting credits end.
    pub expiration: Expiration,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}

/// A price for a number of credits of one product.
#[derive(Clone, Debug, PartialEq)]
pub struct PurchaseOption {
    /// Its id.
    pub id: PurchaseOptionId,
    /// The product whose credits it sells.
    pub product: ProductId,
    /// For people.
    pub name: String,
    /// How many credits.
    pub credits: Credits,
    /// For all of them.
    pub price: Money,
    /// Whether customers see it in the portal.
    pub show_in_portal: bool,
    /// Where it stands among the product's options; the lower comes first.
    pub position: i32,
    /// How many packs of it a customer may buy, where that is said.
    pub per_customer: Option<i32>,
    /// When it was created.
    pub created_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}

impl PurchaseOption {
    /// How many packs of it a customer may buy; without limit when absent. One that costs nothing is had once.
    #[must_use]
    pub fn most_per_customer(&self) -> Option<i32> {
        self.per_customer.or((self.price.minor == 0).then_some(1))
    }

    /// True if customers see it in the portal. A free pack is shown only if `per_customer` is set.
    #[must_use]
    pub const fn is_in_portal(&self) -> bool {
        self.show_in_portal && (self.price.minor > 0 || self.per_customer.is_some())
    }
}

impl Product {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ProductId {
        match self {
            Self::Credit(product) => product.id,
            Self::Priced(product) => product.id,
        }
    }

    /// The caller's own key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Credit(product) => &product.key,
            Self::Priced(product) => &product.key,
        }
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Credit(product) => &product.name,
            Self::Priced(product) => &product.name,
        }
    }

    /// What kind of thing it sells.
    #[must_use]
    pub fn kind(&self) -> ProductKind {
        match self {
            Self::Credit(_) => ProductKind::Credit,
            Self::Priced(product) => product.kind.kind(),
        }
    }

    /// When it was archived.
    #[must_use]
    pub fn archived_at(&self) -> Option<Time> {
        match self {
            Self::Credit(product) => product.archived_at,
            Self::Priced(product) => product.archived_at,
        }
    }
}

impl PricedKind {
    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(self) -> ProductKind {
        match self {
            Self::FlatFee => ProductKind::FlatFee,
            Self::Seat => ProductKind::Seat,
            Self::Usage { .. } => ProductKind::Usage,
        }
    }
}

impl PricedProduct {
    /// What it costs in a currency.
    #[must_use]
    pub fn price_in(&self, currency: Currency) -> Option<Price> {
        self.prices.iter().find(|price| price.currency == currency).copied()
    }
}

impl Price {
    /// The amount in the currency's smallest unit, which it has no more digits than.
    #[must_use]
    pub fn money(self) -> Money {
        let unit = decimal::pow10(Rate::SCALE.saturating_sub(self.currency.digits()));
        let minor = decimal::div_round(self.amount.scaled(), unit).and_then(|minor| i64::try_from(minor).ok());
        Money { minor: minor.unwrap_or(i64::MAX), currency: self.currency }
    }

    /// The amount as text: with at least as many digits as the currency has.
    #[must_use]
    pub fn text(self) -> String {
        let mut out = String::new();
        let least = usize::try_from(self.currency.digits()).unwrap_or_default();
        // Writing to a String does not fail.
        let _ = decimal::write_least(&mut out, self.amount.scaled(), Rate::SCALE, least);
        out
    }
}
