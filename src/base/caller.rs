//! Whom it is counted for what a caller holds and causes.

use super::ids::{ApiKeyId, CustomerId};

/// Whom it is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// The program itself.
    Program,
    /// Anybody on this machine, where the server trusts it.
    Local,
    /// A program with a key.
    Key(ApiKeyId),
    /// A customer, by whichever portal session.
    Customer(CustomerId),
}
