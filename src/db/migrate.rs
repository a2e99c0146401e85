//! Migrations: embedded, run at start under a lock, refused when the database is newer than the program.

use diesel::migration::MigrationSource;
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{DbError, DbUrl, PgConn};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Held in PostgreSQL while migrations run, so that nodes which start together do not run them side by side.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021802)";

/// Why the database could not be brought to the program's version.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database cannot be reached.
    #[error("the database cannot be opened: {0}")]
    Open(String),
    /// A newer program was here.
    #[error("the database was migrated by a newer program (it has migration {0}); run that or a newer one")]
    Newer(String),
    /// A migration failed; the database is as it was.
    #[error("a migration failed: {0}")]
    Failed(String),
}

/// Brings the database to the program's version; answers the migrations that were run.
///
/// # Errors
/// [`MigrationError`]; the database is then as it was.
pub async fn migrate(url: &DbUrl) -> Result<Vec<String>, MigrationError> {
    let url = url.clone();
    tokio::task::spawn_blocking(move || match url {
        DbUrl::Postgres(url) => {
            let mut conn = AsyncConnectionWrapper::<PgConn>::establish(&url).map_err(open)?;
            conn.transaction(|conn| {
                diesel::sql_query(LOCK).execute(conn).map_err(failed)?;
                run(conn, || POSTGRES)
            })
        }
        DbUrl::Sqlite(path) => {
            let path = path.to_string_lossy();
            let mut conn = SqliteConnection::establish(&path).map_err(open)?;
            diesel::sql_query("PRAGMA busy_timeout = 10000").execute(&mut conn).map_err(open)?;
            conn.immediate_transaction(|conn| run(conn, || SQLITE))
        }
    })
    .await
    .map_err(failed)?
}

fn run<C, DB>(conn: &mut C, migrations: fn() -> EmbeddedMigrations) -> Result<Vec<String>, MigrationError>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known = MigrationSource::<DB>::migrations(&migrations()).map_err(failed)?;
    let applied = conn.applied_migrations().map_err(failed)?;
    let foreign = applied.iter().find(|version| known.iter().all(|migration| migration.name().version() != **version));
    if let Some(version) = foreign {
        return Err(MigrationError::Newer(version.to_string()));
    }
    let run = conn.run_pending_migrations(migrations()).map_err(failed)?;
    Ok(run.iter().map(ToString::to_string).collect())
}

fn open(error: impl std::fmt::Display) -> MigrationError {
    MigrationError::Open(error.to_string())
}

fn failed(error: impl std::fmt::Display) -> MigrationError {
    MigrationError::Failed(error.to_string())
}

impl From<diesel::result::Error> for MigrationError {
    fn from(error: diesel::result::Error) -> Self {
        failed(error)
    }
}

impl From<DbError> for MigrationError {
    fn from(error: DbError) -> Self {
        open(error)
    }
}
