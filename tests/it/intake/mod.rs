//! The queue of commands, in nodes within this process.

mod concurrency;

/// Two nodes on one database, which only PostgreSQL allows.
mod postgres {
    mod races;
}
