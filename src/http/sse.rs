//! Server-sent events, in distinct connections mode: one operation a request, one event `next` for each answer, one
//! event `complete` at the end. An event's `id` is the stream's cursor, so that a reader that comes back with
//! `Last-Event-ID` goes on behind it.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::Response as Answer;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};

use super::api::{Api, Asker, Ready, Shown};
use super::request::LAST_EVENT_ID;
use crate::graphql::context::StreamPosition;
use crate::graphql::errors::{UNAUTHENTICATED, coded, complete, of_request};

/// Tells proxies not to gather events.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How often a silent stream says that it is there.
const ALIVE: Duration = Duration::from_secs(12);

/// Answers an operation as a stream of events. It ends with its operation, with the caller's key or token, or without a
/// last word when the server stops: then the reader comes back.
pub(super) fn answer(api: &Api, ready: Ready, (asker, headers): (&Asker, &HeaderMap)) -> Response {
    let after = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let position = StreamPosition { after: after.map(str::to_owned), ..StreamPosition::default() };
    let open = api.metrics.open("sse");
    let (ended, stop) = (api.clone(), api.app.stop.clone());
    let caller = asker.caller.clone();
    let over = Box::pin(async move { ended.ended(caller).await });
    let (reached, writer, payer) = (position.clone(), api.clone(), asker.clone());
    let answers = api.stream(ready, position).map(move |answer| {
        let _ = &open;
        next(&writer.write(answer, &payer).1, reached.take())
    });
    let last = if_over(asker.id.clone(), api.clone(), asker.clone());
    let events = answers.take_until(over).chain(last).take_until(async move { stop.cancelled().await });
    respond(events)
}

/// Answers what was refused before it ran, as an operation of one answer.
pub(super) fn one(answer: &Answer) -> Response {
    let answer = serde_json::to_string(&Shown(answer)).unwrap_or_default();
    respond(stream::iter([next(&answer, None), complete_event()]))
}

/// What is said at the end: why, when the caller is not let in any more.
fn if_over(id: String, api: Api, asker: Asker) -> impl Stream<Item = Event> + Send {
    stream::once(async move {
        let mut events = Vec::new();
        if !api.app.keyring.holds(&asker.caller) {
            let error = coded(UNAUTHENTICATED, "The key or token is not valid any more.");
            let mut error = of_request(error);
            complete(&mut error, &id);
            let answer = Answer::from_errors(vec![error]);
            events.push(next(&serde_json::to_string(&Shown(&answer)).unwrap_or_default(), None));
        }
        events.push(complete_event());
        stream::iter(events)
    })
    .flatten()
}

fn next(answer: &str, cursor: Option<String>) -> Event {
    let event = Event::default().event("next").data(answer);
    match cursor {
        Some(cursor) => event.id(cursor),
        None => event,
    }
}

/// Browsers pass on no event that has no data.
fn complete_event() -> Event {
    Event::default().event("complete").data("null")
}

fn respond(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = events.map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    response
}
