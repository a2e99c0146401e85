//! Subscriptions to plans: what comes by the calendar. Each period brings included credits and charges for what is priced.
//!
//! What is written down of a subscription is its timeline: what holds now, what holds from the next period on, when it ends,
//! and the last period that was begun on record. All else follows from it and the time ([`timeline`]).
//!
//! Invariants
//! - **S1** Each period is begun once on record, in order: a subscription is written only where its revision is the one that
//!   was read, and a charge is named by its subscription, period and item.
//! - **S2** What a subscription means for a balance stands in the balance's own row ([`terms`]), written in the same
//!   transaction. So a balance posts its allowances by itself, to the microsecond and before anything else, and neither
//!   waits for the other.
//! - **S3** A customer has at most one subscription that has not ended with a credit product.
//! - **S4** What changes at once changes from now on; what changes from the next period on takes part in nothing before.
//! - **S5** Usage is charged from the events that are on record when its period has ended; which charge is still to be
//!   metered is on record from the moment that the period ended.
//!
//! Not here: what plans offer (`catalog::plans`), how allowances and rollovers are posted (`ledger`), when due periods are
//! looked for (`worker`).

#![deny(clippy::arithmetic_side_effects)]

pub mod change;
pub mod charges;
pub mod create;
pub mod desk;
pub mod input;
pub mod model;
pub mod reads;
mod rows;
pub mod store;
pub mod terms;
pub mod timeline;
