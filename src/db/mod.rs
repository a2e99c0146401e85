//! The database: connections, the door to a transaction, dialects, migrations, the schema. It knows no domain.
//!
//! Invariants
//! - Two databases, each query written once: `on!` runs one Diesel expression against whichever it is.
//! - SQLite has one writer connection and several readers; PostgreSQL one pool.
//! - Whoever writes goes through [`Db::write`] or [`Db::begin`]: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on
//!   PostgreSQL, retried on serialization failures and deadlocks. What is to happen after the commit is told to
//!   the transaction with [`Txn::after_commit`].
//!
//! Not here: any table's meaning, any SQL of a domain.

pub mod bulk;
mod connect;
pub mod creation_keys;
mod error;
pub mod listen;
mod migrate;
pub mod schema;
mod txn;
pub mod types;
mod url;
pub mod wal;

pub use connect::{Conn, Db, PgConn, SqliteConn};
pub use error::{DbError, Failure};
pub use migrate::{MigrationError, NotMigrated, check, is_migrated, migrate};
pub use txn::{AsDbError, Txn};
pub use url::{DbUrl, DbUrlError};

/// Runs one Diesel expression against whichever database the connection is of, and counts it.
///
/// `on!(conn, |c| table.load::<Row>(c))` is a `Result<_, DbError>`. A query that is put together by conditions needs to
/// know its database: in `on!(conn, |c, B| …)` `B` names it, for `into_boxed::<B>()`.
macro_rules! on {
    ($conn:expr, |$c:ident, $backend:ident| $query:expr) => {{
        let conn: &mut $crate::db::Conn = $conn;
        conn.count_statement();
        let result = match conn {
            $crate::db::Conn::Postgres { conn, .. } => {
                type $backend = diesel::pg::Pg;
                let $c: &mut $crate::db::PgConn = conn;
                $query.await
            }
            $crate::db::Conn::Sqlite { conn, .. } => {
                type $backend = diesel::sqlite::Sqlite;
                let $c: &mut $crate::db::SqliteConn = conn;
                $query.await
            }
        };
        result.map_err($crate::db::DbError::from)
    }};
    ($conn:expr, |$c:ident| $query:expr) => {{
        let conn: &mut $crate::db::Conn = $conn;
        conn.count_statement();
        let result = match conn {
            $crate::db::Conn::Postgres { conn, .. } => {
                let $c: &mut $crate::db::PgConn = conn;
                $query.await
            }
            $crate::db::Conn::Sqlite { conn, .. } => {
                let $c: &mut $crate::db::SqliteConn = conn;
                $query.await
            }
        };
        result.map_err($crate::db::DbError::from)
    }};
}
pub(crate) use on;
