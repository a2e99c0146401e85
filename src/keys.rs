//! `scrip key`: the keys of a database, for who has its URL: the first key is made here.

use clap::{Subcommand, ValueEnum};

use crate::access::model::{ApiKey, Scope};
use crate::access::service::{self, NewKey};
use crate::access::store;
use crate::base::clock::Clock;
use crate::base::ids::{ApiKeyId, Ids};
use crate::base::page::PageRequest;
use crate::base::time::Time;
use crate::cli::{Failure, complain, say};
use crate::config::{Config, Trust};
use crate::db::{self, Db, migrate};

/// What is done with keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key; its secret is printed alone on standard output, once.
    Create {
        /// For people: who uses it.
        #[arg(long)]
        name: String,
        /// What it may do; several by commas.
        #[arg(long = "scope", value_delimiter = ',', required = true)]
        scopes: Vec<ScopeName>,
        /// From when on it is taken no more, such as 2027-01-31T00:00:00Z.
        #[arg(long)]
        expires_at: Option<String>,
    },
    /// List all keys, newest first.
    List,
    /// Revoke a key: its open streams end within seconds.
    Revoke {
        /// The key's id, from `list`: key_…
        id: String,
    },
}

/// A scope as it is written on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ScopeName {
    /// Everything, keys included.
    Admin,
    /// Reads and writes everything but keys.
    Write,
    /// Reads everything but keys.
    Read,
    /// Sends usage events.
    Ingest,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Admin => Self::Admin,
            ScopeName::Write => Self::Write,
            ScopeName::Read => Self::Read,
            ScopeName::Ingest => Self::Ingest,
        }
    }
}

/// Runs a command on the keys of `DATABASE_URL`, which is brought to this program's version first.
pub(crate) async fn run(command: KeyCommand) -> Result<(), Failure> {
    let config = Config::from_env(Trust::Keys)?;
    migrate(&config.database).await?;
    let db = Db::connect(&config.database)?;
    let now = Clock::System.now();
    match command {
        KeyCommand::Create { name, scopes, expires_at } => {
            let end = expires_at.map(|text| Time::parse(&text).ok_or(text)).transpose();
            let expires_at = end.map_err(|text| format!("--expires-at is \"{text}\", not an RFC 3339 time"))?;
            let new = NewKey {
                name,
                scopes: scopes.into_iter().map(Scope::from).collect(),
                expires_at: expires_at.map(Into::into),
            };
            let ids = Ids::from_entropy();
            let made = db.write(async |txn| service::create_key(txn, &ids, now, &new).await).await;
            let (key, secret) = made.map_err(words)?;
            say(&secret);
            complain(&format!("{}: this secret is shown once.", line(&key, now)));
        }
        KeyCommand::List => {
            let mut page = PageRequest::first(crate::base::page::MAX_PAGE);
            loop {
                let found = store::list_keys(&mut db.read().await?, &page).await?;
                found.items.iter().for_each(|key| say(&line(key, now)));
                page.after = found.items.last().map(|key| key.id);
                if !found.has_next {
                    break;
                }
            }
        }
        KeyCommand::Revoke { id } => {
            let id: ApiKeyId = id.parse().map_err(|error| format!("\"{id}\" {error}"))?;
            let key = db.write(async |txn| service::revoke_key(txn, now, id).await).await.map_err(words)?;
            say(&line(&key, now));
        }
    }
    Ok(())
}

fn words(failure: db::Failure) -> Failure {
    match failure {
        db::Failure::Problems(problems) => problems.to_string().into(),
        db::Failure::Db(error) => Box::new(error),
    }
}

/// A key on a line.
fn line(key: &ApiKey, now: Time) -> String {
    let scopes: Vec<&str> = key.scopes.iter().map(Scope::name).collect();
    let state = match (key.revoked_at, key.expires_at) {
        (Some(time), _) => format!("revoked {time}"),
        (None, Some(time)) if time <= now => format!("expired {time}"),
        (None, Some(time)) => format!("until {time}"),
        (None, None) => "active".to_owned(),
    };
    let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |time| format!("last used {time}"));
    format!("{}  {}  {}  {}  {state}, {used}", key.id, key.hint, scopes.join(","), key.name)
}
