//! Configuration: the one room that reads the environment.

use std::ffi::OsString;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::access::budget::Budget;
use crate::access::shares::{Holdings, Limits};
use crate::app::Settings;
use crate::db::{DbUrl, DbUrlError};
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
    /// A variable is not UTF-8.
    #[error("{0} is not UTF-8 text")]
    NotText(&'static str),
    /// `DATABASE_URL` is no address of a database.
    #[error("DATABASE_URL {0}")]
    Database(DbUrlError),
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
        Self::of(trust, &environment)
    }

    /// The same for a first look: an embedded database in `.scrip/`, whatever `DATABASE_URL` says, and no keys.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be used, and how it is written.
    pub fn for_dev() -> Result<Self, ConfigError> {
        Self::of(Trust::Loopback, &|name| if name == "DATABASE_URL" { None } else { environment(name) })
    }

    fn of(trust: Trust, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let variable = |name| read(name, environment(name));
        let database = variable("DATABASE_URL")?.unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        let database = DbUrl::parse(&database).map_err(ConfigError::Database)?;
        // A password may begin and end as it likes.
        let database = match text("PGPASSWORD", environment("PGPASSWORD"))?.filter(|password| !password.is_empty()) {
            Some(password) => database.with_password(&password),
            None => database,
        };
        let listen = variable("SCRIP_LISTEN")?.unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        // The one name that needs nobody to resolve it.
        let address = listen.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = address.as_deref().unwrap_or(&listen).parse();
        let listen: SocketAddr = address.map_err(|_| ConfigError::Listen(shown(&listen)))?;
        if trust == Trust::Loopback && !listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(listen));
        }
        let number = |name, default, least| match variable(name)? {
            None => Ok(default),
            Some(given) => match u64::from_str(&given) {
                Ok(number) if number >= least => Ok(number),
                _ => Err(ConfigError::Number { name, given, least }),
            },
        };
        let count = |name, default: usize| {
            let given = number(name, u64::try_from(default).unwrap_or(u64::MAX), 1)?;
            Ok(usize::try_from(given).unwrap_or(usize::MAX))
        };
        let (usual, most) = (Settings::default(), u64::try_from(MAX_COST).unwrap_or(u64::MAX));
        let settings = Settings {
            trusts_loopback: trust == Trust::Loopback,
            allowed_origins: origins(variable("SCRIP_ALLOWED_ORIGINS")?.as_deref().unwrap_or_default())?,
            key_budget: Budget {
                burst: number("SCRIP_KEY_BURST", usual.key_budget.burst, most)?,
                per_second: number("SCRIP_KEY_RATE", usual.key_budget.per_second, 1)?,
            },
            portal_budget: Budget {
                burst: number("SCRIP_PORTAL_BURST", usual.portal_budget.burst, most)?,
                per_second: number("SCRIP_PORTAL_RATE", usual.portal_budget.per_second, 1)?,
            },
            limits: Limits {
                key: Holdings {
                    sockets: count("SCRIP_KEY_SOCKETS", usual.limits.key.sockets)?,
                    streams: count("SCRIP_KEY_STREAMS", usual.limits.key.streams)?,
                },
                portal: Holdings {
                    sockets: count("SCRIP_PORTAL_SOCKETS", usual.limits.portal.sockets)?,
                    streams: count("SCRIP_PORTAL_STREAMS", usual.limits.portal.streams)?,
                },
                all: Holdings {
                    sockets: count("SCRIP_SOCKETS", usual.limits.all.sockets)?,
                    streams: count("SCRIP_STREAMS", usual.limits.all.streams)?,
                },
            },
            connections: usual.connections,
            stripe: stripe(&variable)?,
            timeouts: usual.timeouts,
        };
        Ok(Self { database, listen, settings })
    }
}

/// Stripe takes the money where its secret key is set.
fn stripe(
    variable: &dyn Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<Option<Stripe>, ConfigError> {
    let (key, secret) = (variable("STRIPE_SECRET_KEY")?, variable("STRIPE_WEBHOOK_SECRET")?);
    let (secret_key, webhook_secret) = match (key, secret) {
        (Some(key), Some(secret)) => (key, secret),
        (None, None) => return Ok(None),
        _ => {
            let message = "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together: set both, or neither";
            return Err(ConfigError::Stripe(message.to_owned()));
        }
    };
    let url = variable("STRIPE_API_URL")?.map(|url| format!("{}/", url.trim_end_matches('/')));
    let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    let is_plain = |url: &String| is_address(url) && is_graphic(url) && !url.contains(['?', '#', '@']);
    let is_base = url.as_ref().is_none_or(|url| is_plain(url) && !url.ends_with("/v1/"));
    let begins = |text: &str, prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    // What is wrong with a key is not said with the key.
    for (is_so, message) in [
        (
            (begins(&secret_key, "sk_") || begins(&secret_key, "rk_")) && is_graphic(&secret_key),
            "STRIPE_SECRET_KEY must begin with sk_ or rk_ and hold no white space",
        ),
        (
            begins(&webhook_secret, "whsec_") && is_graphic(&webhook_secret),
            "STRIPE_WEBHOOK_SECRET must begin with whsec_ and hold no white space",
        ),
        (is_base, "STRIPE_API_URL must be an address without /v1, such as http://127.0.0.1:12111"),
    ] {
        if !is_so {
            return Err(ConfigError::Stripe(message.to_owned()));
        }
    }
    let stripe = Stripe::new(Account { secret_key, webhook_secret, url, patience: PATIENCE });
    stripe.map(Some).map_err(|error| ConfigError::Stripe(format!("Stripe's settings cannot be used: {error}")))
}

/// Origins by commas: scheme, host and port, and nothing behind. They become what a browser writes, which leaves out the port
/// that a scheme has anyway.
fn origins(given: &str) -> Result<Vec<String>, ConfigError> {
    let each = given.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    each.map(|origin| {
        let lower = origin.to_ascii_lowercase();
        let [https, http] = [("https://", ":443"), ("http://", ":80")].map(|(scheme, port)| {
            lower.strip_prefix(scheme).map(|host| (scheme, host.strip_suffix(port).unwrap_or(host)))
        });
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let is_place = |place: &str| {
            let end = place.find(']').unwrap_or(0);
            let (name, port) =
                place.split_at(place.get(end..).and_then(|rest| rest.find(':')).map_or(place.len(), |at| end + at));
            let is_address = |inner: &str| inner.parse::<Ipv6Addr>().is_ok();
            let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                Some(inner) => is_address(inner),
                None => !name.is_empty() && name.chars().all(is_plain),
            };
            // A browser writes a port without zeros before it.
            let is_port = |port: &str| port.parse::<NonZeroU16>().is_ok_and(|number| number.to_string() == port);
            is_name && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        };
        match https.or(http) {
            Some((scheme, host)) if is_place(host) => Ok(format!("{scheme}{host}")),
            _ => Err(ConfigError::Origin(shown(origin))),
        }
    })
    .collect()
}

/// Whether a text is printable ASCII without white space, as keys and addresses are.
fn is_graphic(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

/// The log filter: `SCRIP_LOG`, in the form of `RUST_LOG`; by default the program's own messages.
///
/// # Errors
/// [`ConfigError::NotText`].
pub fn log_filter() -> Result<String, ConfigError> {
    Ok(read("SCRIP_LOG", environment("SCRIP_LOG"))?.unwrap_or_else(|| "info".to_owned()))
}

/// The collector of traces, by OpenTelemetry's own variables; none is not to send traces.
///
/// # Errors
/// [`ConfigError::NotText`].
pub fn traces_endpoint() -> Result<Option<String>, ConfigError> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        if let Some(endpoint) = read(name, environment(name))? {
            return Ok(Some(endpoint));
        }
    }
    Ok(None)
}

/// A variable's value without the white space around it, such as the line break of a file that it was read from; an
/// empty one counts as not set.
fn read(name: &'static str, value: Option<OsString>) -> Result<Option<String>, ConfigError> {
    Ok(text(name, value)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A variable's value as it is.
fn text(name: &'static str, value: Option<OsString>) -> Result<Option<String>, ConfigError> {
    value.map(OsString::into_string).transpose().map_err(|_| ConfigError::NotText(name))
}

/// A value as it may be shown: one with an @ may hold a password.
fn shown(value: &str) -> String {
    if value.contains('@') { "… (not shown, since it may hold a password)".to_owned() } else { value.to_owned() }
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::base::time::Time;
    use crate::purchases::stripe::webhook;

    fn of(trust: Trust, given: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let find = |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Config::of(trust, &find)
    }

    #[test]
    fn white_space_around_a_value_is_left_out() {
        let config = of(
            Trust::Keys,
            &[
                ("DATABASE_URL", " sqlite:/x/a.db\r\n"),
                ("SCRIP_LISTEN", "127.0.0.1:1\n"),
                ("SCRIP_KEY_RATE", "7\n"),
                ("SCRIP_ALLOWED_ORIGINS", "\n"),
                ("STRIPE_SECRET_KEY", "sk_test_1\n"),
                ("STRIPE_WEBHOOK_SECRET", "whsec_1\n"),
            ],
        );
        let config = config.unwrap();
        assert_eq!((config.database.to_string().as_str(), config.listen.port()), ("sqlite:/x/a.db", 1));
        assert_eq!(config.settings.key_budget.per_second, 7);
        let (now, body) =
            (Time::from_micros(1_700_000_000_000_000).unwrap(), r#"{"type": "x", "data": {"object": {}}}"#);
        let signature = webhook::header("whsec_1", 1_700_000_000, body);
        assert_eq!(config.settings.stripe.unwrap().read_webhook(body.as_bytes(), &signature, now), Ok(None));
    }

    #[test]
    fn variable_that_is_not_utf_8_is_refused_by_name() {
        let broken = OsString::from_vec(vec![b's', 0xff]);
        let find = |name: &str| (name == "SCRIP_LISTEN").then(|| broken.clone());
        let error = Config::of(Trust::Keys, &find).unwrap_err();
        assert_eq!(error.to_string(), "SCRIP_LISTEN is not UTF-8 text");
    }

    #[test]
    fn password_of_postgresql_may_come_by_its_own_variable() {
        let config = of(Trust::Keys, &[("DATABASE_URL", "postgres://u@h/d"), ("PGPASSWORD", "a@b")]).unwrap();
        assert_eq!(config.database, DbUrl::Postgres("postgres://u@h/d?password=a%40b".to_owned()));
        let config = of(Trust::Keys, &[("DATABASE_URL", "postgres://u@h/d"), ("PGPASSWORD", " a ")]).unwrap();
        assert_eq!(config.database, DbUrl::Postgres("postgres://u@h/d?password=%20a%20".to_owned()));
    }

    #[test]
    fn value_that_may_hold_a_password_is_not_repeated() {
        for (name, given) in [("SCRIP_LISTEN", "u:s3cret@h"), ("SCRIP_ALLOWED_ORIGINS", "https://u:s3cret@h")] {
            let error = of(Trust::Keys, &[(name, given)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("s3cret"), "{error}");
        }
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
            ("DATABASE_URL", "sqlite:a.db?mode=rwc"),
            ("SCRIP_LISTEN", "4000"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example, b.example"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example/"),
            ("SCRIP_ALLOWED_ORIGINS", "*"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example:"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example:99999"),
            ("SCRIP_ALLOWED_ORIGINS", "https://a.example:0443"),
            ("SCRIP_ALLOWED_ORIGINS", "https://[a.example]"),
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
            ("STRIPE_SECRET_KEY", "sk_"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_"),
            ("STRIPE_API_URL", "http://127.0.0.1:9/?x=1"),
            ("STRIPE_SECRET_KEY", "sk_secret\nx"),
            ("STRIPE_WEBHOOK_SECRET", "secret"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_secret x"),
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
        let given =
            "https://a.example:443, http://localhost:5173,HTTP://B.example:80,https://c.example:80, http://[::1]";
        let config = of(Trust::Keys, &[("SCRIP_ALLOWED_ORIGINS", given)]).unwrap();
        let origins =
            ["https://a.example", "http://localhost:5173", "http://b.example", "https://c.example:80", "http://[::1]"];
        assert_eq!(config.settings.allowed_origins, origins);
    }
}
