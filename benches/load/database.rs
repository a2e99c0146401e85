//! Where it is all kept: a fresh database for the server and one for the bare work, in the same place.

use std::path::PathBuf;

use scrip::db::{DbUrl, migrate};
use tokio_postgres::NoTls;

use crate::Failure;

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    /// Files of its own.
    Sqlite,
    /// The server that `SCRIP_TEST_POSTGRES` names.
    Postgres,
}

impl Store {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Two fresh databases and a folder, until they are removed.
pub(crate) struct Databases {
    /// For files that live as long as the databases; on a disk, as far as the build's own folder is.
    pub(crate) folder: PathBuf,
    names: [String; 2],
    postgres: Option<String>,
}

impl Databases {
    /// Makes both, empty.
    pub(crate) async fn create(store: Store) -> Result<Self, Failure> {
        let own = std::process::id();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{own}"));
        let names = ["server", "bare"].map(|name| format!("scrip_load_{own}_{name}"));
        let postgres = if store == Store::Postgres { Some(postgres_url()?) } else { None };
        let databases = Self { folder, names, postgres };
        std::fs::create_dir_all(&databases.folder)?;
        databases.in_postgres("CREATE DATABASE", "").await?;
        Ok(databases)
    }

    /// The server's, as it is told in `DATABASE_URL`.
    pub(crate) fn of_server(&self) -> String {
        self.url(&self.names[0])
    }

    /// That of the bare work, with the tables in it.
    pub(crate) async fn of_bare(&self) -> Result<DbUrl, Failure> {
        let url = self.url(&self.names[1]);
        let url = DbUrl::parse(&url)?;
        migrate(&url).await?;
        Ok(url)
    }

    /// Removes both and all in the folder.
    pub(crate) async fn remove(&self) -> Result<(), Failure> {
        std::fs::remove_dir_all(&self.folder)?;
        // Sessions of a server that was just killed may still be there.
        self.in_postgres("DROP DATABASE", "WITH (FORCE)").await
    }

    fn url(&self, name: &str) -> String {
        match &self.postgres {
            Some(url) => with_database(url, name),
            None => format!("sqlite:{}", self.folder.join(name).with_extension("db").display()),
        }
    }

    async fn in_postgres(&self, command: &str, how: &str) -> Result<(), Failure> {
        let Some(url) = &self.postgres else { return Ok(()) };
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let driver = tokio::spawn(connection);
        for name in &self.names {
            client.batch_execute(&format!("{command} {name} {how}")).await?;
        }
        drop(client);
        Ok(driver.await??)
    }
}

#[expect(clippy::disallowed_methods, reason = "the bench has no settings of its own but this one")]
fn postgres_url() -> Result<String, Failure> {
    std::env::var("SCRIP_TEST_POSTGRES").ok().filter(|url| DbUrl::parse(url).is_ok()).ok_or_else(|| {
        "SCRIP_TEST_POSTGRES must be the URL (postgres://…) of a server in which databases may be made. \
         `make bench` starts one; so does: DURABLE=1 tests/support/postgres.sh run COMMAND…"
            .into()
    })
}

/// The same URL with another database: what stands between the host and the parameters.
fn with_database(url: &str, name: &str) -> String {
    let (place, parameters) = url.split_once('?').map_or((url, None), |(place, rest)| (place, Some(rest)));
    let host_from = place.find("://").map_or(0, |at| at + 3);
    let host_until = place.get(host_from..).and_then(|rest| rest.find('/')).map_or(place.len(), |at| host_from + at);
    let host = place.get(..host_until).unwrap_or(place);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{host}/{name}{parameters}")
}
