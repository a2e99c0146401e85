//! History: the books at any instant are what a read said at that instant.

use serde_json::{Value, json};

use super::desk::{Desk, text};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

const THEN: &str = "query($id: ID!, $time: DateTime!) { creditBalance(id: $id) { at(time: $time) { time lastSequence available \
                    settled held grants { grant { source state } remaining held } } } }";

/// The books at an instant, in a line.
async fn then(desk: &Desk, time: &str) -> String {
    let answer = desk.api.ask(THEN, json!({"id": desk.balance, "time": time})).await;
    let books = &answer["data"]["creditBalance"]["at"];
    let grants = books["grants"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let grant = |grant: &Value| format!("{} of {}", text(&grant["remaining"]), text(&grant["grant"]["source"]));
    let grants: Vec<String> = grants.iter().map(grant).collect();
    let [sequence, available, settled, held] =
        ["lastSequence", "available", "settled", "held"].map(|field| text(&books[field]));
    format!("{} entries: {available} available, {settled} settled, {held} held [{}]", sequence, grants.join(", "))
}

both!(the_books_at_any_instant_are_as_they_were_posted_or_not, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.api.top_up(&desk.balance, "20", "short", json!({"expiresAt": "2026-01-01T00:10:00Z"})).await;
    desk.api.top_up(&desk.balance, "5", "later", json!({"effectiveAt": "2026-01-01T00:05:00Z"})).await;
    desk.api.at("2026-01-01T00:01:00Z");
    desk.hold("25", 300).await;
    desk.api.at("2026-01-01T00:02:00Z");
    let hold = desk.hold("1", 60).await;
    desk.api.at("2026-01-01T00:02:30Z");
    desk.say("extendHold", json!({"holdId": hold, "ttlSeconds": 3_600})).await;
    desk.api.at("2026-01-01T00:20:00Z");
    let instants = [
        "00:00:00",
        "00:00:59.999999",
        "00:01:00",
        "00:02:00",
        "00:04:59.999999",
        "00:05:00",
        "00:05:59.999999",
        "00:06:00",
        "00:09:59.999999",
        "00:10:00",
        "00:20:00",
    ];
    let told = async || {
        let mut told = Vec::new();
        for time in instants {
            told.push(format!("{time}: {}", then(&desk, &format!("2026-01-01T{time}Z")).await));
        }
        json!(told)
    };
    let unposted = told().await;
    desk.api.work().await;
    desk.capture(&hold, None, "REJECT").await;
    desk.reverse(9, None).await;
    desk.api.at("2026-01-02T00:00:00Z");
    let posted = told().await;
    for (before, after) in
        unposted.as_array().into_iter().flatten().zip(posted.as_array().into_iter().flatten()).take(10)
    {
        assert_eq!(before, after, "what is posted later changes nothing of it");
    }
    answer!(posted, @r#"
    [
      "00:00:00: 3 entries: 30 available, 30 settled, 0 held [20 of TOP_UP, 10 of STARTING_BALANCE]"
      "00:00:59.999999: 3 entries: 30 available, 30 settled, 0 held [20 of TOP_UP, 10 of STARTING_BALANCE]"
      "00:01:00: 4 entries: 5 available, 30 settled, 25 held [20 of TOP_UP, 10 of STARTING_BALANCE]"
      "00:02:00: 5 entries: 4 available, 30 settled, 26 held [20 of TOP_UP, 10 of STARTING_BALANCE]"
      "00:04:59.999999: 5 entries: 4 available, 30 settled, 26 held [20 of TOP_UP, 10 of STARTING_BALANCE]"
      "00:05:00: 5 entries: 9 available, 35 settled, 26 held [20 of TOP_UP, 10 of STARTING_BALANCE, 5 of TOP_UP]"
      "00:05:59.999999: 5 entries: 9 available, 35 settled, 26 held [20 of TOP_UP, 10 of STARTING_BALANCE, 5 of TOP_UP]"
      "00:06:00: 5 entries: 34 available, 35 settled, 1 held [20 of TOP_UP, 10 of STARTING_BALANCE, 5 of TOP_UP]"
      "00:09:59.999999: 5 entries: 34 available, 35 settled, 1 held [20 of TOP_UP, 10 of STARTING_BALANCE, 5 of TOP_UP]"
      "00:10:00: 5 entries: 14 available, 15 settled, 1 held [10 of STARTING_BALANCE, 5 of TOP_UP]"
      "00:20:00: 10 entries: 15 available, 15 settled, 0 held [10 of STARTING_BALANCE, 5 of TOP_UP]"
    ]
    "#);
});

on_sqlite!(history_with_an_entry_that_cannot_be_is_an_error, async |db| {
    let desk = Desk::with(db, "10").await;
    // Usage makes no grant.
    db.tamper("UPDATE entries SET kind = 6 WHERE lot = sequence").await;
    let answer = desk.api.ask(THEN, json!({"id": desk.balance, "time": "2026-01-01T00:00:00Z"})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer}");
});

on_sqlite!(an_instant_before_the_balance_or_in_the_future_is_refused, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.api.at("2026-01-01T00:01:00Z");
    let mut told = Vec::new();
    for time in ["2025-12-31T23:59:59.999999Z", "2026-01-01T00:01:00.000001Z", "yesterday"] {
        told.push(desk.api.ask(THEN, json!({"id": desk.balance, "time": time})).await);
    }
    answer!(json!(told), @r#"
    [
      {
        data: {creditBalance: {at: null}}
        errors: [{
          extensions: {argument: "time", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 62, line: 1}]
          message: "time is 2025-12-31T23:59:59.999999Z; the balance was opened at 2026-01-01T00:00:00.000000Z."
          path: ["creditBalance", "at"]
        }]
      }
      {
        data: {creditBalance: {at: null}}
        errors: [{
          extensions: {argument: "time", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 62, line: 1}]
          message: "time is 2026-01-01T00:01:00.000001Z, which lies in the future: it is 2026-01-01T00:01:00.000000Z."
          path: ["creditBalance", "at"]
        }]
      }
      {errors: [{
        extensions: {argument: "time", code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 17, line: 1}]
        message: "time must be DateTime: write an RFC 3339 time, such as \"2026-01-31T09:00:00Z\"."
      }]}
    ]
    "#);
});

both!(a_long_history_is_told_from_the_nearest_checkpoint, async |db| {
    let desk = Desk::with(db, "1000").await;
    let event = |n: i64| json!({"id": n.to_string(), "customer": {"externalId": "acme"}, "type": "call"});
    for second in 0..60 {
        desk.api.at(&format!("2026-01-01T00:00:{second:02}Z"));
        let events: Vec<Value> = (0..10).map(|n| event(second * 10 + n)).collect();
        desk.api.make("ingestEvents", "accepted", json!({"events": events})).await;
    }
    desk.api.at("2026-01-01T00:05:00Z");
    let statements = async |time: &str| {
        let before = desk.api.app.db.statements();
        let told = then(&desk, time).await;
        (told, desk.api.app.db.statements() - before)
    };
    let mut costs = Vec::new();
    for second in 0..60 {
        let (told, cost) = statements(&format!("2026-01-01T00:00:{second:02}.5Z")).await;
        let left = 1_000 - 10 * (second + 1);
        let entries = 1 + 10 * (second + 1);
        assert_eq!(
            told,
            format!("{entries} entries: {left} available, {left} settled, 0 held [{left} of STARTING_BALANCE]")
        );
        costs.push(cost);
    }
    let most = costs.iter().max().copied();
    assert_eq!(most, costs.first().copied(), "no instant costs more statements than the first: {costs:?}");
});

both!(a_closed_balance_has_its_history, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.api.at("2026-01-01T00:01:00Z");
    desk.api.retain(&desk.balance, "10", "all").await;
    desk.api.at("2026-01-01T00:02:00Z");
    desk.api.close(&desk.balance).await;
    desk.api.at("2026-01-01T00:03:00Z");
    let mut told = Vec::new();
    for time in ["2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z", "2026-01-01T00:03:00Z"] {
        told.push(then(&desk, time).await);
    }
    answer!(json!(told), @r#"
    [
      "1 entries: 10 available, 10 settled, 0 held [10 of STARTING_BALANCE]"
      "2 entries: 0 available, 0 settled, 0 held []", "2 entries: 0 available, 0 settled, 0 held []"
    ]
    "#);
});
