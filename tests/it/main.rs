//! The one integration-test binary: one link for all tests, one module for each subject.

// Clippy takes helpers outside of `#[test]` functions for test code only under this attribute.
#![cfg(test)]

mod api;
mod books;
mod catalog;
mod concurrency;
mod crash;
mod customers;
mod demo;
mod door;
mod floor;
mod ledger;
mod ledger_api;
mod ledger_reads;
mod ledger_streams;
mod outage;
mod plans;
mod purchases;
mod races;
mod random_store;
mod schema;
mod support;
