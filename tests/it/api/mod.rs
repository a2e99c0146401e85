//! The API through real HTTP, as its callers meet it: one scenario a test, on both databases.

#![expect(clippy::too_many_lines, reason = "a whole answer is as long as it is")]

mod bad_catalog;
mod bad_input;
mod contract;
mod cost;
mod events;
mod health;
mod keys;
mod lists;
mod nodes;
mod programs;
mod settings;
mod streams;
mod time;
mod walk;
mod walk_on;
