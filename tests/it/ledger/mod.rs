//! The pure ledger, checked against its rules three ways: a model that random commands are run on beside it, sums over
//! nothing but its entries, and stories with the expected entries written out.
//!
//! [`model`] and [`script`] know nothing of how a ledger is stored: whatever runs the same commands can be held to them.

pub(crate) mod audit;
mod crossings;
mod health;
pub(crate) mod model;
mod random;
mod reads;
mod scenarios;
pub(crate) mod script;
pub(crate) mod stage;
mod store;
mod story;
mod view;
