//! What callers ask of purchases: plain values, of the right form but not judged yet.

use serde_json::{Value, json};

use super::model::{Method, Status};
use super::transitions::Fact;
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::given::Given;
use crate::base::ids::{CustomerId, PurchaseId, PurchaseOptionId};
use crate::base::page::{Age, PageRequest};
use crate::base::patch::Patch;

/// Credits to be bought.
#[derive(Clone, Debug)]
pub struct NewPurchase {
    /// The option.
    pub option: PurchaseOptionId,
    /// The number of packs.
    pub quantity: i32,
    /// The page that the provider sends the customer back to.
    pub return_url: Option<String>,
}

/// Credits to be bought, as they were given.
#[derive(Clone, Debug)]
pub struct GivenPurchase {
    /// The option.
    pub option: Given<PurchaseOptionId>,
    /// The number of packs.
    pub quantity: i32,
    /// The page that the provider sends the customer back to.
    pub return_url: Option<String>,
}

impl GivenPurchase {
    /// Its fields after coercion, by which the same input is known.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "option": self.option.to_string(),
            "quantity": self.quantity,
            "returnUrl": self.return_url,
        })
    }
}

/// What is asked of a purchase that is there.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Something was heard of it.
    Hear {
        /// What.
        fact: Fact,
        /// How the customer can pay from now on, where that was heard too.
        method: Option<Method>,
    },
    /// It is taken back, with its money.
    Refund {
        /// Why, in words.
        reason: Option<String>,
    },
}

/// Changes of an auto top-up.
#[derive(Clone, Copy, Debug)]
pub struct AutoTopUpChanges {
    /// Whether it is switched on.
    pub enabled: bool,
    /// It buys at or below this; absent keeps what is there.
    pub threshold: Option<Credits>,
    /// What it buys; absent keeps what is there.
    pub option: Option<PurchaseOptionId>,
    /// It buys until so much is there; cleared: once.
    pub target: Patch<Credits>,
    /// The most purchases in 24 hours; cleared: the default.
    pub daily_limit: Patch<i32>,
}

/// Changes of an auto top-up, as they were given.
#[derive(Clone, Debug)]
pub struct GivenAutoTopUp {
    /// Whether it is switched on.
    pub enabled: bool,
    /// It buys at or below this.
    pub threshold: Patch<Given<Decimal>>,
    /// What it buys.
    pub option: Patch<Given<PurchaseOptionId>>,
    /// It buys until so much is there; cleared: once.
    pub target: Patch<Given<Decimal>>,
    /// The most purchases in 24 hours; cleared: the default.
    pub daily_limit: Patch<i32>,
}

/// A page of purchases.
#[derive(Clone, Debug)]
pub struct ListPurchases {
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Only those that stand so.
    pub status: Option<Vec<Status>>,
    /// Which page.
    pub page: PageRequest<Age<PurchaseId>>,
}
