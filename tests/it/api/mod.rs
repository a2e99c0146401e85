//! The API through real HTTP, as its callers meet it: one scenario a test, on both databases.

mod bad_catalog;
mod bad_input;
mod contract;
mod cost;
mod events;
mod health;
mod keys;
mod lists;
mod programs;
mod settings;
mod streams;
mod time;
mod walk;
mod walk_on;
