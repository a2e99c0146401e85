//! Plans and subscriptions through the API, on both databases: what periods bring and cost, and what changes do to that.

mod changes;
mod model;
mod overrides;
mod periods;
mod random;
mod refusals;
pub(crate) mod shop;
