//! Where one balance's credits are moved, and what came of it is told in a line.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::db::TestDb;
use crate::support::documents;

const HELD: &str = "hold { id state credits captured expiresAt endedAt } balance { ...Balance } \
                    entry { sequence kind credits heldChange uncovered grant { id } hold { id } } replayed";
const MOVED: &str =
    "balance { ...Balance } entry { id sequence kind credits heldChange uncovered grant { id state } } replayed";

/// One node, and acme's balance.
pub(crate) struct Desk {
    pub(crate) api: Api,
    pub(crate) balance: String,
}

impl Desk {
    /// With so many credits to begin with.
    pub(crate) async fn with(db: &TestDb, starting: &str) -> Self {
        Self::of(db, starting, json!({})).await
    }

    /// The same, of a product that has more to it.
    pub(crate) async fn of(db: &TestDb, starting: &str, product: Value) -> Self {
        let api = Api::on(db).await;
        let balance = api.acme_with(starting, product).await;
        Self { api, balance }
    }

    /// What a mutation answers, errors included; the id of what it is about goes in by `about`.
    pub(crate) async fn ask(&self, mutation: &str, input: Value) -> Value {
        let (first, rest) = mutation.split_at(1);
        let kind = format!("{}{rest}Input", first.to_uppercase());
        let fields = if mutation.ends_with("Hold") || mutation == "holdCredits" { HELD } else { MOVED };
        let query = format!(
            "mutation($input: {kind}!) {{ answer: {mutation}(input: $input) {{ {fields} errors {{ ...Error }} }} }}"
        );
        let answer = self.api.ask(&query, json!({"input": input})).await;
        if answer["data"]["answer"].is_null() { answer } else { answer["data"]["answer"].clone() }
    }

    /// What a mutation did, in a line.
    pub(crate) async fn say(&self, mutation: &str, input: Value) -> String {
        line(&self.ask(mutation, input).await)
    }

    /// Sets credits aside, under a key that tells how many; answers the hold's id.
    pub(crate) async fn hold(&self, credits: &str, ttl: i32) -> String {
        let input = json!({"balanceId": self.balance, "credits": credits, "ttlSeconds": ttl,
                           "idempotencyKey": format!("hold {credits} {ttl}")});
        let payload = self.ask("holdCredits", input).await;
        payload["hold"]["id"].as_str().unwrap_or_else(|| panic!("{payload:#}")).to_owned()
    }

    /// Captures a hold, under a key of its own.
    pub(crate) async fn capture(&self, hold: &str, credits: Option<&str>, overrun: &str) -> String {
        let key = format!("capture {hold} {credits:?} {overrun}");
        let input = json!({"holdId": hold, "credits": credits, "overrun": overrun, "idempotencyKey": key});
        self.say("captureHold", input).await
    }

    pub(crate) async fn release(&self, hold: &str) -> String {
        self.say("releaseHold", json!({"holdId": hold})).await
    }

    /// Takes the entry with this sequence back.
    pub(crate) async fn reverse(&self, sequence: i64, credits: Option<&str>) -> String {
        let entry = self.entry(sequence).await;
        let key = format!("reverse {sequence} {credits:?} {}", self.now().await["lastSequence"]);
        self.say("reverseEntry", json!({"entryId": entry, "credits": credits, "idempotencyKey": key})).await
    }

    pub(crate) async fn void(&self, grant: &str) -> String {
        self.say("voidGrant", json!({"grantId": grant})).await
    }

    /// The id of the entry with this sequence.
    pub(crate) async fn entry(&self, sequence: i64) -> String {
        let query = "query($id: ID!, $after: Int) { creditBalance(id: $id) { entries(last: $after) { nodes { id sequence } } } }";
        let answer = self.api.ask(query, json!({"id": self.balance, "after": 100})).await;
        let nodes = answer["data"]["creditBalance"]["entries"]["nodes"].as_array().expect("a page").clone();
        let named = nodes.iter().find(|node| node["sequence"].as_str() == Some(sequence.to_string().as_str()));
        named.expect("it is there")["id"].as_str().expect("an id").to_owned()
    }

    /// The balance as it is now.
    pub(crate) async fn now(&self) -> Value {
        let query = &documents::balance("...Balance");
        self.api.ask(query, json!({"id": self.balance})).await["data"]["creditBalance"].clone()
    }

    /// The balance in a line.
    pub(crate) async fn stands(&self) -> String {
        there(&self.now().await)
    }

    /// All entries, the oldest first, in a line each.
    pub(crate) async fn entries(&self) -> Vec<String> {
        let query = &documents::balance(
            "entries(first: 100) { nodes { sequence kind credits heldChange \
                     uncovered origin occurredAt recordedAt availableAfter allocations { grant { id } credits heldChange } } }",
        );
        let answer = self.api.ask(query, json!({"id": self.balance})).await;
        let nodes = answer["data"]["creditBalance"]["entries"]["nodes"].as_array().expect("a page").clone();
        nodes.iter().rev().map(entry_line).collect()
    }

    /// The grants in burning order, in a line each.
    pub(crate) async fn grants(&self) -> Vec<String> {
        let query = &documents::balance("grants { nodes { source state credits remaining held } }");
        let answer = self.api.ask(query, json!({"id": self.balance})).await;
        let nodes = answer["data"]["creditBalance"]["grants"]["nodes"].as_array().expect("a page").clone();
        let grant = |node: &Value| {
            let (source, state) = (text(&node["source"]), text(&node["state"]));
            format!(
                "{source} {state}: {} of {}, held {}",
                text(&node["remaining"]),
                text(&node["credits"]),
                text(&node["held"])
            )
        };
        nodes.iter().map(grant).collect()
    }

    /// The holds, the newest first, in a line each.
    pub(crate) async fn holds(&self, states: Value) -> Vec<String> {
        let query = "query($id: ID!, $state: [HoldState!]) { creditBalance(id: $id) { holds(state: $state) { nodes { id state \
                     credits captured expiresAt endedAt } } } }";
        let answer = self.api.ask(query, json!({"id": self.balance, "state": states})).await;
        let nodes = answer["data"]["creditBalance"]["holds"]["nodes"].as_array();
        nodes.unwrap_or_else(|| panic!("{answer:#}")).iter().map(hold_line).collect()
    }

    /// The books agree.
    pub(crate) async fn proven(&self) {
        let query = "query($id: ID!) { ledgerHealth(balanceId: $id) { healthy problems { sequence rule detail } } }";
        let answer = self.api.ask(query, json!({"id": self.balance})).await;
        assert_eq!(answer["data"]["ledgerHealth"]["healthy"], true, "{answer:#}");
    }
}

/// A text, or what stands in its place.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An instant of the tests' first day, without the day.
fn clock(time: &Value) -> String {
    text(time).trim_start_matches("2026-01-").trim_end_matches(".000000Z").replacen("01T", "", 1)
}

fn there(balance: &Value) -> String {
    let [available, settled, held] = ["available", "settled", "held"].map(|field| text(&balance[field]));
    format!("{available} available, {settled} settled, {held} held, {}", text(&balance["state"]))
}

fn hold_line(hold: &Value) -> String {
    let [state, credits, captured] = ["state", "credits", "captured"].map(|field| text(&hold[field]));
    let ended = if hold["endedAt"].is_null() { String::new() } else { format!(", ended {}", clock(&hold["endedAt"])) };
    format!("{state} {credits}, captured {captured}, until {}{ended}", clock(&hold["expiresAt"]))
}

/// An entry, with what it added to remaining and held of each grant.
fn entry_line(entry: &Value) -> String {
    let told = |name: &str, field: &str| {
        if entry[field] == "0" { String::new() } else { format!(" {name} {}", text(&entry[field])) }
    };
    let moved = entry["allocations"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let moved: Vec<String> =
        moved.map(|part| format!("{}/{}", text(&part["credits"]), text(&part["heldChange"]))).collect();
    let [sequence, kind, credits, after, origin] =
        ["sequence", "kind", "credits", "availableAfter", "origin"].map(|field| text(&entry[field]));
    let (held, uncovered) = (told("held", "heldChange"), told("uncovered", "uncovered"));
    let (moved, at) = (moved.join(" "), clock(&entry["occurredAt"]));
    let recorded = if entry["occurredAt"] == entry["recordedAt"] {
        String::new()
    } else {
        format!(", recorded {}", clock(&entry["recordedAt"]))
    };
    format!("{sequence} {kind} {credits}{held}{uncovered} [{moved}] -> {after} {origin} at {at}{recorded}")
}

/// What a mutation answered, in a line.
pub(crate) fn line(payload: &Value) -> String {
    if let Some(error) = payload["errors"].as_array().and_then(|errors| errors.first()) {
        let path: Vec<String> = error["path"].as_array().map_or(&[][..], Vec::as_slice).iter().map(text).collect();
        let kind = text(&error["__typename"]);
        let more: Vec<String> = ["state", "limit", "available", "required", "shortfall"]
            .into_iter()
            .filter(|field| !error[*field].is_null())
            .map(|field| format!(" {field} {}", text(&error[field])))
            .collect();
        return format!("{kind} at {}:{} {}", path.join("."), more.concat(), text(&error["message"]));
    }
    let mut parts = Vec::new();
    if payload["entry"].is_object() {
        let entry = &payload["entry"];
        let [sequence, kind, credits, held] = ["sequence", "kind", "credits", "heldChange"].map(|f| text(&entry[f]));
        let uncovered =
            if entry["uncovered"] == "0" { String::new() } else { format!(" uncovered {}", text(&entry["uncovered"])) };
        parts.push(format!("{sequence} {kind} {credits} held {held}{uncovered}"));
    }
    if payload["hold"].is_object() {
        parts.push(hold_line(&payload["hold"]));
    }
    parts.push(there(&payload["balance"]));
    if payload["replayed"] == true {
        parts.push("replayed".to_owned());
    }
    parts.join(" | ")
}
