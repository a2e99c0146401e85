//! What callers ask of plans: plain values, of the right form but not judged yet.

use crate::base::decimal::Decimal;
use crate::base::given::Given;
use crate::base::ids::{PlanId, ProductId, PurchaseOptionId};
use crate::base::money::Currency;
use crate::base::page::PageRequest;
use crate::base::patch::Patch;
use crate::base::period::Interval;
use crate::catalog::input::{GivenExpiration, GivenOverdraft, GivenPrice, GivenRule};

/// Options as they were given: absent stays, cleared inherits.
#[derive(Clone, Debug)]
pub enum GivenOptions {
    /// Of credits.
    Credit(Box<GivenCredit>),
    /// Of a flat fee.
    FlatFee(Patch<GivenPrice>),
    /// Of seats: the price of one, and how many.
    Seat(Patch<GivenPrice>, Patch<i32>),
    /// Of usage: the price of a unit, and how many are included.
    Usage(Patch<GivenPrice>, Patch<Given<Decimal>>),
}

/// Options of credits as they were given.
#[derive(Clone, Debug, Default)]
pub struct GivenCredit {
    /// Granted at the start of each period.
    pub included_credits: Patch<Given<Decimal>>,
    /// How they end.
    pub included_expiration: Patch<GivenExpiration>,
    /// At most so many of them live on.
    pub rollover_limit: Patch<Given<Decimal>>,
    /// How other credits end.
    pub expiration: Patch<GivenExpiration>,
    /// Warn at or below this.
    pub low_balance_threshold: Patch<Given<Decimal>>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Patch<GivenOverdraft>,
    /// Which usage burns credits.
    pub consumption: Patch<Vec<GivenRule>>,
    /// Which purchase options are offered.
    pub purchase_options: Patch<Vec<Given<PurchaseOptionId>>>,
}

/// An item of a plan, as it was given.
#[derive(Clone, Debug)]
pub struct GivenItem {
    /// The product.
    pub product: Given<ProductId>,
    /// What is set.
    pub options: Option<GivenOptions>,
}

/// What a version is to say.
#[derive(Clone, Debug)]
pub struct NewContent {
    /// How long a period lasts.
    pub interval: Interval,
    /// In which its prices are.
    pub currency: Given<Currency>,
    /// What it is made of.
    pub items: Vec<GivenItem>,
}

/// A plan to be made, with its first version.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// Its key.
    pub key: String,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// What its first version says.
    pub content: NewContent,
}

/// What changes about a plan.
#[derive(Clone, Debug, Default)]
pub struct PlanChanges {
    /// For people; cannot be cleared.
    pub name: Patch<String>,
    /// For people, longer.
    pub description: Patch<String>,
}

/// A page of plans, by key.
#[derive(Clone, Debug)]
pub struct ListPlans {
    /// Which page; the position is the key.
    pub page: PageRequest<String>,
    /// Archived ones too.
    pub include_archived: bool,
}

/// A page of a plan's versions, the newest first.
#[derive(Clone, Debug)]
pub struct ListVersions {
    /// Whose versions.
    pub plan: PlanId,
    /// Which page; the position is the version's number.
    pub page: PageRequest<i32>,
}
