//! How much may be asked, and what it costs.

use std::time::Duration;

use scrip::access::budget::Budget;
use scrip::app::{Settings, Timeouts};
use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::on_sqlite;
use crate::support::documents;
use crate::support::node::trusting;
use crate::support::socket::Socket;

on_sqlite!(an_answer_says_what_it_cost_and_when_the_bucket_is_full_again, async |db| {
    let api = Api::on(db).await;
    let budget = Budget { burst: 100, per_second: 10 };
    let node = api.beside(db, Settings { key_budget: budget, ..trusting() }).await;
    let page = "{ customers(first: 40) { nodes { name } } }";
    let mut told = Vec::new();
    for time in ["00:00:00", "00:00:00", "00:00:00", "00:00:02.3"] {
        api.at(&format!("2026-01-01T{time}Z"));
        told.push(node.ask_for_all(page, json!({})).await);
    }
    answer!(json!(told), @r#"
    [
      {
        data: {customers: {nodes: []}}
        extensions: {cost: {fullAfterMs: 4100, limit: 100, remaining: 59, requested: 41}}
      }
      {
        data: {customers: {nodes: []}}
        extensions: {cost: {fullAfterMs: 8200, limit: 100, remaining: 18, requested: 41}}
      }
      {
        errors: [{
          extensions: {code: "RATE_LIMITED", requestId: "test", retryAfterMs: 2300}
          message: "You have asked for too much in a short time; ask again in 2300 ms."
        }]
        extensions: {cost: {fullAfterMs: 8200, limit: 100, remaining: 18, requested: 41}}
      }
      {
        data: {customers: {nodes: []}}
        extensions: {cost: {fullAfterMs: 10000, limit: 100, remaining: 0, requested: 41}}
      }
    ]
    "#);
    // Something is left, but not enough.
    api.at("2026-01-01T00:00:02.4Z");
    let request = node.post("/graphql").header("accept", "application/graphql-response+json");
    let refused = request.json(&json!({"query": page})).send().await.expect("it answers");
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"4".parse().expect("a header")));
});

on_sqlite!(request_that_costs_too_much_is_told_its_cost_and_its_dearest_parts, async |db| {
    let api = Api::on(db).await;
    let query = "{ customers(first: 100) { nodes { name creditBalances { available
        entries(first: 100) { nodes { kind allocations { credits } } } } } } viewer { kind } }";
    let refused = api.ask(query, json!({})).await;
    answer!(refused, @r#"
    {errors: [{
      extensions: {
        bound: "points of cost", code: "QUERY_TOO_COMPLEX", cost: 120702
        dearest: [
          {cost: 90000, path: "customers.nodes.creditBalances.entries.nodes.allocations"}
          {cost: 30000, path: "customers.nodes.creditBalances.entries.nodes"}
          {cost: 300, path: "customers.nodes.creditBalances"}
        ]
        limit: 50000, requestId: "test"
      }
      message: "The request costs 120702 points, and 50000 is the most. Its dearest parts are customers.nodes.creditBalances.entries.nodes.allocations (90000), customers.nodes.creditBalances.entries.nodes (30000), customers.nodes.creditBalances (300); ask for fewer rows or fields of them at once."
    }]}
    "#);
});

on_sqlite!(a_stream_is_paid_for_when_it_opens_and_each_message_behind_the_first_for_itself, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let node = api.beside(db, Settings { portal_budget: Budget { burst: 100, per_second: 1 }, ..trusting() }).await;
    let portal = node.portal("acme").await;
    let watch = &documents::balance_changes("entry { sequence }");
    let mut socket = Socket::subscribe(&portal, watch, json!({"id": balance})).await;
    socket.next().await;
    for (event, sequence) in [("e1", "2"), ("e2", "3")] {
        node.burn(event, "1").await;
        assert_eq!(socket.next().await["balanceChanges"]["entry"]["sequence"], sequence);
    }
    let told = portal.ask_for_all("{ viewer { id } }", json!({})).await;
    // 52 to open it, 2 for each of the two messages, 1 for the query.
    assert_eq!(told["extensions"]["cost"]["remaining"], 100 - 52 - 2 * 2 - 1);
});

on_sqlite!(each_caller_has_a_bucket_of_its_own, async |db| {
    let api = Api::on(db).await;
    let budget = Budget { burst: 50, per_second: 1 };
    let node = api.beside(db, Settings { key_budget: budget, portal_budget: budget, ..Settings::default() }).await;
    let key = async || node.shown(api.keyed(&["READ"]).await.token.as_deref().expect("a secret"));
    let (one, other) = (key().await, key().await);
    let page = "{ customers(first: 40) { nodes { name } } }";
    let is_served = async |caller: &Api| caller.ask(page, json!({})).await.get("errors").is_none();
    assert!(is_served(&one).await && !is_served(&one).await && is_served(&other).await);
});

on_sqlite!(the_cost_of_a_request_is_known_before_it_runs, async |db| {
    let api = Api::on(db).await;
    let mut costs = Vec::new();
    for query in [
        "{ viewer { id } }",
        "{ customers { nodes { id } } }",
        "{ customers(first: 100) { nodes { id } } }",
        "query($n: Int = 50) { customers(first: $n) { nodes { id } } }",
        "{ customers(first: 10) { edges { node { creditBalances { entries(last: 5) { nodes { id } } } } } } }",
        r#"{ nodes(ids: ["a", "b"]) { id } }"#,
        "{ a: viewer { id } ...F ...F } fragment F on Query { viewer { id } }",
        "{ ledgerHealth { healthy } }",
        "mutation { archiveCustomer(input: {id: \"x\"}) { errors { message } } }",
        "mutation { ingestEvents(input: {events: []}) { accepted } }",
        "{ __schema { types { name fields { name } } } }",
    ] {
        let answer = api.ask_for_all(query, json!({})).await;
        costs.push(format!("{}: {query}", answer["extensions"]["cost"]["requested"]));
    }
    insta::allow_duplicates! { insta::assert_snapshot!(costs.join("\n"), @r#"
    1: { viewer { id } }
    21: { customers { nodes { id } } }
    101: { customers(first: 100) { nodes { id } } }
    51: query($n: Int = 50) { customers(first: $n) { nodes { id } } }
    231: { customers(first: 10) { edges { node { creditBalances { entries(last: 5) { nodes { id } } } } } } }
    4: { nodes(ids: ["a", "b"]) { id } }
    3: { a: viewer { id } ...F ...F } fragment F on Query { viewer { id } }
    1001: { ledgerHealth { healthy } }
    12: mutation { archiveCustomer(input: {id: "x"}) { errors { message } } }
    11: mutation { ingestEvents(input: {events: []}) { accepted } }
    140: { __schema { types { name fields { name } } } }
    "#) }
});

on_sqlite!(a_request_that_takes_too_long_is_told_so_and_a_mutation_goes_on, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let hurried = Timeouts { operation: Duration::from_millis(50), ..Timeouts::default() };
    let node = api.beside(db, Settings { timeouts: hurried, ..trusting() }).await;
    // An audit waits for its turn, and what moves a balance for who holds its row.
    let turn = node.app.db.long_snapshot().await.expect("the database answers");
    let audit = node.ask("{ ledgerHealth { healthy } }", json!({})).await;
    drop(turn);
    let held = db.hold_balances().await;
    let top_up = r#"mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: "5", idempotencyKey: "k"})
                    { replayed } }"#;
    let moved = node.ask(top_up, json!({"id": balance})).await;
    held.rollback().await;
    answer!(json!([audit, moved]), @r#"
    [
      {errors: [{extensions: {code: "TIMEOUT", requestId: "test"}, message: "It took too long; ask for less at once."}]}
      {errors: [{
        extensions: {code: "TIMEOUT", requestId: "test"}
        message: "It takes too long to wait for, and goes on. Send it again: with the same idempotency key or event id, nothing happens twice."
      }]}
    ]
    "#);
    let again = json!({"balanceId": balance, "credits": "5", "idempotencyKey": "k"});
    let again = api.make("topUpCredits", "replayed balance { available }", again).await;
    assert_eq!(again["balance"]["available"], "15", "once, whoever was first");
    node.app.intake.drain().await;
});

on_sqlite!(a_mutation_runs_to_its_end_when_its_client_goes_away, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    // While somebody else holds the row, the mutation waits; its client does not.
    let held = db.hold_balances().await;
    let query = "mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: \"5\", idempotencyKey: \"k\"}) { replayed } }";
    let body = json!({"query": query, "variables": {"id": balance}});
    let sent = tokio::spawn(api.post("/graphql").json(&body).send());
    while api.app.intake.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    sent.abort();
    assert!(sent.await.expect_err("it was given up").is_cancelled());
    held.rollback().await;
    let again =
        api.make("topUpCredits", "replayed", json!({"balanceId": balance, "credits": "5", "idempotencyKey": "k"}));
    assert_eq!(again.await["replayed"], true);
});

on_sqlite!(variables_are_checked_before_any_field_runs, async |db| {
    let api = Api::on(db).await;
    let query = r#"mutation($amount: Decimal!, $first: Int) {
        createCustomer(input: {externalId: "early", name: "Early"}) { customer { id } }
        topUpCredits(input: {balanceId: "x", credits: $amount, priority: $first, idempotencyKey: "k"}) { replayed }
    }"#;
    let mut told = Vec::new();
    for variables in [
        json!({}),
        json!({"amount": null}),
        json!({"amount": 1.5}),
        json!({"amount": "1", "first": 2_147_483_648_i64}),
        json!({"amount": "1", "first": "1"}),
    ] {
        let answer = api.ask(query, variables).await;
        assert!(answer.get("data").is_none(), "{answer}");
        told.push(answer["errors"][0]["message"].clone());
    }
    let literal = query.replace("priority: $first", "priority: 2147483648").replace(", $first: Int", "");
    told.push(api.ask(&literal, json!({"amount": "1"})).await["errors"][0]["message"].clone());
    answer!(json!(told), @r#"
    [
      "The variable $amount has no value; it must be Decimal!.", "amount is null; it must be Decimal!."
      "amount must be Decimal: write it in quotes and without an exponent, such as \"12.5\"; whole numbers need no quotes."
      "first must be Int: write a whole number of 32 bits, such as 42."
      "first must be Int: write a whole number of 32 bits, such as 42."
      "input.priority must be Int: write a whole number of 32 bits, such as 42."
    ]
    "#);
    let found = api.ask("{ customers { nodes { id } } }", json!({})).await;
    assert_eq!(found["data"]["customers"]["nodes"], json!([]), "nothing happened");
});
