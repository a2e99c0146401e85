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
    /// Subscribes.
    pub(crate) async fn subscribe(api: &Api, query: &str, variables: Value) -> Self {
        let mut request = format!("ws://{}/graphql", api.address).into_client_request().expect("it is a URL");
        for (name, value) in [("sec-websocket-protocol", "graphql-transport-ws"), ("x-request-id", "test")] {
            request.headers_mut().insert(name, value.parse().expect("it is a header's value"));
        }
        let (stream, _) = connect_async(request).await.expect("the server upgrades");
        let mut socket = Self(stream);
        socket.send(&json!({"type": "connection_init"})).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        let payload = json!({"query": with_fragments(query), "variables": variables});
        socket.send(&json!({"id": "1", "type": "subscribe", "payload": payload})).await;
        socket
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

    async fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the server reads");
    }

    async fn hear(&mut self) -> Value {
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
