//! The database.

mod schema;
