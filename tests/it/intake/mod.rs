//! The queue of commands, in nodes within this process.

mod concurrency;
mod races;
