//! A fresh, migrated database for each test.
//!
//! A scenario whose outcome may depend on the database runs on both kinds:
//!
//! ```ignore
//! both!(a_key_names_one_meter_for_ever, async |db| {
//!     let meter = db.write(async |txn| create_meter(txn, &ids, now, &new).await).await.unwrap();
//!     …
//! });
//! ```
//!
//! makes two tests, `a_key_names_one_meter_for_ever::sqlite` and `…::postgres`. `db` is a [`TestDb`], which derefs to a [`Db`].
//! A scenario about limits, costs, protocols or validation, whose outcome no dialect can change, runs on SQLite alone: it is
//! written `on_sqlite!` and makes one test. The database is removed when the test ends, also when it fails.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use diesel_async::{AsyncConnection, RunQueryDsl};
use scrip::db::{Conn, Db, DbUrl, PgConn, Txn, migrate};

/// Makes two tests of one scenario, one for each database; in it `db` is a `&TestDb`. With `threads` behind the name it runs
/// on several, as the program does: where a stream is dropped in the middle of a read, SQLite's connection wants that.
macro_rules! both {
    ($name:ident, async |$db:ident| $body:block) => {
        $crate::support::db::both!($name, "current_thread", async |$db| $body);
    };
    ($name:ident, threads, async |$db:ident| $body:block) => {
        $crate::support::db::both!($name, "multi_thread", async |$db| $body);
    };
    ($name:ident, $flavor:literal, async |$db:ident| $body:block) => {
        async fn $name($db: &$crate::support::db::TestDb) $body

        mod $name {
            use $crate::support::db::TestDb;

            #[tokio::test(flavor = $flavor)]
            async fn sqlite() {
                super::$name(&TestDb::sqlite().await).await;
            }

            #[tokio::test(flavor = $flavor)]
            async fn postgres() {
                super::$name(&TestDb::postgres().await).await;
            }
        }
    };
}
pub(crate) use both;

/// Makes one test of a scenario that does not depend on the database; in it `db` is a `&TestDb`.
macro_rules! on_sqlite {
    ($name:ident, async |$db:ident| $body:block) => {
        $crate::support::db::on_sqlite!($name, "current_thread", async |$db| $body);
    };
    ($name:ident, threads, async |$db:ident| $body:block) => {
        $crate::support::db::on_sqlite!($name, "multi_thread", async |$db| $body);
    };
    ($name:ident, $flavor:literal, async |$db:ident| $body:block) => {
        #[tokio::test(flavor = $flavor)]
        async fn $name() {
            let $db = &$crate::support::db::TestDb::sqlite().await;
            $body
        }
    };
}
pub(crate) use on_sqlite;

/// A database of one test's own.
pub(crate) struct TestDb {
    db: Db,
    url: DbUrl,
    // Dropped last: what goes with it must still be there while the pools are.
    _place: Place,
}

/// Where the database lies; it goes when this is dropped.
enum Place {
    Folder(PathBuf),
    Server { server: String, name: String },
}

impl Deref for TestDb {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.db
    }
}

impl TestDb {
    /// An embedded one.
    pub(crate) async fn sqlite() -> Self {
        let folder = test_folder().join(unique_name());
        std::fs::create_dir(&folder).expect("a folder can be made");
        let file = folder.join("scrip.db");
        std::fs::copy(sqlite_template().await, &file).expect("the template can be copied");
        Self::open(DbUrl::Sqlite(file), Place::Folder(folder))
    }

    /// One on the tests' own server.
    pub(crate) async fn postgres() -> Self {
        let (server, name) = (server(), unique_name());
        let template = postgres_template(&server).await;
        let mut conn = connect(&server).await;
        // Copying files is twice as fast as the default strategy, which writes each page into the log.
        run(&mut conn, &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")).await;
        let url = DbUrl::Postgres(url_of(&server, &name));
        Self::open(url, Place::Server { server, name })
    }

    fn open(url: DbUrl, place: Place) -> Self {
        let db = Db::connect(&url).expect("its pools can be opened");
        Self { db, url, _place: place }
    }

    /// Changes one row behind the program's back.
    pub(crate) async fn tamper(&self, statement: &str) {
        assert_eq!(self.tamper_all(statement).await, 1, "{statement}");
    }

    /// Changes any number of rows behind the program's back; answers how many.
    pub(crate) async fn tamper_all(&self, statement: &str) -> usize {
        let mut txn = self.db.begin().await.expect("the database answers");
        let changed = execute(&mut txn, statement).await;
        txn.commit().await.expect("it can be committed");
        changed
    }

    /// Holds all balances, so that whoever writes one waits until the transaction is over.
    pub(crate) async fn hold_balances(&self) -> Txn {
        let own = Db::connect(&self.url).expect("its pools can be opened");
        let mut txn = own.begin().await.expect("the database answers");
        execute(&mut txn, "UPDATE balances SET revision = revision").await;
        txn
    }

    /// Where it is, for a second node on it or a connection of one's own.
    pub(crate) fn url(&self) -> &DbUrl {
        &self.url
    }
}

async fn execute(txn: &mut Txn, statement: &str) -> usize {
    let conn: &mut Conn = txn;
    let query = diesel::sql_query(statement);
    let changed = match conn {
        Conn::Postgres { conn, .. } => query.execute(conn).await,
        Conn::Sqlite { conn, .. } => query.execute(conn).await,
    };
    changed.expect(statement)
}

impl Drop for Place {
    fn drop(&mut self) {
        match self {
            // What a test leaves in the temporary folder when this fails harms no other test.
            Self::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Self::Server { server, name } => {
                let (server, name) = (server.clone(), name.clone());
                // The test's own runtime cannot wait here, so another one does.
                let dropped = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.expect("a runtime can be made").block_on(drop_database(&server, &name));
                });
                // A failure has been reported by the thread's own panic; a second one would abort the test's.
                drop(dropped.join());
            }
        }
    }
}

/// Where embedded databases lie: `make` names a folder in memory.
#[expect(clippy::disallowed_methods, reason = "who runs the tests says where there is room")]
fn test_folder() -> PathBuf {
    std::env::var_os("SCRIP_TEST_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// The URL of the server in which tests make their databases.
#[expect(clippy::disallowed_methods, reason = "who runs the tests says where their server is")]
fn server() -> String {
    std::env::var("SCRIP_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "This test needs PostgreSQL: run `make test`, which starts a private server for as long as the tests run, or \
             set SCRIP_TEST_POSTGRES to the URL of a server in which tests may create databases."
        )
    })
}

/// The URL of another database on the same server.
fn url_of(server: &str, name: &str) -> String {
    let (base, parameters) =
        server.split_once('?').map_or((server, String::new()), |(base, rest)| (base, format!("?{rest}")));
    let (host, _) = base.rsplit_once('/').expect("the URL ends in a database's name");
    format!("{host}/{name}{parameters}")
}

/// A connection to the server itself.
async fn connect(server: &str) -> PgConn {
    PgConn::establish(server).await.expect("the server that SCRIP_TEST_POSTGRES names answers")
}

async fn run(conn: &mut PgConn, statement: &str) -> usize {
    diesel::sql_query(statement).execute(conn).await.expect(statement)
}

/// Drops a database. A server that finds somebody connected looks again a tenth of a second later, so they go first.
async fn drop_database(server: &str, name: &str) {
    let mut conn = connect(server).await;
    let connected = format!("FROM pg_stat_activity WHERE datname = '{name}'");
    run(&mut conn, &format!("SELECT pg_terminate_backend(pid) {connected}")).await;
    for _ in 0..100 {
        if run(&mut conn, &format!("SELECT 1 {connected}")).await == 0 {
            break;
        }
    }
    run(&mut conn, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// A migrated PostgreSQL database that tests copy: copying takes a tenth of the time of migrating. The first test of a run makes
/// it under a name of its own and renames it when it is whole. Two first tests may both make one; the second drops its own.
async fn postgres_template(server: &str) -> String {
    let name = format!("scrip_template_{:016x}", migrations_hash("postgres"));
    let mut conn = connect(server).await;
    let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    if run(&mut conn, &exists).await == 0 {
        let fresh = unique_name();
        run(&mut conn, &format!("CREATE DATABASE {fresh}")).await;
        migrate(&DbUrl::Postgres(url_of(server, &fresh))).await.expect("a fresh database can be migrated");
        let renamed = diesel::sql_query(format!("ALTER DATABASE {fresh} RENAME TO {name}")).execute(&mut conn).await;
        if let Err(error) = renamed {
            assert_eq!(run(&mut conn, &exists).await, 1, "{error}");
            drop_database(server, &fresh).await;
        }
    }
    name
}

/// A migrated SQLite file that tests copy. It is made under a name of its own and renamed when it is whole, so that tests which
/// start together replace it by an equal one at worst.
async fn sqlite_template() -> PathBuf {
    let file = test_folder().join(format!("scrip_template_{:016x}.db", migrations_hash("sqlite")));
    if !file.exists() {
        let fresh = test_folder().join(unique_name());
        migrate(&DbUrl::Sqlite(fresh.clone())).await.expect("a fresh database can be migrated");
        std::fs::rename(fresh, &file).expect("the template can be renamed");
    }
    file
}

/// Tells sets of migrations apart: a template outlives a change of them.
fn migrations_hash(dialect: &str) -> u64 {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the migrations are there")
        .map(|entry| entry.expect("they can be listed").path().join("up.sql"))
        .collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        (&file, std::fs::read(&file).expect("a migration can be read")).hash(&mut hasher);
    }
    hasher.finish()
}

/// A name that no other test has, in this process or another, now or after a crash.
#[expect(clippy::disallowed_methods, reason = "names must differ between runs; no answer depends on them")]
fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("scrip_test_{}_{}_{nanos}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn another_database_is_named_on_the_same_server() {
    assert_eq!(url_of("postgres://me@host:5432/postgres", "x"), "postgres://me@host:5432/x");
    assert_eq!(url_of("postgres://me@host/postgres?sslmode=require", "x"), "postgres://me@host/x?sslmode=require");
}
