//! The one integration-test binary. A folder is a room of `src`, so that a test stands where its code stands.
//!
//! The rooms are tiers. Below `graphql`, tests call the code directly, on a database of their own or on none (`make test-fast`
//! runs these on SQLite). `graphql`, `http` and `demo` speak to a server in this process. `system` starts the program, kills it,
//! and takes its database away. `floor` holds the source text itself to its plan.

// Clippy takes helpers outside of `#[test]` functions for test code only under this attribute.
#![cfg(test)]

mod catalog;
mod customers;
mod db;
#[cfg(feature = "wire")]
mod demo;
mod floor;
#[cfg(feature = "wire")]
mod graphql;
#[cfg(feature = "wire")]
mod http;
mod intake;
mod ledger;
mod metering;
mod support;
#[cfg(feature = "wire")]
mod system;
