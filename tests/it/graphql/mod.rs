//! The API as its callers meet it, over HTTP to a server in this process.

#![expect(clippy::too_many_lines, reason = "a whole answer is as long as it is")]

mod access;
mod catalog;
mod guards;
mod inputs;
mod ledger;
mod loaders;
mod metering;
mod paging;
pub(crate) mod purchases;
mod schema;
mod streams;
mod streams_across_nodes;
pub(crate) mod subscriptions;
mod walk;
mod walk_on;
