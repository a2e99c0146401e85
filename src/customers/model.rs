//! The shape of a customer.

use crate::base::ids::CustomerId;
use crate::base::json::CanonicalJson;
use crate::base::money::Currency;
use crate::base::time::Time;

/// Whose credits these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The caller's own id for it, as it is now.
    pub external_id: Option<String>,
    /// For people.
    pub name: String,
    /// For people.
    pub email: Option<String>,
    /// The currency that it pays in.
    pub currency: Option<Currency>,
    /// The caller's own data.
    pub metadata: CanonicalJson,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// When it was archived.
    pub archived_at: Option<Time>,
}
