//! Scrip: a self-hosted server for prepaid customer credits.
//!
//! `docs/architecture.md` is the map of the house; `tests/it/floor.rs` holds it to its plan.

pub mod access;
pub mod app;
pub mod base;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod customers;
pub mod db;
pub mod demo;
pub mod feed;
pub mod graphql;
pub mod http;
pub mod intake;
pub mod keys;
pub mod ledger;
pub mod logs;
pub mod metering;
pub mod purchases;
pub mod subscriptions;
pub mod worker;
