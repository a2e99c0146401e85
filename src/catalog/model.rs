//! The shapes of the catalog.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::credits::Credits;
use crate::base::ids::{MeterId, ProductId, PurchaseOptionId};
use crate::base::json::CanonicalJson;
use crate::base::money::Money;
use crate::base::settings::{Overdraft, Weight};
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

/// What kind of thing a product sells. Only products of credits can be made so far.
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

/// How many credits each unit of a meter burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumptionRule {
    /// The meter.
    pub meter: MeterId,
    /// Credits for each unit.
    pub credits_per_unit: Weight,
}

/// How credits end that come without an expiry of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiration {
    /// They do not.
    #[default]
    Never,
    /// That many days of 24 hours after they begin.
    AfterDays(i32),
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
    /// When it was created.
    pub created_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}
