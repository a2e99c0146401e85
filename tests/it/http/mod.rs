//! The wire: what each protocol says to callers, and what strangers send.

mod bounds;
mod events;
mod graphql;
mod hostile;
mod operating;
mod socket;
mod sse;
