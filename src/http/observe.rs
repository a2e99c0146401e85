//! One span and one line of the log for each request, and what is counted of it. Neither holds a token, a body or a
//! variable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{Method, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::connections::Peer;
use super::metrics::Metrics;
use super::request::request_id;

/// Paths that machines ask for all the time.
const QUIET: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Who asked for what, as an answer says it to the log.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) caller: String,
    pub(super) operation: Option<String>,
    /// True if the caller is over its budget.
    pub(super) is_too_soon: bool,
}

/// The delay of an answer to a caller over its budget, so that retrying at once does not keep the server busy.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Watches a request pass by.
pub(super) async fn observe(State(metrics): State<Metrics>, request: Request<Body>, next: Next) -> Response {
    let began = Instant::now();
    let method = known(request.method());
    // What leads nowhere is counted together: anybody can make up paths.
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let id = request_id(request.headers());
    let span = tracing::info_span!("request", id, method, path);
    let peer = request.extensions().get::<Arc<Peer>>().cloned();
    let busy = peer.as_ref().map(Peer::answers);
    let response = next.run(request).instrument(span.clone()).await;
    drop(busy);
    if response.extensions().get::<Asked>().is_some_and(|asked| asked.is_too_soon) {
        tokio::time::sleep(PAUSE).await;
    }
    let (status, took) = (response.status(), began.elapsed());
    metrics.answered((&path, method), status, took);
    let (code, us) = (status.as_u16(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let asked = response.extensions().get::<Asked>();
    if let (Some(_), Some(peer)) = (asked, peer) {
        peer.is_known();
    }
    let (caller, operation) =
        (asked.map(|asked| asked.caller.as_str()), asked.and_then(|asked| asked.operation.as_deref()));
    span.in_scope(|| {
        if QUIET.contains(&path.as_str()) {
            tracing::debug!(status = code, us, "answered");
        } else {
            tracing::info!(status = code, us, caller, operation, "answered");
        }
    });
    response
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
