//! The ledger: for each balance a gap-free, hash-chained list of entries, and the lots and holds that they add up to.
//!
//! Its heart is pure: [`rules::apply`] takes an account, a policy, a command and the time, and gives the new account and
//! the entries, or a refusal. Everything else loads for it and writes what it says.
//!
//! Invariants (cited by number in code and tests)
//! - L1 Entries are only added. L2 A balance's entries are numbered without gaps.
//! - L3 settled = Σ credits of entries = Σ remaining of begun lots − debt; held = Σ active holds = Σ pinned;
//!   available = settled − held; debt and unpinned credits never stand side by side.
//! - L4 No command takes available below the floor that the overdraft policy sets.
//! - L6 Integers of a millionth of a credit, checked. L7 Lots burn by priority, expiry, free before paid, age.
//! - L8 A lot lives in [effectiveAt, expiresAt), a hold until it lapses, to the microsecond; what is due is posted
//!   before any other command, each at its own instant.
//! - L9 Holds pin lots. L11 recordedAt never goes back. L12 Entries are chained by SHA-256.
//! - L13 Reversals give back what was taken last. L14 A void ends a lot. L15 States follow available.
//!
//! Not here: products, meters, plans and purchases; the ledger knows ids, amounts, times and the policy handed in.

#![deny(clippy::arithmetic_side_effects)]

mod allocation;
mod books;
mod codec;
pub mod command;
pub mod consumption;
pub mod crossings;
mod due;
pub mod entry;
pub mod error;
pub mod feeds;
pub mod health;
pub mod history;
pub mod lookup;
pub mod model;
pub mod plan;
pub mod reads;
pub mod records;
mod replay;
mod reversal;
mod rows;
pub mod rules;
pub mod service;
pub mod store;
pub mod stream;
pub mod view;
