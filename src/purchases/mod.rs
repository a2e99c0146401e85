//! Purchases: credits that customers pay for, by hand or by way of a provider, when they ask and when their balance runs low.
//!
//! Invariants
//! - **P1** A purchase makes one lot at most, and none that was not paid: a pure step decides ([`transitions`]), and the lot is
//!   written in the transaction that writes PAID, where the row's revision is the one that was read.
//! - **P2** Money is asked for after the purchase is on record, and under its id as the provider's idempotency key: whoever
//!   asks again, whichever server, asks for the same.
//! - **P3** What is awaited and how a balance buys by itself stand in the balance's own row ([`crate::base::buying`]), written
//!   with it: two servers cannot buy for one balance at once, and a commit need not ask.
//! - **P4** What the provider says is a hint to ask it how the payment stands. So it does not matter in which order that
//!   comes, how often, or whether at all: who is not told asks by himself.
//! - **P5** Credits that are refunded go first, money follows; the provider is asked until it has gone back.
//!
//! Not here: what options there are (`catalog`), how lots burn (`ledger`), who asks the provider when (`app::cashier`).

#![deny(clippy::arithmetic_side_effects)]

pub mod auto_top_up;
pub mod input;
pub mod model;
pub mod reads;
mod rows;
pub mod rules;
pub mod service;
pub mod store;
pub mod stripe;
pub mod transitions;
