//! Events: which are taken, which are not, and what RECORD and ENFORCE do.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;

const SEND: &str = "mutation($events: [EventInput!]!, $mode: IngestMode) {
    ingestEvents(input: {events: $events, mode: $mode}) {
        accepted duplicates refused invalid
        receipts { index eventId status differs event { eventId } error { ...Error } }
        balances { ...Balance }
        errors { ...Error }
    }
}";

const BOOKS: &str =
    "query($id: ID!) { creditBalance(id: $id) { ...Balance entries { nodes { ...Entry event { eventId } } } } }";

#[expect(clippy::needless_pass_by_value, reason = "what is passed is made for it")]
fn event(id: &str, event_type: &str, properties: Value) -> Value {
    json!({"id": id, "customer": {"externalId": "acme"}, "type": event_type, "properties": properties})
}

on_sqlite!(event_with_a_text_that_cannot_be_is_invalid_alone, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let query = "mutation($input: IngestEventsInput!) { ingestEvents(input: $input) { accepted invalid
                 receipts { index status error { path message } } errors { message } } }";
    // The bodies are written by hand: no JSON writer makes half an emoji.
    let events = [
        r#"{"id": "e0", "customer": {"externalId": "acme"}, "type": "call"}"#,
        r#"{"id": "e1 \ud83d", "customer": {"externalId": "acme"}, "type": "call"}"#,
        r#"{"id": "e2", "customer": {"externalId": "acme"}, "type": "call", "properties": {"emoji": "\ude00"}}"#,
        r#"{"id": "e3", "customer": {"externalId": "ac\u0000me"}, "type": "call"}"#,
        r#"{"id": "e4", "customer": {"externalId": "acme"}, "type": "call", "timestamp": "2026-01-01"}"#,
        r#"{"id": "e5", "customer": {"externalId": "acme"}, "type": "call", "timestamp": "2026-01-01t00:00:00z"}"#,
        r#"{"id": "e6", "customer": {"externalId": "acme"}, "type": "call", "timestamp": 1767225600}"#,
    ];
    let body =
        format!(r#"{{"query": {}, "variables": {{"input": {{"events": [{}]}}}}}}"#, json!(query), events.join(","));
    let sent = api.post("/graphql").header("content-type", "application/json").body(body).send().await;
    let answer: Value = sent.expect("it answers").json().await.expect("it is JSON");
    answer!(answer, @r#"
    {
      data: {ingestEvents: {
        accepted: 2, errors: [], invalid: 5
        receipts: [
          {error: null, index: 0, status: "ACCEPTED"}
          {
            error: {
              message: "The event's id holds the character U+0000, or half of a surrogate pair."
              path: ["events", "1", "id"]
            }
            index: 1, status: "INVALID"
          }
          {
            error: {
              message: "The properties' value holds the character U+0000, or half of a surrogate pair."
              path: ["events", "2", "properties"]
            }
            index: 2, status: "INVALID"
          }
          {
            error: {
              message: "externalId holds the character U+0000, or half of a surrogate pair."
              path: ["events", "3", "customer", "externalId"]
            }
            index: 3, status: "INVALID"
          }
          {
            error: {
              message: "timestamp is not a DateTime: write an RFC 3339 time, such as \"2026-01-31T09:00:00Z\"."
              path: ["events", "4", "timestamp"]
            }
            index: 4, status: "INVALID"
          }
          {error: null, index: 5, status: "ACCEPTED"}
          {
            error: {
              message: "timestamp is not a DateTime: write an RFC 3339 time, such as \"2026-01-31T09:00:00Z\"."
              path: ["events", "6", "timestamp"]
            }
            index: 6, status: "INVALID"
          }
        ]
      }}
      extensions: {cost: {fullAfterMs: 1, limit: 1000000, remaining: 999902, requested: 33}}
    }
    "#);
});

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
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 3
      balances: [{available: "8", held: "0", lastSequence: "3", nextChangeAt: null, settled: "8", state: "ACTIVE"}]
      duplicates: 1, errors: [], invalid: 8
      receipts: [
        {differs: false, error: null, event: {eventId: "e1"}, eventId: "e1", index: 0, status: "ACCEPTED"}
        {
          differs: false
          error: {
            __typename: "NotFound", message: "There is no customer with the external id \"nobody\"."
            path: ["events", "1", "customer", "externalId"], requested: "nobody"
          }
          event: null, eventId: "e", index: 1, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "NotFound", message: "There is no customer with the id \"cus_00000000000000000000000000\"."
            path: ["events", "2", "customer", "id"], requested: "cus_00000000000000000000000000"
          }
          event: null, eventId: "e", index: 2, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput", message: "The properties' value is not a JSON object."
            path: ["events", "3", "properties"]
          }
          event: null, eventId: "list", index: 3, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput", message: "The properties' value is longer than 65536 bytes."
            path: ["events", "4", "properties"]
          }
          event: null, eventId: "long", index: 4, status: "INVALID"
        }
        {
          differs: false
          error: {__typename: "InvalidInput", message: "The event's id is empty.", path: ["events", "5", "id"]}
          event: null, eventId: "", index: 5, status: "INVALID"
        }
        {
          differs: false
          error: {__typename: "InvalidInput", message: "The event's type is empty.", path: ["events", "6", "type"]}
          event: null, eventId: "type", index: 6, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput"
            message: "The event's id holds the character U+0000, or half of a surrogate pair."
            path: ["events", "7", "id"]
          }
          event: null, eventId: "zero\u0000", index: 7, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput", message: "The timestamp is more than an hour ahead of the server's clock."
            path: ["events", "8", "timestamp"]
          }
          event: null, eventId: "ahead", index: 8, status: "INVALID"
        }
        {differs: false, error: null, event: {eventId: "hour"}, eventId: "hour", index: 9, status: "ACCEPTED"}
        {
          differs: false, error: null, event: {eventId: "unmetered"}, eventId: "unmetered", index: 10
          status: "ACCEPTED"
        }
        {differs: false, error: null, event: {eventId: "e1"}, eventId: "e1", index: 11, status: "DUPLICATE"}
      ]
      refused: 0
    }}}
    "#);
});

on_sqlite!(a_customer_is_named_by_exactly_one_of_two, async |db| {
    let api = Api::on(db).await;
    let sent = api
        .ask(SEND, json!({"events": [{"id": "e", "customer": {"id": "cus_1", "externalId": "x"}, "type": "call"}]}))
        .await;
    answer!(sent, @r#"
    {errors: [{
      extensions: {argument: "events.0.customer", code: "BAD_USER_INPUT", requestId: "test"}
      locations: [{column: 10, line: 1}], message: "events.0.customer must have exactly one of id, externalId."
    }]}
    "#);
});

on_sqlite!(a_thousand_and_one_events_are_too_many, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let events: Vec<Value> = (0..1001).map(|number| event(&number.to_string(), "call", json!({}))).collect();
    let sent = api.ask(SEND, json!({"events": events})).await;
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 0, balances: [], duplicates: 0
      errors: [{
        __typename: "InvalidInput", message: "events has 1001 entries; send at most 1000 at once.", path: ["events"]
      }]
      invalid: 0, receipts: [], refused: 0
    }}}
    "#);
});

both!(a_thousand_events_are_recorded_at_once, async |db| {
    let api = Api::on(db).await;
    api.acme("1000").await;
    let events: Vec<Value> = (0..1000).map(|number| event(&number.to_string(), "call", json!({}))).collect();
    let counts = "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events}) {
        accepted duplicates refused invalid balances { ...Balance } errors { ...Error } } }";
    let sent = api.ask(counts, json!({"events": events})).await;
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 1000
      balances: [{
        available: "0", held: "0", lastSequence: "1001", nextChangeAt: null, settled: "0", state: "DEPLETED"
      }]
      duplicates: 0, errors: [], invalid: 0, refused: 0
    }}}
    "#);
});

both!(a_repeated_event_is_a_duplicate_that_says_whether_it_differs, async |db| {
    let api = Api::on(db).await;
    api.acme("100").await;
    let mut timed = event("timed", "tokens", json!({"count": 1}));
    timed["timestamp"] = "2026-01-01T00:00:00Z".into();
    api.make(
        "ingestEvents",
        "accepted",
        json!({"events": [event("e1", "tokens", json!({"count": 1, "a": 2})), timed]}),
    )
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
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 0, balances: [], duplicates: 5, errors: [], invalid: 0
      receipts: [
        {differs: false, error: null, event: {eventId: "e1"}, eventId: "e1", index: 0, status: "DUPLICATE"}
        {differs: true, error: null, event: {eventId: "e1"}, eventId: "e1", index: 1, status: "DUPLICATE"}
        {differs: true, error: null, event: {eventId: "e1"}, eventId: "e1", index: 2, status: "DUPLICATE"}
        {differs: false, error: null, event: {eventId: "timed"}, eventId: "timed", index: 3, status: "DUPLICATE"}
        {differs: true, error: null, event: {eventId: "timed"}, eventId: "timed", index: 4, status: "DUPLICATE"}
      ]
      refused: 0
    }}}
    "#);
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
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 2
      balances: [{available: "9", held: "0", lastSequence: "2", nextChangeAt: null, settled: "9", state: "ACTIVE"}]
      duplicates: 0, errors: [], invalid: 0
      receipts: [
        {differs: false, error: null, event: {eventId: "e1"}, eventId: "e1", index: 0, status: "ACCEPTED"}
        {differs: false, error: null, event: {eventId: "e1"}, eventId: "e1", index: 1, status: "ACCEPTED"}
      ]
      refused: 0
    }}}
    "#);
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
    answer!(books, @r#"
    {data: {creditBalance: {
      available: "0"
      entries: {nodes: [
        {
          allocations: [{credits: "-2", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "0"
          credits: "-2", event: {eventId: "e1"}, kind: "USAGE", occurredAt: "2026-01-01T00:00:00.000000Z"
          origin: "EVENT", reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "3"
          stateAfter: "DEPLETED", uncovered: "2"
        }
        {
          allocations: [{credits: "-3", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "2"
          credits: "-3", event: {eventId: "e1"}, kind: "USAGE", occurredAt: "2026-01-01T00:00:00.000000Z"
          origin: "EVENT", reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2"
          stateAfter: "ACTIVE", uncovered: "0"
        }
        {
          allocations: [{credits: "5", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "5"
          credits: "5", event: null, kind: "STARTING_BALANCE", occurredAt: "2026-01-01T00:00:00.000000Z"
          origin: "API", reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1", stateAfter: "ACTIVE"
          uncovered: "0"
        }
      ]}
      held: "0", lastSequence: "3", nextChangeAt: null, settled: "0", state: "DEPLETED"
    }}}
    "#);
});

both!(usage_that_nothing_covers_is_recorded_by_entries_of_no_credits, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.make("ingestEvents", "accepted", json!({"events": [event("e1", "call", json!({}))]})).await;
    let books = api.ask(BOOKS, json!({"id": balance})).await;
    answer!(books, @r#"
    {data: {creditBalance: {
      available: "0"
      entries: {nodes: [{
        allocations: [], availableAfter: "0", credits: "0", event: {eventId: "e1"}, kind: "USAGE"
        occurredAt: "2026-01-01T00:00:00.000000Z", origin: "EVENT", reason: null
        recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1", stateAfter: "DEPLETED", uncovered: "1"
      }]}
      held: "0", lastSequence: "1", nextChangeAt: null, settled: "0", state: "DEPLETED"
    }}}
    "#);
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
    answer!(json!([sent, left]), @r#"
    [
      {data: {ingestEvents: {
        accepted: 0, balances: [], duplicates: 0, errors: [], invalid: 0
        receipts: [{
          differs: false
          error: {
            __typename: "InsufficientCredits", available: "5"
            message: "The event needs 7 credits and 5 are available.", path: ["events", "0"], required: "7"
            shortfall: "2"
          }
          event: null, eventId: "e1", index: 0, status: "REFUSED"
        }]
        refused: 1
      }}}
      {data: {
        creditBalance: {
          available: "5", held: "0", lastSequence: "1", nextChangeAt: null, settled: "5", state: "ACTIVE"
        }
        customer: {event: null, events: {nodes: []}}, eventTypes: []
      }}
    ]
    "#);
});

on_sqlite!(a_refused_event_names_the_balance_and_what_can_be_bought, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("5").await;
    let product = api.ask(r#"{ product(by: {key: "credits"}) { id } }"#, json!({})).await;
    for (name, currency) in [("Ten", "EUR"), ("Dollars", "USD")] {
        let option = json!({"productId": product["data"]["product"]["id"], "name": name, "credits": 10,
                            "price": {"amount": 9, "currency": currency}});
        api.make("createPurchaseOption", "purchaseOption { id }", option).await;
    }
    let customer = api.ask(&documents::balance("customer { id }"), json!({"id": balance})).await;
    let currency = json!({"id": customer["data"]["creditBalance"]["customer"]["id"], "currency": "EUR"});
    api.make("updateCustomer", "customer { id }", currency).await;
    let sent = api
        .ask(
            "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events, mode: ENFORCE}) { receipts { status
                error { ...Error ...on InsufficientCredits { balance { ...Balance } purchaseOptions { name } } } } } }",
            json!({"events": [event("e1", "tokens", json!({"count": 3})), event("e2", "tokens", json!({"count": 3}))]}),
        )
        .await;
    answer!(sent, @r#"
    {data: {ingestEvents: {receipts: [
      {error: null, status: "ACCEPTED"}
      {
        error: {
          __typename: "InsufficientCredits", available: "2"
          balance: {available: "2", held: "0", lastSequence: "2", nextChangeAt: null, settled: "2", state: "ACTIVE"}
          message: "The event needs 3 credits and 2 are available.", path: ["events", "1"]
          purchaseOptions: [{name: "Ten"}], required: "3", shortfall: "1"
        }
        status: "REFUSED"
      }
    ]}}}
    "#);
});

on_sqlite!(an_enforced_event_is_refused_where_no_balance_is_open_for_what_matches, async |db| {
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
    answer!(sent, @r#"
    {data: {ingestEvents: {receipts: [{
      error: {
        __typename: "InsufficientCredits", available: "0", balance: null
        message: "The event needs 1 credits of \"credits\", and the customer has no open balance that could burn it."
        path: ["events", "0"], purchaseOptions: [], required: "1", shortfall: "1"
      }
      status: "REFUSED"
    }]}}}
    "#);
});

on_sqlite!(an_enforced_event_that_matches_is_refused_without_a_balance_whatever_it_comes_to, async |db| {
    let api = Api::on(db).await;
    api.acme("5").await;
    api.customer("poor").await;
    let counts = json!([0, -1, "1000000000000000", null]);
    let events = counts.as_array().expect("a list").iter().map(|count| {
        json!({"id": count.to_string(), "customer": {"externalId": "poor"}, "type": "tokens",
               "properties": {"count": count}})
    });
    let sent = api
        .ask(
            "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events, mode: ENFORCE}) {
                receipts { status error { __typename } } } }",
            json!({"events": events.collect::<Value>()}),
        )
        .await;
    answer!(sent, @r#"
    {data: {ingestEvents: {receipts: [
      {error: {__typename: "InsufficientCredits"}, status: "REFUSED"}
      {error: {__typename: "InsufficientCredits"}, status: "REFUSED"}
      {error: {__typename: "InsufficientCredits"}, status: "REFUSED"}
      {error: {__typename: "InsufficientCredits"}, status: "REFUSED"}
    ]}}}
    "#);
});

on_sqlite!(an_enforced_event_that_cannot_be_rated_is_invalid_and_one_that_nothing_matches_accepted, async |db| {
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
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 1, balances: [], duplicates: 0, errors: [], invalid: 4
      receipts: [
        {
          differs: false
          error: {
            __typename: "InvalidInput", message: "The event has no property \"count\"."
            path: ["events", "0", "properties"]
          }
          event: null, eventId: "missing", index: 0, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput", message: "The property \"count\" is not a number."
            path: ["events", "1", "properties"]
          }
          event: null, eventId: "text", index: 1, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput", message: "The property \"count\" is negative: -1."
            path: ["events", "2", "properties"]
          }
          event: null, eventId: "negative", index: 2, status: "INVALID"
        }
        {
          differs: false
          error: {
            __typename: "InvalidInput"
            message: "The property \"count\" is out of range: a quantity is less than 1000000000000000."
            path: ["events", "3", "properties"]
          }
          event: null, eventId: "huge", index: 3, status: "INVALID"
        }
        {
          differs: false, error: null, event: {eventId: "unmetered"}, eventId: "unmetered", index: 4
          status: "ACCEPTED"
        }
      ]
      refused: 0
    }}}
    "#);
});

on_sqlite!(an_enforced_event_may_use_overdraft_down_to_its_limit, async |db| {
    let api = Api::on(db).await;
    api.acme_with("5", json!({"overdraft": {"policy": "ALLOW", "limit": "2"}})).await;
    let events =
        json!([event("e1", "tokens", json!({"count": "7"})), event("e2", "tokens", json!({"count": "0.000001"}))]);
    let sent = api.ask(SEND, json!({"events": events, "mode": "ENFORCE"})).await;
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 1
      balances: [{
        available: "-2", held: "0", lastSequence: "2", nextChangeAt: null, settled: "-2", state: "OVERDRAWN"
      }]
      duplicates: 0, errors: [], invalid: 0
      receipts: [
        {differs: false, error: null, event: {eventId: "e1"}, eventId: "e1", index: 0, status: "ACCEPTED"}
        {
          differs: false
          error: {
            __typename: "InsufficientCredits", available: "-2"
            message: "The event needs 0.000001 credits and -2 are available.", path: ["events", "1"]
            required: "0.000001", shortfall: "0.000001"
          }
          event: null, eventId: "e2", index: 1, status: "REFUSED"
        }
      ]
      refused: 1
    }}}
    "#);
});
