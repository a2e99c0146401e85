//! The API as its callers have it: a real server on loopback, a clock that is moved by hand, ids from a seed. So an
//! answer is the same each time, to the last digit.

#![expect(clippy::too_many_arguments, reason = "builders are called with plain values, side by side")]

use std::net::SocketAddr;

use scrip::app::{App, Settings};
use scrip::base::clock::Clock;
use scrip::base::ids::Ids;
use scrip::base::time::Time;
use scrip::db::Db;
use scrip::{http, worker};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::db::TestDb;
use super::documents;
use super::node::trusting;

/// When every test begins.
pub(crate) const BEGIN: &str = "2026-01-01T00:00:00Z";

/// Parts of queries; those that a query uses are sent with it.
const FRAGMENTS: [(&str, &str); 5] = [
    (
        "Event",
        "on UsageEvent { eventId type timestamp receivedAt properties outcomes { meter { key } outcome quantity \
               creditsPerUnit credits explanation } entries { ...Entry rating { meter { key } quantity creditsPerUnit \
               exactCredits credits } } }",
    ),
    (
        "Entry",
        "on LedgerEntry { sequence kind credits uncovered availableAfter stateAfter origin reason occurredAt \
               recordedAt allocations { grant { id } credits } }",
    ),
    ("Grant", "on Grant { id source state credits remaining priority effectiveAt expiresAt }"),
    ("Balance", "on CreditBalance { available settled held state nextChangeAt lastSequence }"),
    (
        "Error",
        "on UserError { __typename message path ...on NotFound { requested } ...on AlreadyExists { existing { id } } \
               ...on InvalidState { state } ...on InsufficientCredits { available required shortfall } \
               ...on IdempotencyConflict { idempotencyKey } ...on LimitExceeded { limit } }",
    ),
];

/// One node, and who calls it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    client: reqwest::Client,
    /// What the caller shows; none is anybody on this machine.
    pub(crate) token: Option<String>,
}

impl Api {
    /// The first node on a database.
    pub(crate) async fn on(db: &TestDb) -> Self {
        let db: &Db = db;
        Self::start((db.clone(), Clock::at(time(BEGIN))), 1, trusting()).await
    }

    /// Another node on the same database, with the same clock and connections of its own.
    pub(crate) async fn another_on(&self, db: &TestDb, seed: u64) -> Self {
        Self::at_time_of(db, self.app.clock.clone(), seed).await
    }

    /// A node on a database with a clock and connections of its own.
    pub(crate) async fn at_time_of(db: &TestDb, clock: Clock, seed: u64) -> Self {
        let own = Db::connect(db.url()).expect("its pools can be opened");
        Self::start((own, clock), seed, trusting()).await
    }

    /// Another node on the same database with the same clock, set up in another way.
    pub(crate) async fn beside(&self, db: &TestDb, settings: Settings) -> Self {
        let own = Db::connect(db.url()).expect("its pools can be opened");
        Self::start((own, self.app.clock.clone()), 99, settings).await
    }

    /// Starts a node whose name and ids follow from a seed.
    pub(crate) async fn start((db, clock): (Db, Clock), seed: u64, settings: Settings) -> Self {
        let node = format!("node-{seed}");
        let app = App::new(db, (clock, Ids::seeded(seed)), &node, settings);
        tokio::spawn(worker::hear_all_nodes(app.clone(), node));
        tokio::spawn(app.keyring.clone().watch());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(http::serve(listener, app.clone()));
        Self { app, address, client: crate::support::http::client(), token: None }
    }

    /// The same node, called by who shows this.
    pub(crate) fn shown(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// A server at another address; this node is then only asked about what no server tells.
    pub(crate) fn at_address(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same node, called with a new key.
    pub(crate) async fn keyed(&self, scopes: &[&str]) -> Self {
        let input = json!({"name": scopes.join(" "), "scopes": scopes});
        let made = self.make("createApiKey", "secret", input).await;
        self.shown(made["secret"].as_str().expect("a secret"))
    }

    /// The same node, called by a customer.
    pub(crate) async fn portal(&self, customer: &str) -> Self {
        let input = json!({"customer": {"externalId": customer}});
        let made = self.make("createPortalSession", "token", input).await;
        self.shown(made["token"].as_str().expect("a token"))
    }

    /// Moves the clock.
    pub(crate) fn at(&self, text: &str) {
        self.app.clock.set(time(text));
    }

    /// Posts what is due now.
    pub(crate) async fn work(&self) {
        worker::post_due(&self.app).await.expect("what is due can be posted");
    }

    /// Asks the payment provider of all purchases whose time has come; answers of how many.
    pub(crate) async fn sweep(&self) -> usize {
        let turns = self.app.cashier.take_turns(100).await.expect("the database answers");
        let settled = futures_util::future::join_all(turns.iter().map(|purchase| self.app.cashier.settle(purchase)));
        settled.await.into_iter().collect::<Result<(), _>>().expect("the database answers");
        turns.len()
    }

    /// Sends a query and answers the whole answer, without what it cost.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.ask_for_all(query, variables).await;
        if let Some(Value::Object(extensions)) = answer.get_mut("extensions") {
            extensions.remove("cost");
            if extensions.is_empty()
                && let Value::Object(answer) = &mut answer
            {
                answer.remove("extensions");
            }
        }
        answer
    }

    /// Sends a query and answers the whole answer.
    pub(crate) async fn ask_for_all(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": with_fragments(query), "variables": variables});
        let answer = self.post("/graphql").json(&body).send().await;
        answer.expect("the server answers").json().await.expect("it answers JSON")
    }

    /// Runs a mutation by its name and answers its payload, which must have no errors. `fields` is asked for.
    pub(crate) async fn make(&self, mutation: &str, fields: &str, input: Value) -> Value {
        let query = documents::mutation(mutation, &format!("{fields} errors {{ __typename message path }}"));
        let answer = self.ask(&query, json!({"input": input})).await;
        let payload = &answer["data"][mutation];
        assert!(payload["errors"] == json!([]), "{mutation}: {answer:#}");
        payload.clone()
    }

    /// A request under an id that is the same each time: errors name it.
    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::POST, path)
    }

    /// Subscribes by server-sent events, going on behind the cursor.
    pub(crate) async fn stream(&self, query: &str, variables: Value, after: Option<&str>) -> reqwest::Response {
        let body = json!({"query": with_fragments(query), "variables": variables});
        let mut request = self.post("/graphql").header("accept", "text/event-stream").json(&body);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        request.send().await.expect("the server answers")
    }

    /// A request by any method, under the same id.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        let request = request.header("x-request-id", "test");
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a body to the endpoint of events; answers the status and what came with it.
    pub(crate) async fn events(&self, query: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Value {
        let request = self.post(&format!("/v1/events{query}"));
        status_and_body(request.header("content-type", content_type).body(body)).await
    }

    /// The same with a content coding.
    pub(crate) async fn encoded_events(&self, coding: &str, content_type: &str, body: &'static str) -> Value {
        let request = self.post("/v1/events").header("content-encoding", coding);
        status_and_body(request.header("content-type", content_type).body(body)).await
    }
}

/// What a test has before it begins. Each is made by a request of its own and answers the id.
impl Api {
    /// A meter that counts events.
    pub(crate) async fn meter(&self, key: &str, event_type: &str) -> String {
        let input = json!({"key": key, "name": key, "eventType": event_type, "aggregation": "COUNT"});
        id(&self.make("createMeter", "meter { id }", input).await["meter"])
    }

    /// A meter that adds up a property.
    pub(crate) async fn sum(&self, key: &str, event_type: &str, property: &str) -> String {
        let input =
            json!({"key": key, "name": key, "eventType": event_type, "aggregation": "SUM", "property": property});
        id(&self.make("createMeter", "meter { id }", input).await["meter"])
    }

    /// A credit product with rules of a meter and a weight each, and whatever else it is to have.
    pub(crate) async fn product(&self, key: &str, rules: &[(&str, &str)], more: Value) -> String {
        let rule = |(meter, weight): &(&str, &str)| json!({"meterId": meter, "creditsPerUnit": weight});
        let rules: Vec<Value> = rules.iter().map(rule).collect();
        let mut input = json!({"key": key, "name": key, "consumption": rules});
        merge(&mut input, more);
        id(&self.make("createCreditProduct", "product { id }", input).await["product"])
    }

    /// A customer by an id of one's own.
    pub(crate) async fn customer(&self, external_id: &str) -> String {
        let input = json!({"externalId": external_id, "name": external_id});
        id(&self.make("createCustomer", "customer { id }", input).await["customer"])
    }

    /// A balance of a customer, with whatever else it is to have.
    pub(crate) async fn balance(&self, customer: &str, product: &str, starting: &str, more: Value) -> String {
        let mut input =
            json!({"customer": {"externalId": customer}, "productId": product, "startingBalance": starting});
        merge(&mut input, more);
        id(&self.make("createCreditBalance", "balance { id }", input).await["balance"])
    }

    /// The customer "acme" with a balance of "credits", which an event "call" burns 1 of and an event "tokens" as many as
    /// its property says. Answers the balance's id.
    pub(crate) async fn acme(&self, starting: &str) -> String {
        self.acme_with(starting, json!({})).await
    }

    /// The same, of a product that has more to it.
    pub(crate) async fn acme_with(&self, starting: &str, product: Value) -> String {
        let (call, tokens) = (self.meter("calls", "call").await, self.sum("tokens", "tokens", "count").await);
        let product = self.product("credits", &[(&call, "1"), (&tokens, "1")], product).await;
        self.customer("acme").await;
        self.balance("acme", &product, starting, json!({})).await
    }

    /// Credits that come in; the key is also the reason. Answers the grant's id.
    pub(crate) async fn top_up(&self, balance: &str, credits: &str, key: &str, more: Value) -> String {
        let mut input = json!({"balanceId": balance, "credits": credits, "idempotencyKey": key, "reason": key});
        merge(&mut input, more);
        id(&self.make("topUpCredits", "entry { grant { id } }", input).await["entry"]["grant"])
    }

    /// Credits that are deducted by hand; the key is also the reason.
    pub(crate) async fn retain(&self, balance: &str, credits: &str, key: &str) {
        let input = json!({"balanceId": balance, "credits": credits, "idempotencyKey": key, "reason": key});
        self.make("retainCredits", "replayed", input).await;
    }

    /// An event of acme's that burns as many credits; it must be accepted.
    pub(crate) async fn burn(&self, event: &str, credits: &str) {
        let event = json!({"id": event, "customer": {"externalId": "acme"}, "type": "tokens",
                           "properties": {"count": credits}});
        let payload = self.make("ingestEvents", "accepted", json!({"events": [event]})).await;
        assert_eq!(payload["accepted"], 1, "{payload}");
    }

    /// Closes an empty balance.
    pub(crate) async fn close(&self, balance: &str) {
        self.make("closeCreditBalance", "balance { state }", json!({"id": balance})).await;
    }
}

async fn status_and_body(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.expect("the server answers");
    let status = answer.status().as_u16();
    json!({"status": status, "body": answer.json::<Value>().await.expect("it answers JSON")})
}

/// A time by its text.
pub(crate) fn time(text: &str) -> Time {
    Time::parse(text).unwrap_or_else(|| panic!("{text} is a time"))
}

fn id(node: &Value) -> String {
    node["id"].as_str().unwrap_or_else(|| panic!("{node} has an id")).to_owned()
}

fn merge(input: &mut Value, more: Value) {
    if let (Value::Object(input), Value::Object(more)) = (input, more) {
        input.extend(more);
    }
}

/// A query with the fragments that it uses.
pub(crate) fn with_fragments(query: &str) -> String {
    let mut text = query.to_owned();
    for (name, fragment) in FRAGMENTS {
        if text.contains(&format!("...{name}")) {
            text.extend([" fragment ", name, " ", fragment]);
        }
    }
    text
}
