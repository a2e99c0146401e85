//! The same work without the server: the database alone, each event and each top-up a transaction of its own.
//!
//! - The tables are the server's, from its own migrations, and so are the rows: as many, with the same columns filled,
//!   and texts of the same form and length.
//! - Left out is what makes up the difference: HTTP, looking events and keys up, rules, hashes (32 bytes that cost
//!   nothing stand in their place), group commit.
//! - It is as quick as one transaction at a time can be made: prepared statements, nothing read first, one round trip.

mod postgres;
mod rows;
mod sqlite;

use scrip::db::DbUrl;

use crate::Failure;
use crate::database::Databases;
use crate::figure::Figure;
use crate::measure::{Sample, Span};

/// A database with the customers in it, that nobody else uses.
pub(crate) enum Bare {
    /// PostgreSQL, by several connections.
    Postgres(postgres::Bare),
    /// SQLite, by one.
    Sqlite(Box<sqlite::Bare>),
}

impl Bare {
    /// Puts customers and balances into a fresh database.
    pub(crate) async fn fill(databases: &Databases) -> Result<Self, Failure> {
        match databases.of_bare().await? {
            DbUrl::Postgres(url) => Ok(Self::Postgres(postgres::Bare::fill(url).await?)),
            DbUrl::Sqlite(path) => Ok(Self::Sqlite(Box::new(sqlite::Bare::fill(&path)?))),
        }
    }

    /// Measures it.
    pub(crate) async fn run(&mut self, figure: Figure, span: Span) -> Result<Sample, Failure> {
        match self {
            Self::Postgres(bare) => bare.run(figure, span).await,
            Self::Sqlite(bare) => bare.run(figure, span),
        }
    }
}
