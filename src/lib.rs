//! Scrip: a self-hosted server for prepaid customer credits.
//!
//! `docs/architecture.md` is the map of the house; `tests/it/floor.rs` holds it to its plan.

pub mod app;
pub mod base;
pub mod catalog;
pub mod customers;
pub mod db;
pub mod feed;
pub mod intake;
pub mod ledger;
pub mod metering;
