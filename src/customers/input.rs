//! What callers ask of customers: plain values, of the right form but not judged yet.

use serde_json::{Value, json};

use crate::base::given::Given;
use crate::base::ids::CustomerId;
use crate::base::money::Currency;
use crate::base::page::PageRequest;
use crate::base::patch::Patch;

/// A customer to be made.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// The caller's own id for it.
    pub external_id: Option<String>,
    /// For people.
    pub name: String,
    /// For people.
    pub email: Option<String>,
    /// The currency that it pays in.
    pub currency: Option<Given<Currency>>,
    /// Absent is `{}`.
    pub metadata: Option<Value>,
}

impl NewCustomer {
    /// Its fields, for an idempotency key.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "externalId": self.external_id,
            "name": self.name,
            "email": self.email,
            "currency": self.currency.as_ref().map(ToString::to_string),
            "metadata": self.metadata.clone().unwrap_or_else(|| json!({})),
        })
    }
}

/// What changes about a customer.
#[derive(Clone, Debug, Default)]
pub struct CustomerChanges {
    /// The caller's own id for it; the former one goes on naming it.
    pub external_id: Patch<String>,
    /// For people; cannot be cleared.
    pub name: Patch<String>,
    /// For people.
    pub email: Patch<String>,
    /// The currency that it pays in.
    pub currency: Patch<Given<Currency>>,
    /// Cleared is `{}`.
    pub metadata: Patch<Value>,
}

/// A page of customers, newest first.
#[derive(Clone, Debug)]
pub struct ListCustomers {
    /// Which page; the position is the id.
    pub page: PageRequest<CustomerId>,
    /// Only those whose name, email address or external id begins so, without regard to case; blank is all.
    pub search: Option<String>,
    /// Archived ones too.
    pub include_archived: bool,
}
