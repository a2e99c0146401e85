//! Holds (L9): credits set aside before work begins.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;
use crate::support::socket::Socket;

both!(a_hold_sets_credits_aside_until_it_is_captured_or_released, async |db| {
    let desk = Desk::with(db, "100").await;
    let mut told = Vec::new();
    let input = json!({"balanceId": desk.balance, "credits": "30", "reason": "a long job", "idempotencyKey": "k1"});
    told.push(desk.say("holdCredits", input).await);
    let (whole, part, none) = (desk.hold("20", 60).await, desk.hold("25", 60).await, desk.hold("5", 60).await);
    told.push(desk.stands().await);
    told.push(desk.capture(&whole, None, "REJECT").await);
    told.push(desk.capture(&part, Some("10.5"), "REJECT").await);
    told.push(desk.capture(&none, Some("0"), "REJECT").await);
    let first = desk.holds(json!(["ACTIVE"])).await;
    told.extend(first);
    told.extend(desk.holds(json!(["CAPTURED", "RELEASED", "LAPSED"])).await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "2 HOLD 0 held 30 | ACTIVE 30, captured 0, until 00:15:00 | 70 available, 100 settled, 30 held, ACTIVE"
      "20 available, 100 settled, 80 held, ACTIVE"
      "6 CAPTURE -20 held -20 | CAPTURED 20, captured 20, until 00:01:00, ended 00:00:00 | 20 available, 80 settled, 60 held, ACTIVE"
      "7 CAPTURE -10.5 held -25 | CAPTURED 25, captured 10.5, until 00:01:00, ended 00:00:00 | 34.5 available, 69.5 settled, 35 held, ACTIVE"
      "8 RELEASE 0 held -5 | RELEASED 5, captured 0, until 00:01:00, ended 00:00:00 | 39.5 available, 69.5 settled, 30 held, ACTIVE"
      "ACTIVE 30, captured 0, until 00:15:00", "RELEASED 5, captured 0, until 00:01:00, ended 00:00:00"
      "CAPTURED 25, captured 10.5, until 00:01:00, ended 00:00:00"
      "CAPTURED 20, captured 20, until 00:01:00, ended 00:00:00"
      "1 STARTING_BALANCE 100 [100/0] -> 100 API at 00:00:00", "2 HOLD 0 held 30 [0/30] -> 70 API at 00:00:00"
      "3 HOLD 0 held 20 [0/20] -> 50 API at 00:00:00", "4 HOLD 0 held 25 [0/25] -> 25 API at 00:00:00"
      "5 HOLD 0 held 5 [0/5] -> 20 API at 00:00:00", "6 CAPTURE -20 held -20 [-20/-20] -> 20 API at 00:00:00"
      "7 CAPTURE -10.5 held -25 [-10.5/-25] -> 34.5 API at 00:00:00"
      "8 RELEASE 0 held -5 [0/-5] -> 39.5 API at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

on_sqlite!(what_is_captured_beyond_a_hold_is_refused_or_taken_as_far_as_the_caller_says, async |db| {
    let desk = Desk::of(db, "100", json!({"overdraft": {"policy": "ALLOW", "limit": "20"}})).await;
    let mut told = Vec::new();
    let hold = desk.hold("60", 60).await;
    told.push(desk.capture(&hold, Some("60.000001"), "REJECT").await);
    told.push(desk.capture(&hold, Some("120.5"), "OVERDRAFT").await);
    told.push(desk.capture(&hold, Some("110"), "UP_TO_AVAILABLE").await);
    desk.api.top_up(&desk.balance, "50", "more", json!({})).await;
    let hold = desk.hold("30", 60).await;
    told.push(desk.capture(&hold, Some("70"), "OVERDRAFT").await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "LimitExceeded at credits: limit 60 More is captured than the 60 credits that are held."
      "InsufficientCredits at credits: available 40 required 60.5 shortfall 0.5 60.5 credits are required and 40 are available."
      "3 CAPTURE -100 held -60 uncovered 10 | CAPTURED 60, captured 100, until 00:01:00, ended 00:00:00 | 0 available, 0 settled, 0 held, DEPLETED"
      "6 CAPTURE -70 held -30 | CAPTURED 30, captured 70, until 00:01:00, ended 00:00:00 | -20 available, -20 settled, 0 held, OVERDRAWN"
      "1 STARTING_BALANCE 100 [100/0] -> 100 API at 00:00:00", "2 HOLD 0 held 60 [0/60] -> 40 API at 00:00:00"
      "3 CAPTURE -100 held -60 uncovered 10 [-100/-60] -> 0 API at 00:00:00"
      "4 TOP_UP 50 [50/0] -> 50 API at 00:00:00", "5 HOLD 0 held 30 [0/30] -> 20 API at 00:00:00"
      "6 CAPTURE -70 held -30 [-50/-30] -> -20 API at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

on_sqlite!(a_hold_can_be_captured_in_full_when_everything_else_is_gone_and_over, async |db| {
    let desk = Desk::with(db, "0").await;
    let ends = json!({"expiresAt": "2026-01-01T00:01:00Z"});
    desk.api.top_up(&desk.balance, "50", "short", ends).await;
    let (hold, other) = (desk.hold("40", 600).await, desk.hold("5", 600).await);
    let mut told = Vec::new();
    desk.api.at("2026-01-01T00:01:00Z");
    told.push(desk.stands().await);
    told.extend(desk.grants().await);
    desk.api.at("2026-01-01T00:09:59.999999Z");
    told.push(desk.capture(&hold, Some("30"), "REJECT").await);
    told.push(desk.release(&other).await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "0 available, 45 settled, 45 held, DEPLETED", "TOP_UP EXPIRED: 45 of 50, held 45"
      "5 CAPTURE -30 held -40 | CAPTURED 40, captured 30, until 00:10:00, ended 00:09:59.999999Z | 0 available, 5 settled, 5 held, DEPLETED"
      "7 RELEASE 0 held -5 | RELEASED 5, captured 0, until 00:10:00, ended 00:09:59.999999Z | 0 available, 0 settled, 0 held, DEPLETED"
      "1 TOP_UP 50 [50/0] -> 50 API at 00:00:00", "2 HOLD 0 held 40 [0/40] -> 10 API at 00:00:00"
      "3 HOLD 0 held 5 [0/5] -> 5 API at 00:00:00"
      "4 EXPIRATION -5 [-5/0] -> 0 SYSTEM at 00:01:00, recorded 00:09:59.999999Z"
      "5 CAPTURE -30 held -40 [-30/-40] -> 10 API at 00:09:59.999999Z"
      "6 EXPIRATION -10 [-10/0] -> 0 SYSTEM at 00:09:59.999999Z"
      "7 RELEASE 0 held -5 [0/-5] -> 5 API at 00:09:59.999999Z"
      "8 EXPIRATION -5 [-5/0] -> 0 SYSTEM at 00:09:59.999999Z"
    ]
    "#);
    desk.proven().await;
});

both!(a_hold_lapses_to_the_microsecond_though_nothing_was_posted, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.hold("4", 60).await;
    let mut told = Vec::new();
    for time in ["2026-01-01T00:00:59.999999Z", "2026-01-01T00:01:00Z"] {
        desk.api.at(time);
        told.push(desk.stands().await);
        told.extend(desk.holds(json!(["ACTIVE"])).await);
        told.extend(desk.holds(json!(["LAPSED"])).await);
    }
    desk.api.at("2026-01-01T00:05:00Z");
    desk.api.work().await;
    told.extend(desk.holds(json!(null)).await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "6 available, 10 settled, 4 held, ACTIVE", "ACTIVE 4, captured 0, until 00:01:00"
      "10 available, 10 settled, 0 held, ACTIVE", "LAPSED 4, captured 0, until 00:01:00, ended 00:01:00"
      "LAPSED 4, captured 0, until 00:01:00, ended 00:01:00", "1 STARTING_BALANCE 10 [10/0] -> 10 API at 00:00:00"
      "2 HOLD 0 held 4 [0/4] -> 6 API at 00:00:00"
      "3 RELEASE 0 held -4 [0/-4] -> 10 SYSTEM at 00:01:00, recorded 00:05:00"
    ]
    "#);
    desk.proven().await;
});

both!(a_hold_that_is_extended_lasts_from_now_on_and_never_shorter, async |db| {
    let desk = Desk::with(db, "10").await;
    let hold = desk.hold("4", 60).await;
    desk.api.at("2026-01-01T00:00:30Z");
    let mut told = Vec::new();
    for ttl in [10, 60] {
        told.push(desk.say("extendHold", json!({"holdId": hold, "ttlSeconds": ttl})).await);
    }
    desk.api.at("2026-01-01T00:01:29.999999Z");
    told.push(desk.stands().await);
    told.push(desk.say("extendHold", json!({"holdId": hold, "ttlSeconds": 1})).await);
    desk.api.at("2026-01-01T00:01:30.999999Z");
    told.push(desk.say("extendHold", json!({"holdId": hold, "ttlSeconds": 60})).await);
    told.push(desk.stands().await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "ACTIVE 4, captured 0, until 00:01:00 | 6 available, 10 settled, 4 held, ACTIVE"
      "ACTIVE 4, captured 0, until 00:01:30 | 6 available, 10 settled, 4 held, ACTIVE"
      "6 available, 10 settled, 4 held, ACTIVE"
      "ACTIVE 4, captured 0, until 00:01:30.999999Z | 6 available, 10 settled, 4 held, ACTIVE"
      "InvalidState at holdId: state LAPSED The hold has lapsed: its time was over before it was captured. Set credits aside anew."
      "10 available, 10 settled, 0 held, ACTIVE", "1 STARTING_BALANCE 10 [10/0] -> 10 API at 00:00:00"
      "2 HOLD 0 held 4 [0/4] -> 6 API at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

on_sqlite!(a_hold_that_has_ended_is_released_again_without_harm_and_captured_never, async |db| {
    let desk = Desk::with(db, "100").await;
    let (captured, released, lapsed) = (desk.hold("1", 60).await, desk.hold("2", 60).await, desk.hold("3", 60).await);
    desk.capture(&captured, None, "REJECT").await;
    desk.release(&released).await;
    desk.api.at("2026-01-01T00:01:00Z");
    let mut told = Vec::new();
    for hold in [&captured, &released, &lapsed] {
        told.push(desk.release(hold).await);
        told.push(desk.capture(hold, Some("0.5"), "REJECT").await);
        told.push(desk.say("extendHold", json!({"holdId": hold, "ttlSeconds": 60})).await);
    }
    let again = desk.capture(&captured, None, "REJECT").await;
    told.push(again);
    desk.api.work().await;
    told.push(desk.release(&lapsed).await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "CAPTURED 1, captured 1, until 00:01:00, ended 00:00:00 | 99 available, 99 settled, 0 held, ACTIVE | replayed"
      "InvalidState at holdId: state CAPTURED The hold was captured already."
      "InvalidState at holdId: state CAPTURED The hold was captured already."
      "RELEASED 2, captured 0, until 00:01:00, ended 00:00:00 | 99 available, 99 settled, 0 held, ACTIVE | replayed"
      "InvalidState at holdId: state RELEASED The hold was released; set credits aside anew."
      "InvalidState at holdId: state RELEASED The hold was released; set credits aside anew."
      "LAPSED 3, captured 0, until 00:01:00, ended 00:01:00 | 99 available, 99 settled, 0 held, ACTIVE | replayed"
      "InvalidState at holdId: state LAPSED The hold has lapsed: its time was over before it was captured. Set credits aside anew."
      "InvalidState at holdId: state LAPSED The hold has lapsed: its time was over before it was captured. Set credits aside anew."
      "5 CAPTURE -1 held -1 | CAPTURED 1, captured 1, until 00:01:00, ended 00:00:00 | 99 available, 99 settled, 0 held, ACTIVE | replayed"
      "LAPSED 3, captured 0, until 00:01:00, ended 00:01:00 | 99 available, 99 settled, 0 held, ACTIVE | replayed"
      "1 STARTING_BALANCE 100 [100/0] -> 100 API at 00:00:00", "2 HOLD 0 held 1 [0/1] -> 99 API at 00:00:00"
      "3 HOLD 0 held 2 [0/2] -> 97 API at 00:00:00", "4 HOLD 0 held 3 [0/3] -> 94 API at 00:00:00"
      "5 CAPTURE -1 held -1 [-1/-1] -> 94 API at 00:00:00", "6 RELEASE 0 held -2 [0/-2] -> 96 API at 00:00:00"
      "7 RELEASE 0 held -3 [0/-3] -> 99 SYSTEM at 00:01:00"
    ]
    "#);
    desk.proven().await;
});

both!(a_repeated_key_answers_the_first_hold_and_the_first_capture, async |db| {
    let desk = Desk::with(db, "10").await;
    let input = json!({"balanceId": desk.balance, "credits": "8.0", "idempotencyKey": "k1"});
    let mut told = vec![desk.say("holdCredits", input.clone()).await];
    let hold = desk
        .ask("holdCredits", json!({"balanceId": desk.balance, "credits": 8, "ttlSeconds": 900, "idempotencyKey": "k1"}))
        .await;
    told.push(super::desk::line(&hold));
    let hold = hold["hold"]["id"].clone();
    let capture = json!({"holdId": hold, "idempotencyKey": "k2"});
    for _ in 0..2 {
        told.push(desk.say("captureHold", capture.clone()).await);
    }
    told.push(desk.say("holdCredits", input).await);
    for (field, value) in [("credits", json!("1")), ("overrun", json!("OVERDRAFT")), ("reason", json!("another"))] {
        let mut other = capture.clone();
        other[field] = value;
        told.push(desk.say("captureHold", other).await);
    }
    answer!(json!(told), @r#"
    [
      "2 HOLD 0 held 8 | ACTIVE 8, captured 0, until 00:15:00 | 2 available, 10 settled, 8 held, ACTIVE"
      "2 HOLD 0 held 8 | ACTIVE 8, captured 0, until 00:15:00 | 2 available, 10 settled, 8 held, ACTIVE | replayed"
      "3 CAPTURE -8 held -8 | CAPTURED 8, captured 8, until 00:15:00, ended 00:00:00 | 2 available, 2 settled, 0 held, ACTIVE"
      "3 CAPTURE -8 held -8 | CAPTURED 8, captured 8, until 00:15:00, ended 00:00:00 | 2 available, 2 settled, 0 held, ACTIVE | replayed"
      "2 HOLD 0 held 8 | CAPTURED 8, captured 8, until 00:15:00, ended 00:00:00 | 2 available, 2 settled, 0 held, ACTIVE | replayed"
      "IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
    ]
    "#);
    desk.proven().await;
});

both!(holds_are_listed_newest_first_and_found_by_id, async |db| {
    let desk = Desk::with(db, "10").await;
    let mut ids = Vec::new();
    for credits in ["1", "2", "3"] {
        ids.push(desk.hold(credits, 60).await);
    }
    let query = "query($id: ID!, $hold: ID!, $after: String) { node(id: $hold) { __typename ...on Hold { credits balance { id } \
                 reason metadata } } creditBalance(id: $id) { holds(first: 2, after: $after) { nodes { credits } \
                 pageInfo { hasNextPage endCursor } } } }";
    let first = desk.api.ask(query, json!({"id": desk.balance, "hold": ids[1]})).await;
    let after = first["data"]["creditBalance"]["holds"]["pageInfo"]["endCursor"].clone();
    let rest = desk.api.ask(query, json!({"id": desk.balance, "hold": ids[1], "after": after})).await;
    answer!(json!([first, rest]), @r#"
    [
      {data: {
        creditBalance: {holds: {
          nodes: [{credits: "3"}, {credits: "2"}]
          pageInfo: {endCursor: "holds bal_06dndml801o07ai17capb161480g 3", hasNextPage: true}
        }}
        node: {
          __typename: "Hold", balance: {id: "bal_06dndml801o07ai17capb161480g"}, credits: "2", metadata: {}
          reason: null
        }
      }}
      {data: {
        creditBalance: {holds: {
          nodes: [{credits: "1"}]
          pageInfo: {endCursor: "holds bal_06dndml801o07ai17capb161480g 2", hasNextPage: false}
        }}
        node: {
          __typename: "Hold", balance: {id: "bal_06dndml801o07ai17capb161480g"}, credits: "2", metadata: {}
          reason: null
        }
      }}
    ]
    "#);
});

on_sqlite!(a_balance_has_at_most_1000_active_holds, async |db| {
    let desk = Desk::with(db, "1001").await;
    let one = |n: usize| {
        format!(
            "h{n}: holdCredits(input: {{balanceId: $id, credits: 1, idempotencyKey: \"k{n}\"}}) {{ errors {{ message }} }}"
        )
    };
    let all: Vec<usize> = (0..1_000).collect();
    for some in all.chunks(25) {
        let many: Vec<String> = some.iter().copied().map(one).collect();
        let query = format!("mutation($id: ID!) {{ {} }}", many.join(" "));
        let answer = desk.api.ask(&query, json!({"id": desk.balance})).await;
        let all = answer["data"].as_object().unwrap_or_else(|| panic!("{answer}"));
        assert!(all.values().all(|payload| payload["errors"] == json!([])), "{answer}");
    }
    let input = json!({"balanceId": desk.balance, "credits": "1", "idempotencyKey": "one more"});
    let refused = desk.say("holdCredits", input.clone()).await;
    let last = desk.holds(json!(["ACTIVE"])).await;
    assert_eq!(last.len(), 20);
    let query = &documents::balance("holds(first: 1) { nodes { id } }");
    let newest = desk.api.ask(query, json!({"id": desk.balance})).await;
    let newest = newest["data"]["creditBalance"]["holds"]["nodes"][0]["id"].as_str().expect("an id").to_owned();
    desk.release(&newest).await;
    let accepted = desk.say("holdCredits", input).await;
    answer!(json!([refused, accepted]), @r#"
    [
      "LimitExceeded at balanceId: limit 1000 The balance has 1000 active holds, which is as many as it may have."
      "1003 HOLD 0 held 1 | ACTIVE 1, captured 0, until 00:15:00 | 1 available, 1001 settled, 1000 held, ACTIVE"
    ]
    "#);
    desk.proven().await;
});

both!(streams_carry_holds_captures_and_releases, async |db| {
    let desk = Desk::with(db, "10").await;
    let before: Value = desk.api.ask(&documents::balance("cursor"), json!({"id": desk.balance})).await;
    let after = before["data"]["creditBalance"]["cursor"].clone();
    let (first, second) = (desk.hold("4", 60).await, desk.hold("5", 60).await);
    desk.capture(&first, Some("1"), "REJECT").await;
    desk.release(&second).await;
    let query = &documents::balance_changes(
        "\
                 entry { kind heldChange hold { state } } available held",
    );
    let mut stream = Socket::subscribe(&desk.api, query, json!({"id": desk.balance, "after": after})).await;
    let told = stream.take(4).await;
    answer!(told, @r#"
    [
      {balanceChanges: {available: "6", entry: {heldChange: "4", hold: {state: "CAPTURED"}, kind: "HOLD"}, held: "4"}}
      {balanceChanges: {available: "1", entry: {heldChange: "5", hold: {state: "RELEASED"}, kind: "HOLD"}, held: "9"}}
      {balanceChanges: {
        available: "4", entry: {heldChange: "-4", hold: {state: "CAPTURED"}, kind: "CAPTURE"}, held: "5"
      }}
      {balanceChanges: {
        available: "9", entry: {heldChange: "-5", hold: {state: "RELEASED"}, kind: "RELEASE"}, held: "0"
      }}
    ]
    "#);
});
