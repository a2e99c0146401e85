//! The `graphql-transport-ws` protocol over one WebSocket, with its own close codes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::api::{Api, Asker, Body, is_executed, pay};
use super::connections::Peer;
use super::door;
use super::observe::PAUSE;
use super::price;
use super::request::{AnObject, count_values, request_id, without_half_characters};
use crate::access::model::Caller;
use crate::access::shares::{Held, NoRoom, Seat};
use crate::graphql::context::StreamPosition;
use crate::graphql::errors::{RATE_LIMITED, UNAVAILABLE, code_of};

const PROTOCOL: &str = "graphql-transport-ws";
/// The longest message of a client, and of one that is not known yet.
const MAX_MESSAGE: usize = 64 * 1024;
const MAX_FIRST: usize = 4 * 1024;
/// How much of a longer one is read, so that its sender can be told. Who sends more is cut off.
const MAX_READ: usize = 256 * 1024;
/// How much is read at once.
const READ_BUFFER: usize = 4 * 1024;
/// How many operations run on one socket at most.
const MAX_OPERATIONS: usize = 50;
/// How many answers wait for a slow reader before its operations wait too.
const BACKLOG: usize = 32;

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromClient {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Ping {},
    Pong {},
    Subscribe {
        id: String,
        /// Read by itself: what is wrong with it is that operation's.
        payload: Map<String, Value>,
    },
    Complete {
        id: String,
    },
}

/// A member of an object, by its name in any case.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A message about one operation; the payload is JSON.
struct ToClient<'a> {
    id: &'a str,
    kind: &'a str,
    payload: Option<&'a str>,
}

impl std::fmt::Display for ToClient<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, kind, payload } = self;
        write!(f, "{{\"id\":{},\"type\":\"{kind}\"", Value::from(*id))?;
        match payload {
            Some(payload) => write!(f, ",\"payload\":{payload}}}"),
            None => f.write_str("}"),
        }
    }
}

/// Why a socket ends: the protocol's own code, and words.
type End = (u16, &'static str);

/// What the operations of one socket tell its writer.
enum FromOperation {
    Answer(Named, String),
    Over(Named, Option<String>),
}

/// An operation by the client's id, and by a number of its own: a client may use an id again.
type Named = (String, u64);

/// Upgrades a request whose page is from here, to a client that speaks the protocol.
pub(super) fn open(api: Api, upgrade: WebSocketUpgrade, parts: &Parts) -> Response {
    let headers = &parts.headers;
    if !door::is_allowed_origin(&api.app, headers) {
        return (StatusCode::FORBIDDEN, "This page's origin is not among those that are allowed.\n").into_response();
    }
    let id = request_id(headers).to_owned();
    let shown = headers.get(AUTHORIZATION).and_then(|shown| shown.to_str().ok()).map(str::to_owned);
    let (span, sockets) = (Span::current(), api.app.sockets.clone());
    let peer = parts.extensions.get::<Arc<Peer>>().cloned();
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_READ)
        .max_frame_size(MAX_READ)
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |socket| sockets.track_future(serve((api, id, shown), socket, peer).instrument(span)))
}

async fn serve((api, id, shown): (Api, String, Option<String>), socket: WebSocket, peer: Option<Arc<Peer>>) {
    if socket.protocol().is_none_or(|protocol| protocol.as_bytes() != PROTOCOL.as_bytes()) {
        let mut socket = socket;
        close(&mut socket, (4406, "Subprotocol not acceptable")).await;
        return;
    }
    let (sink, mut from_client) = socket.split();
    let (answers, from_operations) = mpsc::channel(BACKLOG);
    let _open = api.metrics.open("websocket");
    let mut session = Session {
        api,
        id,
        shown,
        sink,
        asker: None,
        heard: true,
        running: HashMap::new(),
        started: 0,
        answers,
        seat: None,
        peer,
    };
    let end = session.run(&mut from_client, from_operations).await;
    session.running.clear();
    if let Some((code, reason)) = end {
        let frame = CloseFrame { code, reason: reason.into() };
        // A client that is gone need not be told.
        let _ = tokio::time::timeout(
            session.api.app.settings.timeouts.send,
            session.sink.send(Message::Close(Some(frame))),
        )
        .await;
    }
}

async fn close(socket: &mut WebSocket, (code, reason): End) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

struct Session {
    api: Api,
    /// The id of the request that became this socket: the log and errors tell of its operations by it.
    id: String,
    /// What the request showed that became this socket; what the first message shows goes before.
    shown: Option<String>,
    sink: SplitSink<WebSocket, Message>,
    /// Who it is, once it is told.
    asker: Option<Asker>,
    /// Whether anything was heard since the last ping.
    heard: bool,
    running: HashMap<String, (u64, AbortOnDropHandle<()>)>,
    started: u64,
    answers: mpsc::Sender<FromOperation>,
    /// Its place among the sockets of its caller.
    seat: Option<Seat>,
    /// The connection.
    peer: Option<Arc<Peer>>,
}

impl Session {
    /// Until the client goes (`None`), or is sent away.
    async fn run(
        &mut self,
        from_client: &mut (impl StreamExt<Item = Result<Message, axum::Error>> + Unpin),
        mut from_operations: mpsc::Receiver<FromOperation>,
    ) -> Option<End> {
        let timeouts = self.api.app.settings.timeouts;
        let peer = self.peer.clone();
        let mut crowded_out = std::pin::pin!(async move {
            match peer {
                Some(peer) => peer.ended().await,
                None => std::future::pending().await,
            }
        });
        let hello = tokio::time::sleep(timeouts.init);
        tokio::pin!(hello);
        let stop = self.api.app.stop.clone();
        let mut ping = tokio::time::interval(timeouts.ping);
        ping.reset();
        let api = self.api.clone();
        let mut ended: BoxFuture<'_, ()> = Box::pin(std::future::pending());
        let mut known = false;
        loop {
            if let Some(asker) = self.asker.as_ref().filter(|_| !std::mem::replace(&mut known, true)) {
                ended = Box::pin(api.ended(asker.caller.clone()));
            }
            let done = tokio::select! {
                message = from_client.next() => match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return None,
                    Some(Ok(Message::Text(text))) if text.len() > MAX_MESSAGE => Err((1009, "Message too big")),
                    Some(Ok(Message::Text(text))) => self.hear(text.as_str()).await,
                    Some(Ok(Message::Binary(_))) => Err((4400, "Messages are text")),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                },
                Some(said) = from_operations.recv() => self.pass_on(said).await,
                () = &mut hello, if self.asker.is_none() => Err((4408, "Connection initialisation timeout")),
                () = stop.cancelled() => Err((1012, "The server stops; come back")),
                () = &mut crowded_out => Err((1013, "Try again later")),
                () = &mut ended => Err((4403, "The key or token is not valid any more")),
                _ = ping.tick(), if self.asker.is_some() => self.ping().await,
            };
            if let Err(end) = done {
                return Some(end);
            }
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        self.heard = true;
        self.pay_for(text).await?;
        let text = text.trim_start_matches('\u{feff}');
        let read = serde_json::from_str(text);
        let mended = |error| {
            without_half_characters(text.as_bytes()).map_or(Err(error), |mended| serde_json::from_slice(&mended))
        };
        let AnObject(message) = read.or_else(mended).map_err(|_| (4400, "Invalid message"))?;
        match message {
            FromClient::ConnectionInit { .. } if self.asker.is_some() => {
                Err((4429, "Too many initialisation requests"))
            }
            FromClient::ConnectionInit { payload } => {
                let caller = self.caller(payload.as_ref()).await?;
                self.seat = Some(self.api.app.shares.of(&caller).take(Held::Socket).map_err(|no_room| {
                    tracing::info!(%caller, ?no_room, "a socket was refused");
                    self.api.metrics.refused("TOO_MANY_SOCKETS");
                    match no_room {
                        NoRoom::Own(_) => (4429, "Too many sockets"),
                        NoRoom::All => (1013, "Try again later"),
                    }
                })?);
                self.asker = Some(Asker { caller, id: self.id.clone() });
                if let Some(peer) = &self.peer {
                    peer.is_known();
                }
                self.say("connection_ack").await
            }
            FromClient::Ping {} => self.say("pong").await,
            FromClient::Pong {} => Ok(()),
            FromClient::Subscribe { id, .. } if self.running.contains_key(&id) => {
                Err((4409, "Subscriber for this id already exists"))
            }
            FromClient::Subscribe { .. } if self.running.len() >= MAX_OPERATIONS => {
                Err((4429, "Too many operations on one socket"))
            }
            FromClient::Subscribe { id, payload } => {
                let asker = self.asker.clone().ok_or((4401, "Unauthorized"))?;
                match Body::deserialize(Value::Object(payload)) {
                    Ok(body) => {
                        self.start(id, body, &asker);
                        Ok(())
                    }
                    Err(error) => {
                        let errors = serde_json::to_string(&self.api.unread(&error, &asker).errors).ok();
                        self.tell(&ToClient { id: &id, kind: "error", payload: errors.as_deref() }).await
                    }
                }
            }
            FromClient::Complete { id } => {
                self.running.remove(&id);
                Ok(())
            }
        }
    }

    /// Takes what a message costs before it is looked at: nobody who is not known sends a long one, and a caller whose bucket is
    /// empty is heard when there is enough in it.
    async fn pay_for(&self, text: &str) -> Result<(), End> {
        let Some(asker) = &self.asker else {
            return if text.len() > MAX_FIRST { Err((1009, "Message too big")) } else { Ok(()) };
        };
        let points = price::of_bytes(text.len()).saturating_add(price::of_values(count_values(text.as_bytes())));
        if points > 0 {
            pay(&self.api.app, &asker.caller, points).await;
        }
        Ok(())
    }

    /// Who it is, by what the first message shows, or the request did.
    async fn caller(&self, payload: Option<&Map<String, Value>>) -> Result<Caller, End> {
        // Some clients put what they would send as headers into an object of its own.
        let headers = payload.and_then(|payload| member(payload, "headers")).and_then(Value::as_object);
        let in_fields = |fields| member(fields, "authorization")?.as_str().filter(|shown| !shown.is_empty());
        let shown = payload.into_iter().chain(headers).find_map(in_fields);
        let found = match shown.or(self.shown.as_deref()) {
            Some(shown) => door::who_shows(&self.api.app, Some(shown)).await,
            None => door::who_shows_nothing(&self.api.app),
        };
        found.map_err(|refused| match refused.status {
            StatusCode::UNAUTHORIZED => (4403, "Forbidden"),
            _ => (1013, "Try again later"),
        })
    }

    /// Asks whether the client is there. One that has said nothing since the last time is not.
    async fn ping(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.heard) {
            return Err((4499, "No answer to a ping"));
        }
        self.say("ping").await
    }

    /// Runs an operation beside the others; its answers wait for the socket, and it for them.
    fn start(&mut self, id: String, body: Body, asker: &Asker) {
        self.started = self.started.saturating_add(1);
        let (answers, name, number) = (self.answers.clone(), (id.clone(), self.started), self.started);
        let (api, payer) = (self.api.clone(), asker.clone());
        let stream = match self.api.admit(body, asker) {
            Ok(ready) => self.api.stream(ready, StreamPosition::default()).left_stream(),
            Err(refused) => futures_util::stream::once(async move {
                let code = refused.errors.first().and_then(code_of);
                if matches!(code, Some(RATE_LIMITED | UNAVAILABLE)) {
                    tokio::time::sleep(PAUSE).await;
                }
                *refused
            })
            .right_stream(),
        };
        let run = async move {
            let mut stream = std::pin::pin!(stream);
            let mut refused = None;
            while let Some(answer) = stream.next().await {
                if !is_executed(&answer) {
                    refused = serde_json::to_string(&answer.errors).ok();
                    break;
                }
                let (answer, json) = api.write(answer, &payer);
                if !is_executed(&answer) {
                    refused = serde_json::to_string(&answer.errors).ok();
                    break;
                }
                if answers.send(FromOperation::Answer(name.clone(), json)).await.is_err() {
                    return;
                }
            }
            // The socket being gone is the only way that this fails.
            let _ = answers.send(FromOperation::Over(name, refused)).await;
        };
        self.running.insert(id, (number, AbortOnDropHandle::new(tokio::spawn(run.in_current_span()))));
    }

    /// Passes an answer on, unless the client has completed the operation meanwhile.
    async fn pass_on(&mut self, said: FromOperation) -> Result<(), End> {
        match said {
            FromOperation::Answer((id, number), payload) if self.runs(&id, number) => {
                self.tell(&ToClient { id: &id, kind: "next", payload: Some(&payload) }).await
            }
            FromOperation::Over((id, number), refused) if self.runs(&id, number) => {
                self.running.remove(&id);
                let kind = if refused.is_some() { "error" } else { "complete" };
                self.tell(&ToClient { id: &id, kind, payload: refused.as_deref() }).await
            }
            FromOperation::Answer(..) | FromOperation::Over(..) => Ok(()),
        }
    }

    /// Whether it is still this very operation that runs under the id.
    fn runs(&self, id: &str, number: u64) -> bool {
        self.running.get(id).is_some_and(|(running, _)| *running == number)
    }

    async fn say(&mut self, kind: &str) -> Result<(), End> {
        self.send(format!("{{\"type\":\"{kind}\"}}")).await
    }

    async fn tell(&mut self, message: &ToClient<'_>) -> Result<(), End> {
        self.send(message.to_string()).await
    }

    /// Sends; a client that does not read for long is sent away, and resumes by its cursor.
    async fn send(&mut self, message: String) -> Result<(), End> {
        let sent = self.sink.send(Message::Text(message.into()));
        match tokio::time::timeout(self.api.app.settings.timeouts.send, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err((4499, "The reader is too slow")),
        }
    }
}
