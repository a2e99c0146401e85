//! Who may ask what, and how much of it.

mod access;
mod limits;
