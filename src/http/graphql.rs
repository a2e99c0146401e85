//! GraphQL over HTTP: POST with JSON, GET for queries, and the upgrade to a WebSocket or a stream of events.
//!
//! The statuses follow the GraphQL-over-HTTP draft: to a client that accepts `application/graphql-response+json`, a
//! request that could not be executed answers 4xx or 5xx without `data`; to one that knows `application/json` alone it is
//! 200. Who is not let in gets 401 in either.

use async_graphql::parser::types::OperationType;
use async_graphql::{Response as Answer, ServerError, Value};
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequest, FromRequestParts, RawQuery, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::api::{Api, Asker, Body, Ready, Shown, is_executed};
use super::door::{self, TurnedAway};
use super::observe::Asked;
use super::price::{self, Prepaid};
use super::request::{
    AnObject, NOT_ENCODED, count_values, is_encoded, media_type, request_id, without_bom, without_half_characters,
};
use super::{socket, sse};
use crate::graphql::errors::{
    BAD_USER_INPUT, FORBIDDEN, INTERNAL, QUERY_TOO_COMPLEX, RATE_LIMITED, TIMEOUT, UNAUTHENTICATED, UNAVAILABLE,
    code_of, coded, complete, of_request,
};

/// The longest body.
pub(super) const MAX_BODY: usize = 1024 * 1024;
/// How many values the body of a request holds at most.
const MAX_VALUES: usize = 50_000;
const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Runs what a body of JSON says.
pub(super) async fn post(State(api): State<Api>, request: axum::extract::Request) -> Response {
    let headers = request.headers().clone();
    let Some(reply) = Reply::to(&headers) else { return not_acceptable() };
    let asker = match reply.asker(&api, &headers).await {
        Ok(asker) => asker,
        Err(turned_away) => return turned_away,
    };
    // Nobody's body is read who is not known, or has not paid for it.
    let prepaid = match Prepaid::pay((&api.app, &asker.caller), &headers, MAX_BODY) {
        Ok(prepaid) => prepaid,
        Err(wait) => return reply.refused(&api, api.limited(wait, &asker), &asker),
    };
    let body = Bytes::from_request(request, &()).await;
    prepaid.settle((&api.app, &asker.caller), body.as_ref().map_or(MAX_BODY, Bytes::len));
    if media_type(&headers).is_none_or(|kind| kind != JSON) {
        return reply.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/json in UTF-8.");
    }
    if is_encoded(&headers) {
        return reply.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_ENCODED);
    }
    let body = match body {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return reply.refuse(StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than 1 MiB.");
        }
        Err(_) => return reply.refuse(StatusCode::BAD_REQUEST, "The body could not be read."),
    };
    let values = count_values(&body);
    if values > MAX_VALUES {
        let message = format!("The body holds more than {MAX_VALUES} values; send less at once.");
        return reply.refuse_with(StatusCode::BAD_REQUEST, of_request(coded(QUERY_TOO_COMPLEX, message)));
    }
    if let Err(refused) = api.take(&asker, price::of_values(values)) {
        return reply.refused(&api, *refused, &asker);
    }
    let body = without_bom(&body);
    let read = serde_json::from_slice::<AnObject<Body>>(body);
    match read
        .or_else(|error| without_half_characters(body).map_or(Err(error), |mended| serde_json::from_slice(&mended)))
    {
        Ok(AnObject(Body { query: None, extensions: None, .. })) => {
            reply.refuse(StatusCode::BAD_REQUEST, "The body is not a GraphQL request: it has no query.")
        }
        Ok(AnObject(body)) => match reply.admit(&api, body, &asker) {
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
    let wanted = parts.headers.get(UPGRADE).and_then(|upgrade| upgrade.to_str().ok()).unwrap_or_default();
    if wanted.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket")) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::open(api, upgrade, &parts),
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
fn query_request(query: &str) -> Result<Body, String> {
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
    let (query, extensions) = (parameters.query, object("extensions", parameters.extensions)?);
    if query.as_ref().is_none_or(String::is_empty) && extensions.is_none() {
        return Err("The URL has no query.".to_owned());
    }
    let variables = object("variables", parameters.variables)?;
    Ok(Body { query, operation_name: parameters.operation_name, variables, extensions })
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

    fn admit(&self, api: &Api, body: Body, asker: &Asker) -> Result<Ready, Box<Response>> {
        api.admit(body, asker).map_err(|answer| Box::new(self.refused(api, *answer, asker)))
    }

    /// Answers a request that was refused before it ran.
    fn refused(&self, api: &Api, answer: Answer, asker: &Asker) -> Response {
        let is_too_soon = retry_after(&answer.errors).is_some();
        let mut response = match self.kind {
            // A client that may try again, and any proxy between, must see that in the status.
            Kind::Events if !is_too_soon => sse::one(&answer),
            Kind::Events | Kind::Response | Kind::Json => self.answer(api, answer, asker),
        };
        response.extensions_mut().insert(Asked { caller: asker.caller.to_string(), operation: None, is_too_soon });
        response
    }

    async fn run(&self, api: &Api, ready: Ready, (asker, headers): (&Asker, &HeaderMap)) -> Response {
        let told =
            Asked { caller: asker.caller.to_string(), operation: Some(ready.name().to_owned()), is_too_soon: false };
        let mut response = self.carry_out(api, ready, (asker, headers)).await;
        response.extensions_mut().insert(told);
        response
    }

    async fn carry_out(&self, api: &Api, ready: Ready, (asker, headers): (&Asker, &HeaderMap)) -> Response {
        match (self.kind, ready.kind()) {
            (Kind::Events, _) => sse::answer(api, ready, (asker, headers)),
            (Kind::Response | Kind::Json, OperationType::Subscription) => self.refuse(
                StatusCode::BAD_REQUEST,
                "A subscription answers many times: send it over WebSocket, or accept text/event-stream.",
            ),
            (Kind::Response | Kind::Json, _) => self.answer(api, api.execute(ready).await, asker),
        }
    }

    fn answer(&self, api: &Api, answer: Answer, asker: &Asker) -> Response {
        let (answer, json) = api.write(answer, asker);
        let status = match self.kind {
            Kind::Response | Kind::Events if !is_executed(&answer) => status_of(&answer.errors),
            Kind::Response | Kind::Json | Kind::Events => StatusCode::OK,
        };
        let mut response = self.send(status, json);
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
        match serde_json::to_string(&Shown(&Answer::from_errors(vec![error]))) {
            Ok(body) => self.send(status, body),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    fn send(&self, status: StatusCode, body: String) -> Response {
        (status, [(CONTENT_TYPE, self.kind.content_type())], body).into_response()
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

/// How much a media type is wanted, in thousandths: what its parameter `q` says, else all of it.
fn weight(parameters: &str) -> u32 {
    let named = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let said = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, weight)| weight.trim()).next();
    let Some((whole, rest)) = said.map(|said| said.split_once('.').unwrap_or((said, ""))) else { return 1_000 };
    match (whole, format!("{rest:0<3}").get(..3).and_then(|digits| digits.parse().ok())) {
        ("0", Some(thousandths)) => thousandths,
        _ => 1_000,
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
    /// What is accepted most, the first of those; JSON where nothing is said, as older clients do.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let said = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let parts: Vec<&str> =
            said.flat_map(|value| value.split(',')).map(str::trim).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return Some(Self::Json);
        }
        let known = parts.into_iter().filter_map(|part| {
            let (kind, parameters) = part.split_once(';').unwrap_or((part, ""));
            let kind = match kind.trim().to_ascii_lowercase().as_str() {
                RESPONSE => Self::Response,
                JSON | "*/*" | "application/*" => Self::Json,
                EVENTS => Self::Events,
                _ => return None,
            };
            Some((kind, weight(parameters)))
        });
        let best = known.filter(|(_, weight)| *weight > 0).rev().max_by_key(|(_, weight)| *weight);
        best.map(|(kind, _)| kind)
    }

    /// What was not executed is answered in JSON to a reader of events too.
    const fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json | Self::Events => "application/json; charset=utf-8",
        }
    }
}
