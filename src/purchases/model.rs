//! The shapes of purchases.

use serde::{Deserialize, Serialize};

use crate::base::credits::Credits;
use crate::base::ids::{PurchaseId, PurchaseOptionId};
use crate::base::money::Money;
use crate::base::time::Time;
use crate::ledger::entry::Origin;

/// Credits that a customer buys, as they are on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Its id: numbered within the balance.
    pub id: PurchaseId,
    /// What is bought.
    pub option: PurchaseOptionId,
    /// How often.
    pub quantity: i32,
    /// How many credits that is.
    pub credits: Credits,
    /// What all of it costs.
    pub price: Money,
    /// How it stands.
    pub status: Status,
    /// Through which door it came.
    pub origin: Origin,
    /// Who takes the money.
    pub provider: Provider,
    /// How the customer pays, where the provider knows him.
    pub pays_by: Option<Method>,
    /// What the provider's page is to show, until it is there; none is needed where no page is.
    pub page: Option<Page>,
    /// The provider's page to pay on.
    pub payment_url: Option<String>,
    /// What the provider calls what the customer pays by; of money that came by hand, what was said of it.
    pub reference: Option<String>,
    /// What the provider calls the payment, once it is known: what money goes back by.
    pub payment: Option<String>,
    /// Why it is not paid, or why money that is to go back has not.
    pub failure: Option<String>,
    /// The lot that it made, by its sequence in the balance.
    pub lot: Option<i64>,
    /// What went back to the customer, or is on its way.
    pub refunded: Money,
    /// When it was made.
    pub created_at: Time,
    /// When it was paid.
    pub paid_at: Option<Time>,
    /// When it failed, was canceled or refunded.
    pub ended_at: Option<Time>,
    /// When the provider is to be asked again.
    pub looks_at: Option<Time>,
    /// How often it was asked in vain.
    pub tries: i32,
    /// Grows by 1 with every write of the row; 0 is not written yet.
    pub revision: i64,
}

/// How a purchase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Status {
    Pending,
    Paid,
    Failed,
    Canceled,
    Refunded,
}

/// Who takes the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Somebody, by hand: Scrip is told.
    Manual,
    /// Stripe.
    Stripe,
}

/// How a customer pays without being asked, at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// What the provider calls the customer.
    pub customer: String,
    /// What the provider calls the way of payment that was saved; none is saved yet when absent.
    pub method: Option<String>,
}

/// What the provider's page shows of a purchase. It is on record, so that whoever asks for the page again asks for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What is bought: "1,000 tokens".
    pub name: String,
    /// Who pays.
    pub email: Option<String>,
    /// Where the customer comes back to.
    pub return_url: String,
}

impl Status {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Refunded => "REFUNDED",
        }
    }
}

impl Purchase {
    /// Whether its money is waited for.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status == Status::Pending
    }

    /// The money that is to go back by way of the provider and has not.
    #[must_use]
    pub fn owed(&self) -> Option<Money> {
        let is_owed = !self.is_pending() && self.provider != Provider::Manual && self.looks_at.is_some();
        is_owed.then_some(self.refunded).filter(|money| money.minor > 0)
    }

    /// What customers are told of trouble: what the provider says is for operators.
    #[must_use]
    pub fn told_customers(&self) -> Option<&'static str> {
        self.failure.as_ref().map(|_| match self.status {
            Status::Pending => "The payment is not settled yet.",
            _ if self.refunded.minor > 0 => "The money is on its way back.",
            Status::Failed => "The payment failed; make a new purchase.",
            Status::Paid | Status::Canceled | Status::Refunded => {
                "The payment was not as asked for; ask whoever sold you the credits."
            }
        })
    }

    /// What the provider calls it, once it has been told of it: the payment where there is one, else what is paid by.
    #[must_use]
    pub fn known_as(&self) -> Option<&str> {
        self.payment.as_deref().or(self.reference.as_deref())
    }
}
