//! Metering: usage events in, ratings out.
//!
//! Invariants
//! 1. Rating is a pure function of a rule, its meter and an event's properties: the same event is rated the same way
//!    today, on another node and in a preview.
//! 2. No float arithmetic. A JSON number is the decimal that its shortest form spells (RFC 8785's), and is compared, rounded and
//!    multiplied as that decimal; an amount is rounded once for each event and rule (L6).
//! 3. Properties that differ only in how their JSON is written are rated alike: a number is what RFC 8785 makes of
//!    it, so that an event read back from the database would be rated as it was on arrival.
//! 4. Each rule whose meter has the event's type leaves an outcome, also when it burned nothing (L10).
//! 5. A stored outcome stays readable: the numbers that stand for results are only ever added to.
//!
//! Not here: what a filter may be (`catalog::filter_rules`), which rules an event meets, balances, lots and overdraft
//! (`ledger`), the queue that events come through (`intake`).

#![deny(clippy::arithmetic_side_effects)]

pub mod event;
pub mod filter;
pub mod model;
pub mod property;
pub mod quantity;
pub mod rating;
#[cfg(test)]
mod reference;
pub mod service;
pub mod store;
pub mod terms;
pub mod usage;
