//! What callers ask of the catalog: plain values, of the right form but not judged yet.

use serde_json::{Value, json};

use super::model::{EventFilter, ProductKind};
use crate::base::decimal::Decimal;
use crate::base::given::Given;
use crate::base::ids::{MeterId, ProductId};
use crate::base::money::Currency;
use crate::base::page::PageRequest;
use crate::base::patch::Patch;

/// How a meter's events become quantities, without what is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregationKind {
    /// Each event is 1.
    Count,
    /// Each event is the value of a property.
    Sum,
}

/// A meter to be made.
#[derive(Clone, Debug)]
pub struct NewMeter {
    /// Its key.
    pub key: String,
    /// For people.
    pub name: String,
    /// The type of the events that it listens to.
    pub event_type: String,
    /// How they become quantities.
    pub aggregation: AggregationKind,
    /// What SUM adds up; absent for COUNT.
    pub property: Option<String>,
    /// Which events count; empty is all.
    pub filter: Vec<EventFilter>,
}

/// What changes about a meter.
#[derive(Clone, Debug, Default)]
pub struct MeterChanges {
    /// For people; cannot be cleared.
    pub name: Patch<String>,
    /// Which events count; cleared is all.
    pub filter: Patch<Vec<EventFilter>>,
}

/// How many credits each unit of a meter burns.
#[derive(Clone, Debug)]
pub struct GivenRule {
    /// The meter.
    pub meter: Given<MeterId>,
    /// Credits for each unit: 0 to 10^12, at most twelve fraction digits.
    pub credits_per_unit: Given<Decimal>,
}

/// Whether a balance may go below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverdraftPolicy {
    /// No.
    Deny,
    /// Yes, down to a limit.
    Allow,
}

/// Whether a balance may go below zero, and how far.
#[derive(Clone, Debug)]
pub struct GivenOverdraft {
    /// Whether.
    pub policy: OverdraftPolicy,
    /// How far; only with ALLOW, absent is without limit.
    pub limit: Option<Given<Decimal>>,
}

/// How credits end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirationPolicy {
    /// They do not.
    Never,
    /// Some days after they begin.
    AfterDays,
    /// With the period that they are included in.
    EndOfPeriod,
}

/// How credits end, and after how many days.
#[derive(Clone, Copy, Debug)]
pub struct GivenExpiration {
    /// How.
    pub policy: ExpirationPolicy,
    /// Days of 24 hours, 1 to 36,500; only with AFTER_DAYS.
    pub days: Option<i32>,
}

/// A credit product to be made.
#[derive(Clone, Debug)]
pub struct NewCreditProduct {
    /// Its key.
    pub key: String,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// What one credit is called to customers.
    pub unit_name: String,
    /// Which usage burns credits, in order.
    pub consumption: Vec<GivenRule>,
    /// Warn when what is available is at or below this.
    pub low_balance_threshold: Option<Given<Decimal>>,
    /// Absent is DENY.
    pub overdraft: Option<GivenOverdraft>,
    /// Absent is NEVER.
    pub expiration: Option<GivenExpiration>,
    /// Absent is `{}`.
    pub metadata: Option<Value>,
}

/// A price, as it was given.
#[derive(Clone, Debug)]
pub struct GivenPrice {
    /// In major units.
    pub amount: Given<Decimal>,
    /// The currency.
    pub currency: Given<Currency>,
}

/// What is paid for, as it was given.
#[derive(Clone, Debug)]
pub enum GivenKind {
    /// A period.
    FlatFee,
    /// A seat for a period.
    Seat,
    /// Usage that a meter measures.
    Usage(Given<MeterId>),
}

/// A product to be made that money is paid for.
#[derive(Clone, Debug)]
pub struct NewPricedProduct {
    /// Its key.
    pub key: String,
    /// What is paid for.
    pub kind: GivenKind,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// One price for each currency, at least one.
    pub prices: Vec<GivenPrice>,
    /// Absent is `{}`.
    pub metadata: Option<Value>,
}

/// What changes about a credit product.
#[derive(Clone, Debug, Default)]
pub struct CreditProductChanges {
    /// For people; cannot be cleared.
    pub name: Patch<String>,
    /// For people, longer.
    pub description: Patch<String>,
    /// What one credit is called to customers; cannot be cleared.
    pub unit_name: Patch<String>,
    /// Which usage burns credits; cleared is none.
    pub consumption: Patch<Vec<GivenRule>>,
    /// Warn when what is available is at or below this.
    pub low_balance_threshold: Patch<Given<Decimal>>,
    /// Cleared is DENY.
    pub overdraft: Patch<GivenOverdraft>,
    /// Cleared is NEVER.
    pub expiration: Patch<GivenExpiration>,
    /// Cleared is `{}`.
    pub metadata: Patch<Value>,
}

/// What changes about a product of any kind.
#[derive(Clone, Debug, Default)]
pub struct ProductChanges {
    /// For people; cannot be cleared.
    pub name: Patch<String>,
    /// For people, longer.
    pub description: Patch<String>,
    /// Cleared is `{}`.
    pub metadata: Patch<Value>,
}

impl From<ProductChanges> for CreditProductChanges {
    fn from(changes: ProductChanges) -> Self {
        let ProductChanges { name, description, metadata } = changes;
        Self { name, description, metadata, ..Self::default() }
    }
}

/// A purchase option to be made.
#[derive(Clone, Debug)]
pub struct NewPurchaseOption {
    /// The product whose credits it sells.
    pub product: Given<ProductId>,
    /// For people.
    pub name: String,
    /// How many credits, above 0.
    pub credits: Given<Decimal>,
    /// For all of them, in major units with no more digits than the currency has; may be 0.
    pub price: GivenPrice,
    /// Whether customers see it in the portal.
    pub show_in_portal: bool,
    /// Where it stands among the product's options; the lower comes first.
    pub position: i32,
    /// How many packs of it a customer may buy, at least 1; without limit when absent, and one where it costs nothing.
    pub per_customer: Option<i32>,
}

impl NewPurchaseOption {
    /// Its fields, for an idempotency key.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "productId": self.product.to_string(),
            "name": self.name,
            "credits": self.credits.canonical(),
            "price": [self.price.amount.canonical(), self.price.currency.to_string()],
            "showInPortal": self.show_in_portal,
            "position": self.position,
            "perCustomer": self.per_customer,
        })
    }
}

/// What changes about a purchase option.
#[derive(Clone, Debug, Default)]
pub struct PurchaseOptionChanges {
    /// For people; cannot be cleared.
    pub name: Patch<String>,
    /// Whether customers see it in the portal; cleared is yes.
    pub show_in_portal: Patch<bool>,
    /// Where it stands among the product's options; cleared is 0.
    pub position: Patch<i32>,
    /// How many packs of it a customer may buy, at least 1; cleared is without limit, and one where it costs nothing.
    pub per_customer: Patch<i32>,
}

/// A page of meters, by key.
#[derive(Clone, Debug)]
pub struct ListMeters {
    /// Which page; the position is the key.
    pub page: PageRequest<String>,
    /// Archived ones too.
    pub include_archived: bool,
}

/// A page of products, by key.
#[derive(Clone, Debug)]
pub struct ListProducts {
    /// Which page; the position is the key.
    pub page: PageRequest<String>,
    /// Archived ones too.
    pub include_archived: bool,
    /// Only of these kinds; absent is all.
    pub kinds: Option<Vec<ProductKind>>,
}
