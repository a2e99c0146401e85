//! Keys and portal sessions.

mod keys;
mod portal;
