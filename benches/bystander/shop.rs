//! The data in the server: a product, the caller's balance, and an attacker's balance with a long history.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::Failure;
use crate::http::{Head, Http};
use crate::server::Server;

/// How many entries the attacker's balance has.
const ENTRIES: usize = 50_000;
/// How many events one request has.
const BATCH: usize = 5_000;

/// Ids and keys that attackers and caller use.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) caller_key: String,
    pub(crate) caller_balance: String,
    /// A portal token of the attacker's.
    pub(crate) portal: String,
    /// A key that sends events and does nothing else.
    pub(crate) ingest: String,
    pub(crate) balance: String,
    pub(crate) option: String,
}

impl Shop {
    /// Makes everything.
    pub(crate) async fn fill(server: &Server) -> Result<Self, Failure> {
        let (address, admin) = server.door();
        let mut api = Api {
            http: Http::connect(address).await?,
            head: Head::post(server.door(), "/graphql", "application/json"),
        };
        let meter = json!({"key": "calls", "name": "Calls", "eventType": "call", "aggregation": "COUNT"});
        let meter = api.make("createMeter", "meter { id }", meter).await?;
        let product = json!({
            "key": "credits", "name": "Credits", "description": "x".repeat(2_000),
            "consumption": [{"meterId": at(&meter, "/meter/id")?, "creditsPerUnit": "1"}],
        });
        let product = api.make("createCreditProduct", "product { id }", product).await?;
        let option = json!({
            "productId": at(&product, "/product/id")?, "name": "Pack", "credits": "100",
            "price": {"amount": "1", "currency": "EUR"},
        });
        let option = api.make("createPurchaseOption", "purchaseOption { id }", option).await?;
        let mut balances = Vec::new();
        for name in ["caller", "attacker"] {
            api.make("createCustomer", "customer { id }", json!({"externalId": name, "name": name})).await?;
            let balance = json!({
                "customer": {"externalId": name}, "productId": at(&product, "/product/id")?, "startingBalance": "1000000000",
            });
            balances.push(at(&api.make("createCreditBalance", "balance { id }", balance).await?, "/balance/id")?);
        }
        let portal = json!({"customer": {"externalId": "attacker"}, "ttlSeconds": 86_400});
        let portal = api.make("createPortalSession", "token", portal).await?;
        let mut keys = Vec::new();
        for scopes in [json!(["READ", "INGEST"]), json!(["INGEST"])] {
            let made = api.make("createApiKey", "secret", json!({"name": "bench", "scopes": scopes})).await?;
            keys.push(at(&made, "/secret")?);
        }
        let events = Head::post((address, admin), "/v1/events", "application/x-ndjson");
        for batch in 0..ENTRIES / BATCH {
            let answer =
                api.http.send(&events, lines(&format!("history-{batch}"), "attacker", BATCH).as_bytes()).await?;
            if answer.status != 200 {
                return Err(format!("events were not taken: {}", answer.body).into());
            }
        }
        let [caller_key, ingest]: [String; 2] = keys.try_into().map_err(|_| "two keys")?;
        let [caller_balance, balance]: [String; 2] = balances.try_into().map_err(|_| "two balances")?;
        Ok(Self {
            address,
            caller_key,
            caller_balance,
            portal: at(&portal, "/token")?,
            ingest,
            balance,
            option: at(&option, "/purchaseOption/id")?,
        })
    }
}

/// Events of a customer, a line each.
pub(crate) fn lines(name: &str, subject: &str, count: usize) -> String {
    let mut lines = String::new();
    for at in 0..count {
        // Writing to a String does not fail.
        let _ = writeln!(lines, r#"{{"id":"{name}-{at}","type":"call","subject":"{subject}"}}"#);
    }
    lines
}

struct Api {
    http: Http,
    head: Head,
}

impl Api {
    /// Runs a mutation, which must succeed, and answers its payload.
    async fn make(&mut self, mutation: &str, fields: &str, input: Value) -> Result<Value, Failure> {
        let (first, rest) = mutation.split_at(1);
        let query = format!(
            "mutation($input: {}{rest}Input!) {{ made: {mutation}(input: $input) {{ {fields} errors {{ message }} }} }}",
            first.to_uppercase()
        );
        let body = json!({"query": query, "variables": {"input": input}}).to_string();
        let answer: Value = serde_json::from_str(&self.http.send(&self.head, body.as_bytes()).await?.body)?;
        match answer.pointer("/data/made") {
            Some(payload) if payload.pointer("/errors") == Some(&json!([])) => Ok(payload.clone()),
            _ => Err(format!("{mutation}: {answer}").into()),
        }
    }
}

/// The text at a place of an answer.
fn at(value: &Value, place: &str) -> Result<String, Failure> {
    let text = value.pointer(place).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("{value} has no text at {place}").into())
}
