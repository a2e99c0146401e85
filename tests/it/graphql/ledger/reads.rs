//! Lists of the ledger on both databases: pages, filters, the audit.

use scrip::ledger::health::{Extent, Report, audit};
use serde_json::{Value, json};

use crate::support::db::both;
use crate::support::direct::{Api, at};
use crate::support::documents;

fn texts(nodes: &Value, field: &str) -> Vec<String> {
    nodes.as_array().unwrap().iter().map(|node| node[field].as_str().unwrap().to_owned()).collect()
}

both!(entries_are_paged_and_filtered_newest_first, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let id = api.account("acme", &product, "100").await;
    for number in 1..=6 {
        api.set_clock(number * 10);
        if number % 2 == 0 {
            api.retain(&id, &format!("r{number}"), json!({ "credits": "1" })).await;
        } else {
            api.top_up(&id, &format!("t{number}"), json!({ "credits": "1" })).await;
        }
    }
    let read = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $kind: [LedgerEntryKind!],
        $from: DateTime, $until: DateTime) { creditBalance(id: $id) {
        entries(first: $first, after: $after, last: $last, before: $before, kind: $kind, from: $from, until: $until) {
            nodes { sequence } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let entries = async |mut variables: Value| {
        variables["id"] = id.clone().into();
        let read = api.field(read, variables).await;
        let (nodes, info) = (texts(&read["entries"]["nodes"], "sequence"), read["entries"]["pageInfo"].clone());
        (nodes.join(" "), info)
    };
    let (nodes, info) = entries(json!({ "first": 3 })).await;
    assert_eq!((nodes.as_str(), &info["hasNextPage"]), ("7 6 5", &json!(true)));
    let (nodes, info) = entries(json!({ "first": 3, "after": info["endCursor"] })).await;
    assert_eq!((nodes.as_str(), &info["hasPreviousPage"]), ("4 3 2", &json!(true)));
    let (nodes, _) = entries(json!({ "last": 2, "before": info["startCursor"] })).await;
    assert_eq!(nodes, "6 5");
    assert_eq!(entries(json!({ "last": 2 })).await.0, "2 1");
    assert_eq!(entries(json!({ "kind": ["RETENTION"] })).await.0, "7 5 3");
    assert_eq!(entries(json!({ "kind": [] })).await.0, "");
    let (from, until) = (at(20).to_string(), at(40).to_string());
    assert_eq!(entries(json!({ "from": from, "until": until })).await.0, "4 3");
    assert_eq!(entries(json!({ "from": from, "first": 1, "kind": ["TOP_UP"] })).await.0, "6");
    let (nodes, info) = entries(json!({ "first": 7 })).await;
    assert_eq!((nodes.as_str(), &info["hasNextPage"]), ("7 6 5 4 3 2 1", &json!(false)));
});

both!(grants_are_paged_in_burning_order_and_filtered_by_their_state_now, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let id = api.account("acme", &product, "0").await;
    for (key, fields) in [
        ("depleted", json!({ "credits": "1", "priority": 1 })),
        ("last", json!({ "credits": "2" })),
        ("expires", json!({ "credits": "3", "expiresAt": at(30).to_string() })),
        ("begins", json!({ "credits": "4", "priority": 0, "effectiveAt": at(20).to_string() })),
        ("later", json!({ "credits": "5", "expiresAt": at(99).to_string() })),
    ] {
        api.top_up(&id, key, fields).await;
    }
    api.retain(&id, "burn", json!({ "credits": "1" })).await;
    let read = "query($id: ID!, $state: [GrantState!], $first: Int, $after: String, $last: Int) {
        creditBalance(id: $id) { grants(state: $state, first: $first, after: $after, last: $last) {
            nodes { credits state } pageInfo { hasNextPage endCursor } } } }";
    let grants = async |mut variables: Value| {
        variables["id"] = id.clone().into();
        let read = api.field(read, variables).await;
        (texts(&read["grants"]["nodes"], "credits").join(" "), read["grants"]["pageInfo"].clone())
    };
    assert_eq!(grants(json!({})).await.0, "4 1 3 5 2");
    assert_eq!(grants(json!({ "last": 2 })).await.0, "5 2");
    assert_eq!(grants(json!({ "state": ["PENDING"] })).await.0, "4");
    assert_eq!(grants(json!({ "state": ["DEPLETED", "EXPIRED"] })).await.0, "1");
    let (page, info) = grants(json!({ "state": ["ACTIVE"], "first": 2 })).await;
    assert_eq!((page.as_str(), &info["hasNextPage"]), ("3 5", &json!(true)));
    assert_eq!(grants(json!({ "state": ["ACTIVE"], "after": info["endCursor"] })).await.0, "2");
    api.set_clock(30);
    assert_eq!(grants(json!({ "state": ["ACTIVE"] })).await.0, "4 5 2");
    assert_eq!(grants(json!({ "state": ["DEPLETED", "EXPIRED"] })).await.0, "1 3");
    assert_eq!(grants(json!({ "state": ["PENDING"] })).await.0, "");
});

both!(balances_are_listed_by_what_time_has_made_of_them, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let other = api.product("other").await;
    let mut ids = Vec::new();
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        api.set_clock(i64::try_from(number).unwrap());
        ids.push(api.account(name, &product, "0").await);
    }
    api.set_clock(3);
    ids.push(api.balance("c", &other, "1").await);
    api.top_up(&ids[0], "k", json!({ "credits": "1" })).await;
    api.top_up(&ids[1], "k", json!({ "credits": "1", "expiresAt": at(10).to_string() })).await;
    let read = "query($state: [BalanceState!], $productId: ID, $first: Int, $after: String, $last: Int) {
        creditBalances(state: $state, productId: $productId, first: $first, after: $after, last: $last) {
            nodes { id state } pageInfo { hasNextPage endCursor } } }";
    let listed = async |variables: Value| {
        let read = api.field(read, variables).await;
        let place = |id: &String| ids.iter().position(|known| known == id).unwrap().to_string();
        let places: Vec<String> = texts(&read["nodes"], "id").iter().map(place).collect();
        (places.join(" "), read["pageInfo"].clone())
    };
    assert_eq!(listed(json!({})).await.0, "3 2 1 0");
    assert_eq!(listed(json!({ "productId": product })).await.0, "2 1 0");
    assert_eq!(listed(json!({ "state": ["ACTIVE"] })).await.0, "3 1 0");
    assert_eq!(listed(json!({ "state": ["DEPLETED"] })).await.0, "2");
    api.set_clock(10);
    assert_eq!(listed(json!({ "state": ["ACTIVE"] })).await.0, "3 0");
    assert_eq!(listed(json!({ "state": ["DEPLETED"] })).await.0, "2 1");
    let (page, info) = listed(json!({ "state": ["ACTIVE"], "first": 1 })).await;
    assert_eq!((page.as_str(), &info["hasNextPage"]), ("3", &json!(true)));
    let (page, info) = listed(json!({ "state": ["ACTIVE"], "first": 1, "after": info["endCursor"] })).await;
    assert_eq!((page.as_str(), &info["hasNextPage"]), ("0", &json!(false)));
    assert_eq!(listed(json!({ "state": ["ACTIVE", "DEPLETED"], "last": 2 })).await.0, "1 0");
    let close = &documents::mutation("closeCreditBalance", "errors { code }");
    api.field(close, json!({ "input": { "id": ids[2] } })).await;
    assert_eq!(listed(json!({})).await.0, "3 1 0");
    assert_eq!(listed(json!({ "state": ["CLOSED"] })).await.0, "2");
});

both!(events_are_paged_by_when_they_happened, async |db| {
    let api = Api::over(db);
    api.product("ai").await;
    let customer = api.customer("acme").await;
    let event = |id: i64, kind: &str| json!({ "id": id.to_string(), "customer": { "id": customer }, "type": kind, "timestamp": at(-id).to_string() });
    let events = (1..=5).map(|id| event(id, if id == 3 { "other" } else { "work" })).collect();
    api.ingest(events, "RECORD").await;
    let read = "query($id: ID!, $type: String, $from: DateTime, $until: DateTime, $first: Int, $after: String) {
        customer(by: { id: $id }) {
            event(eventId: \"3\") { type } none: event(eventId: \"9\") { type }
            events(type: $type, from: $from, until: $until, first: $first, after: $after) {
                nodes { eventId } pageInfo { hasNextPage endCursor } } } }";
    let listed = async |mut variables: Value| {
        variables["id"] = customer.clone().into();
        let read = api.field(read, variables).await;
        assert_eq!((&read["event"]["type"], &read["none"]), (&json!("other"), &Value::Null));
        (texts(&read["events"]["nodes"], "eventId").join(" "), read["events"]["pageInfo"].clone())
    };
    assert_eq!(listed(json!({})).await.0, "1 2 3 4 5");
    assert_eq!(listed(json!({ "type": "other" })).await.0, "3");
    assert_eq!(listed(json!({ "type": "\u{0}" })).await.0, "");
    let (from, until) = (at(-4).to_string(), at(-2).to_string());
    assert_eq!(listed(json!({ "from": from, "until": until })).await.0, "3 4");
    let (page, info) = listed(json!({ "first": 2 })).await;
    assert_eq!((page.as_str(), &info["hasNextPage"]), ("1 2", &json!(true)));
    assert_eq!(listed(json!({ "after": info["endCursor"] })).await.0, "3 4 5");
    assert_eq!(api.field("{ eventTypes }", json!({})).await, json!(["other", "work"]));
});

const HEALTH: &str = "query($first: Int, $after: String, $balanceId: ID) {
    ledgerHealth(first: $first, after: $after, balanceId: $balanceId) {
        healthy balancesChecked entriesChecked endCursor problems { balance { id } sequence rule } } }";

both!(an_audit_goes_through_all_balances_page_by_page, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    for name in ["a", "b", "c"] {
        let id = api.account(name, &product, "10").await;
        api.top_up(&id, "k", json!({ "credits": "5", "effectiveAt": at(50).to_string() })).await;
        api.work(&[("e", name, 12)]).await;
    }
    api.set_clock(60);
    api.app.intake.post_due(Vec::new()).await.unwrap();
    let first = api.field(HEALTH, json!({ "first": 2 })).await;
    assert_eq!((&first["healthy"], &first["balancesChecked"]), (&json!(true), &json!(2)), "{first:#}");
    assert_eq!(first["entriesChecked"], json!("6"));
    let second = api.field(HEALTH, json!({ "first": 2, "after": first["endCursor"] })).await;
    assert_eq!((&second["balancesChecked"], &second["endCursor"]), (&json!(1), &Value::Null));
});

both!(an_audit_in_small_steps_finds_what_one_of_all_finds, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    for name in ["a", "b"] {
        let id = api.account(name, &product, "10").await;
        for key in ["k1", "k2", "k3"] {
            api.top_up(&id, key, json!({ "credits": "5" })).await;
        }
        api.work(&[("e", name, 12)]).await;
    }
    db.tamper("UPDATE balances SET settled = settled + 1 WHERE customer_id = (SELECT customer_id FROM lots ORDER BY customer_id LIMIT 1)").await;
    let whole = audit(db, None, Extent::balances(10)).await.unwrap();
    assert_eq!((whole.balances, whole.entries, whole.findings.len()), (2, 10, 1), "{whole:?}");
    for entries in 1..=10 {
        let (mut steps, mut from) = (Report::default(), None);
        loop {
            let step = audit(db, from, Extent { balances: 1, entries }).await.unwrap();
            steps.balances += step.balances;
            steps.entries += step.entries;
            steps.findings.extend(step.findings);
            from = step.end;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(steps, whole, "{entries} entries a step");
    }
});

/// What is done to the tables, how it is taken back where it can be, and which findings it must lead to: the rule, and the
/// entry or `-`.
const TAMPERED: &[(&str, &str, &[&str])] = &[
    (
        "UPDATE entries SET reason = 'x' WHERE sequence = 2",
        "UPDATE entries SET reason = NULL WHERE sequence = 2",
        &["L12 2"],
    ),
    (
        "UPDATE entries SET credits = 5000001 WHERE sequence = 2",
        "UPDATE entries SET credits = 5000000 WHERE sequence = 2",
        &["L12 2", "L3 2"],
    ),
    ("UPDATE balances SET settled = settled + 1", "UPDATE balances SET settled = settled - 1", &["L3 -"]),
    ("UPDATE balances SET sequence = 4", "UPDATE balances SET sequence = 3", &["L2 -"]),
    ("UPDATE lots SET ended = 0 WHERE sequence = 2", "UPDATE lots SET ended = NULL WHERE sequence = 2", &["L3 -"]),
    ("UPDATE balances SET state = 1", "UPDATE balances SET state = 0", &["L15 -"]),
    (
        "UPDATE balances SET recorded_at = created_at",
        "UPDATE balances SET recorded_at = (SELECT max(recorded_at) FROM entries)",
        &["L11 -"],
    ),
    (
        "UPDATE entries SET recorded_at = (SELECT recorded_at FROM balances) WHERE sequence = 1",
        "UPDATE entries SET recorded_at = occurred_at WHERE sequence = 1",
        &["L12 1", "L11 2"],
    ),
    (
        "UPDATE entries SET state_after = 2 WHERE sequence = 2",
        "UPDATE entries SET state_after = 0 WHERE sequence = 2",
        &["L12 2", "L15 2"],
    ),
    (
        "UPDATE entries SET state_before = 1 WHERE sequence = 3",
        "UPDATE entries SET state_before = NULL WHERE sequence = 3",
        &["L15 3"],
    ),
    (
        "UPDATE lots SET credits = 5000001 WHERE sequence = 2",
        "UPDATE lots SET credits = 5000000 WHERE sequence = 2",
        &["L3 2", "L3 -"],
    ),
    ("UPDATE lots SET reason = 'x' WHERE sequence = 2", "UPDATE lots SET reason = NULL WHERE sequence = 2", &["L12 2"]),
    ("DELETE FROM entries WHERE sequence = 2", "", &["L2 3", "L12 3", "L3 3"]),
    ("DELETE FROM lots WHERE sequence = 1", "", &["L3 1"]),
    ("UPDATE balances SET next_change_at = created_at", "", &["L8 -"]),
    ("UPDATE entries SET allocations = 'no JSON' WHERE sequence = 3", "", &["L12 -"]),
];

both!(an_audit_finds_what_was_tampered_with, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let id = api.account("acme", &product, "10").await;
    api.top_up(&id, "k", json!({ "credits": "5" })).await;
    api.set_clock(5);
    api.work(&[("e", "acme", 12)]).await;
    let problems = async || {
        let health = api.field(HEALTH, json!({ "balanceId": id })).await;
        let problem = |problem: &Value| {
            assert_eq!(problem["balance"]["id"], json!(id));
            format!("{} {}", problem["rule"].as_str().unwrap(), problem["sequence"].as_str().unwrap_or("-"))
        };
        health["problems"].as_array().unwrap().iter().map(problem).collect::<Vec<_>>()
    };
    assert_eq!(problems().await, [""; 0]);
    for (statement, undo, found) in TAMPERED {
        db.tamper(statement).await;
        let rules = problems().await;
        assert!(found.iter().all(|wanted| rules.iter().any(|rule| rule == wanted)), "{statement}: {rules:?}");
        if !undo.is_empty() {
            db.tamper(undo).await;
            assert_eq!(problems().await, [""; 0], "{undo}");
        }
    }
});

both!(an_audit_finds_entries_whose_balance_is_gone, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    for name in ["a", "b", "c"] {
        api.account(name, &product, "1").await;
    }
    for gone in ["a", "c", "b"] {
        let whose = format!("customer_id = (SELECT id FROM customers WHERE external_id = '{gone}')");
        db.tamper(&format!("DELETE FROM balances WHERE {whose}")).await;
    }
    let report = audit(db, None, Extent::balances(10)).await.unwrap();
    assert_eq!((report.balances, report.findings.len()), (0, 3), "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.rule == "L2"), "{report:?}");
});
