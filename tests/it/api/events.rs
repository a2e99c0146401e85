//! Events: which are taken, which are not, and what RECORD and ENFORCE do.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::both;

const SEND: &str = "mutation($events: [EventInput!]!, $mode: IngestMode) {
    ingestEvents(input: {events: $events, mode: $mode}) {
        accepted duplicates refused invalid
        receipts { index eventId status differs event { eventId } error { ...Error } }
        balances { ...Balance }
        errors { ...Error }
    }
}";

const BOOKS: &str = "query($id: ID!) { creditBalance(id: $id) { ...Balance entries { nodes { ...Entry event { eventId } } } } }";

fn event(id: &str, event_type: &str, properties: Value) -> Value {
    json!({"id": id, "customer": {"externalId": "acme"}, "type": event_type, "properties": properties})
}

both!(in_a_batch_each_event_stands_alone, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let whose = |customer: Value| json!({"id": "e", "customer": customer, "type": "call"});
    let mut ahead = event("ahead", "call", json!({}));
    ahead["timestamp"] = "2026-01-01T01:00:00.000001Z".into();
    let mut hour = event("hour", "call", json!({}));
    hour["timestamp"] = "2026-01-01T01:00:00Z".into();
    let events = json!([
        event("e1", "call", json!({})),
        whose(json!({"externalId": "nobody"})),
        whose(json!({"id": "cus_00000000000000000000000000"})),
        event("list", "call", json!([1])),
        event("long", "call", json!({"text": "x".repeat(64 * 1024)})),
        event("", "call", json!({})),
        event("type", "", json!({})),
        event("zero\u{0}", "call", json!({})),
        ahead,
        hour,
        event("unmetered", "nobody.listens", json!({})),
        event("e1", "call", json!({})),
    ]);
    let sent = api.ask(SEND, json!({"events": events})).await;
    answer!(sent, @"");
});

both!(a_customer_is_named_by_exactly_one_of_two, async |db| {
    let api = Api::on(db).await;
    let sent = api
        .ask(SEND, json!({"events": [{"id": "e", "customer": {"id": "cus_1", "externalId": "x"}, "type": "call"}]}))
        .await;
    answer!(sent, @"");
});

both!(a_thousand_and_one_events_are_too_many, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let events: Vec<Value> = (0..1001).map(|number| event(&number.to_string(), "call", json!({}))).collect();
    let sent = api.ask(SEND, json!({"events": events})).await;
    answer!(sent, @"");
});

both!(a_thousand_events_are_recorded_at_once, async |db| {
    let api = Api::on(db).await;
    api.acme("1000").await;
    let events: Vec<Value> = (0..1000).map(|number| event(&number.to_string(), "call", json!({}))).collect();
    let counts = "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events}) {
        accepted duplicates refused invalid balances { ...Balance } errors { ...Error } } }";
    let sent = api.ask(counts, json!({"events": events})).await;
    answer!(sent, @"");
});

both!(a_repeated_event_is_a_duplicate_that_says_whether_it_differs, async |db| {
    let api = Api::on(db).await;
    api.acme("100").await;
    let mut timed = event("timed", "tokens", json!({"count": 1}));
    timed["timestamp"] = "2026-01-01T00:00:00Z".into();
    api.make("ingestEvents", "accepted", json!({"events": [event("e1", "tokens", json!({"count": 1, "a": 2})), timed]}))
        .await;
    let mut offset = event("timed", "tokens", json!({"count": 1}));
    offset["timestamp"] = "2026-01-01T01:00:00+01:00".into();
    let events = json!([
        event("e1", "tokens", json!({"a": 2.0, "count": 1})),
        event("e1", "tokens", json!({"count": 2, "a": 2})),
        event("e1", "call", json!({"count": 1, "a": 2})),
        offset,
        event("timed", "tokens", json!({"count": 1})),
    ]);
    let sent = api.ask(SEND, json!({"events": events})).await;
    answer!(sent, @"");
});

both!(an_event_id_is_one_of_its_customer, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    api.customer("other").await;
    let events = json!([
        event("e1", "call", json!({})),
        {"id": "e1", "customer": {"externalId": "other"}, "type": "call"},
    ]);
    let sent = api.ask(SEND, json!({"events": events})).await;
    answer!(sent, @"");
});

// --- RECORD and ENFORCE ------------------------------------------------------------------------------------------------

/// Rules of 3 and 4 for an event "call", and 5 there.
async fn three_and_four(api: &Api) -> String {
    let (three, four) = (api.meter("three", "call").await, api.meter("four", "call").await);
    let product = api.product("ai", &[(&three, "3"), (&four, "4")], json!({})).await;
    api.customer("acme").await;
    api.balance("acme", &product, "5", json!({})).await
}

both!(recorded_usage_burns_what_is_there_and_says_what_was_not_covered, async |db| {
    let api = Api::on(db).await;
    let balance = three_and_four(&api).await;
    api.make("ingestEvents", "accepted", json!({"events": [event("e1", "call", json!({}))]})).await;
    let books = api.ask(BOOKS, json!({"id": balance})).await;
    answer!(books, @"");
});

both!(usage_that_nothing_covers_is_recorded_by_entries_of_no_credits, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.make("ingestEvents", "accepted", json!({"events": [event("e1", "call", json!({}))]})).await;
    let books = api.ask(BOOKS, json!({"id": balance})).await;
    answer!(books, @"");
});

both!(an_enforced_event_that_is_not_covered_as_a_whole_leaves_no_trace, async |db| {
    let api = Api::on(db).await;
    let balance = three_and_four(&api).await;
    let sent = api.ask(SEND, json!({"events": [event("e1", "call", json!({}))], "mode": "ENFORCE"})).await;
    let left = api
        .ask(
            r#"query($id: ID!) { creditBalance(id: $id) { ...Balance }
                customer(by: {externalId: "acme"}) { event(eventId: "e1") { id } events { nodes { id } } } eventTypes }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(json!([sent, left]), @"");
});

both!(a_refused_event_names_the_balance_and_what_can_be_bought, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("5").await;
    let product = api.ask(r#"{ product(by: {key: "credits"}) { id } }"#, json!({})).await;
    for (name, currency) in [("Ten", "EUR"), ("Dollars", "USD")] {
        let option = json!({"productId": product["data"]["product"]["id"], "name": name, "credits": 10,
                            "price": {"amount": 9, "currency": currency}});
        api.make("createPurchaseOption", "purchaseOption { id }", option).await;
    }
    let customer = api.ask("query($id: ID!) { creditBalance(id: $id) { customer { id } } }", json!({"id": balance})).await;
    let currency = json!({"id": customer["data"]["creditBalance"]["customer"]["id"], "currency": "EUR"});
    api.make("updateCustomer", "customer { id }", currency).await;
    let sent = api
        .ask(
            "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events, mode: ENFORCE}) { receipts { status
                error { ...Error ...on InsufficientCredits { balance { ...Balance } purchaseOptions { name } } } } } }",
            json!({"events": [event("e1", "tokens", json!({"count": 3})), event("e2", "tokens", json!({"count": 3}))]}),
        )
        .await;
    answer!(sent, @"");
});

both!(an_enforced_event_is_refused_where_no_balance_is_open_for_what_matches, async |db| {
    let api = Api::on(db).await;
    api.acme("0").await;
    api.customer("poor").await;
    let sent = api
        .ask(
            "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events, mode: ENFORCE}) { receipts { status
                error { ...Error ...on InsufficientCredits { balance { id } purchaseOptions { id } } } } } }",
            json!({"events": [{"id": "e1", "customer": {"externalId": "poor"}, "type": "call"}]}),
        )
        .await;
    answer!(sent, @"");
});

both!(an_enforced_event_that_cannot_be_rated_is_invalid_and_one_that_nothing_matches_accepted, async |db| {
    let api = Api::on(db).await;
    api.acme("5").await;
    let events = json!([
        event("missing", "tokens", json!({})),
        event("text", "tokens", json!({"count": "many"})),
        event("negative", "tokens", json!({"count": -1})),
        event("huge", "tokens", json!({"count": "1000000000000000"})),
        event("unmetered", "nobody.listens", json!({})),
    ]);
    let sent = api.ask(SEND, json!({"events": events, "mode": "ENFORCE"})).await;
    answer!(sent, @"");
});

both!(an_enforced_event_may_use_overdraft_down_to_its_limit, async |db| {
    let api = Api::on(db).await;
    api.acme_with("5", json!({"overdraft": {"policy": "ALLOW", "limit": "2"}})).await;
    let events = json!([event("e1", "tokens", json!({"count": "7"})), event("e2", "tokens", json!({"count": "0.000001"}))]);
    let sent = api.ask(SEND, json!({"events": events, "mode": "ENFORCE"})).await;
    answer!(sent, @"");
});

// --- The endpoint of programs ------------------------------------------------------------------------------------------

const NDJSON: &str = "application/x-ndjson";
const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

both!(a_line_that_is_no_json_is_invalid_by_its_number, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let good = r#"{"id":"e1","subject":"acme","type":"call"}"#;
    let sent = api.events("", NDJSON, format!("{good}\n\nnonsense\n[1]\n{{\"id\":\"e2\"}}\n")).await;
    answer!(sent, @"");
});

both!(a_cloud_event_with_a_wrong_part_names_it, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let with = |part: &str, value: Value| {
        let mut event = json!({"specversion": "1.0", "id": "e", "subject": "acme", "type": "call"});
        event[part] = value;
        event
    };
    let events = json!([
        with("specversion", json!("0.3")),
        with("id", json!(1)),
        with("subject", json!("nobody")),
        with("type", Value::Null),
        with("time", json!("yesterday")),
        with("time", json!("2026-01-02T00:00:00Z")),
        with("data", json!("text")),
        with("data_base64", json!("aGk=")),
        7,
    ]);
    let sent = api.events("", BATCH, events.to_string()).await;
    answer!(sent, @"");
});

both!(a_body_that_is_not_what_its_type_says_is_a_bad_request, async |db| {
    let api = Api::on(db).await;
    let answers = json!([
        api.events("", ONE, "{").await,
        api.events("", BATCH, "{}").await,
        api.events("?mode=maybe", ONE, "{}").await,
    ]);
    answer!(answers, @"");
});

both!(a_body_of_another_type_is_not_supported, async |db| {
    let api = Api::on(db).await;
    let sent = api.events("", "application/json", "{}").await;
    answer!(sent, @"");
});

both!(too_many_events_are_too_large, async |db| {
    let api = Api::on(db).await;
    let sent = api.events("", NDJSON, "{}\n".repeat(10_001)).await;
    answer!(sent, @"");
});

both!(a_body_of_more_than_16_mib_is_too_large, async |db| {
    let api = Api::on(db).await;
    let sent = api.events("", NDJSON, " ".repeat(16 * 1024 * 1024 + 1)).await;
    answer!(sent, @"");
});
