//! Who is at the door: what a request shows, and whether its page may speak.

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::access::keyring::Refused;
use crate::access::model::Caller;
use crate::app::App;
use crate::base::chain::chain;
use crate::graphql::errors::{UNAUTHENTICATED, UNAVAILABLE};

/// Where a proxy says by which scheme it was called.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Why a caller is not let in.
pub(super) struct TurnedAway {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

const UNKNOWN: TurnedAway = TurnedAway {
    status: StatusCode::UNAUTHORIZED,
    code: UNAUTHENTICATED,
    message: "The key or token is not valid, or not any more.",
};
const NOTHING_SHOWN: TurnedAway = TurnedAway {
    status: StatusCode::UNAUTHORIZED,
    code: UNAUTHENTICATED,
    message: "Send an API key or portal token: Authorization: Bearer sk_…",
};
const AWAY: TurnedAway = TurnedAway {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: UNAVAILABLE,
    message: "The database is away, so that nobody can be told from anybody; try again.",
};

/// Who a request is from, by its headers.
pub(super) async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, TurnedAway> {
    match headers.get(AUTHORIZATION) {
        Some(shown) => who_shows(app, shown.to_str().ok()).await,
        None => who_shows_nothing(app),
    }
}

/// Who shows this, in the form of the header `Authorization`.
pub(super) async fn who_shows(app: &App, shown: Option<&str>) -> Result<Caller, TurnedAway> {
    let (scheme, token) = shown.and_then(|shown| shown.trim().split_once(' ')).ok_or(UNKNOWN)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(NOTHING_SHOWN);
    }
    app.keyring.admit(token.trim()).await.map_err(|refused| match refused {
        Refused::Unknown => UNKNOWN,
        Refused::Db(error) => {
            tracing::warn!(error = %chain(&error), "a key could not be looked up");
            AWAY
        }
    })
}

/// Who shows nothing is known on a server that trusts its own machine.
pub(super) fn who_shows_nothing(app: &App) -> Result<Caller, TurnedAway> {
    if app.settings.trusts_loopback { Ok(Caller::Local) } else { Err(NOTHING_SHOWN) }
}

/// Whether a page may speak: one from here, or from an origin that is allowed. Only browsers name the origin. A proxy that ends
/// TLS says so in `X-Forwarded-Proto`.
pub(super) fn is_allowed_origin(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(&ORIGIN) else { return true };
    let scheme = text(&FORWARDED_PROTO).and_then(|schemes| schemes.split(',').next()).map_or("http", str::trim);
    let is_here = origin.split_once("://").is_some_and(|(of, host)| of == scheme && Some(host) == text(&HOST));
    is_here || app.settings.allowed_origins.iter().any(|allowed| allowed == origin)
}
