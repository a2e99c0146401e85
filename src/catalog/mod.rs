//! The catalog: which usage burns which credits, how many, and what credits cost. Meters turn events into quantities,
//! credit products weigh them, purchase options sell credits; flat fees, seats and usage are sold for money, and plans
//! ([`plans`]) put all of them together.
//!
//! Invariants
//! - **C1** Every write begins with [`store::lock_catalog`], in its own transaction: writes come one after another, and
//!   the version moves with each, so that a copy of the catalog ([`snapshot::Snapshot`]) is known to be old.
//! - **C2** A key names one thing for ever, archived or not; it never changes, and neither do a meter's event type and
//!   aggregation, or an option's product, credits and price.
//! - **C3** A product that is not archived names only meters that are not archived, each at most once.
//! - **C4** Archiving is final: what is archived is read but not changed, and archiving it again answers it as it is. A
//!   meter or product in use is not archived: by a product, by a plan's version, by open balances.
//! - **C5** What is returned by a write is what a read returns: filters and metadata in canonical form.
//!
//! Not here: what a filter lets through and what usage comes to (`metering`), balances (`ledger`), who may ask.

#![deny(clippy::arithmetic_side_effects)]

pub mod filter_rules;
pub mod input;
pub mod meter_rules;
pub mod model;
mod narrow;
pub mod option_rules;
pub mod plans;
pub mod priced_rules;
pub mod product_rules;
mod rows;
pub mod service;
pub mod settings;
pub mod snapshot;
pub mod store;
