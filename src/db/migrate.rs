//! Migrations: embedded, run at start under a lock, refused when the database is newer than the program.

use diesel::migration::MigrationSource;
use diesel::sqlite::Sqlite;
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connect::connect_postgres;
use super::schema::{customer_words, customers};
use super::url::prepare;
use super::{Conn, DbError, DbUrl, PgConn, on};
use crate::base::ids::CustomerId;
use crate::base::text::searchable_words;

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Held in PostgreSQL while migrations run, so that nodes which start together do not run them side by side.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021802)";

/// The migration that makes `customer_words`; the program writes its rows.
const CUSTOMER_WORDS: &str = "20261201000000";
/// How many customers are read at once while their words are written.
const CHUNK: i64 = 1_000;

/// Finishes what the SQL of a migration has begun, in its transaction: writes the words of all customers.
macro_rules! finish {
    ($conn:ident, $run:ident) => {
        if $run.iter().any(|version| version == CUSTOMER_WORDS) {
            use diesel::prelude::*;
            let texts = (customers::id, customers::name, customers::email, customers::external_id);
            let query = customers::table.select(texts).order(customers::id).limit(CHUNK);
            let mut chunk: Vec<CustomerTexts> = query.load($conn)?;
            while let Some((last, ..)) = chunk.last() {
                let next = query.filter(customers::id.gt(*last)).load($conn)?;
                for (id, name, email, external_id) in std::mem::replace(&mut chunk, next) {
                    let texts = [Some(&name), email.as_ref(), external_id.as_ref()];
                    for word in searchable_words(texts.into_iter().flatten().map(String::as_str)) {
                        let row = (customer_words::customer_id.eq(id), customer_words::word.eq(word));
                        diesel::insert_into(customer_words::table).values(row).execute($conn)?;
                    }
                }
            }
        }
    };
}

/// Id, name, email address and external id.
type CustomerTexts = (CustomerId, String, Option<String>, Option<String>);

/// Why a database is not at the program's version.
#[derive(Debug, thiserror::Error)]
#[error("the database {database} {why}")]
pub struct MigrationError {
    /// Which database.
    pub database: DbUrl,
    /// The reason.
    pub why: NotMigrated,
}

/// The reason a database is refused; the sentence follows its name.
#[derive(Debug, thiserror::Error)]
pub enum NotMigrated {
    /// It cannot be reached.
    #[error("cannot be opened: {0}")]
    Open(String),
    /// Its file is not to be opened by this name.
    #[error("{0}")]
    Name(String),
    /// This program has not been here yet.
    #[error("is not at this program's version; run scrip migrate")]
    Older,
    /// A newer program was here.
    #[error("was migrated by a newer program (it has migration {0}); run that or a newer one")]
    Newer(String),
    /// It is as it was.
    #[error("cannot be brought to this program's version: {0}")]
    Failed(String),
}

/// Brings the database to the program's version; answers the migrations that were run.
///
/// # Errors
/// [`MigrationError`]; the database is then as it was.
pub async fn migrate(url: &DbUrl) -> Result<Vec<String>, MigrationError> {
    run_on(url).await.map_err(|why| MigrationError { database: url.clone(), why })
}

async fn run_on(url: &DbUrl) -> Result<Vec<String>, NotMigrated> {
    let run: Box<dyn FnOnce() -> Result<Vec<String>, NotMigrated> + Send> = match url {
        DbUrl::Postgres(address) => {
            let conn = connect_postgres(address).await.map_err(unopened)?;
            Box::new(move || {
                AsyncConnectionWrapper::<PgConn>::from(conn).transaction(|conn| {
                    diesel::sql_query(LOCK).execute(conn).map_err(failed)?;
                    let run = run(conn, || POSTGRES)?;
                    finish!(conn, run);
                    Ok(run)
                })
            })
        }
        DbUrl::Sqlite(path) => {
            prepare(path).map_err(misnamed)?;
            let path = path.clone();
            Box::new(move || {
                let mut conn = SqliteConnection::establish(&path.to_string_lossy()).map_err(unopened)?;
                for setup in ["PRAGMA busy_timeout = 10000", "PRAGMA journal_mode = WAL"] {
                    diesel::sql_query(setup).execute(&mut conn).map_err(unopened)?;
                }
                conn.immediate_transaction(|conn| {
                    let run = run(conn, || SQLITE)?;
                    finish!(conn, run);
                    Ok(run)
                })
            })
        }
    };
    tokio::task::spawn_blocking(run).await.map_err(failed)?
}

/// Whether the database is there and at the program's version; nothing is changed.
///
/// # Errors
/// [`MigrationError`] when it is not.
pub async fn check(url: &DbUrl) -> Result<(), MigrationError> {
    check_on(url).await.map_err(|why| MigrationError { database: url.clone(), why })
}

async fn check_on(url: &DbUrl) -> Result<(), NotMigrated> {
    let pending: Box<dyn FnOnce() -> Result<bool, NotMigrated> + Send> = match url {
        DbUrl::Postgres(address) => {
            let conn = connect_postgres(address).await.map_err(unopened)?;
            Box::new(move || pending(&mut AsyncConnectionWrapper::<PgConn>::from(conn), || POSTGRES))
        }
        DbUrl::Sqlite(path) if !path.is_file() => return Err(unopened("there is no such file")),
        DbUrl::Sqlite(path) => {
            prepare(path).map_err(misnamed)?;
            let path = path.clone();
            Box::new(move || {
                let mut conn = SqliteConnection::establish(&path.to_string_lossy()).map_err(unopened)?;
                pending(&mut conn, || SQLITE)
            })
        }
    };
    let pending = tokio::task::spawn_blocking(pending).await.map_err(failed)??;
    if pending { Err(NotMigrated::Older) } else { Ok(()) }
}

#[derive(diesel::QueryableByName)]
struct Latest {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// Whether the database has all migrations of this program; a newer program may have run more.
///
/// # Errors
/// Those of the database.
pub async fn is_migrated(conn: &mut Conn) -> Result<bool, DbError> {
    let query = "SELECT max(version) AS version FROM __diesel_schema_migrations";
    let rows: Vec<Latest> = on!(conn, |c| diesel_async::RunQueryDsl::load(diesel::sql_query(query), c))?;
    let unreadable = |error| DbError::Corrupt(format!("the program's migrations: {error}"));
    let known = MigrationSource::<Sqlite>::migrations(&SQLITE).map_err(unreadable)?;
    let newest = known.iter().map(|migration| migration.name().version().to_string()).max();
    Ok(rows.iter().any(|latest| Some(&latest.version) >= newest.as_ref()))
}

/// Whether there are migrations to run. It is found out in a transaction that is rolled back with its connection, since
/// asking makes the table that lists them.
fn pending<C, DB>(conn: &mut C, migrations: fn() -> EmbeddedMigrations) -> Result<bool, NotMigrated>
where
    C: MigrationHarness<DB> + Connection<Backend = DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    conn.begin_test_transaction().map_err(failed)?;
    check_known(conn, migrations)?;
    conn.has_pending_migration(migrations()).map_err(failed)
}

fn run<C, DB>(conn: &mut C, migrations: fn() -> EmbeddedMigrations) -> Result<Vec<String>, NotMigrated>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    check_known(conn, migrations)?;
    let run = conn.run_pending_migrations(migrations()).map_err(failed)?;
    Ok(run.iter().map(ToString::to_string).collect())
}

/// A newer program may have run migrations that this one does not know.
fn check_known<C, DB>(conn: &mut C, migrations: fn() -> EmbeddedMigrations) -> Result<(), NotMigrated>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known = MigrationSource::<DB>::migrations(&migrations()).map_err(failed)?;
    let applied = conn.applied_migrations().map_err(failed)?;
    let foreign = applied.iter().find(|version| known.iter().all(|migration| migration.name().version() != **version));
    if let Some(version) = foreign {
        return Err(NotMigrated::Newer(version.to_string()));
    }
    Ok(())
}

fn unopened(error: impl std::fmt::Display) -> NotMigrated {
    NotMigrated::Open(error.to_string())
}

fn misnamed(error: DbError) -> NotMigrated {
    match error {
        DbError::Unavailable(why) => NotMigrated::Name(why.to_string()),
        other => failed(other),
    }
}

fn failed(error: impl std::fmt::Display) -> NotMigrated {
    NotMigrated::Failed(error.to_string())
}

impl From<diesel::result::Error> for NotMigrated {
    fn from(error: diesel::result::Error) -> Self {
        failed(error)
    }
}
