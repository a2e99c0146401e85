//! Balances, their entries, grants and holds.

mod bad_input;
mod commands;
mod consumption;
mod corrections;
pub(crate) mod desk;
mod health;
mod history;
mod holds;
mod idempotency;
mod reads;
mod refusals;
mod rules;
mod streams;
mod time;
mod verify;
