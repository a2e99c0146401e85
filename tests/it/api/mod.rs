//! The API through real HTTP, as its callers meet it: one scenario a test, on both databases.

mod bad_input;
mod contract;
mod events;
mod health;
mod keys;
mod lists;
mod settings;
mod streams;
mod time;
mod walk;
