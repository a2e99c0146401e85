//! The database.

mod claim;
mod json;
mod migrate;

/// PostgreSQL's migrations beside SQLite's.
mod postgres {
    mod schema;
}
