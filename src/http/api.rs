//! The API behind every transport of GraphQL: one operation in, its answers out.
//!
//! Invariants
//! - Every operation passes the guards and its caller's bucket before anything of it runs, whichever way it came in.
//! - What a caller sends is paid for before it is kept: its bytes before they are read, its values before they are made. What
//!   an answer's bytes cost is known behind it, and is taken then.
//! - A mutation runs to its end when its client goes away; a query is dropped.
//! - A panic is that operation's alone, and is told as INTERNAL.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Error, ErrorExtensions, Request, Response as Answer, ServerError, Value, Variables, value};
use futures_util::{Stream, StreamExt, stream};
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::metrics::Metrics;
use super::price;
use crate::access::budget::{Account, Wait};
use crate::access::model::Caller;
use crate::access::shares::{Held, NoRoom, Seat};
use crate::app::App;
use crate::graphql::context::{MAX_ANSWER, StreamPosition};
use crate::graphql::errors::{
    BAD_USER_INPUT, INTERNAL, PERSISTED_QUERY_NOT_SUPPORTED, RATE_LIMITED, TIMEOUT, UNAVAILABLE, code_of, coded,
    complete, of_request, too_long,
};
use crate::graphql::guards::{Admitted, Guards};
use crate::graphql::{DESCRIPTION, NO_DESCRIPTION, Schema, build_schema, request_data};

/// When to ask again for a stream, in milliseconds.
const LATER: u64 = 5_000;

/// The API behind every transport of GraphQL.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) app: App,
    pub(super) metrics: Metrics,
    schema: Schema,
    guards: Arc<Guards>,
}

/// Who asks, and under which id the log tells of it.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) caller: Caller,
    pub(super) id: String,
}

/// An operation that may run.
pub(super) struct Ready {
    admitted: Admitted,
    asker: Asker,
    cost: Value,
    /// The place of a stream among those of its caller.
    seat: Option<Seat>,
}

impl Ready {
    pub(super) fn kind(&self) -> OperationType {
        self.admitted.kind
    }

    /// What the log calls it: its name, or its kind.
    pub(super) fn name(&self) -> &str {
        self.admitted.name.as_deref().unwrap_or(name_of(self.admitted.kind))
    }
}

/// A request as it is sent in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    /// Left out by clients that send the hash of a document first.
    #[serde(default)]
    pub(super) query: Option<String>,
    pub(super) operation_name: Option<String>,
    #[serde(default, deserialize_with = "variables")]
    pub(super) variables: Option<JsonObject>,
    #[serde(default, deserialize_with = "extensions")]
    pub(super) extensions: Option<JsonObject>,
}

/// A JSON object.
pub(super) type JsonObject = serde_json::Map<String, serde_json::Value>;

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonObject>, D::Error> {
    object("variables", serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn extensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonObject>, D::Error> {
    object("extensions", serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// An object of a request, by its name; null is absent.
fn object(name: &str, value: serde_json::Value) -> Result<Option<JsonObject>, String> {
    match value {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::Object(object) => Ok(Some(object)),
        serde_json::Value::String(_) => {
            Err(format!("{name} is a text; send the object itself, not its JSON in quotes"))
        }
        _ => Err(format!("{name} is not a JSON object")),
    }
}

impl TryFrom<Body> for Request {
    type Error = Error;

    /// Fails for a request without a document. Clients of persisted queries then send the document itself, by the error's
    /// code and message, which are those of Apollo's protocol.
    fn try_from(body: Body) -> Result<Self, Error> {
        let Some(query) = body.query.filter(|query| !query.is_empty()) else {
            let is_hash = body.extensions.is_some_and(|extensions| extensions.contains_key("persistedQuery"));
            return Err(if is_hash {
                coded(PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
            } else {
                coded(BAD_USER_INPUT, "The request has no query; send a GraphQL document as \"query\".")
            });
        };
        let variables = body.variables.map(serde_json::Value::Object).unwrap_or_default();
        let request = Self::new(query).variables(Variables::from_json(variables));
        Ok(match body.operation_name {
            Some(name) if !name.is_empty() => request.operation_name(name),
            _ => request,
        })
    }
}

impl Api {
    pub(super) fn new(app: App, metrics: Metrics) -> Self {
        Self { schema: build_schema(app.clone()), app, metrics, guards: Arc::default() }
    }

    /// Lets an operation in, or answers why not; then nothing has happened.
    pub(super) fn admit(&self, body: Body, asker: &Asker) -> Result<Ready, Box<Answer>> {
        let request = Request::try_from(body).map_err(|error| self.refused(of_request(error), asker))?;
        let admitted = self.guards.admit(request, &asker.caller).map_err(|refused| {
            self.charge(asker, u64::try_from(refused.points).unwrap_or(u64::MAX));
            self.refused(*refused.error, asker)
        })?;
        let account = self.take(asker, u64::try_from(admitted.cost).unwrap_or(u64::MAX))?;
        let seat = match admitted.kind {
            OperationType::Subscription => Some(self.seat(asker)?),
            OperationType::Query | OperationType::Mutation => None,
        };
        Ok(Ready { cost: account, admitted, asker: asker.clone(), seat })
    }

    /// Takes points out of the caller's bucket, and says how it stands; or answers when to ask again.
    pub(super) fn take(&self, asker: &Asker, points: u64) -> Result<Value, Box<Answer>> {
        match self.app.buckets.take(asker.caller.id(), points, self.app.clock.now()) {
            Ok(account) => Ok(cost(points, account)),
            Err(wait) => Err(Box::new(self.limited(wait, asker).extension("cost", cost(points, wait.account)))),
        }
    }

    /// The answer to who has asked for too much in a short time.
    pub(super) fn limited(&self, wait: Wait, asker: &Asker) -> Answer {
        let ms = wait.retry_after_ms;
        let message = format!("You have asked for too much in a short time; ask again in {ms} ms.");
        let error = coded(RATE_LIMITED, message).extend_with(|_, it| it.set("retryAfterMs", ms));
        self.refused(of_request(error), asker)
    }

    /// Takes points out of the caller's bucket for what is done already.
    pub(super) fn charge(&self, asker: &Asker, points: u64) {
        self.app.buckets.charge(asker.caller.id(), points, self.app.clock.now());
    }

    /// A place for a stream, or the answer that there is none.
    fn seat(&self, asker: &Asker) -> Result<Seat, Box<Answer>> {
        self.app.shares.of(&asker.caller).take(Held::Stream).map_err(|no_room| {
            tracing::info!(caller = %asker.caller, ?no_room, "a stream was refused");
            let error = match no_room {
                NoRoom::Own(most) => {
                    let message =
                        format!("You have {most} streams open, which is the most; close one, or use those you have.");
                    coded(RATE_LIMITED, message).extend_with(|_, it| it.set("retryAfterMs", LATER))
                }
                NoRoom::All => coded(UNAVAILABLE, "The server has as many streams open as it may; try again later.")
                    .extend_with(|_, it| {
                        it.set("retryable", true);
                        it.set("retryAfterMs", LATER);
                    }),
            };
            Box::new(self.refused(of_request(error), asker))
        })
    }

    /// The answer to what was refused before it ran.
    fn refused(&self, error: ServerError, asker: &Asker) -> Answer {
        self.metrics.refused(code_of(&error).unwrap_or(BAD_USER_INPUT));
        self.finished(Answer::from_errors(vec![error]), &asker.id)
    }

    /// An answer as JSON, which its caller pays for; in place of one that is too long, an error that says so.
    pub(super) fn write(&self, answer: Answer, asker: &Asker) -> (Answer, String) {
        let mut json = Bounded(Vec::new());
        let written =
            serde_json::to_writer(&mut json, &Shown(&answer)).ok().and_then(|()| String::from_utf8(json.0).ok());
        if let Some(json) = written {
            self.charge(asker, price::of_bytes(json.len()));
            return (answer, json);
        }
        self.charge(asker, price::of_bytes(MAX_ANSWER));
        let answer = self.refused(of_request(too_long()), asker);
        let json = serde_json::to_string(&Shown(&answer)).unwrap_or_default();
        (answer, json)
    }

    /// What answers a payload that is no request.
    pub(super) fn unread(&self, error: &serde_json::Error, asker: &Asker) -> Answer {
        let error = coded(BAD_USER_INPUT, format!("The payload is not a GraphQL request: {error}."));
        self.refused(of_request(error), asker)
    }

    /// Every top-level error carries a code, the name that was most likely meant where the schema has not the one that was
    /// given, and the id under which the log tells of the request.
    fn finished(&self, mut answer: Answer, id: &str) -> Answer {
        if let Value::Object(fields) = &mut answer.data {
            fields.values_mut().for_each(describe);
        }
        for error in &mut answer.errors {
            self.guards.complete(error);
            complete(error, id);
        }
        answer
    }

    /// Runs one operation that answers once.
    pub(super) async fn execute(&self, ready: Ready) -> Answer {
        let Ready { admitted, asker, cost, seat: _ } = ready;
        let request = request_data(admitted.request, &self.app, asker.caller, StreamPosition::default());
        let schema = self.schema.clone();
        let limit = self.app.settings.timeouts.operation;
        let answer = carried_out(admitted.kind, limit, async move { schema.execute(request).await }).await;
        self.metrics.ran(name_of(admitted.kind), if answer.errors.is_empty() { "data" } else { "error" });
        self.finished(answer, &asker.id).extension("cost", cost)
    }

    /// Runs one operation that may answer many times; `position` is where its stream goes on, and comes to.
    pub(super) fn stream(&self, ready: Ready, position: StreamPosition) -> impl Stream<Item = Answer> + Send + use<> {
        if ready.kind() != OperationType::Subscription {
            let api = self.clone();
            return stream::once(async move { api.execute(ready).await }).left_stream();
        }
        let Ready { admitted, asker, cost, seat } = ready;
        let (app, caller) = (self.app.clone(), asker.caller.clone());
        let points = u64::try_from(admitted.message_cost).unwrap_or(u64::MAX);
        let request = request_data(admitted.request, &self.app, asker.caller, position);
        let (mut cost, metrics, api) = (Some(cost), self.metrics.clone(), self.clone());
        // The first message was paid for when the stream was let in.
        let told = move |answer| {
            // Held as long as the stream is.
            let _ = &seat;
            let answer = api.finished(answer, &asker.id);
            let Some(cost) = cost.take() else { return (answer, points) };
            metrics.ran(name_of(OperationType::Subscription), if is_executed(&answer) { "data" } else { "error" });
            (answer.extension("cost", cost), 0)
        };
        let paid = move |(answer, points): (Answer, u64)| {
            let (app, caller) = (app.clone(), caller.clone());
            async move {
                pay(&app, &caller, points).await;
                answer
            }
        };
        caught(self.schema.execute_stream(request)).map(told).then(paid).right_stream()
    }

    /// Returns when this caller would be let in no more.
    pub(super) async fn ended(&self, caller: Caller) {
        self.app.keyring.ended(&caller).await;
    }
}

fn name_of(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

/// Runs an operation in a task of its own, so that neither its panic nor its client's going away is more than its own.
async fn carried_out(
    kind: OperationType,
    limit: Duration,
    operation: impl Future<Output = Answer> + Send + 'static,
) -> Answer {
    let task = tokio::spawn(operation.in_current_span());
    let ended = match kind {
        OperationType::Mutation => tokio::time::timeout(limit, task).await,
        OperationType::Query | OperationType::Subscription => {
            tokio::time::timeout(limit, AbortOnDropHandle::new(task)).await
        }
    };
    match ended {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => panicked(),
        Err(_) => Answer::from_errors(vec![of_request(timed_out(kind))]),
    }
}

/// Takes what a message of a stream cost out of the caller's bucket; the stream waits while there is too little in it.
pub(super) async fn pay(app: &App, caller: &Caller, points: u64) {
    while let Err(wait) = app.buckets.take(caller.id(), points, app.clock.now()) {
        tokio::time::sleep(Duration::from_millis(wait.retry_after_ms)).await;
    }
}

/// A stream whose panic is its last answer.
fn caught(answers: impl Stream<Item = Answer> + Send) -> impl Stream<Item = Answer> + Send {
    AssertUnwindSafe(answers).catch_unwind().map(|answer| answer.unwrap_or_else(|_| panicked()))
}

/// What an operation cost, and how its caller's bucket stands.
fn cost(requested: u64, account: Account) -> Value {
    value!({
        "requested": requested,
        "limit": account.limit,
        "remaining": account.remaining,
        "fullAfterMs": account.full_after_ms,
    })
}

/// The hook of panics has logged it, under the span of the request.
fn panicked() -> Answer {
    let error =
        coded(INTERNAL, "Something went wrong on the server. Its log has the details, under this request's id.");
    Answer::from_errors(vec![of_request(error)])
}

fn timed_out(kind: OperationType) -> Error {
    let message = match kind {
        OperationType::Mutation => {
            "It takes too long to wait for, and goes on. Send it again: with the same idempotency key or event id, nothing \
             happens twice."
        }
        OperationType::Query | OperationType::Subscription => "It took too long; ask for less at once.",
    };
    coded(TIMEOUT, message)
}

/// Whether anything of an operation ran. Without data, the request itself was wrong.
pub(super) fn is_executed(answer: &Answer) -> bool {
    answer.errors.is_empty() || !matches!(answer.data, Value::Null)
}

/// Bytes, up to as many as an answer may have.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > MAX_ANSWER {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer as it is sent: what was not executed has no `data`.
pub(super) struct Shown<'a>(pub(super) &'a Answer);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_executed(self.0) {
            return self.0.serialize(serializer);
        }
        let mut fields = serializer.serialize_struct("Answer", 2)?;
        fields.serialize_field("errors", &self.0.errors)?;
        if self.0.extensions.is_empty() {
            fields.skip_field("extensions")?;
        } else {
            fields.serialize_field("extensions", &self.0.extensions)?;
        }
        fields.end()
    }
}

/// Puts the schema's own description into introspection, in place of the one that the library has for all.
fn describe(root_field: &mut Value) {
    if let Value::Object(schema) = root_field
        && let Some(description @ Value::String(_)) = schema.get_mut("description")
        && matches!(description, Value::String(text) if text == NO_DESCRIPTION)
    {
        *description = Value::from(DESCRIPTION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(answer: &Answer) -> Option<&str> {
        code_of(answer.errors.first()?)
    }

    #[tokio::test]
    async fn a_panic_is_the_operations_own_and_is_told_as_internal() {
        for kind in [OperationType::Query, OperationType::Mutation] {
            let answer = carried_out(kind, Duration::from_mins(1), async { panic!("a fault of the program") }).await;
            assert_eq!(code(&answer), Some(INTERNAL));
        }
        let answers = stream::iter([1, 2, 3]).map(|number| match number {
            2 => panic!("a fault of the program"),
            _ => Answer::default(),
        });
        let told: Vec<Answer> = caught(answers).collect().await;
        assert_eq!(told.iter().map(code).collect::<Vec<_>>(), [None, Some(INTERNAL)], "and the stream ends");
    }

    #[tokio::test]
    async fn what_takes_too_long_is_told_so() {
        for kind in [OperationType::Query, OperationType::Mutation] {
            let answer = carried_out(kind, Duration::from_millis(1), std::future::pending()).await;
            assert_eq!(code(&answer), Some(TIMEOUT));
        }
    }
}
