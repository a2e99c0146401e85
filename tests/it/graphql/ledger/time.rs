//! Time: what begins and ends by itself shows to the microsecond, and is posted with the exact instant.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;

const NOW: &str =
    "query($id: ID!) { creditBalance(id: $id) { ...Balance grants { nodes { source state remaining } } } }";

/// A balance with 5 that stay, 10 from the 2nd on, and 3 until the 3rd.
async fn changing(api: &Api) -> String {
    let balance = api.acme("5").await;
    api.top_up(&balance, "10", "later", json!({"effectiveAt": "2026-01-02T00:00:00Z"})).await;
    api.top_up(&balance, "3", "soon over", json!({"expiresAt": "2026-01-03T00:00:00Z"})).await;
    balance
}

async fn at_each(api: &Api, balance: &str, times: &[&str]) -> Value {
    let mut answers = Vec::new();
    for time in times {
        api.at(time);
        answers.push(api.ask(NOW, json!({"id": balance})).await);
    }
    answers.into()
}

both!(a_grant_begins_to_the_microsecond_though_nothing_was_posted, async |db| {
    let api = Api::on(db).await;
    let balance = changing(&api).await;
    let shown = at_each(&api, &balance, &["2026-01-01T23:59:59.999999Z", "2026-01-02T00:00:00Z"]).await;
    answer!(shown, @r#"
    [
      {data: {creditBalance: {
        available: "8"
        grants: {nodes: [
          {remaining: "3", source: "TOP_UP", state: "ACTIVE"}
          {remaining: "5", source: "STARTING_BALANCE", state: "ACTIVE"}
          {remaining: "0", source: "TOP_UP", state: "PENDING"}
        ]}
        held: "0", lastSequence: "3", nextChangeAt: "2026-01-02T00:00:00.000000Z", settled: "8", state: "ACTIVE"
      }}}
      {data: {creditBalance: {
        available: "18"
        grants: {nodes: [
          {remaining: "3", source: "TOP_UP", state: "ACTIVE"}
          {remaining: "5", source: "STARTING_BALANCE", state: "ACTIVE"}
          {remaining: "10", source: "TOP_UP", state: "ACTIVE"}
        ]}
        held: "0", lastSequence: "3", nextChangeAt: "2026-01-03T00:00:00.000000Z", settled: "18", state: "ACTIVE"
      }}}
    ]
    "#);
});

both!(a_grant_ends_to_the_microsecond_though_nothing_was_posted, async |db| {
    let api = Api::on(db).await;
    let balance = changing(&api).await;
    let shown = at_each(&api, &balance, &["2026-01-02T23:59:59.999999Z", "2026-01-03T00:00:00Z"]).await;
    answer!(shown, @r#"
    [
      {data: {creditBalance: {
        available: "18"
        grants: {nodes: [
          {remaining: "3", source: "TOP_UP", state: "ACTIVE"}
          {remaining: "5", source: "STARTING_BALANCE", state: "ACTIVE"}
          {remaining: "10", source: "TOP_UP", state: "ACTIVE"}
        ]}
        held: "0", lastSequence: "3", nextChangeAt: "2026-01-03T00:00:00.000000Z", settled: "18", state: "ACTIVE"
      }}}
      {data: {creditBalance: {
        available: "15"
        grants: {nodes: [
          {remaining: "0", source: "TOP_UP", state: "EXPIRED"}
          {remaining: "5", source: "STARTING_BALANCE", state: "ACTIVE"}
          {remaining: "10", source: "TOP_UP", state: "ACTIVE"}
        ]}
        held: "0", lastSequence: "3", nextChangeAt: null, settled: "15", state: "ACTIVE"
      }}}
    ]
    "#);
});

both!(the_worker_posts_what_is_due_with_the_exact_instant, async |db| {
    let api = Api::on(db).await;
    let balance = changing(&api).await;
    api.at("2026-01-05T12:00:00Z");
    api.work().await;
    let shown = api
        .ask(
            &documents::balance("...Balance entries(first: 2) { nodes { ...Entry grant { id } } }"),
            json!({"id": balance}),
        )
        .await;
    answer!(shown, @r#"
    {data: {creditBalance: {
      available: "15"
      entries: {nodes: [
        {
          allocations: [{credits: "-3", grant: {id: "grt_06dndml801o07ai17capb161480g6"}}], availableAfter: "15"
          credits: "-3", grant: {id: "grt_06dndml801o07ai17capb161480g6"}, kind: "EXPIRATION"
          occurredAt: "2026-01-03T00:00:00.000000Z", origin: "SYSTEM", reason: null
          recordedAt: "2026-01-05T12:00:00.000000Z", sequence: "5", stateAfter: "ACTIVE", uncovered: "0"
        }
        {
          allocations: [{credits: "10", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}], availableAfter: "18"
          credits: "10", grant: {id: "grt_06dndml801o07ai17capb161480g4"}, kind: "ACTIVATION"
          occurredAt: "2026-01-02T00:00:00.000000Z", origin: "SYSTEM", reason: null
          recordedAt: "2026-01-05T12:00:00.000000Z", sequence: "4", stateAfter: "ACTIVE", uncovered: "0"
        }
      ]}
      held: "0", lastSequence: "5", nextChangeAt: null, settled: "15", state: "ACTIVE"
    }}}
    "#);
});

both!(the_worker_posts_nothing_twice_and_nothing_early, async |db| {
    let api = Api::on(db).await;
    let balance = changing(&api).await;
    api.at("2026-01-01T23:59:59.999999Z");
    api.work().await;
    api.at("2026-01-02T00:00:00Z");
    api.work().await;
    api.work().await;
    let shown = api
        .ask(&documents::balance("entries { nodes { sequence kind credits recordedAt } }"), json!({"id": balance}))
        .await;
    answer!(shown, @r#"
    {data: {creditBalance: {entries: {nodes: [
      {credits: "10", kind: "ACTIVATION", recordedAt: "2026-01-02T00:00:00.000000Z", sequence: "4"}
      {credits: "3", kind: "TOP_UP", recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "3"}
      {credits: "0", kind: "TOP_UP", recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2"}
      {credits: "5", kind: "STARTING_BALANCE", recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1"}
    ]}}}}
    "#);
});

both!(what_is_due_is_posted_before_a_command, async |db| {
    let api = Api::on(db).await;
    let balance = changing(&api).await;
    api.at("2026-01-04T00:00:00Z");
    let answered = api
        .ask(
            r#"mutation($id: ID!) {
                much: retainCredits(input: {balanceId: $id, credits: "15.1", idempotencyKey: "k1"}) { ...P }
                all: retainCredits(input: {balanceId: $id, credits: 15, idempotencyKey: "k2"}) { ...P }
            }
            fragment P on LedgerPayload { balance { ...Balance } entry { ...Entry } errors { ...Error } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(answered, @r#"
    {data: {
      all: {
        balance: {available: "0", held: "0", lastSequence: "6", nextChangeAt: null, settled: "0", state: "DEPLETED"}
        entry: {
          allocations: [
            {credits: "-5", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}
            {credits: "-10", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}
          ]
          availableAfter: "0", credits: "-15", kind: "RETENTION", occurredAt: "2026-01-04T00:00:00.000000Z"
          origin: "API", reason: null, recordedAt: "2026-01-04T00:00:00.000000Z", sequence: "6"
          stateAfter: "DEPLETED", uncovered: "0"
        }
        errors: []
      }
      much: {
        balance: null, entry: null
        errors: [{
          __typename: "InsufficientCredits", available: "15"
          message: "15.1 credits are required and 15 are available.", path: ["credits"], required: "15.1"
          shortfall: "0.1"
        }]
      }
    }}
    "#);
});

on_sqlite!(a_beginning_in_the_past_counts_as_now, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let made = api
        .ask(
            r#"mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: 5, effectiveAt: "2025-06-01T00:00:00Z",
                idempotencyKey: "k1"}) { entry { grant { ...Grant } } errors { ...Error } } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(made, @r#"
    {data: {topUpCredits: {
      entry: {grant: {
        credits: "5", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null
        id: "grt_06dndml801o07ai17capb161480g2", priority: 500, remaining: "5", source: "TOP_UP", state: "ACTIVE"
      }}
      errors: []
    }}}
    "#);
});

on_sqlite!(credits_end_as_many_days_after_they_begin_as_the_product_says, async |db| {
    let api = Api::on(db).await;
    let days = json!({"expiration": {"policy": "AFTER_DAYS", "days": 30}});
    let balance = api.acme_with("5", days).await;
    api.top_up(&balance, "1", "at once", json!({})).await;
    api.top_up(&balance, "2", "later", json!({"effectiveAt": "2026-01-11T00:00:00Z"})).await;
    api.top_up(&balance, "3", "its own", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    let shown = api
        .ask(
            &documents::balance(
                "nextChangeAt
                grants { nodes { credits state effectiveAt expiresAt } }",
            ),
            json!({"id": balance}),
        )
        .await;
    answer!(shown, @r#"
    {data: {creditBalance: {
      grants: {nodes: [
        {
          credits: "3", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: "2026-01-02T00:00:00.000000Z"
          state: "ACTIVE"
        }
        {
          credits: "5", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: "2026-01-31T00:00:00.000000Z"
          state: "ACTIVE"
        }
        {
          credits: "1", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: "2026-01-31T00:00:00.000000Z"
          state: "ACTIVE"
        }
        {
          credits: "2", effectiveAt: "2026-01-11T00:00:00.000000Z", expiresAt: "2026-02-10T00:00:00.000000Z"
          state: "PENDING"
        }
      ]}
      nextChangeAt: "2026-01-02T00:00:00.000000Z"
    }}}
    "#);
});

on_sqlite!(credits_burn_by_priority_then_earliest_end_then_age, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.top_up(&balance, "1", "old", json!({})).await;
    api.top_up(&balance, "1", "new", json!({})).await;
    api.top_up(&balance, "1", "ends late", json!({"expiresAt": "2026-03-01T00:00:00Z"})).await;
    api.top_up(&balance, "1", "ends soon", json!({"expiresAt": "2026-02-01T00:00:00Z"})).await;
    api.top_up(&balance, "1", "first", json!({"priority": 1})).await;
    api.top_up(&balance, "1", "last", json!({"priority": 1000, "expiresAt": "2026-01-02T00:00:00Z"})).await;
    let retained = api
        .ask(
            r#"mutation($id: ID!) { retainCredits(input: {balanceId: $id, credits: "5.5", idempotencyKey: "k"}) {
                entry { allocations { grant { reason } credits } } balance { grants { nodes { reason state remaining } } }
                errors { ...Error } } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(retained, @r#"
    {data: {retainCredits: {
      balance: {grants: {nodes: [
        {reason: "first", remaining: "0", state: "DEPLETED"}, {reason: "ends soon", remaining: "0", state: "DEPLETED"}
        {reason: "ends late", remaining: "0", state: "DEPLETED"}, {reason: "old", remaining: "0", state: "DEPLETED"}
        {reason: "new", remaining: "0", state: "DEPLETED"}, {reason: "last", remaining: "0.5", state: "ACTIVE"}
      ]}}
      entry: {allocations: [
        {credits: "-1", grant: {reason: "first"}}, {credits: "-1", grant: {reason: "ends soon"}}
        {credits: "-1", grant: {reason: "ends late"}}, {credits: "-1", grant: {reason: "old"}}
        {credits: "-1", grant: {reason: "new"}}, {credits: "-0.5", grant: {reason: "last"}}
      ]}
      errors: []
    }}}
    "#);
});

both!(events_are_ordered_by_when_they_happened_and_burn_what_is_alive_when_they_arrive, async |db| {
    let api = Api::on(db).await;
    api.acme_with("5", json!({"expiration": {"policy": "AFTER_DAYS", "days": 1}})).await;
    api.at("2026-01-03T00:00:00Z");
    let event = json!({"id": "late", "customer": {"externalId": "acme"}, "type": "call",
                       "timestamp": "2026-01-01T12:00:00Z"});
    let sent = api
        .ask(
            "mutation($events: [EventInput!]!) { ingestEvents(input: {events: $events}) { receipts { event { ...Event } }
                balances { ...Balance } } }",
            json!({"events": [event]}),
        )
        .await;
    answer!(sent, @r#"
    {data: {ingestEvents: {
      balances: [{available: "0", held: "0", lastSequence: "3", nextChangeAt: null, settled: "0", state: "DEPLETED"}]
      receipts: [{event: {
        entries: [{
          allocations: [], availableAfter: "0", credits: "0", kind: "USAGE", occurredAt: "2026-01-01T12:00:00.000000Z"
          origin: "EVENT"
          rating: {credits: "1", creditsPerUnit: "1", exactCredits: "1", meter: {key: "calls"}, quantity: "1"}
          reason: null, recordedAt: "2026-01-03T00:00:00.000000Z", sequence: "3", stateAfter: "DEPLETED"
          uncovered: "1"
        }]
        eventId: "late"
        outcomes: [{
          credits: "1", creditsPerUnit: "1", explanation: "1 event × 1 = 1 credit", meter: {key: "calls"}
          outcome: "BURNED", quantity: "1"
        }]
        properties: {}, receivedAt: "2026-01-03T00:00:00.000000Z", timestamp: "2026-01-01T12:00:00.000000Z"
        type: "call"
      }}]
    }}}
    "#);
});
