//! Plans and subscriptions through the API, on both databases: what periods bring and cost, and what changes do to that.

mod catalog;
mod changes;
mod overrides;
mod periods;
mod refusals;
mod shop;
