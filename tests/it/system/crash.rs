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
use scrip::base::clock::Clock;
use scrip::base::ids::BalanceId;
use scrip::base::time::SECOND;
use scrip::ledger::model::EntryKind;
use scrip::ledger::store::{find_balances, list_entries_after};
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
/// How many a hold sets aside, and how many a capture burns of it.
const HELD: i64 = 2;
const CAPTURED: i64 = 1;
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
        /// When it is over, which may be soon.
        expires_at: Option<String>,
    },
    Hold {
        customer: usize,
        key: String,
    },
    Capture {
        customer: usize,
        hold: String,
        key: String,
    },
    Extend {
        hold: String,
    },
    Release {
        customer: usize,
        hold: String,
    },
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    New,
    Known,
    /// Some of its events were known and some not.
    Both,
    /// Its time is over, and it had not been recorded.
    TooLate,
}

impl Sent {
    fn random(random: &mut StdRng, name: &str, holds: &mut Vec<(usize, String)>) -> Self {
        let mut customer = || random.random_range(0..CUSTOMERS);
        let (first, second) = (customer(), customer());
        match random.random_range(0..9) {
            0..=1 => {
                let expires_at = random.random_ratio(1, 2).then(soon);
                Self::TopUp { customer: first, key: name.to_owned(), expires_at }
            }
            2..=3 => Self::Hold { customer: first, key: name.to_owned() },
            4..=5 if !holds.is_empty() => {
                let (customer, hold) = holds.swap_remove(random.random_range(0..holds.len()));
                match random.random_range(0..4) {
                    0 => Self::Release { customer, hold },
                    1 => {
                        holds.push((customer, hold.clone()));
                        Self::Extend { hold }
                    }
                    _ => Self::Capture { customer, hold, key: name.to_owned() },
                }
            }
            _ => {
                let count = random.random_range(1..=12);
                let whose = |number: usize| if number.is_multiple_of(2) { first } else { second };
                Self::Events((0..count).map(|number| (whose(number), format!("{name}-{number}"))).collect())
            }
        }
    }

    /// The mutation that it is, and its input.
    fn mutation(&self, world: &World) -> (&'static str, Value) {
        let id = |customer: &usize| world.balances[*customer].to_string();
        match self {
            Self::Events(_) => unreachable!("events are sent otherwise"),
            Self::TopUp { customer, key, expires_at } => (
                "topUpCredits",
                json!({"balanceId": id(customer), "credits": TOP_UP.to_string(), "idempotencyKey": key, "expiresAt": expires_at}),
            ),
            Self::Hold { customer, key } => (
                "holdCredits",
                json!({"balanceId": id(customer), "credits": HELD, "ttlSeconds": 86_400, "idempotencyKey": key}),
            ),
            Self::Capture { hold, key, .. } => {
                ("captureHold", json!({"holdId": hold, "credits": CAPTURED, "idempotencyKey": key}))
            }
            Self::Extend { hold, .. } => ("extendHold", json!({"holdId": hold, "ttlSeconds": 90_000})),
            Self::Release { hold, .. } => ("releaseHold", json!({"holdId": hold})),
        }
    }

    /// Sends it; `None` when nobody knows what became of it.
    async fn send(&self, world: &World, client: &Client, server: &Urls) -> Option<(Told, Value)> {
        if let Self::Events(events) = self {
            return send_events(events, client, server).await;
        }
        let (mutation, input) = self.mutation(world);
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let made = if mutation == "topUpCredits" { "" } else { "hold { id }" };
        let query = format!(
            "mutation ($input: {kind}!) {{ told: {mutation}(input: $input) {{ {made} replayed errors {{ code path }} }} }}"
        );
        let body = json!({"query": query, "variables": {"input": input}});
        let answer: Value = client.post(&server.graphql).json(&body).send().await.ok()?.json().await.ok()?;
        let payload = answer["data"]["told"].clone();
        if payload["errors"][0]["path"] == json!(["expiresAt"]) {
            return Some((Told::TooLate, payload));
        }
        assert_eq!(payload["errors"], json!([]), "{self:?}: {answer}");
        Some((if payload["replayed"] == json!(true) { Told::Known } else { Told::New }, payload))
    }
}

async fn send_events(events: &[(usize, String)], client: &Client, server: &Urls) -> Option<(Told, Value)> {
    let line = |(customer, id): &(usize, String)| {
        json!({"specversion": "1.0", "source": "test", "type": "call", "id": id, "subject": name(*customer)})
            .to_string()
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
    let told = match (accepted, duplicates) {
        (_, 0) => Told::New,
        (0, _) => Told::Known,
        _ => Told::Both,
    };
    Some((told, answer))
}

/// Five seconds from now, by the clock of the servers.
fn soon() -> String {
    Clock::System.now().plus_micros(5 * SECOND).expect("in range").to_string()
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
        let client = crate::support::http::client();
        let mut holds = Vec::new();
        for number in 0.. {
            let sent = Sent::random(&mut random, &format!("{name}-{number}"), &mut holds);
            let Some((told, answer)) = sent.send(world, &client, urls).await else {
                self.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                return;
            };
            assert_eq!(told, Told::New);
            if let Sent::Hold { customer, .. } = sent {
                holds.push((customer, answer["hold"]["id"].as_str().expect("an id").to_owned()));
            }
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
    let (client, urls) = (crate::support::http::client(), Urls::of(server));
    let acknowledged = load.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let unknown = load.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(unknown.len(), CLIENTS, "each client had one request under way");
    let again = async |sent: &Sent| sent.send(world, &client, &urls).await.expect("the server answers").0;
    // Who extends a hold again counts from now, and one that has ended cannot be extended any more.
    let counted = |sent: &&Sent| !matches!(sent, Sent::Extend { .. });
    for sent in acknowledged.iter().filter(counted) {
        assert_eq!(again(sent).await, Told::Known, "acknowledged, and lost: {sent:?}");
        note(sent, expected);
    }
    for sent in unknown.iter().filter(counted) {
        if again(sent).await == Told::TooLate {
            continue;
        }
        assert_eq!(again(sent).await, Told::Known, "{sent:?}");
        note(sent, expected);
    }
}

/// What one customer's balance has seen: how many entries of each kind that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Expected {
    calls: usize,
    top_ups: usize,
    holds: usize,
    captures: usize,
    releases: usize,
}

fn note(sent: &Sent, expected: &mut [Expected]) {
    match sent {
        Sent::Events(events) => events.iter().for_each(|(customer, _)| expected[*customer].calls += 1),
        Sent::TopUp { customer, .. } => expected[*customer].top_ups += 1,
        Sent::Hold { customer, .. } => expected[*customer].holds += 1,
        Sent::Capture { customer, .. } => expected[*customer].captures += 1,
        Sent::Release { customer, .. } => expected[*customer].releases += 1,
        Sent::Extend { .. } => {}
    }
}

/// What balances say is what was sent: each once. Answers their newest sequences.
async fn count(db: &TestDb, world: &World, expected: &[Expected]) -> Vec<i64> {
    // Entries and balance at one instant: the server posts what time does in between.
    let mut conn = db.snapshot().await.expect("the database answers");
    let mut newest = Vec::new();
    for (balance, expected) in world.balances.iter().zip(expected) {
        let entries = list_entries_after(&mut conn, *balance, 0, 1_000_000).await.expect("they can be read");
        let of = |kind: EntryKind| entries.iter().filter(|entry| entry.posting.kind == kind).count();
        let seen = Expected {
            calls: of(EntryKind::Usage),
            top_ups: of(EntryKind::TopUp),
            holds: of(EntryKind::Hold),
            captures: of(EntryKind::Capture),
            releases: of(EntryKind::Release),
        };
        assert_eq!(seen, *expected);
        let found = find_balances(&mut conn, &[*balance]).await.expect("it can be read").pop().expect("it is there");
        let held = expected.holds - expected.captures - expected.releases;
        assert_eq!(
            (found.account.holds.len(), found.account.held),
            (held, credits(HELD * i64::try_from(held).expect("few")))
        );
        let burned: i64 = entries.iter().map(|entry| entry.posting.credits.micros()).sum();
        assert_eq!(found.account.settled.micros(), burned);
        newest.push(found.account.sequence);
    }
    conn.rollback().await;
    newest
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
    // What was cut last goes on, too, and then all of it was told; time alone may add to it meanwhile.
    let (before, mut last) = (count(db, &world, &expected).await, Vec::new());
    for (customer, mut heard) in heard.into_iter().enumerate() {
        let mut socket = subscribe(&server, customer, heard.cursor.as_deref()).await;
        while heard.take(&next_change(&mut socket).await.expect("the server is there")) {}
        let id = world.balances[customer].to_string();
        last.push((customer, heard.sequences.get(&id).copied()));
    }
    let newest = count(db, &world, &expected).await;
    for (customer, last) in last {
        assert!(last.is_some_and(|last| last >= before[customer] && last <= newest[customer]), "{last:?}");
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
