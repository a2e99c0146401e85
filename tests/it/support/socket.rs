//! A client of `graphql-transport-ws` that watches one stream.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::api::{Api, with_fragments};

/// How long a message may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// One stream on a socket of its own.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens a socket with these headers besides, and says nothing yet.
    pub(crate) async fn open(api: &Api, headers: &[(&'static str, &str)]) -> Self {
        let mut request = format!("ws://{}/graphql", api.address).into_client_request().expect("it is a URL");
        for (name, value) in [("x-request-id", "test")].iter().chain(headers) {
            request.headers_mut().insert(*name, value.parse().expect("it is a header's value"));
        }
        Self(connect_async(request).await.expect("the server upgrades").0)
    }

    /// Opens a socket and says hello, with what the caller shows.
    pub(crate) async fn connect(api: &Api) -> Self {
        let mut socket = Self::open(api, &[("sec-websocket-protocol", "graphql-transport-ws")]).await;
        let payload = api.token.as_ref().map(|token| json!({"authorization": format!("Bearer {token}")}));
        socket.say(&json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        socket
    }

    /// Subscribes.
    pub(crate) async fn subscribe(api: &Api, query: &str, variables: Value) -> Self {
        let mut socket = Self::connect(api).await;
        socket.start("1", query, variables).await;
        socket
    }

    /// Runs an operation.
    pub(crate) async fn start(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": with_fragments(query), "variables": variables});
        self.say(&json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }

    /// Why the server closes the socket; what it says before does not matter.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let close = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => break (frame.code.into(), frame.reason.to_string()),
                    Some(Ok(Message::Close(None)) | Err(_)) | None => break (0, "no reason given".to_owned()),
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, close).await.expect("the server closes the socket in time")
    }

    /// The next message: what an answer holds, or that the stream failed or completed.
    pub(crate) async fn next(&mut self) -> Value {
        shown(self.hear().await)
    }

    /// The next few messages.
    pub(crate) async fn take(&mut self, count: usize) -> Value {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.next().await);
        }
        messages.into()
    }

    /// A message that is there already.
    pub(crate) fn heard(&mut self) -> Option<Value> {
        self.hear().now_or_never().map(shown)
    }

    /// Says something.
    pub(crate) async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends a message of any kind; a server that has closed the socket does not hear it.
    pub(crate) async fn send(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    pub(crate) async fn hear(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.hear_at_last()).await.expect("a message comes in time")
    }

    async fn hear_at_last(&mut self) -> Value {
        loop {
            let message = self.0.next().await;
            match message.expect("the socket stays open").expect("it can be read") {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("it is JSON");
                    if message["type"] != "ping" {
                        return message;
                    }
                    self.say(&json!({"type": "pong"})).await;
                }
                Message::Close(frame) => panic!("the server closed the socket: {frame:?}"),
                _ => {}
            }
        }
    }
}

fn shown(message: Value) -> Value {
    match message["type"].as_str() {
        Some("next") if message["payload"].get("errors").is_none() => message["payload"]["data"].clone(),
        Some("complete") => "complete".into(),
        _ => message,
    }
}
