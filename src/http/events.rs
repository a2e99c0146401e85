//! `POST /v1/events`: usage from programs, as CloudEvents, without GraphQL's cost.
//!
//! `subject` is the customer's external id, `id` the event's id, `type` its type, `time` when it happened and `data` its
//! properties. `specversion` and `source` are read but not needed. Each event stands or falls alone. The caller needs a key
//! with the scope `INGEST`, or more.

use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::door::{self, TurnedAway};
use super::observe::Asked;
use super::price::Prepaid;
use super::request::{NOT_ENCODED, is_encoded, media_type, without_bom};
use crate::access::budget::Wait;
use crate::access::model::{Caller, Scope};
use crate::app::App;
use crate::base::chain::chain;
use crate::base::problem::Problem;
use crate::base::time::Time;
use crate::db::DbError;
use crate::graphql::errors::{FORBIDDEN, RATE_LIMITED};
use crate::intake::{IncomingEvent, Receipt, Status, Whose};
use crate::metering::event::Mode;

/// The longest body.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;
/// From how many bytes on a body is long.
const LONG: usize = 64 * 1024;
/// The most events of one request.
const MAX_EVENTS: usize = 10_000;

/// What the path's query says. A misspelt mode must not be the other one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    mode: Option<String>,
}

/// A CloudEvent, its parts not read yet: each can be wrong in its own way.
#[derive(Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<&'a RawValue>,
}

/// Why a request did nothing at all.
enum Refused {
    TurnedAway(TurnedAway),
    Forbidden,
    Limited(Wait),
    Malformed(String),
    TooLarge(&'static str),
    MediaType(&'static str),
    Failed(DbError),
}

/// The answer: counts, and a receipt for each event.
#[derive(Serialize)]
struct Answer {
    accepted: usize,
    duplicates: usize,
    refused: usize,
    invalid: usize,
    receipts: Vec<ReceiptBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptBody {
    index: usize,
    event_id: String,
    status: &'static str,
    event: Option<String>,
    differs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

#[derive(Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
    path: Vec<String>,
}

/// Takes events in.
pub(super) async fn post(
    State(app): State<App>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    request: Request,
) -> Response {
    let caller = match door::caller(&app, request.headers()).await {
        Ok(caller) => caller,
        Err(turned_away) => return Refused::TurnedAway(turned_away).into_response(),
    };
    let taken = take(&app, &caller, parameters, request).await;
    let is_too_soon = matches!(taken, Err(Refused::Limited(_)));
    let mut response = match taken {
        Ok(answer) => Json(answer).into_response(),
        Err(refused) => refused.into_response(),
    };
    response.extensions_mut().insert(Asked { caller: caller.to_string(), operation: None, is_too_soon });
    response
}

async fn take(
    app: &App,
    caller: &Caller,
    parameters: Result<Query<Parameters>, QueryRejection>,
    request: Request,
) -> Result<Answer, Refused> {
    if !caller.holds_any(&[Scope::Ingest, Scope::Write, Scope::Admin]) {
        return Err(Refused::Forbidden);
    }
    let Query(parameters) = parameters.map_err(|error| Refused::Malformed(error.body_text()))?;
    let mode = match parameters.mode.as_deref() {
        None | Some("record") => Mode::Record,
        Some("enforce") => Mode::Enforce,
        Some(other) => return Err(Refused::Malformed(format!("mode is \"{other}\"; write record or enforce."))),
    };
    // Nobody's body is read who may not send it, or has not paid for it.
    let headers = request.headers().clone();
    let prepaid = Prepaid::pay((app, caller), &headers, MAX_BODY).map_err(Refused::Limited)?;
    let share = app.shares.of(caller);
    let _room = share.room_for_body(prepaid.length()).await;
    let body = Bytes::from_request(request, &()).await;
    prepaid.settle((app, caller), body.as_ref().map_or(MAX_BODY, Bytes::len));
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refused::TooLarge("The body is longer than 16 MiB; send it in parts."),
        _ => Refused::Malformed("The body could not be read.".to_owned()),
    })?;
    // Long bodies are read beside the threads that answer everybody.
    let parts = if body.len() < LONG {
        parts(&headers, &body)?
    } else {
        let read = tokio::task::spawn_blocking(move || parts(&headers, &body)).await;
        read.map_err(|error| Refused::Failed(DbError::unavailable(error)))??
    };
    let ids: Vec<String> = parts.iter().map(|(id, _)| id.clone()).collect();
    let mut receipts: Vec<Option<Receipt>> = Vec::with_capacity(parts.len());
    let mut events = Vec::with_capacity(parts.len());
    for (_, part) in parts {
        match part {
            Ok(event) => {
                events.push(event);
                receipts.push(None);
            }
            Err(problem) => receipts.push(Some(Receipt::invalid(problem))),
        }
    }
    let intake = app.intake.for_caller(caller.id(), app.db.for_caller(share.readers().clone()));
    let mut given = intake.ingest(events, mode).await.map_err(Refused::Failed)?.into_iter();
    let receipts = receipts.into_iter().filter_map(|receipt| receipt.or_else(|| given.next()));
    Ok(Answer::of(ids.into_iter().zip(receipts)))
}

/// One event of a request: its id as far as it can be told, and what it says.
type Part = (String, Result<IncomingEvent, Problem>);

fn parts(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Part>, Refused> {
    if is_encoded(headers) {
        return Err(Refused::MediaType(NOT_ENCODED));
    }
    let body = without_bom(body);
    let kind = media_type(headers).ok_or(Refused::MediaType("Send the body in UTF-8."))?;
    match kind.as_str() {
        "application/cloudevents+json" => {
            let event: &RawValue = serde_json::from_slice(body).map_err(|error| no_json(&error))?;
            Ok(vec![part("The event", event.get())])
        }
        "application/cloudevents-batch+json" => {
            let Batch(events) = serde_json::from_slice(body).map_err(|error| no_json(&error))?;
            check_number(events.len())?;
            Ok(events.into_iter().map(|event| part("The event", event.get())).collect())
        }
        "application/x-ndjson" => {
            let lines = (1..).zip(body.split(|byte| *byte == b'\n'));
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
            check_number(lines.clone().count())?;
            Ok(lines.map(|(number, line)| line_part(number, line)).collect())
        }
        _ => Err(Refused::MediaType(
            "Send application/cloudevents+json, application/cloudevents-batch+json or application/x-ndjson.",
        )),
    }
}

fn check_number(events: usize) -> Result<(), Refused> {
    if events > MAX_EVENTS {
        return Err(Refused::TooLarge("There are more than 10000 events; send them in parts."));
    }
    Ok(())
}

/// The events of a batch; of more than there may be, one more than that.
struct Batch<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Batch<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BatchVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Batch<'de>, A::Error> {
        let mut events = Vec::new();
        while events.len() <= MAX_EVENTS {
            match items.next_element()? {
                Some(event) => events.push(event),
                None => return Ok(Batch(events)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Batch(events))
    }
}

fn no_json(error: &serde_json::Error) -> Refused {
    Refused::Malformed(format!("The body is not the JSON that its content type says: {error}."))
}

/// A line of NDJSON; what is no JSON is that line's own fault, and says its number.
fn line_part(number: usize, line: &[u8]) -> Part {
    let wrong = |what: String| (String::new(), Err(Problem::invalid(&[], format!("Line {number} is not {what}."))));
    let Ok(line) = std::str::from_utf8(line) else { return wrong("UTF-8".to_owned()) };
    match serde_json::from_str::<&RawValue>(line) {
        Ok(event) => part(&format!("Line {number}"), event.get()),
        Err(error) => wrong(format!("JSON, at column {}", error.column())),
    }
}

/// One event by its text; `what` is what a message calls it.
fn part(what: &str, text: &str) -> Part {
    let wrong = |message| (String::new(), Err(Problem::invalid(&[], message)));
    // A list of an object's values in their order would be taken for the object.
    if !text.starts_with('{') {
        return wrong(format!("{what} is not a JSON object."));
    }
    match serde_json::from_str::<CloudEvent<'_>>(text) {
        Ok(event) => {
            let id = event.id.and_then(|id| serde_json::from_str(id.get()).ok()).unwrap_or_default();
            (id, event.incoming())
        }
        Err(error) => wrong(format!("{what} cannot be read: {}.", reason(&error))),
    }
}

/// What is wrong with a piece of JSON. Where is left out: the place is that in the piece, not in the body.
fn reason(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

impl CloudEvent<'_> {
    fn incoming(&self) -> Result<IncomingEvent, Problem> {
        if let Some(version) = value("specversion", self.specversion)?
            && !version.as_str().is_some_and(|version| version.starts_with("1."))
        {
            return Err(Problem::invalid(&["specversion"], "specversion is not \"1.0\"."));
        }
        if self.data_base64.is_some() {
            return Err(Problem::invalid(&["data_base64"], "data_base64 cannot be read; send the properties as data."));
        }
        let timestamp = match text("time", self.time)? {
            None => None,
            Some(time) => {
                let message = "time is not an RFC 3339 time, such as \"2026-01-31T12:00:00Z\".";
                Some(Time::parse(&time).ok_or_else(|| Problem::invalid(&["time"], message))?)
            }
        };
        Ok(IncomingEvent {
            id: needed("id", self.id)?,
            whose: Whose::ExternalId(needed("subject", self.subject)?),
            event_type: needed("type", self.event_type)?,
            timestamp,
            properties: value("data", self.data)?,
        })
    }
}

/// What a member holds; null is nothing.
fn value(field: &str, member: Option<&RawValue>) -> Result<Option<Value>, Problem> {
    let read = member.map(|member| serde_json::from_str(member.get())).transpose();
    let wrong = |error| Problem::invalid(&[field], format!("{field} cannot be read: {}.", reason(&error)));
    Ok(read.map_err(wrong)?.filter(|value: &Value| !value.is_null()))
}

fn text(field: &str, member: Option<&RawValue>) -> Result<Option<String>, Problem> {
    match value(field, member)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(&[field], format!("{field} is not a string."))),
    }
}

fn needed(field: &str, member: Option<&RawValue>) -> Result<String, Problem> {
    text(field, member)?.ok_or_else(|| Problem::invalid(&[field], format!("{field} is missing.")))
}

impl Answer {
    fn of(receipts: impl Iterator<Item = (String, Receipt)>) -> Self {
        let mut answer = Self { accepted: 0, duplicates: 0, refused: 0, invalid: 0, receipts: Vec::new() };
        for (index, (event_id, receipt)) in receipts.enumerate() {
            let (count, status) = match receipt.status {
                Status::Accepted => (&mut answer.accepted, "ACCEPTED"),
                Status::Duplicate => (&mut answer.duplicates, "DUPLICATE"),
                Status::Refused => (&mut answer.refused, "REFUSED"),
                Status::Invalid => (&mut answer.invalid, "INVALID"),
            };
            *count = count.saturating_add(1);
            answer.receipts.push(ReceiptBody {
                index,
                event_id,
                status,
                event: receipt.event.map(|event| event.to_string()),
                differs: receipt.differs,
                error: receipt.problem.map(|problem| ErrorBody::of(problem, index)),
            });
        }
        answer
    }
}

impl ErrorBody {
    /// The problem by the names that the event was sent with.
    fn of(problem: Problem, index: usize) -> Self {
        let mut path = vec![index.to_string()];
        path.extend(problem.path.iter().take(1).map(|field| sent_as(field).to_owned()));
        Self { code: problem.kind.code(), message: problem.message, path }
    }
}

/// What a field of an event is called in a CloudEvent.
fn sent_as(field: &str) -> &str {
    match field {
        "customer" => "subject",
        "timestamp" => "time",
        "properties" => "data",
        other => other,
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut after = 1;
        let (status, code, message) = match self {
            Self::Limited(wait) => {
                after = wait.retry_after_ms.div_ceil(1_000);
                let message =
                    format!("Too much was sent in a short time; send it again in {} ms.", wait.retry_after_ms);
                (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, message)
            }
            Self::TurnedAway(TurnedAway { status, code, message }) => (status, code, message.to_owned()),
            Self::Forbidden => {
                let message = "Sending events needs a key with the scope INGEST, WRITE or ADMIN.";
                (StatusCode::FORBIDDEN, FORBIDDEN, message.to_owned())
            }
            Self::Malformed(message) => (StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message),
            Self::TooLarge(message) => (StatusCode::PAYLOAD_TOO_LARGE, "BAD_USER_INPUT", message.to_owned()),
            Self::MediaType(message) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT", message.to_owned()),
            Self::Failed(DbError::Unavailable(_) | DbError::Conflict(_)) => {
                let message = "The database is away or the queue is full; send the same events again.";
                (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message.to_owned())
            }
            Self::Failed(error) => {
                tracing::error!(error = %chain(&error), "events could not be taken in");
                let message = "Something went wrong on the server; its log has the details, under this request's id.";
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message.to_owned())
            }
        };
        let retryable = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let body = serde_json::json!({"error": {"code": code, "message": message, "retryable": retryable}});
        let mut response = (status, Json(body)).into_response();
        if retryable {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
