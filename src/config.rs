//! Configuration: the one room that reads the environment.

use std::net::SocketAddr;
use std::str::FromStr;

use crate::access::budget::Budget;
use crate::app::Settings;
use crate::db::DbUrl;
use crate::graphql::guards::MAX_COST;
use crate::purchases::stripe::{Account, PATIENCE, Stripe};

/// What `scrip serve` and its sisters are told by the environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DbUrl,
    /// Where to listen.
    pub listen: SocketAddr,
    /// How the program is set up.
    pub settings: Settings,
}

/// Why the environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `DATABASE_URL` is something else.
    #[error("DATABASE_URL is neither sqlite:PATH nor postgres://…")]
    Database,
    /// `SCRIP_LISTEN` is something else.
    #[error("SCRIP_LISTEN is \"{0}\", which is not an address and port, such as 127.0.0.1:4000 or 0.0.0.0:4000")]
    Listen(String),
    /// Whoever reaches it would be an administrator.
    #[error("SCRIP_LISTEN is {0}; a server that lets in who shows no key listens on loopback addresses alone")]
    NotLoopback(SocketAddr),
    /// `SCRIP_ALLOWED_ORIGINS` holds something else.
    #[error("SCRIP_ALLOWED_ORIGINS holds \"{0}\", which is not an origin, such as https://app.example.com")]
    Origin(String),
    /// Stripe's settings cannot be used.
    #[error("{0}")]
    Stripe(String),
    /// A number is something else.
    #[error("{name} is \"{given}\"; write a whole number of at least {least}")]
    Number {
        /// Which variable.
        name: &'static str,
        /// What it holds.
        given: String,
        /// The least that it may be.
        least: u64,
    },
}

/// Where the server listens when nothing is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:4000";
/// The embedded database when nothing is said.
pub const DEFAULT_DATABASE: &str = "sqlite:.scrip/scrip.db";

/// Who is let in without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody.
    Keys,
    /// Whoever is on this machine.
    Loopback,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`] says which variable cannot be used, and how it is written.
    pub fn from_env(trust: Trust) -> Result<Self, ConfigError> {
        Self::of(trust, &variable)
    }

    /// The same for a first look: an embedded database in `.scrip/`, whatever `DATABASE_URL` says, and no keys.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be used, and how it is written.
    pub fn for_dev() -> Result<Self, ConfigError> {
        Self::of(Trust::Loopback, &|name| if name == "DATABASE_URL" { None } else { variable(name) })
    }

    fn of(trust: Trust, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let database = variable("DATABASE_URL").unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        let database = DbUrl::parse(&database).ok_or(ConfigError::Database)?;
        let listen = variable("SCRIP_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        // The one name that needs nobody to resolve it.
        let address = listen.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = address.as_deref().unwrap_or(&listen).parse();
        let listen: SocketAddr = address.map_err(|_| ConfigError::Listen(listen.clone()))?;
        if trust == Trust::Loopback && !listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(listen));
        }
        let number = |name, default, least| match variable(name) {
            None => Ok(default),
            Some(given) => match u64::from_str(&given) {
                Ok(number) if number >= least => Ok(number),
                _ => Err(ConfigError::Number { name, given, least }),
            },
        };
        let (usual, most) = (Settings::default(), u64::try_from(MAX_COST).unwrap_or(u64::MAX));
        let settings = Settings {
            trusts_loopback: trust == Trust::Loopback,
            allowed_origins: origins(&variable("SCRIP_ALLOWED_ORIGINS").unwrap_or_default())?,
            key_budget: Budget {
                burst: number("SCRIP_KEY_BURST", usual.key_budget.burst, most)?,
                per_second: number("SCRIP_KEY_RATE", usual.key_budget.per_second, 1)?,
            },
            portal_budget: Budget {
                burst: number("SCRIP_PORTAL_BURST", usual.portal_budget.burst, most)?,
                per_second: number("SCRIP_PORTAL_RATE", usual.portal_budget.per_second, 1)?,
            },
            stripe: stripe(variable)?,
            timeouts: usual.timeouts,
        };
        Ok(Self { database, listen, settings })
    }
}

/// Stripe takes the money where its secret key is set.
fn stripe(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Stripe>, ConfigError> {
    let (key, secret) = (variable("STRIPE_SECRET_KEY"), variable("STRIPE_WEBHOOK_SECRET"));
    let (secret_key, webhook_secret) = match (key, secret) {
        (Some(key), Some(secret)) => (key, secret),
        (None, None) => return Ok(None),
        _ => {
            let message = "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together: set both, or neither";
            return Err(ConfigError::Stripe(message.to_owned()));
        }
    };
    let url = variable("STRIPE_API_URL").map(|url| format!("{}/", url.trim_end_matches('/')));
    let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    let is_plain = url.as_ref().is_none_or(|url| is_address(url) && !url.ends_with("/v1/"));
    // What is wrong with a key is not said with the key.
    for (is_so, message) in [
        (
            secret_key.starts_with("sk_") || secret_key.starts_with("rk_"),
            "STRIPE_SECRET_KEY must begin with sk_ or rk_",
        ),
        (webhook_secret.starts_with("whsec_"), "STRIPE_WEBHOOK_SECRET must begin with whsec_"),
        (is_plain, "STRIPE_API_URL must be an address without /v1, such as http://127.0.0.1:12111"),
    ] {
        if !is_so {
            return Err(ConfigError::Stripe(message.to_owned()));
        }
    }
    let stripe = Stripe::new(Account { secret_key, webhook_secret, url, patience: PATIENCE });
    stripe.map(Some).map_err(|error| ConfigError::Stripe(format!("Stripe's settings cannot be used: {error}")))
}

/// Origins by commas, as a browser writes them: scheme, host and port, and nothing behind.
fn origins(given: &str) -> Result<Vec<String>, ConfigError> {
    let each = given.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    each.map(|origin| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':' | '[' | ']');
        match host {
            Some(host) if !host.is_empty() && host.chars().all(is_plain) => Ok(origin.to_owned()),
            _ => Err(ConfigError::Origin(origin.to_owned())),
        }
    })
    .collect()
}

/// What to log: `SCRIP_LOG`, in the form of `RUST_LOG`; the program's own messages when nothing is said.
#[must_use]
pub fn log_filter() -> String {
    variable("SCRIP_LOG").unwrap_or_else(|| "info".to_owned())
}

/// Where traces are sent, by OpenTelemetry's own variables.
#[must_use]
pub fn traces_endpoint() -> Option<String> {
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(trust: Trust, given: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let find = |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::of(trust, &find)
    }

    #[test]
    fn a_server_that_wants_no_keys_listens_on_loopback_alone_and_says_so() {
        for listen in ["127.0.0.1:1", "[::1]:1", "localhost:1"] {
            assert!(of(Trust::Loopback, &[("SCRIP_LISTEN", listen)]).is_ok(), "{listen}");
        }
        let error = of(Trust::Loopback, &[("SCRIP_LISTEN", "0.0.0.0:4000")]).unwrap_err();
        assert!(error.to_string().contains("loopback"), "{error}");
        assert!(of(Trust::Keys, &[("SCRIP_LISTEN", "0.0.0.0:4000")]).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, given) in [
            ("DATABASE_URL", "mysql://x"),
            ("DATABASE_URL", "sqlite:"),
            ("SCRIP_LISTEN", "4000"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example, b.example"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example/"),
            ("SCRIP_ALLOWED_ORIGINS", "*"),
            ("SCRIP_KEY_BURST", "24999"),
            ("SCRIP_PORTAL_RATE", "0"),
        ] {
            let error = of(Trust::Keys, &[(name, given)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_of_stripe_is_named_without_the_key() {
        let with = |name: &str, given: &'static str| {
            let right =
                [("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_WEBHOOK_SECRET", "whsec_1"), ("STRIPE_API_URL", "")];
            right.map(|(known, value)| (known, if known == name { given } else { value }))
        };
        for (name, given) in [
            ("STRIPE_SECRET_KEY", "pk_test_secret"),
            ("STRIPE_SECRET_KEY", ""),
            ("STRIPE_WEBHOOK_SECRET", "secret"),
            ("STRIPE_API_URL", "127.0.0.1:9"),
            ("STRIPE_API_URL", "http://127.0.0.1:9/v1"),
        ] {
            let error = of(Trust::Keys, &with(name, given)).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
        let config = of(Trust::Keys, &with("STRIPE_API_URL", "http://127.0.0.1:9")).unwrap();
        assert!(config.settings.stripe.is_some());
    }

    #[test]
    fn origins_are_taken_as_browsers_write_them() {
        let config = of(Trust::Keys, &[("SCRIP_ALLOWED_ORIGINS", "https://a.example, http://localhost:5173")]).unwrap();
        assert_eq!(config.settings.allowed_origins, ["https://a.example", "http://localhost:5173"]);
    }
}
