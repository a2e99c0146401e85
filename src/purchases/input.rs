//! What callers ask of purchases: plain values, of the right form but not judged yet.

use serde_json::{Value, json};

use super::model::{Method, Status};
use super::transitions::Fact;
use crate::base::decimal::Decimal;
use crate::base::ids::{CustomerId, PurchaseId, PurchaseOptionId};
use crate::base::page::{Age, PageRequest};
use crate::base::patch::Patch;

/// Credits to be bought.
#[derive(Clone, Debug)]
pub struct NewPurchase {
    /// What.
    pub option: PurchaseOptionId,
    /// How often.
    pub quantity: i32,
    /// Where the provider sends the customer back to.
    pub return_url: Option<String>,
}

impl NewPurchase {
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

/// What changes about how a balance buys by itself.
#[derive(Clone, Debug)]
pub struct AutoTopUpChanges {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Buy at or below this.
    pub threshold: Patch<Decimal>,
    /// What.
    pub option: Patch<PurchaseOptionId>,
    /// Until so much is there; cleared: once.
    pub target: Patch<Decimal>,
    /// At most so often in 24 hours; cleared: the default.
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
