//! Consumption over time: what was burned, in buckets, by meter.

use serde_json::{Value, json};

use super::desk::{Desk, text};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

const CONSUMED: &str = "query($id: ID!, $from: DateTime!, $until: DateTime!, $bucket: TimeBucket!) { creditBalance(id: $id) { \
    consumed(from: $from, until: $until, bucket: $bucket) { from until credits byMeter { meter { key } quantity credits } } } }";

async fn ask(desk: &Desk, from: &str, until: &str, bucket: &str) -> Value {
    let variables = json!({"id": desk.balance, "from": from, "until": until, "bucket": bucket});
    desk.api.ask(CONSUMED, variables).await
}

/// The buckets, in a line each.
async fn consumed(desk: &Desk, from: &str, until: &str, bucket: &str) -> Vec<String> {
    let answer = ask(desk, from, until, bucket).await;
    let buckets = answer["data"]["creditBalance"]["consumed"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let meter = |meter: &Value| {
        let key = if meter["meter"].is_null() { "no meter".to_owned() } else { text(&meter["meter"]["key"]) };
        format!("{key}: {} for {}", text(&meter["credits"]), text(&meter["quantity"]))
    };
    let line = |bucket: &Value| {
        let meters: Vec<String> = bucket["byMeter"].as_array().into_iter().flatten().map(meter).collect();
        let times = ["from", "until"].map(|field| text(&bucket[field])[5..16].to_owned());
        format!("{} to {}: {} [{}]", times[0], times[1], text(&bucket["credits"]), meters.join(", "))
    };
    buckets.iter().map(line).collect()
}

async fn usage(desk: &Desk, id: &str, count: Value, timestamp: &str) {
    let event = json!({"id": id, "customer": {"externalId": "acme"}, "type": if count.is_null() { "call" } else { "tokens" },
                       "properties": {"count": count}, "timestamp": timestamp});
    let payload = desk.api.make("ingestEvents", "accepted", json!({"events": [event]})).await;
    assert_eq!(payload["accepted"], 1, "{payload}");
}

both!(what_was_burned_is_told_by_when_it_happened_and_by_meter, async |db| {
    let desk = Desk::with(db, "100").await;
    desk.api.at("2026-01-03T12:00:00Z");
    usage(&desk, "e1", json!("7.5"), "2026-01-01T00:00:00Z").await;
    usage(&desk, "e2", json!("0.25"), "2026-01-01T23:59:59.999999Z").await;
    usage(&desk, "e3", Value::Null, "2026-01-02T00:00:00Z").await;
    usage(&desk, "before", json!("50"), "2025-12-31T23:59:59.999999Z").await;
    desk.api.retain(&desk.balance, "3", "by hand").await;
    let hold = desk.hold("10", 60).await;
    desk.capture(&hold, Some("4"), "REJECT").await;
    let mut told = consumed(&desk, "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "DAY").await;
    told.push("after reversals".to_owned());
    desk.api.at("2026-01-04T12:00:00Z");
    desk.reverse(2, Some("2.5")).await;
    desk.reverse(2, Some("1")).await;
    desk.reverse(6, None).await;
    told.extend(consumed(&desk, "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "DAY").await);
    told.push("in hours".to_owned());
    told.extend(consumed(&desk, "2026-01-01T21:30:00Z", "2026-01-02T00:15:00Z", "HOUR").await);
    told.push("in months".to_owned());
    told.extend(consumed(&desk, "2025-12-31T00:00:00Z", "2026-03-01T00:00:00Z", "MONTH").await);
    answer!(json!(told), @r#"
    [
      "01-01T00:00 to 01-02T00:00: 7.75 [tokens: 7.75 for 7.75]", "01-02T00:00 to 01-03T00:00: 1 [calls: 1 for 1]"
      "01-03T00:00 to 01-04T00:00: 7 [no meter: 7 for 0]", "01-04T00:00 to 01-05T00:00: 0 []", "after reversals"
      "01-01T00:00 to 01-02T00:00: 4.25 [tokens: 4.25 for 7.75]", "01-02T00:00 to 01-03T00:00: 1 [calls: 1 for 1]"
      "01-03T00:00 to 01-04T00:00: 4 [no meter: 4 for 0]", "01-04T00:00 to 01-05T00:00: 0 []", "in hours"
      "01-01T21:30 to 01-01T22:30: 0 []", "01-01T22:30 to 01-01T23:30: 0 []"
      "01-01T23:30 to 01-02T00:15: 1.25 [calls: 1 for 1, tokens: 0.25 for 0.25]", "in months"
      "12-31T00:00 to 01-31T00:00: 59.25 [calls: 1 for 1, tokens: 54.25 for 57.75, no meter: 4 for 0]"
      "01-31T00:00 to 02-28T00:00: 0 []", "02-28T00:00 to 03-01T00:00: 0 []"
    ]
    "#);
});

both!(what_was_not_covered_is_not_counted, async |db| {
    let desk = Desk::with(db, "5").await;
    desk.api.burn("e1", "8").await;
    desk.api.burn("e2", "1").await;
    let told = consumed(&desk, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "DAY").await;
    answer!(json!(told), @r#"["01-01T00:00 to 01-02T00:00: 5 [tokens: 5 for 9]"]"#);
});

on_sqlite!(what_cannot_be_counted_says_why, async |db| {
    let desk = Desk::with(db, "5").await;
    let mut told = Vec::new();
    for (from, until, bucket) in [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "DAY"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "DAY"),
        ("2026-01-01T00:00:00Z", "2026-02-11T16:00:00.000001Z", "HOUR"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "MONTH"),
    ] {
        told.push(ask(&desk, from, until, bucket).await["errors"][0].clone());
    }
    let all = ask(&desk, "2026-01-01T00:00:00Z", "2026-02-11T16:00:00Z", "HOUR").await;
    assert_eq!(all["data"]["creditBalance"]["consumed"].as_array().map(Vec::len), Some(1_000));
    answer!(json!(told), @r#"
    [
      {
        extensions: {argument: "until", code: "BAD_USER_INPUT", requestId: "test"}
        locations: [{column: 103, line: 1}]
        message: "until is 2026-01-01T00:00:00.000000Z, which is not behind from, 2026-01-01T00:00:00.000000Z."
        path: ["creditBalance", "consumed"]
      }
      {
        extensions: {argument: "until", code: "BAD_USER_INPUT", requestId: "test"}
        locations: [{column: 103, line: 1}]
        message: "until is 2026-01-01T00:00:00.000000Z, which is not behind from, 2026-01-02T00:00:00.000000Z."
        path: ["creditBalance", "consumed"]
      }
      {
        extensions: {argument: "bucket", code: "BAD_USER_INPUT", requestId: "test"}
        locations: [{column: 103, line: 1}]
        message: "from and until make more than 1000 buckets; ask for longer ones, or for less time."
        path: ["creditBalance", "consumed"]
      }
      {
        extensions: {argument: "bucket", code: "BAD_USER_INPUT", requestId: "test"}
        locations: [{column: 103, line: 1}]
        message: "from and until make more than 1000 buckets; ask for longer ones, or for less time."
        path: ["creditBalance", "consumed"]
      }
    ]
    "#);
});

both!(thousands_of_entries_are_added_up_in_few_statements, async |db| {
    let desk = Desk::with(db, "100000").await;
    for hour in 0..5 {
        desk.api.at(&format!("2026-01-01T{hour:02}:00:00Z"));
        let event = |n: usize| {
            json!({"id": format!("{hour} {n}"), "customer": {"externalId": "acme"}, "type": "tokens",
                                      "properties": {"count": "0.000001"}})
        };
        let events: Vec<Value> = (0..1_000).map(event).collect();
        desk.api.make("ingestEvents", "accepted", json!({"events": events})).await;
    }
    let before = desk.api.app.db.statements();
    let told = consumed(&desk, "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z", "HOUR").await;
    let statements = desk.api.app.db.statements() - before;
    assert!(statements < 15, "{statements} statements");
    answer!(json!(told), @r#"
    [
      "01-01T00:00 to 01-01T01:00: 0.001 [tokens: 0.001 for 0.001]"
      "01-01T01:00 to 01-01T02:00: 0.001 [tokens: 0.001 for 0.001]"
      "01-01T02:00 to 01-01T03:00: 0.001 [tokens: 0.001 for 0.001]"
      "01-01T03:00 to 01-01T04:00: 0.001 [tokens: 0.001 for 0.001]"
      "01-01T04:00 to 01-01T05:00: 0.001 [tokens: 0.001 for 0.001]"
    ]
    "#);
});
