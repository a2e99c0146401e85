//! The database.

mod claim;
mod json;
mod migrate;
mod shares;
mod wal;

/// PostgreSQL's migrations beside SQLite's.
mod postgres {
    mod schema;
}
