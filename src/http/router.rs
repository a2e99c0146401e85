//! Which path leads where, and what every answer carries.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
    HOST, ORIGIN, REFERRER_POLICY, RETRY_AFTER, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, Request, StatusCode, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use super::api::Api;
use super::connections::Connections;
use super::metrics::{self, Metrics};
use super::observe::observe;
use super::request::{REQUEST_ID, is_to_loopback};
use super::{door, events, graphql, health, playground, webhooks};
use crate::app::App;
use crate::graphql::errors::INTERNAL;

/// How long a browser may remember that a page is allowed.
const PREFLIGHT: Duration = Duration::from_hours(1);
/// What a page from here may do: nothing but talk to here, in no frame of another.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
    form-action 'none'";

/// Request ids from the program's own source of ids.
#[derive(Clone)]
struct Ids(App);

impl MakeRequestId for Ids {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = self.0.ids.uuid(self.0.clock.now()).simple().to_string();
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// The whole wire, for a server whose connections somebody else looks after.
pub fn router(app: App) -> Router {
    routed(app, &Connections::new(usize::MAX))
}

/// The whole wire.
pub(super) fn routed(app: App, connections: &Connections) -> Router {
    let header = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let metrics = Metrics::new(&app, connections);
    let api = Api::new(app.clone(), metrics.clone());
    // One layer, outermost first: each that a router is given alone is boxed for every request.
    let around = ServiceBuilder::new()
        .layer(map_request(without_odd_id))
        .layer(SetRequestIdLayer::new(REQUEST_ID, Ids(app.clone())))
        .layer(from_fn_with_state(metrics.clone(), observe))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(CONTENT_SECURITY_POLICY, POLICY))
        // The files of a page say themselves how long they are kept.
        .layer(header(CACHE_CONTROL, "no-store"))
        .layer(from_fn_with_state((app.clone(), Strangers::default()), name_strangers))
        .layer(cross_origin(&app))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, app.settings.timeouts.request))
        .layer(CatchPanicLayer::custom(|_| panicked()))
        .layer(from_fn(unambiguous))
        .layer(from_fn_with_state(app.clone(), to_loopback_alone));
    Router::new()
        .route("/graphql", get(graphql::get).post(graphql::post))
        .layer(DefaultBodyLimit::max(graphql::MAX_BODY))
        .with_state(api)
        .route("/v1/events", post(events::post).layer(DefaultBodyLimit::max(events::MAX_BODY)).with_state(app.clone()))
        .route("/v1/webhooks/stripe", post(webhooks::stripe).with_state(app.clone()))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready).with_state(app.clone()))
        .route("/metrics", get(metrics::show).with_state((app, metrics)))
        .route("/", get(playground::index))
        .route("/playground/{file}", get(playground::file))
        .fallback(nothing_here)
        .method_not_allowed_fallback(another_method)
        .layer(around)
}

/// A caller's own id of a request is taken when it is short and plain: it stands in the log and in answers.
async fn without_odd_id(mut request: Request<Body>) -> Request<Body> {
    let is_plain = |id: &HeaderValue| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    if !request.headers().get(&REQUEST_ID).is_some_and(is_plain) {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

/// Lets in what every program on the way reads alike: one host, and a body in no coding but chunks.
async fn unambiguous(request: Request<Body>, next: Next) -> Response {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11 && request.uri().host().is_none()) {
        return (StatusCode::BAD_REQUEST, "Send one Host header.\n").into_response();
    }
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|first| !is_chunked(first)) || codings.next().is_some() {
        return (StatusCode::NOT_IMPLEMENTED, "Send the body in chunks, or whole; in no other Transfer-Encoding.\n")
            .into_response();
    }
    next.run(request).await
}

/// Lets pages of the allowed origins call, with a key or token in a header; there are no cookies.
fn cross_origin(app: &App) -> CorsLayer {
    let origins = app.settings.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        // Pages that may call at all may send what their libraries add, such as trace ids.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([REQUEST_ID, RETRY_AFTER])
        .vary([ACCEPT, ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS])
        .max_age(PREFLIGHT)
}

/// A server that trusts its own machine is called by loopback's names alone.
async fn to_loopback_alone(State(app): State<App>, request: Request<Body>, next: Next) -> Response {
    if !app.settings.trusts_loopback || is_to_loopback(request.headers()) {
        return next.run(request).await;
    }
    let message = "This server trusts its own machine: call it by a loopback name, such as 127.0.0.1 or localhost.\n";
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}

/// Origins of pages that were not let in, as far as the log has named them.
type Strangers = Arc<Mutex<HashSet<String>>>;
/// How many of them are named at most.
const MAX_STRANGERS: usize = 100;

/// Names each origin that is not let in once in the log, on a server that trusts its own machine: there the developer of the
/// page reads it.
async fn name_strangers(
    State((app, strangers)): State<(App, Strangers)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if app.settings.trusts_loopback
        && !door::is_allowed_origin(&app, request.headers())
        && let Some(origin) = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok())
    {
        let mut named = strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < MAX_STRANGERS && named.insert(origin.to_owned()) {
            let known: Vec<&str> = app.settings.allowed_origins.iter().map(String::as_str).collect();
            let all = [known.as_slice(), &[origin]].concat().join(",");
            if origin.starts_with("https://") || origin.starts_with("http://") {
                tracing::warn!(origin, "a page is not let in; start again with SCRIP_ALLOWED_ORIGINS={all}");
            } else {
                tracing::warn!(
                    origin,
                    "a page is not let in; serve it by HTTP, so that it has an origin to be let in by"
                );
            }
        }
    }
    next.run(request).await
}

async fn nothing_here() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "There is nothing here. The API is at /graphql, its playground at /, usage goes to /v1/events.\n",
    )
}

async fn another_method() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "This path takes another method: the header Allow says which.\n")
}

fn panicked() -> Response {
    let message =
        "Something went wrong on the server. Its log has the details, under the id of the header x-request-id.";
    let error = serde_json::json!({"message": message, "extensions": {"code": INTERNAL}});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(serde_json::json!({"errors": [error]}))).into_response()
}
