//! The ledger through the API on both databases: balances, what moves them, and what readers are shown.

use serde_json::{Value, json};

use crate::support::db::{both, on_sqlite};
use crate::support::direct::{Api, at};
use crate::support::documents;

const BALANCE: &str = "query($id: ID!) { creditBalance(id: $id) {
    available settled held state nextChangeAt lastSequence overrides name
    entries(first: 3) { nodes { sequence kind credits availableAfter } pageInfo { hasNextPage } }
    grants { nodes { source state credits remaining } }
} }";

async fn balance(api: &Api, id: &str) -> Value {
    api.field(BALANCE, json!({ "id": id })).await
}

both!(events_burn_and_explain_themselves, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let balance = api.account("acme", &product, "10").await;

    let payload = api.work(&[("e1", "acme", 4), ("e2", "acme", 1), ("e1", "acme", 4), ("e2", "acme", 2)]).await;
    assert_eq!((&payload["accepted"], &payload["duplicates"]), (&json!(2), &json!(2)));
    assert_eq!(payload["balances"], json!([{ "id": balance, "available": "5" }]));
    assert_eq!(payload["receipts"][3]["differs"], json!(true));
    assert_eq!(payload["receipts"][2]["event"], payload["receipts"][0]["event"]);

    let read = &documents::balance(
        "entries(first: 1, kind: [USAGE]) { nodes {
        sequence credits availableAfter stateAfter origin kind
        rating { meter { key } quantity creditsPerUnit exactCredits credits }
        allocations { grant { source remaining credits } credits heldChange }
        event { eventId type outcomes { outcome explanation product { key } } entries { sequence } }
    } }",
    );
    let read = api.field(read, json!({ "id": balance })).await;
    assert_eq!(
        read["entries"]["nodes"][0],
        json!({
            "sequence": "3", "credits": "-1", "availableAfter": "5", "stateAfter": "ACTIVE", "origin": "EVENT",
            "kind": "USAGE",
            "rating": {
                "meter": { "key": "ai" }, "quantity": "1", "creditsPerUnit": "1", "exactCredits": "1", "credits": "1",
            },
            "allocations": [{
                "grant": { "source": "STARTING_BALANCE", "remaining": "5", "credits": "10" },
                "credits": "-1", "heldChange": "0",
            }],
            "event": {
                "eventId": "e2", "type": "work", "entries": [{ "sequence": "3" }],
                "outcomes": [{
                    "outcome": "BURNED", "explanation": "1 unit × 1 = 1 credit", "product": { "key": "ai" },
                }],
            },
        })
    );
});

both!(each_event_stands_or_falls_alone, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let balance = api.account("acme", &product, "5").await;
    let event = |id: &str, customer: Value, units: i64| json!({ "id": id, "customer": customer, "type": "work", "properties": { "units": units } });
    let acme = json!({ "externalId": "acme" });
    let events = vec![
        event("a", acme.clone(), 3),
        event("b", json!({ "id": product }), 1),
        event("c", json!({ "externalId": "nobody" }), 1),
        event("d", acme.clone(), 4),
        event("", acme.clone(), 1),
    ];
    let payload = api.ingest(events, "ENFORCE").await;
    assert_eq!(
        (&payload["accepted"], &payload["refused"], &payload["invalid"]),
        (&json!(1), &json!(1), &json!(3)),
        "{payload:#}"
    );
    let error = |index: usize| &payload["receipts"][index]["error"];
    assert_eq!(error(1)["path"], json!(["events", "1", "customer", "id"]));
    assert_eq!(error(2)["code"], json!("NOT_FOUND"));
    assert_eq!(error(3)["balance"]["id"], json!(balance));
    assert_eq!((&error(3)["available"], &error(3)["shortfall"]), (&json!("2"), &json!("2")));
    assert_eq!(error(4)["path"], json!(["events", "4", "id"]));

    let many = (0..1_001).map(|id| event(&id.to_string(), acme.clone(), 1)).collect();
    let payload = api.ingest(many, "RECORD").await;
    assert_eq!(payload["errors"], json!([{ "code": "INVALID_INPUT", "path": ["events"] }]));
    assert_eq!((&payload["receipts"], &payload["accepted"]), (&json!([]), &json!(0)));
});

both!(an_input_that_is_written_otherwise_is_the_same_input_and_another_a_conflict, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let balance = api.account("acme", &product, "0").await;
    let first = api.top_up(&balance, "k", json!({ "credits": "25.50" })).await;
    assert_eq!((&first["entry"]["credits"], &first["replayed"]), (&json!("25.5"), &json!(false)));
    api.retain(&balance, "r", json!({ "credits": "5.5" })).await;

    let again = api.top_up(&balance, "k", json!({ "credits": "25.5", "priority": 500, "metadata": {} })).await;
    assert_eq!((&again["entry"], &again["replayed"]), (&first["entry"], &json!(true)));
    assert_eq!(again["balance"]["available"], json!("20"));

    for other in [json!({ "credits": "0" }), json!({ "credits": "25.5", "reason": "x" })] {
        let conflict = api.top_up(&balance, "k", other).await;
        assert_eq!(conflict["errors"][0]["code"], json!("IDEMPOTENCY_CONFLICT"));
        assert_eq!((&conflict["balance"], &conflict["replayed"]), (&Value::Null, &json!(false)));
    }
    let refused = api.top_up(&balance, "new", json!({ "credits": "0" })).await;
    assert_eq!(refused["errors"][0]["path"], json!(["credits"]));
    let used = api.top_up(&balance, "new", json!({ "credits": "1" })).await;
    assert_eq!(used["errors"], json!([]), "a refusal does not use the key up");
});

on_sqlite!(what_cannot_be_done_names_its_field, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let balance = api.account("acme", &product, "3").await;
    let (past, later) = (at(-1).to_string(), at(10).to_string());
    for (fields, path) in [
        (json!({ "credits": "1.0000001" }), "credits"),
        (json!({ "credits": "1", "priority": 1001 }), "priority"),
        (json!({ "credits": "1", "expiresAt": past }), "expiresAt"),
        (json!({ "credits": "1", "effectiveAt": later, "expiresAt": later }), "expiresAt"),
        (json!({ "credits": "1", "metadata": [] }), "metadata"),
    ] {
        let payload = api.top_up(&balance, "k", fields).await;
        assert_eq!(payload["errors"][0]["code"], json!("INVALID_INPUT"), "{payload:#}");
        assert_eq!(payload["errors"][0]["path"], json!([path]));
    }
    let future = api.retain(&balance, "k", json!({ "credits": "1", "occurredAt": later })).await;
    assert_eq!(future["errors"][0]["path"], json!(["occurredAt"]));
    let kind = api.retain(&product, "k", json!({ "credits": "1" })).await;
    assert_eq!(kind["errors"][0]["path"], json!(["balanceId"]));
    let much = api.retain(&balance, "k", json!({ "credits": "4" })).await;
    assert_eq!(
        much["errors"][0],
        json!({
            "code": "INSUFFICIENT_CREDITS", "path": ["credits"], "available": "3", "required": "4", "shortfall": "1",
            "message": "4 credits are required and 3 are available.", "balance": { "id": balance },
        })
    );
    let missing = balance.replace("bal_", "bal_0");
    let nothing = api.retain(&missing, "k", json!({ "credits": "1" })).await;
    assert_eq!(nothing["errors"][0]["path"], json!(["balanceId"]), "{nothing:#}");
});

both!(time_shows_before_anything_is_posted, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let id = api.account("acme", &product, "0").await;
    let fields = json!({ "credits": "10", "effectiveAt": at(10).to_string(), "expiresAt": at(20).to_string() });
    let grant = api.top_up(&id, "k", fields).await["entry"]["grant"]["id"].take();
    let shown = async |seconds| {
        api.set_clock(seconds);
        let balance = balance(&api, &id).await;
        let grant = &balance["grants"]["nodes"][0];
        let parts = [&balance["available"], &balance["state"], &grant["state"], &grant["remaining"]];
        parts.map(|part| part.as_str().unwrap().to_owned())
    };
    assert_eq!(shown(9).await, ["0", "DEPLETED", "PENDING", "0"]);
    assert_eq!(shown(10).await, ["10", "ACTIVE", "ACTIVE", "10"]);
    assert_eq!(shown(20).await, ["0", "DEPLETED", "EXPIRED", "0"]);
    let read = balance(&api, &id).await;
    assert_eq!((&read["lastSequence"], &read["nextChangeAt"]), (&json!("1"), &Value::Null));

    // A grant that ended by time alone is over, not missing.
    let update = &documents::mutation(
        "updateGrant",
        "entry { kind terms { priority } } replayed errors { code path ... on InvalidState { state } }",
    );
    let over = api.field(update, json!({ "input": { "id": grant, "priority": 1 } })).await;
    assert_eq!(over["errors"], json!([{ "code": "INVALID_STATE", "path": ["id"], "state": "EXPIRED" }]));

    api.set_clock(12);
    let amended = api.field(update, json!({ "input": { "id": grant, "priority": 1 } })).await;
    assert_eq!(amended["entry"], json!({ "kind": "AMENDMENT", "terms": { "priority": 1 } }), "{amended:#}");
    let again = api.field(update, json!({ "input": { "id": grant, "priority": 1 } })).await;
    assert_eq!((&again["replayed"], &again["errors"]), (&json!(true), &json!([])));
});

both!(settings_of_a_balance_are_its_own_until_they_are_cleared, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let id = api.account("acme", &product, "3").await;
    let update = &documents::mutation(
        "updateCreditBalance",
        "balance { name state overrides lowBalanceThreshold overdraft { policy limit } } errors { code path }",
    );
    let input = json!({ "id": id, "name": "Team", "lowBalanceThreshold": "3", "overdraft": { "policy": "ALLOW" } });
    let changed = api.field(update, json!({ "input": input })).await;
    assert_eq!(
        changed["balance"],
        json!({
            "name": "Team", "state": "LOW", "overrides": ["name", "lowBalanceThreshold", "overdraft"],
            "lowBalanceThreshold": "3", "overdraft": { "policy": "ALLOW", "limit": null },
        })
    );
    let cleared = api.field(update, json!({ "input": { "id": id, "name": null, "overdraft": null } })).await;
    assert_eq!(cleared["balance"]["overrides"], json!(["lowBalanceThreshold"]));
    assert_eq!(cleared["balance"]["name"], json!("ai"));

    let close = &documents::mutation(
        "closeCreditBalance",
        "balance { state closedAt } errors { code path ... on InvalidState { state } }",
    );
    let full = api.field(close, json!({ "input": { "id": id } })).await;
    assert_eq!(full["errors"], json!([{ "code": "INVALID_STATE", "path": ["id"], "state": "NOT_EMPTY" }]));
    api.retain(&id, "all", json!({ "credits": "3" })).await;
    for _ in 0..2 {
        let closed = api.field(close, json!({ "input": { "id": id } })).await;
        assert_eq!((&closed["balance"]["state"], &closed["errors"]), (&json!("CLOSED"), &json!([])));
    }
    let late = api.top_up(&id, "late", json!({ "credits": "1" })).await;
    assert_eq!(late["errors"][0]["state"], json!("CLOSED"));
    let again = api.retain(&id, "all", json!({ "credits": "3" })).await;
    assert_eq!((&again["replayed"], &again["balance"]["state"]), (&json!(true), &json!("CLOSED")));
});
