//! The database.

/// PostgreSQL's migrations beside SQLite's.
mod postgres {
    mod schema;
}
