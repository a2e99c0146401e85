//! Scrip: a self-hosted server for prepaid customer credits.
//!
//! `docs/architecture.md` is the map of the house; `tests/it/floor.rs` holds it to its plan.

pub mod access;
pub mod app;
pub mod base;
pub mod catalog;
#[cfg(feature = "wire")]
pub mod cli;
#[cfg(feature = "wire")]
pub mod config;
pub mod customers;
pub mod db;
#[cfg(feature = "wire")]
pub mod demo;
pub mod feed;
#[cfg(feature = "wire")]
pub mod graphql;
#[cfg(feature = "wire")]
pub mod http;
pub mod intake;
#[cfg(feature = "wire")]
pub mod keys;
pub mod ledger;
#[cfg(feature = "wire")]
pub mod logs;
pub mod metering;
pub mod purchases;
pub mod subscriptions;
#[cfg(feature = "wire")]
pub mod worker;
