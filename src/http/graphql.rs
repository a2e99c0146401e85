//! GraphQL over HTTP: POST with JSON, GET for queries, and the upgrade to a WebSocket or a stream of events.
//!
//! The statuses follow the GraphQL-over-HTTP draft: to a client that accepts `application/graphql-response+json`, a
//! request that could not be executed answers 4xx or 5xx without `data`; to one that knows `application/json` alone it is
//! 200. Who is not let in gets 401 in either.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response as Answer, ServerError, Value};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::api::{Api, Asker, Body, Ready, Shown, is_executed};
use super::door::{self, TurnedAway};
use super::request::{media_type, request_id};
use super::{socket, sse};
use crate::graphql::errors::{
    BAD_USER_INPUT, FORBIDDEN, INTERNAL, RATE_LIMITED, TIMEOUT, UNAUTHENTICATED, UNAVAILABLE, code_of, coded, complete,
    of_request,
};

const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Runs what a body of JSON says.
pub(super) async fn post(State(api): State<Api>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let Some(reply) = Reply::to(&headers) else { return not_acceptable() };
    let asker = match reply.asker(&api, &headers).await {
        Ok(asker) => asker,
        Err(turned_away) => return turned_away,
    };
    if media_type(&headers).is_none_or(|kind| kind != JSON) {
        return reply.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/json in UTF-8.");
    }
    let body = match body {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return reply.refuse(StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than 1 MiB.");
        }
        Err(_) => return reply.refuse(StatusCode::BAD_REQUEST, "The body could not be read."),
    };
    // A list of a request's values in their order would be taken for the request.
    if !body.trim_ascii_start().starts_with(b"{") {
        return reply.refuse(StatusCode::BAD_REQUEST, "The body is not a GraphQL request: it is not a JSON object.");
    }
    match serde_json::from_slice::<Body>(&body) {
        Ok(body) => match reply.admit(&api, body.into(), &asker) {
            Ok(ready) => reply.run(&api, ready, (&asker, &headers)).await,
            Err(refused) => *refused,
        },
        Err(error) => reply.refuse(StatusCode::BAD_REQUEST, &format!("The body is not a GraphQL request: {error}.")),
    }
}

/// Runs a query of the URL, or becomes a WebSocket.
pub(super) async fn get(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: axum::extract::Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    if parts.headers.contains_key(UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::open(api, upgrade, &parts.headers),
            Err(rejection) => rejection.into_response(),
        };
    }
    let headers = &parts.headers;
    let Some(reply) = Reply::to(headers) else { return not_acceptable() };
    let asker = match reply.asker(&api, headers).await {
        Ok(asker) => asker,
        Err(turned_away) => return turned_away,
    };
    let request = match query_request(query.as_deref().unwrap_or_default()) {
        Ok(request) => request,
        Err(message) => return reply.refuse(StatusCode::BAD_REQUEST, &message),
    };
    let ready = match reply.admit(&api, request, &asker) {
        Ok(ready) => ready,
        Err(refused) => return *refused,
    };
    let is_taken = match ready.kind() {
        OperationType::Query => true,
        // A browser's own reader of events knows no other method.
        OperationType::Subscription => reply.kind == Kind::Events,
        OperationType::Mutation => false,
    };
    if !is_taken {
        let mut response = reply.refuse(StatusCode::METHOD_NOT_ALLOWED, "Only queries can be sent by GET.");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    reply.run(&api, ready, (&asker, headers)).await
}

/// The query, variables and operation name of a URL.
fn query_request(query: &str) -> Result<Request, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Parameters {
        query: Option<String>,
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }
    let parameters: Parameters =
        serde_urlencoded::from_str(query).map_err(|error| format!("The URL's query cannot be read: {error}."))?;
    let object = |name: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => serde_json::from_str(&text).map_err(|error| format!("{name} is not a JSON object: {error}.")),
    };
    let query = parameters.query.filter(|query| !query.is_empty()).ok_or("The URL has no query.")?;
    Ok(Body {
        query,
        operation_name: parameters.operation_name.filter(|name| !name.is_empty()),
        variables: object("variables", parameters.variables)?,
        extensions: object("extensions", parameters.extensions)?,
    }
    .into())
}

fn not_acceptable() -> Response {
    let message = "The answer is application/graphql-response+json or application/json.\n";
    (StatusCode::NOT_ACCEPTABLE, message).into_response()
}

/// How a request is answered: in which media type, and under which id.
struct Reply {
    kind: Kind,
    id: String,
}

impl Reply {
    /// None when the client takes no media type of ours.
    fn to(headers: &HeaderMap) -> Option<Self> {
        Kind::accepted(headers).map(|kind| Self { kind, id: request_id(headers).to_owned() })
    }

    /// Who asks, or the answer that turns him away.
    async fn asker(&self, api: &Api, headers: &HeaderMap) -> Result<Asker, Response> {
        match door::caller(&api.app, headers).await {
            Ok(caller) => Ok(Asker { caller, id: self.id.clone() }),
            Err(TurnedAway { status, code, message }) => {
                api.metrics.refused(code);
                let mut response = self.refuse_with(status, of_request(coded(code, message)));
                if status == StatusCode::UNAUTHORIZED {
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                }
                Err(response)
            }
        }
    }

    fn admit(&self, api: &Api, request: Request, asker: &Asker) -> Result<Ready, Box<Response>> {
        api.admit(request, asker).map_err(|answer| {
            Box::new(match self.kind {
                Kind::Events => sse::one(&answer),
                Kind::Response | Kind::Json => self.answer(&answer),
            })
        })
    }

    async fn run(&self, api: &Api, ready: Ready, (asker, headers): (&Asker, &HeaderMap)) -> Response {
        match (self.kind, ready.kind()) {
            (Kind::Events, _) => sse::answer(api, ready, (asker, headers)),
            (Kind::Response | Kind::Json, OperationType::Subscription) => self.refuse(
                StatusCode::BAD_REQUEST,
                "A subscription answers many times: send it over WebSocket, or accept text/event-stream.",
            ),
            (Kind::Response | Kind::Json, _) => self.answer(&api.execute(ready).await),
        }
    }

    fn answer(&self, answer: &Answer) -> Response {
        let status = match self.kind {
            Kind::Response if !is_executed(answer) => status_of(&answer.errors),
            Kind::Response | Kind::Json | Kind::Events => StatusCode::OK,
        };
        let mut response = self.send(status, &Shown(answer));
        if let Some(seconds) = retry_after(&answer.errors) {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response {
        self.refuse_with(status, ServerError::new(message, None))
    }

    fn refuse_with(&self, status: StatusCode, mut error: ServerError) -> Response {
        complete(&mut error, &self.id);
        self.send(status, &Shown(&Answer::from_errors(vec![error])))
    }

    fn send(&self, status: StatusCode, body: &impl Serialize) -> Response {
        match serde_json::to_vec(body) {
            Ok(body) => (status, [(CONTENT_TYPE, self.kind.content_type())], body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// The status of a request that was not executed.
fn status_of(errors: &[ServerError]) -> StatusCode {
    match errors.first().and_then(code_of).unwrap_or(BAD_USER_INPUT) {
        UNAUTHENTICATED => StatusCode::UNAUTHORIZED,
        FORBIDDEN => StatusCode::FORBIDDEN,
        RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
        TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
        UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
        INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// In how many seconds to ask again, rounded up.
fn retry_after(errors: &[ServerError]) -> Option<HeaderValue> {
    match errors.first()?.extensions.as_ref()?.get("retryAfterMs")? {
        Value::Number(ms) => Some(HeaderValue::from(ms.as_u64()?.div_ceil(1_000))),
        _ => None,
    }
}

/// In which media type a client wants its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Response,
    Json,
    Events,
}

impl Kind {
    /// What is accepted; JSON where nothing is said, as older clients do.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        if accepted.peek().is_none() {
            return Some(Self::Json);
        }
        accepted.flat_map(|value| value.split(',')).filter(|part| !part.replace(' ', "").ends_with(";q=0")).find_map(
            |part| match part.split(';').next().unwrap_or_default().trim() {
                RESPONSE => Some(Self::Response),
                JSON | "*/*" | "application/*" => Some(Self::Json),
                EVENTS => Some(Self::Events),
                _ => None,
            },
        )
    }

    /// What was not executed is answered in JSON to a reader of events too.
    const fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json | Self::Events => "application/json; charset=utf-8",
        }
    }
}
