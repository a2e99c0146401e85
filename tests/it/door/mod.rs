//! The door: who is let in and may ask what, what strangers send, and how each protocol says so.

#![expect(clippy::too_many_lines, reason = "a table of all root fields is as long as it is")]

mod access;
mod hostile;
mod http;
mod keys;
mod limits;
mod operating;
mod portal;
mod socket;
mod sse;
