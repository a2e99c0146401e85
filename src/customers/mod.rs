//! Customers: whose credits these are, and the caller's own names for them.
//!
//! Invariants
//! - **U1** An external id names one customer for ever. A former one goes on naming it, and nobody else can take it; the
//!   customer itself can take it up again. `customer_external_ids` holds them all, keyed by that value alone.
//! - **U2** An archived customer is read and corrected, since what is kept of a person must be right, but gets no new
//!   balance. One with open balances is not archived; archiving it again answers it as it is.
//! - **U3** A search finds a customer by the beginnings of the words of name, email address and external id, folded, or by the
//!   whole id. `customer_words` is written with what it is taken from.
//!
//! Not here: balances and their numbers' use (`ledger`), events, who may see a customer.

#![deny(clippy::arithmetic_side_effects)]

pub mod input;
pub mod model;
pub mod rules;
pub mod service;
pub mod store;
