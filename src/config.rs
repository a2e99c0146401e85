//! Configuration: the one room that reads the environment.

use std::net::SocketAddr;

use crate::db::DbUrl;

/// What `scrip serve` and its sisters are told by the environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DbUrl,
    /// Where to listen.
    pub listen: SocketAddr,
}

/// Why the environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `DATABASE_URL` is something else.
    #[error("DATABASE_URL is neither sqlite:PATH nor postgres://…")]
    Database,
    /// `SCRIP_LISTEN` is something else.
    #[error("SCRIP_LISTEN is \"{0}\", which is not an address and port, such as 127.0.0.1:4000")]
    Listen(String),
    /// Not a loopback address.
    #[error("SCRIP_LISTEN is {0}; there is no access control yet, so the server listens on loopback addresses alone")]
    NotLoopback(SocketAddr),
}

/// Where the server listens when nothing is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:4000";
/// The embedded database when nothing is said.
pub const DEFAULT_DATABASE: &str = "sqlite:.scrip/scrip.db";

impl Config {
    /// Reads `DATABASE_URL` and `SCRIP_LISTEN`.
    ///
    /// # Errors
    /// [`ConfigError`] says which of them cannot be used, and how it is written.
    pub fn from_env() -> Result<Self, ConfigError> {
        let database = variable("DATABASE_URL").unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        let listen = variable("SCRIP_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        Self::of(&database, &listen)
    }

    /// The same for a first look: an embedded database in `.scrip/`, whatever `DATABASE_URL` says.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be used, and how it is written.
    pub fn for_dev() -> Result<Self, ConfigError> {
        let listen = variable("SCRIP_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        Self::of(DEFAULT_DATABASE, &listen)
    }

    fn of(database: &str, listen: &str) -> Result<Self, ConfigError> {
        let database = DbUrl::parse(database).ok_or(ConfigError::Database)?;
        // The one name that needs nobody to resolve it.
        let address = listen.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = address.as_deref().unwrap_or(listen).parse();
        let listen: SocketAddr = address.map_err(|_| ConfigError::Listen(listen.to_owned()))?;
        if !listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(listen));
        }
        Ok(Self { database, listen })
    }
}

/// What to log: `SCRIP_LOG`, in the form of `RUST_LOG`; the program's own messages when nothing is said.
#[must_use]
pub fn log_filter() -> String {
    variable("SCRIP_LOG").unwrap_or_else(|| "info,tower_http=warn".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_listens_on_loopback_alone_and_says_so() {
        assert!(Config::of("sqlite:x.db", "127.0.0.1:1").is_ok());
        assert!(Config::of("sqlite:x.db", "[::1]:1").is_ok());
        assert!(Config::of("sqlite:x.db", "localhost:1").is_ok());
        let error = Config::of("sqlite:x.db", "0.0.0.0:4000").unwrap_err();
        assert!(error.to_string().contains("loopback"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert!(matches!(Config::of("mysql://x", DEFAULT_LISTEN), Err(ConfigError::Database)));
        assert!(matches!(Config::of("sqlite:", DEFAULT_LISTEN), Err(ConfigError::Database)));
        assert!(matches!(Config::of(DEFAULT_DATABASE, "4000"), Err(ConfigError::Listen(given)) if given == "4000"));
    }
}
