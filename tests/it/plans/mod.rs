//! Plans and subscriptions through the API, on both databases: what periods bring and cost, and what changes do to that.

#![expect(clippy::too_many_lines, reason = "a whole answer is as long as it is")]

mod catalog;
mod changes;
mod crash;
mod model;
mod overrides;
mod periods;
mod random;
mod refusals;
pub(crate) mod shop;
