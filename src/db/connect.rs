//! Connections: how they are set up, and the pools that hand them out.
//!
//! Writers, reads of callers, streams, and the program itself (health, keys, renewals) have pools of their own, so that none
//! waits for another. Each caller reads with at most half of the connections for callers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult, SqliteConnection};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::url::{OneFile, prepare};
use super::{DbError, DbUrl};
use crate::base::chain::chain;

/// A connection to PostgreSQL.
pub type PgConn = AsyncPgConnection;
/// A connection to SQLite, whose work is done on a thread where blocking is allowed.
pub type SqliteConn = SyncConnectionWrapper<SqliteConnection>;

/// The pool that a handle of the database reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Callers' requests.
    Callers,
    /// Streams of callers.
    Streams,
    /// The program itself: health, keys, renewals, the queue.
    Program,
}

/// The database, shared by everybody.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    lane: Lane,
    /// The turns of the one caller that it reads for.
    turns: Option<Arc<Semaphore>>,
    statements: Arc<AtomicU64>,
    /// Whose turn it is to read for long.
    pub(super) snapshots: Arc<Semaphore>,
}

#[derive(Clone)]
enum Pools {
    Postgres { writers: Pool<PgConn>, readers: Readers<Pool<PgConn>>, url: Arc<str> },
    Sqlite { writer: Pool<SqliteConn>, readers: Readers<Pool<SqliteConn>>, file: Arc<OneFile> },
}

/// Pools to read with, by what for.
#[derive(Clone)]
struct Readers<P> {
    callers: P,
    streams: P,
    program: P,
}

impl<P> Readers<P> {
    const fn of(&self, lane: Lane) -> &P {
        match lane {
            Lane::Callers => &self.callers,
            Lane::Streams => &self.streams,
            Lane::Program => &self.program,
        }
    }
}

/// One connection, of whichever database it is.
pub enum Conn {
    /// To PostgreSQL.
    Postgres {
        /// The connection.
        conn: Box<Object<PgConn>>,
        /// How many statements were run, by everybody.
        statements: Arc<AtomicU64>,
        /// The turn of the caller that it was got for.
        turn: Option<OwnedSemaphorePermit>,
    },
    /// To SQLite.
    Sqlite {
        /// The connection.
        conn: Object<SqliteConn>,
        /// How many statements were run, by everybody.
        statements: Arc<AtomicU64>,
        /// The turn of the caller that it was got for.
        turn: Option<OwnedSemaphorePermit>,
    },
}

/// How many connections there are at most, for each use. PostgreSQL is asked for 24 in all.
struct Sizes {
    writers: usize,
    callers: usize,
    streams: usize,
    program: usize,
}

const POSTGRES: Sizes = Sizes { writers: 6, callers: 10, streams: 4, program: 4 };
/// SQLite has one writer.
const SQLITE: Sizes = Sizes { writers: 1, callers: 4, streams: 2, program: 2 };
/// How long somebody waits for a connection before the database counts as away.
const WAIT: Duration = Duration::from_secs(10);

/// Whatever is asked here has an index, and each statement is planned once for a connection's whole life: one that was
/// planned while its table was empty must not read all of it when it is large.
const POSTGRES_SETUP: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// Builds a pool of so many connections; the builder's own bounds cannot be named from outside its crate.
macro_rules! limited {
    ($builder:expr, $size:expr) => {
        $builder
            .max_size($size)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(DbError::unavailable)
    };
}

/// The write-ahead log is switched on once, by the migrations: it stays with the file, and to switch it takes the whole
/// database. A checkpoint at 20,000 pages instead of 1,000 makes bulk writes on SQLite half as fast again.
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 20000; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";

impl Db {
    /// Opens the pools; connections are made when they are needed.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when the folder of an embedded database cannot be made, or its file has several names.
    pub fn connect(url: &DbUrl) -> Result<Self, DbError> {
        let pools = match url {
            DbUrl::Postgres(url) => {
                let pool = |size| postgres_pool(url, size);
                let Sizes { writers, callers, streams, program } = POSTGRES;
                let readers = Readers { callers: pool(callers)?, streams: pool(streams)?, program: pool(program)? };
                Pools::Postgres { writers: pool(writers)?, readers, url: Arc::from(url.as_str()) }
            }
            DbUrl::Sqlite(path) => {
                prepare(path)?;
                let file = Arc::new(OneFile::of(path)?);
                let pool = |size| sqlite_pool(path, size);
                let Sizes { writers, callers, streams, program } = SQLITE;
                let readers = Readers { callers: pool(callers)?, streams: pool(streams)?, program: pool(program)? };
                Pools::Sqlite { writer: pool(writers)?, readers, file }
            }
        };
        let snapshots = Arc::new(Semaphore::new(1));
        Ok(Self { pools, lane: Lane::Program, turns: None, statements: Arc::default(), snapshots })
    }

    /// A handle that reads for one caller, who has these turns.
    #[must_use]
    pub fn for_caller(&self, turns: Arc<Semaphore>) -> Self {
        Self { lane: Lane::Callers, turns: Some(turns), ..self.clone() }
    }

    /// A handle that reads for streams.
    #[must_use]
    pub fn for_streams(&self) -> Self {
        Self { lane: Lane::Streams, turns: None, ..self.clone() }
    }

    /// With how many connections one caller may read at once: half of those for callers.
    #[must_use]
    pub const fn turns(&self) -> usize {
        match self.pools {
            Pools::Postgres { .. } => POSTGRES.callers / 2,
            Pools::Sqlite { .. } => SQLITE.callers / 2,
        }
    }

    /// Whether it is PostgreSQL, where several nodes may share it and several writers pay.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.pools, Pools::Postgres { .. })
    }

    /// The URL for a connection of one's own, where it is PostgreSQL.
    pub(super) fn postgres_url(&self) -> Option<&str> {
        match &self.pools {
            Pools::Postgres { url, .. } => Some(url),
            Pools::Sqlite { .. } => None,
        }
    }

    /// The file of an embedded database.
    pub(super) fn file(&self) -> Option<&Arc<OneFile>> {
        match &self.pools {
            Pools::Postgres { .. } => None,
            Pools::Sqlite { file, .. } => Some(file),
        }
    }

    /// How many statements have been run so far.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// [`DbError::Unavailable`].
    pub async fn read(&self) -> Result<Conn, DbError> {
        let turn = match &self.turns {
            Some(turns) => Some(turns.clone().acquire_owned().await.map_err(DbError::unavailable)?),
            None => None,
        };
        match &self.pools {
            Pools::Postgres { readers, .. } => self.postgres(readers.of(self.lane), turn).await,
            Pools::Sqlite { readers, file, .. } => self.sqlite(readers.of(self.lane), file, turn).await,
        }
    }

    /// A connection to write with; SQLite has one.
    pub(super) async fn writer(&self) -> Result<Conn, DbError> {
        match &self.pools {
            Pools::Postgres { writers, .. } => self.postgres(writers, None).await,
            Pools::Sqlite { writer, file, .. } => self.sqlite(writer, file, None).await,
        }
    }

    async fn postgres(&self, pool: &Pool<PgConn>, turn: Option<OwnedSemaphorePermit>) -> Result<Conn, DbError> {
        let conn = Box::new(pool.get().await.map_err(DbError::unavailable)?);
        Ok(Conn::Postgres { conn, statements: self.statements.clone(), turn })
    }

    async fn sqlite(
        &self,
        pool: &Pool<SqliteConn>,
        file: &OneFile,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Conn, DbError> {
        file.check()?;
        let conn = pool.get().await.map_err(DbError::unavailable)?;
        Ok(Conn::Sqlite { conn, statements: self.statements.clone(), turn })
    }
}

impl Conn {
    /// Counts one statement.
    pub fn count_statement(&self) {
        match self {
            Self::Postgres { statements, .. } | Self::Sqlite { statements, .. } => {
                statements.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn postgres_pool(url: &str, size: usize) -> Result<Pool<PgConn>, DbError> {
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| open_postgres(url.to_owned()).boxed());
    limited!(Pool::builder(AsyncDieselConnectionManager::<PgConn>::new_with_config(url, config)), size)
}

fn sqlite_pool(path: &Path, size: usize) -> Result<Pool<SqliteConn>, DbError> {
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|path| open_sqlite(path.to_owned()).boxed());
    let path = path.to_string_lossy().into_owned();
    limited!(Pool::builder(AsyncDieselConnectionManager::<SqliteConn>::new_with_config(path, config)), size)
}

/// A connection to PostgreSQL without any settings of its own.
///
/// # Errors
/// What the client library says, with its causes.
pub(super) async fn connect_postgres(url: &str) -> ConnectionResult<PgConn> {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.map_err(|error| ConnectionError::BadConnection(chain(&error).to_string()))?;
    PgConn::try_from_client_and_connection(client, connection).await
}

async fn open_postgres(url: String) -> ConnectionResult<PgConn> {
    let mut conn = connect_postgres(&url).await?;
    conn.batch_execute(POSTGRES_SETUP).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

async fn open_sqlite(path: String) -> ConnectionResult<SqliteConn> {
    let mut conn = SqliteConn::establish(&path).await?;
    conn.batch_execute(SQLITE_SETUP).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}
