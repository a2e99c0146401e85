//! GraphQL over HTTP: POST with JSON, GET for queries, and the upgrade to a WebSocket.
//!
//! The statuses follow the GraphQL-over-HTTP draft: to a client that accepts `application/graphql-response+json`, a
//! request that could not be executed answers 400 without `data`; to one that knows `application/json` alone it is 200.

use async_graphql::parser::types::{DocumentOperations, OperationType};
use async_graphql::{Request, ServerError};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::api::{Api, Body};
use super::request::{media_type, request_id};
use super::socket;
use crate::graphql::errors::complete;

const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// Runs what a body of JSON says.
pub(super) async fn post(State(api): State<Api>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let Some(reply) = Reply::to(&headers) else { return not_acceptable() };
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
        Ok(body) => reply.run(&api, body.into()).await,
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
    let Some(reply) = Reply::to(&parts.headers) else { return not_acceptable() };
    let request = match query_request(query.as_deref().unwrap_or_default()) {
        Ok(request) => request,
        Err(message) => return reply.refuse(StatusCode::BAD_REQUEST, &message),
    };
    if runs_more_than_a_query(&request) {
        let mut response = reply.refuse(StatusCode::METHOD_NOT_ALLOWED, "Only queries can be sent by GET.");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    reply.run(&api, request).await
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

/// Whether a request would run a mutation or a subscription. What cannot be parsed fails later, as a query does.
fn runs_more_than_a_query(request: &Request) -> bool {
    let Ok(document) = async_graphql::parser::parse_query(&request.query) else { return false };
    let more = |kind: OperationType| kind != OperationType::Query;
    match &document.operations {
        DocumentOperations::Single(operation) => more(operation.node.ty),
        DocumentOperations::Multiple(operations) => operations.iter().any(|(name, operation)| {
            request.operation_name.as_deref().is_none_or(|wanted| wanted == name.as_str()) && more(operation.node.ty)
        }),
    }
}

fn not_acceptable() -> Response {
    let message = "The answer is application/graphql-response+json or application/json.\n";
    (StatusCode::NOT_ACCEPTABLE, message).into_response()
}

/// An answer without data. Fields keep their order, as a map would not.
#[derive(Serialize)]
struct NotExecuted<'a> {
    errors: &'a [ServerError],
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

    async fn run(&self, api: &Api, request: Request) -> Response {
        let answer = api.execute(request, &self.id).await;
        // Without data nothing was executed: the request itself was wrong.
        let executed = answer.errors.is_empty() || !matches!(answer.data, async_graphql::Value::Null);
        let status = match self.kind {
            Kind::Response if !executed => StatusCode::BAD_REQUEST,
            Kind::Response | Kind::Json => StatusCode::OK,
        };
        if executed { self.send(status, &answer) } else { self.send(status, &NotExecuted { errors: &answer.errors }) }
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response {
        let mut error = ServerError::new(message, None);
        complete(&mut error, &self.id);
        self.send(status, &NotExecuted { errors: &[error] })
    }

    fn send(&self, status: StatusCode, body: &impl Serialize) -> Response {
        match serde_json::to_vec(body) {
            Ok(body) => (status, [(CONTENT_TYPE, self.kind.content_type())], body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// In which media type a client wants its answer.
#[derive(Clone, Copy)]
enum Kind {
    Response,
    Json,
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
                _ => None,
            },
        )
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}
