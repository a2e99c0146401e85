//! The `graphql-transport-ws` protocol over one WebSocket, with its own close codes.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::Request;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{HOST, ORIGIN};
use axum::response::{IntoResponse, Response};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{Instrument, Span};

use super::api::{Api, Body};
use super::request::request_id;

const PROTOCOL: &str = "graphql-transport-ws";
/// The longest message of a client.
const MAX_MESSAGE: usize = 64 * 1024;
/// How many operations run on one socket at most.
const MAX_OPERATIONS: usize = 50;
/// How many answers wait for a slow reader before its operations wait too.
const BACKLOG: usize = 32;
/// How long a client has to say hello, how often it is asked whether it is there, how long a send may take.
const INIT: Duration = Duration::from_secs(10);
const PING: Duration = Duration::from_secs(20);
const SEND: Duration = Duration::from_secs(10);

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromClient {
    ConnectionInit {},
    Ping {},
    Pong {},
    Subscribe { id: String, payload: Body },
    Complete { id: String },
}

/// What a client is told of one operation. The payload keeps the order of its fields.
#[derive(Serialize)]
struct ToClient<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

/// Why a socket ends: the protocol's own code, and words.
type End = (u16, &'static str);

/// What the operations of one socket tell its writer.
enum FromOperation {
    Answer(String, Box<RawValue>),
    Over(String, Option<Box<RawValue>>),
}

/// Upgrades a request whose page is from here, to a client that speaks the protocol.
pub(super) fn open(api: Api, upgrade: WebSocketUpgrade, headers: &HeaderMap) -> Response {
    if !is_from_here(headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let id = request_id(headers).to_owned();
    let (span, sockets) = (Span::current(), api.app.sockets.clone());
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| sockets.track_future(serve((api, id), socket).instrument(span)))
}

/// A browser names the page's origin; a page from elsewhere must not speak for who is logged in here.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(ORIGIN) else { return true };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(HOST)
}

async fn serve((api, id): (Api, String), socket: WebSocket) {
    if socket.protocol().is_none_or(|protocol| protocol.as_bytes() != PROTOCOL.as_bytes()) {
        let mut socket = socket;
        close(&mut socket, (4406, "Subprotocol not acceptable")).await;
        return;
    }
    let (sink, mut from_client) = socket.split();
    let (answers, from_operations) = mpsc::channel(BACKLOG);
    let mut session = Session { api, id, sink, ready: false, running: HashMap::new(), answers };
    let end = session.run(&mut from_client, from_operations).await;
    for operation in session.running.values() {
        operation.abort();
    }
    if let Some((code, reason)) = end {
        let frame = CloseFrame { code, reason: reason.into() };
        // A client that is gone need not be told.
        let _ = tokio::time::timeout(SEND, session.sink.send(Message::Close(Some(frame)))).await;
    }
}

async fn close(socket: &mut WebSocket, (code, reason): End) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

struct Session {
    api: Api,
    /// The id of the request that became this socket: the log and errors tell of its operations by it.
    id: String,
    sink: SplitSink<WebSocket, Message>,
    ready: bool,
    running: HashMap<String, AbortHandle>,
    answers: mpsc::Sender<FromOperation>,
}

impl Session {
    /// Until the client goes (`None`), or is sent away.
    async fn run(
        &mut self,
        from_client: &mut (impl StreamExt<Item = Result<Message, axum::Error>> + Unpin),
        mut from_operations: mpsc::Receiver<FromOperation>,
    ) -> Option<End> {
        let hello = tokio::time::sleep(INIT);
        tokio::pin!(hello);
        let stop = self.api.app.stop.clone();
        let mut ping = tokio::time::interval(PING);
        ping.reset();
        loop {
            let done = tokio::select! {
                message = from_client.next() => match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return None,
                    Some(Ok(Message::Text(text))) => self.hear(text.as_str()).await,
                    Some(Ok(Message::Binary(_))) => Err((4400, "Messages are text")),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                },
                Some(said) = from_operations.recv() => self.pass_on(said).await,
                () = &mut hello, if !self.ready => Err((4408, "Connection initialisation timeout")),
                () = stop.cancelled() => Err((1012, "The server stops; come back")),
                _ = ping.tick(), if self.ready => self.say("ping").await,
            };
            if let Err(end) = done {
                return Some(end);
            }
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        let message = serde_json::from_str(text).map_err(|_| (4400, "Invalid message"))?;
        match message {
            FromClient::ConnectionInit {} if self.ready => Err((4429, "Too many initialisation requests")),
            FromClient::ConnectionInit {} => {
                self.ready = true;
                self.say("connection_ack").await
            }
            FromClient::Ping {} => self.say("pong").await,
            FromClient::Pong {} => Ok(()),
            FromClient::Subscribe { .. } if !self.ready => Err((4401, "Unauthorized")),
            FromClient::Subscribe { id, .. } if self.running.contains_key(&id) => {
                Err((4409, "Subscriber for this id already exists"))
            }
            FromClient::Subscribe { .. } if self.running.len() >= MAX_OPERATIONS => {
                Err((4429, "Too many operations on one socket"))
            }
            FromClient::Subscribe { id, payload } => {
                self.start(id, payload.into());
                Ok(())
            }
            FromClient::Complete { id } => {
                if let Some(operation) = self.running.remove(&id) {
                    operation.abort();
                }
                Ok(())
            }
        }
    }

    /// Runs an operation beside the others; its answers wait for the socket, and it for them.
    fn start(&mut self, id: String, request: Request) {
        let (answers, name) = (self.answers.clone(), id.clone());
        let stream = self.api.stream(request, self.id.clone());
        let run = async move {
            let mut stream = std::pin::pin!(stream);
            let mut refused = None;
            while let Some(answer) = stream.next().await {
                let nothing = matches!(answer.data, async_graphql::Value::Null) && !answer.errors.is_empty();
                if nothing {
                    refused = to_raw_value(&answer.errors).ok();
                    break;
                }
                let Ok(answer) = to_raw_value(&answer) else { break };
                if answers.send(FromOperation::Answer(name.clone(), answer)).await.is_err() {
                    return;
                }
            }
            // The socket being gone is the only way that this fails.
            let _ = answers.send(FromOperation::Over(name, refused)).await;
        };
        self.running.insert(id, tokio::spawn(run.in_current_span()).abort_handle());
    }

    /// Passes an answer on, unless the client has completed the operation meanwhile.
    async fn pass_on(&mut self, said: FromOperation) -> Result<(), End> {
        match said {
            FromOperation::Answer(id, payload) if self.running.contains_key(&id) => {
                self.tell(&ToClient { id: &id, kind: "next", payload: Some(&payload) }).await
            }
            FromOperation::Over(id, refused) if self.running.remove(&id).is_some() => {
                let kind = if refused.is_some() { "error" } else { "complete" };
                self.tell(&ToClient { id: &id, kind, payload: refused.as_deref() }).await
            }
            FromOperation::Answer(..) | FromOperation::Over(..) => Ok(()),
        }
    }

    async fn say(&mut self, kind: &str) -> Result<(), End> {
        self.send(format!("{{\"type\":\"{kind}\"}}")).await
    }

    async fn tell(&mut self, message: &ToClient<'_>) -> Result<(), End> {
        self.send(serde_json::to_string(message).unwrap_or_default()).await
    }

    /// Sends; a client that does not read for long is sent away, and resumes by its cursor.
    async fn send(&mut self, message: String) -> Result<(), End> {
        let sent = self.sink.send(Message::Text(message.into()));
        match tokio::time::timeout(SEND, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err((4499, "The reader is too slow")),
        }
    }
}
