//! The attackers. None of them heeds a refusal; each begins again at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::Failure;
use crate::http::{Head, Http};
use crate::shop::{Shop, lines};

/// An attack, and over how many connections.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    connections: usize,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// Streams with variables that nobody declared.
    Variables,
    /// Sockets that only answer pings.
    Sockets,
    /// Consumption of a balance with a long history.
    Consumed,
    /// Purchases that nobody pays.
    Orders,
    /// Heads that never end.
    Heads,
    /// First messages of a socket that are long.
    Hellos,
    /// Requests that are refused: many ids, an unknown field with long variables, one field over and over.
    Refused,
    /// Answers that are long.
    Answers,
    /// Events in requests of 10,000.
    Events,
}

/// All of them.
pub(crate) const ALL: [Attack; 9] = [
    Attack { name: "streams with unused variables", connections: 300, how: How::Variables },
    Attack { name: "sockets that answer pings", connections: 1_000, how: How::Sockets },
    Attack { name: "consumption of a long history", connections: 300, how: How::Consumed },
    Attack { name: "orders that nobody pays", connections: 24, how: How::Orders },
    Attack { name: "heads that never end", connections: 300, how: How::Heads },
    Attack { name: "long first messages", connections: 300, how: How::Hellos },
    Attack { name: "requests that are refused", connections: 24, how: How::Refused },
    Attack { name: "long answers", connections: 24, how: How::Answers },
    Attack { name: "events by the ten thousand", connections: 24, how: How::Events },
];

impl Attack {
    /// Lets all its connections begin.
    pub(crate) fn begin(&self, shop: &Shop) -> JoinSet<()> {
        let body = Arc::new(self.how.body(shop));
        let mut attackers = JoinSet::new();
        for number in 0..self.connections {
            let attacker = Attacker {
                how: self.how,
                number,
                address: shop.address,
                portal: shop.portal.clone(),
                ingest: shop.ingest.clone(),
                order: (shop.balance.clone(), shop.option.clone()),
                body: body.clone(),
            };
            attackers.spawn(async move {
                loop {
                    // An attacker that is cut off connects again, as fast as one thread for all allows.
                    let _ = attacker.attack().await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        attackers
    }
}

impl How {
    /// The body that is sent over and over, where it is the same each time.
    fn body(self, shop: &Shop) -> Vec<String> {
        let junk: Vec<_> = (0..24_000).map(|_| json!({"k0": 0})).collect();
        let of =
            |query: String, variables: serde_json::Value| json!({"query": query, "variables": variables}).to_string();
        let id = &shop.balance;
        match self {
            Self::Variables => {
                let watch = format!("subscription {{ balanceChanges(balanceId: \"{id}\") {{ cursor }} }}");
                vec![of(watch, json!({"u": junk}))]
            }
            Self::Consumed => vec![of(
                format!(
                    "{{ creditBalance(id: \"{id}\") {{ consumed(from: \"2026-01-01T00:00:00Z\", \
                     until: \"2028-01-01T00:00:00Z\", bucket: MONTH) {{ credits }} }} }}"
                ),
                json!({}),
            )],
            Self::Refused => vec![
                of("query($ids: [ID!]!) { nodes(ids: $ids) { id } }".to_owned(), json!({"ids": vec!["x"; 49_000]})),
                of("{ nope }".to_owned(), json!({"u": junk})),
                of(format!("{{ {} }}", "__typename ".repeat(990)), json!({})),
            ],
            Self::Answers => {
                let long: Vec<String> = (0..30).map(|at| format!("a{at}: description")).collect();
                vec![of(
                    format!(
                        "{{ creditBalance(id: \"{id}\") {{ entries(first: 100) {{ nodes {{ balance {{ product {{ {} }} }} }} }} }} }}",
                        long.join(" ")
                    ),
                    json!({}),
                )]
            }
            Self::Sockets | Self::Orders | Self::Heads | Self::Hellos | Self::Events => Vec::new(),
        }
    }
}

/// One connection of an attack.
struct Attacker {
    how: How,
    number: usize,
    address: SocketAddr,
    portal: String,
    ingest: String,
    order: (String, String),
    body: Arc<Vec<String>>,
}

impl Attacker {
    /// Goes on until it is cut off.
    async fn attack(&self) -> Result<(), Failure> {
        match self.how {
            How::Variables => self.stream().await,
            How::Sockets => self.socket().await,
            How::Heads => self.head().await,
            How::Hellos => self.hello().await,
            How::Orders => self.order().await,
            How::Events => self.events().await,
            How::Consumed | How::Refused | How::Answers => self.ask().await,
        }
    }

    async fn ask(&self) -> Result<(), Failure> {
        let head = Head::post((self.address, &self.portal), "/graphql", "application/json");
        let mut http = Http::connect(self.address).await?;
        for body in self.body.iter().cycle().skip(self.number) {
            http.send(&head, body.as_bytes()).await?;
        }
        Ok(())
    }

    async fn stream(&self) -> Result<(), Failure> {
        let body = self.body.first().map_or("", String::as_str);
        let mut connection = TcpStream::connect(self.address).await?;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            self.portal,
            body.len()
        );
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(body.as_bytes()).await?;
        until_closed(&mut connection).await
    }

    async fn socket(&self) -> Result<(), Failure> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let (mut socket, _) = connect_async(request).await?;
        let hello = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", self.portal)}});
        socket.send(Message::text(hello.to_string())).await?;
        while let Some(message) = socket.next().await {
            if message?.to_text().is_ok_and(|text| text.contains("\"ping\"")) {
                socket.send(Message::text(r#"{"type":"pong"}"#)).await?;
            }
        }
        Ok(())
    }

    async fn head(&self) -> Result<(), Failure> {
        let mut connection = TcpStream::connect(self.address).await?;
        connection.write_all(format!("GET / HTTP/1.1\r\nhost: {}\r\n", self.address).as_bytes()).await?;
        for at in 0.. {
            connection.write_all(format!("x-{at}: {}\r\n", "x".repeat(1_000)).as_bytes()).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn hello(&self) -> Result<(), Failure> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let (mut socket, _) = connect_async(request).await?;
        let hello = json!({"type": "connection_init", "payload": {"x": "x".repeat(1_000_000)}});
        socket.send(Message::text(hello.to_string())).await?;
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok(())
    }

    async fn order(&self) -> Result<(), Failure> {
        let head = Head::post((self.address, &self.portal), "/graphql", "application/json");
        let mut http = Http::connect(self.address).await?;
        let query = "mutation($input: PurchaseCreditsInput!) { purchaseCredits(input: $input) { errors { message } } }";
        let now = std::time::Instant::now();
        for at in 0.. {
            let input = json!({
                "balanceId": self.order.0, "optionId": self.order.1,
                "idempotencyKey": format!("{}-{now:?}-{at}", self.number),
            });
            let body = json!({"query": query, "variables": {"input": input}}).to_string();
            http.send(&head, body.as_bytes()).await?;
        }
        Ok(())
    }

    async fn events(&self) -> Result<(), Failure> {
        let head = Head::post((self.address, &self.ingest), "/v1/events", "application/x-ndjson");
        let mut http = Http::connect(self.address).await?;
        let now = std::time::Instant::now();
        for at in 0.. {
            // Other ids each time would cost the attackers' thread more than the server: the same are worked on as well.
            let name = format!("{}-{now:?}-{}", self.number, at / 4);
            http.send(&head, lines(&name, "attacker", 10_000).as_bytes()).await?;
        }
        Ok(())
    }
}

/// Reads until the other side has had enough.
async fn until_closed(connection: &mut TcpStream) -> Result<(), Failure> {
    let mut bytes = [0; 4_096];
    while connection.read(&mut bytes).await? > 0 {}
    Ok(())
}
