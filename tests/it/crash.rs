//! The program is killed, again and again, while many write: what was acknowledged is there once, what was not can be
//! sent again and is there once then, the books agree, and a stream goes on where it was cut.
//!
//! 10 kills a database in `make test`, 50 in `make soak`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use scrip::base::ids::BalanceId;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::db::{TestDb, both};
use crate::support::node::{Node, credits};
use crate::support::server::{Server, assert_verified};

const SEED: u64 = 20_261_122;
const CUSTOMERS: usize = 4;
const CLIENTS: usize = 6;
const STARTING: i64 = 1_000_000;
/// How many credits a top-up brings; a call burns one.
const TOP_UP: i64 = 5;
/// How many answers are waited for before a kill, at most.
const ANSWERS: usize = 40;

#[expect(clippy::disallowed_methods, reason = "who runs the tests says how long")]
fn kills() -> usize {
    if std::env::var_os("SCRIP_SOAK").is_some() { 50 } else { 10 }
}

// --- What clients send -------------------------------------------------------------------------------------------------

/// One request, which can be sent again.
#[derive(Clone, Debug)]
enum Sent {
    /// Events by (customer, id).
    Events(Vec<(usize, String)>),
    TopUp {
        customer: usize,
        key: String,
    },
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    New,
    Known,
    /// Some of its events were known and some not.
    Both,
}

impl Sent {
    fn random(random: &mut StdRng, name: &str) -> Self {
        let mut customer = || random.random_range(0..CUSTOMERS);
        let (first, second) = (customer(), customer());
        if random.random_ratio(1, 3) {
            return Self::TopUp { customer: first, key: name.to_owned() };
        }
        let count = random.random_range(1..=12);
        let whose = |number: usize| if number.is_multiple_of(2) { first } else { second };
        Self::Events((0..count).map(|number| (whose(number), format!("{name}-{number}"))).collect())
    }

    /// Sends it; `None` when nobody knows what became of it.
    async fn send(&self, world: &World, client: &Client, server: &Urls) -> Option<Told> {
        match self {
            Self::Events(events) => {
                let line = |(customer, id): &(usize, String)| {
                    json!({"specversion": "1.0", "source": "test", "type": "call", "id": id, "subject": name(*customer)}).to_string()
                };
                let body = events.iter().map(line).collect::<Vec<_>>().join("\n");
                let sent = client.post(&server.events).header("content-type", "application/x-ndjson").body(body);
                let answer = sent.send().await.ok()?;
                let status = answer.status();
                let answer: Value = answer.json().await.ok()?;
                assert_eq!(status, 200, "{answer}");
                assert!(!answer.to_string().contains("\"differs\":true"), "{answer}");
                let (accepted, duplicates) = (answer["accepted"].as_u64()?, answer["duplicates"].as_u64()?);
                assert_eq!(accepted + duplicates, events.len() as u64, "{answer}");
                Some(match (accepted, duplicates) {
                    (_, 0) => Told::New,
                    (0, _) => Told::Known,
                    _ => Told::Both,
                })
            }
            Self::TopUp { customer, key } => {
                let balance = world.balances[*customer];
                let query = "mutation ($input: TopUpCreditsInput!) \
                    { topUpCredits(input: $input) { replayed entry { sequence } errors { code } } }";
                let input =
                    json!({"balanceId": balance.to_string(), "credits": TOP_UP.to_string(), "idempotencyKey": key});
                let body = json!({"query": query, "variables": {"input": input}});
                let answer: Value = client.post(&server.graphql).json(&body).send().await.ok()?.json().await.ok()?;
                let told = &answer["data"]["topUpCredits"];
                assert_eq!(told["errors"], json!([]), "{answer}");
                Some(if told["replayed"] == json!(true) { Told::Known } else { Told::New })
            }
        }
    }
}

fn name(customer: usize) -> String {
    format!("customer-{customer}")
}

// --- The stage ---------------------------------------------------------------------------------------------------------

struct World {
    balances: Vec<BalanceId>,
}

struct Urls {
    events: String,
    graphql: String,
}

impl Urls {
    fn of(server: &Server) -> Self {
        Self { events: server.url("http", "/v1/events"), graphql: server.url("http", "/graphql") }
    }
}

impl World {
    async fn make(db: &TestDb) -> Self {
        let node = Node::on(db);
        let product = node.make_product("1").await;
        let mut balances = Vec::new();
        for customer in 0..CUSTOMERS {
            let id = node.make_customer(&name(customer)).await;
            let done = node.open(id, product, STARTING).await.expect("a balance can be opened");
            balances.push(done.balance.account.id);
        }
        Self { balances }
    }
}

/// What clients were told before the server was killed.
#[derive(Default)]
struct Load {
    acknowledged: Mutex<Vec<Sent>>,
    unknown: Mutex<Vec<Sent>>,
    answers: AtomicUsize,
    enough: Notify,
}

impl Load {
    /// One client sends until nobody answers any more.
    async fn client(&self, (world, urls): (&World, &Urls), (mut random, name): (StdRng, String), enough: usize) {
        let client = Client::new();
        for number in 0.. {
            let sent = Sent::random(&mut random, &format!("{name}-{number}"));
            let Some(told) = sent.send(world, &client, urls).await else {
                self.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                return;
            };
            assert_eq!(told, Told::New);
            self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
            if self.answers.fetch_add(1, Ordering::SeqCst) + 1 == enough {
                self.enough.notify_one();
            }
        }
    }
}

/// Loads the server and kills it after so many answers.
async fn load_and_kill(world: &World, server: &mut Server, random: &mut StdRng, round: usize) -> Load {
    let (load, urls) = (Load::default(), Urls::of(server));
    let enough = random.random_range(1..=ANSWERS);
    let clients = (0..CLIENTS).map(|client| {
        let random = StdRng::seed_from_u64(random.random());
        load.client((world, &urls), (random, format!("{round}-{client}")), enough)
    });
    let clients: Vec<_> = clients.collect();
    let kill = async {
        load.enough.notified().await;
        server.kill();
    };
    tokio::join!(join_all(clients), kill);
    load
}

/// Everything acknowledged is known; everything else is known once it was sent again.
async fn check(world: &World, server: &Server, load: &Load, expected: &mut [Expected]) {
    let (client, urls) = (Client::new(), Urls::of(server));
    let acknowledged = load.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let unknown = load.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(unknown.len(), CLIENTS, "each client had one request under way");
    let again = async |sent: &Sent| sent.send(world, &client, &urls).await.expect("the server answers");
    for sent in &acknowledged {
        assert_eq!(again(sent).await, Told::Known, "acknowledged, and lost: {sent:?}");
    }
    for sent in &unknown {
        again(sent).await;
        assert_eq!(again(sent).await, Told::Known, "{sent:?}");
    }
    for sent in acknowledged.iter().chain(&unknown) {
        match sent {
            Sent::Events(events) => events.iter().for_each(|(customer, _)| expected[*customer].calls += 1),
            Sent::TopUp { customer, .. } => expected[*customer].top_ups += 1,
        }
    }
}

/// What one customer's balance has seen.
#[derive(Clone, Copy, Default)]
struct Expected {
    calls: i64,
    top_ups: i64,
}

/// What balances say is what was sent: each once.
async fn count(db: &TestDb, world: &World, expected: &[Expected]) {
    let mut conn = db.read().await.expect("the database answers");
    let balances = scrip::ledger::store::find_balances(&mut conn, &world.balances).await.expect("they can be read");
    assert_eq!(balances.len(), CUSTOMERS);
    for balance in balances {
        let place = world.balances.iter().position(|id| *id == balance.account.id).expect("it is one of ours");
        let Expected { calls, top_ups } = expected[place];
        assert_eq!(balance.account.sequence, 1 + calls + top_ups);
        assert_eq!(balance.account.settled, credits(STARTING - calls + TOP_UP * top_ups));
    }
}

// --- Streams -----------------------------------------------------------------------------------------------------------

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a stream has told over all its lives: the newest sequence of each balance, and where to go on.
#[derive(Default)]
struct Heard {
    sequences: BTreeMap<String, i64>,
    cursor: Option<String>,
}

impl Heard {
    /// Takes one message; false for the one that says "up to date".
    fn take(&mut self, change: &Value) -> bool {
        self.cursor = Some(change["cursor"].as_str().expect("a cursor").to_owned());
        let entry = &change["entry"];
        if entry.is_null() {
            return false;
        }
        let balance = entry["balance"]["id"].as_str().expect("an id").to_owned();
        let sequence = entry["sequence"].as_i64().or_else(|| entry["sequence"].as_str()?.parse().ok());
        let sequence = sequence.expect("a sequence");
        let last = self.sequences.insert(balance, sequence);
        assert_eq!(sequence, last.unwrap_or(1) + 1, "nothing missed, nothing repeated");
        true
    }
}

/// Subscribes to all balances of a customer, behind the cursor.
async fn subscribe(server: &Server, customer: usize, after: Option<&str>) -> Socket {
    let mut request = server.url("ws", "/graphql").into_client_request().expect("a request");
    let protocol = "graphql-transport-ws".parse().expect("a header");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.expect("the server answers");
    say(&mut socket, json!({"type": "connection_init"})).await;
    let query = "subscription ($customer: String!, $after: String) \
        { customerBalanceChanges(customer: { externalId: $customer }, after: $after) \
        { cursor entry { sequence balance { id } } } }";
    let payload = json!({"query": query, "variables": {"customer": name(customer), "after": after}});
    say(&mut socket, json!({"type": "subscribe", "id": "1", "payload": payload})).await;
    socket
}

async fn say(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.expect("the socket is open");
}

/// The next change; `None` when the socket is gone.
async fn next_change(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = socket.next().await?.ok()?;
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).expect("it is JSON");
        match message["type"].as_str() {
            Some("connection_ack" | "ping") => {}
            Some("next") => {
                let change = &message["payload"]["data"]["customerBalanceChanges"];
                assert!(!change.is_null(), "{message}");
                return Some(change.clone());
            }
            _ => panic!("{message}"),
        }
    }
}

/// Reads a stream until the server is killed; says when it is up to date.
async fn hear_until_killed(mut socket: Socket, mut heard: Heard, up_to_date: oneshot::Sender<()>) -> Heard {
    let mut up_to_date = Some(up_to_date);
    while let Some(change) = next_change(&mut socket).await {
        if !heard.take(&change)
            && let Some(up_to_date) = up_to_date.take()
        {
            up_to_date.send(()).expect("somebody waits for it");
        }
    }
    assert!(up_to_date.is_none(), "it came up to date before it was cut");
    heard
}

// --- Rounds ------------------------------------------------------------------------------------------------------------

both!(soak_a_killed_server_loses_nothing_and_repeats_nothing, async |db| {
    let world = World::make(db).await;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut expected = [Expected::default(); CUSTOMERS];
    let mut heard: Vec<Heard> = (0..CUSTOMERS).map(|_| Heard::default()).collect();
    let mut server = Server::start(db.url());
    for round in 0..kills() {
        let mut streams = Vec::new();
        for (customer, heard) in heard.drain(..).enumerate() {
            let socket = subscribe(&server, customer, heard.cursor.as_deref()).await;
            let (told, up_to_date) = oneshot::channel();
            streams.push(tokio::spawn(hear_until_killed(socket, heard, told)));
            up_to_date.await.expect("the stream comes up to date");
        }
        let load = load_and_kill(&world, &mut server, &mut random, round).await;
        for stream in streams {
            heard.push(stream.await.expect("it ends with its socket"));
        }
        assert_verified(db.url());
        server = Server::start(db.url());
        check(&world, &server, &load, &mut expected).await;
        count(db, &world, &expected).await;
    }
    // What was cut last goes on, too, and then all of it was told.
    for (customer, mut heard) in heard.into_iter().enumerate() {
        let mut socket = subscribe(&server, customer, heard.cursor.as_deref()).await;
        while heard.take(&next_change(&mut socket).await.expect("the server is there")) {}
        let Expected { calls, top_ups } = expected[customer];
        let id = world.balances[customer].to_string();
        assert_eq!(heard.sequences.get(&id), Some(&(1 + calls + top_ups)));
    }
    server.kill();
    assert_verified(db.url());
});

both!(a_server_that_is_told_to_stop_finishes_its_work_and_ends_well, async |db| {
    let world = World::make(db).await;
    let mut random = StdRng::seed_from_u64(SEED + 1);
    let mut server = Server::start(db.url());
    let mut socket = subscribe(&server, 0, None).await;
    assert!(!Heard::default().take(&next_change(&mut socket).await.expect("the stream begins")));
    let (load, urls) = (Load::default(), Urls::of(&server));
    let clients = (0..CLIENTS).map(|client| {
        let random = StdRng::seed_from_u64(random.random());
        load.client((&world, &urls), (random, format!("client-{client}")), 20)
    });
    let clients: Vec<_> = clients.collect();
    let stop = async {
        load.enough.notified().await;
        server.terminate();
    };
    let stream = async {
        loop {
            let message = socket.next().await.expect("it is closed in so many words").expect("it is not cut");
            if let Message::Close(frame) = message {
                return frame;
            }
        }
    };
    let (_, (), frame) = tokio::join!(join_all(clients), stop, stream);
    assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(1012), "come back to another");
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{:?}", server.log());
    assert_verified(db.url());
    let server = Server::start(db.url());
    let mut expected = [Expected::default(); CUSTOMERS];
    check(&world, &server, &load, &mut expected).await;
    count(db, &world, &expected).await;
});
