//! The API through real HTTP, as its callers meet it: one scenario a test, on both databases.

mod bad_input;
mod walk;
