//! Corrections: what came in or was burned is taken back, by entries of their own (L13, L14).

use serde_json::json;

use super::desk::Desk;
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

both!(a_grant_that_is_voided_goes_at_once_but_for_what_holds_pin, async |db| {
    let desk = Desk::with(db, "10").await;
    let more = desk.api.top_up(&desk.balance, "20", "more", json!({"priority": 1})).await;
    let hold = desk.hold("15", 60).await;
    let mut told = vec![desk.void(&more).await, desk.void(&more).await];
    told.extend(desk.grants().await);
    told.push(desk.capture(&hold, Some("4"), "REJECT").await);
    told.extend(desk.grants().await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "4 VOID -5 held 0 | 10 available, 25 settled, 15 held, ACTIVE"
      "10 available, 25 settled, 15 held, ACTIVE | replayed", "TOP_UP VOIDED: 15 of 20, held 15"
      "STARTING_BALANCE ACTIVE: 10 of 10, held 0"
      "5 CAPTURE -4 held -15 | CAPTURED 15, captured 4, until 00:01:00, ended 00:00:00 | 10 available, 10 settled, 0 held, ACTIVE"
      "TOP_UP VOIDED: 0 of 20, held 0", "STARTING_BALANCE ACTIVE: 10 of 10, held 0"
      "1 STARTING_BALANCE 10 [10/0] -> 10 API at 00:00:00", "2 TOP_UP 20 [20/0] -> 30 API at 00:00:00"
      "3 HOLD 0 held 15 [0/15] -> 15 API at 00:00:00", "4 VOID -5 [-5/0] -> 10 API at 00:00:00"
      "5 CAPTURE -4 held -15 [-4/-15] -> 21 API at 00:00:00", "6 VOID -11 [-11/0] -> 10 SYSTEM at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

both!(a_grant_that_has_not_begun_is_voided_by_an_entry_of_0, async |db| {
    let desk = Desk::with(db, "10").await;
    let later = desk.api.top_up(&desk.balance, "20", "later", json!({"effectiveAt": "2026-01-02T00:00:00Z"})).await;
    let mut told = vec![desk.void(&later).await];
    desk.api.at("2026-01-02T00:00:00Z");
    told.push(desk.stands().await);
    told.extend(desk.grants().await);
    answer!(json!(told), @r#"
    [
      "3 VOID 0 held 0 | 10 available, 10 settled, 0 held, ACTIVE", "10 available, 10 settled, 0 held, ACTIVE"
      "STARTING_BALANCE ACTIVE: 10 of 10, held 0", "TOP_UP VOIDED: 0 of 20, held 0"
    ]
    "#);
    desk.proven().await;
});

on_sqlite!(a_grant_that_is_over_cannot_be_voided_and_one_that_was_voided_is_answered, async |db| {
    let desk = Desk::with(db, "0").await;
    let ends = json!({"expiresAt": "2026-01-01T00:01:00Z"});
    let used = desk.api.top_up(&desk.balance, "5", "used", json!({})).await;
    let expired = desk.api.top_up(&desk.balance, "5", "expired", ends).await;
    let voided = desk.api.top_up(&desk.balance, "5", "voided", json!({"priority": 900})).await;
    desk.void(&voided).await;
    desk.api.at("2026-01-01T00:01:00Z");
    desk.api.retain(&desk.balance, "5", "all of it").await;
    let mut told = Vec::new();
    for grant in [&used, &expired, &voided] {
        told.push(desk.void(grant).await);
    }
    desk.api.close(&desk.balance).await;
    for grant in [&used, &expired, &voided] {
        told.push(desk.void(grant).await);
    }
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "InvalidState at grantId: state DEPLETED The grant is over: it is DEPLETED."
      "InvalidState at grantId: state EXPIRED The grant is over: it is EXPIRED."
      "0 available, 0 settled, 0 held, DEPLETED | replayed"
      "InvalidState at grantId: state DEPLETED The grant is over: it is DEPLETED."
      "InvalidState at grantId: state EXPIRED The grant is over: it is EXPIRED."
      "0 available, 0 settled, 0 held, CLOSED | replayed", "1 TOP_UP 5 [5/0] -> 5 API at 00:00:00"
      "2 TOP_UP 5 [5/0] -> 10 API at 00:00:00", "3 TOP_UP 5 [5/0] -> 15 API at 00:00:00"
      "4 VOID -5 [-5/0] -> 10 API at 00:00:00", "5 EXPIRATION -5 [-5/0] -> 5 SYSTEM at 00:01:00"
      "6 RETENTION -5 [-5/0] -> 0 API at 00:01:00"
    ]
    "#);
    desk.proven().await;
});

both!(an_entry_is_taken_back_in_parts_up_to_the_rest, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.api.top_up(&desk.balance, "20", "more", json!({})).await;
    desk.api.burn("e1", "25").await;
    let mut told = Vec::new();
    told.push(desk.reverse(3, Some("12")).await);
    told.extend(desk.grants().await);
    told.push(desk.reverse(3, Some("13.000001")).await);
    told.push(desk.reverse(3, None).await);
    told.push(desk.reverse(3, None).await);
    told.extend(desk.grants().await);
    told.extend(desk.entries().await);
    let query = "query($id: ID!) { node(id: $id) { ...on LedgerEntry { reversedBy { sequence credits reverses { sequence } } } } }";
    let entry = desk.entry(3).await;
    told.push(desk.api.ask(query, json!({"id": entry})).await["data"]["node"].to_string());
    answer!(json!(told), @r#"
    [
      "4 REVERSAL 12 held 0 | 17 available, 17 settled, 0 held, ACTIVE", "STARTING_BALANCE DEPLETED: 0 of 10, held 0"
      "TOP_UP ACTIVE: 17 of 20, held 0"
      "LimitExceeded at credits: limit 13 More is given back than the 13 credits that are left of the entry."
      "5 REVERSAL 13 held 0 | 30 available, 30 settled, 0 held, ACTIVE"
      "LimitExceeded at credits: limit 0 Nothing is left of the entry that could be given back."
      "STARTING_BALANCE ACTIVE: 10 of 10, held 0", "TOP_UP ACTIVE: 20 of 20, held 0"
      "1 STARTING_BALANCE 10 [10/0] -> 10 API at 00:00:00", "2 TOP_UP 20 [20/0] -> 30 API at 00:00:00"
      "3 USAGE -25 [-10/0 -15/0] -> 5 EVENT at 00:00:00", "4 REVERSAL 12 [12/0] -> 17 API at 00:00:00"
      "5 REVERSAL 13 [3/0 10/0] -> 30 API at 00:00:00"
      "{\"reversedBy\":[{\"credits\":\"12\",\"reverses\":{\"sequence\":\"3\"},\"sequence\":\"4\"},{\"credits\":\"13\",\"reverses\":{\"sequence\":\"3\"},\"sequence\":\"5\"}]}"
    ]
    "#);
    desk.proven().await;
});

both!(what_comes_back_to_a_grant_that_is_over_ends_again_at_once, async |db| {
    let desk = Desk::with(db, "0").await;
    let short = json!({"expiresAt": "2026-01-01T00:01:00Z"});
    desk.api.top_up(&desk.balance, "10", "short", short).await;
    let voided = desk.api.top_up(&desk.balance, "10", "voided", json!({"priority": 900})).await;
    desk.api.retain(&desk.balance, "15", "both").await;
    desk.void(&voided).await;
    desk.api.at("2026-01-01T00:02:00Z");
    let mut told = vec![desk.reverse(3, Some("8")).await];
    told.extend(desk.grants().await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "5 REVERSAL 8 held 0 | 0 available, 0 settled, 0 held, DEPLETED", "TOP_UP EXPIRED: 0 of 10, held 0"
      "TOP_UP VOIDED: 0 of 10, held 0", "1 TOP_UP 10 [10/0] -> 10 API at 00:00:00"
      "2 TOP_UP 10 [10/0] -> 20 API at 00:00:00", "3 RETENTION -15 [-10/0 -5/0] -> 5 API at 00:00:00"
      "4 VOID -5 [-5/0] -> 0 API at 00:00:00", "5 REVERSAL 8 [5/0 3/0] -> 8 API at 00:02:00"
      "6 EXPIRATION -3 [-3/0] -> 5 SYSTEM at 00:02:00", "7 VOID -5 [-5/0] -> 0 SYSTEM at 00:02:00"
    ]
    "#);
    desk.proven().await;
});

on_sqlite!(what_was_not_covered_is_not_given_back, async |db| {
    let desk = Desk::with(db, "5").await;
    desk.api.burn("e1", "8").await;
    desk.api.burn("e2", "1").await;
    let mut told = vec![desk.reverse(3, None).await, desk.reverse(2, Some("6")).await, desk.reverse(2, None).await];
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "LimitExceeded at credits: limit 0 Nothing is left of the entry that could be given back."
      "LimitExceeded at credits: limit 5 More is given back than the 5 credits that are left of the entry."
      "4 REVERSAL 5 held 0 | 5 available, 5 settled, 0 held, ACTIVE"
      "1 STARTING_BALANCE 5 [5/0] -> 5 API at 00:00:00", "2 USAGE -5 uncovered 3 [-5/0] -> 0 EVENT at 00:00:00"
      "3 USAGE 0 uncovered 1 [] -> 0 EVENT at 00:00:00", "4 REVERSAL 5 [5/0] -> 5 API at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

both!(usage_that_went_into_debt_comes_back_to_the_debt_and_then_as_a_grant_of_its_own, async |db| {
    let desk = Desk::of(db, "10", json!({"overdraft": {"policy": "ALLOW"}})).await;
    desk.api.burn("e1", "25").await;
    let mut told = vec![desk.reverse(2, Some("5")).await];
    desk.api.top_up(&desk.balance, "12", "pays the debt", json!({})).await;
    told.push(desk.stands().await);
    told.push(desk.reverse(2, Some("11")).await);
    told.extend(desk.grants().await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "3 REVERSAL 5 held 0 | -10 available, -10 settled, 0 held, OVERDRAWN", "2 available, 2 settled, 0 held, ACTIVE"
      "5 REVERSAL 11 held 0 | 13 available, 13 settled, 0 held, ACTIVE", "STARTING_BALANCE ACTIVE: 1 of 10, held 0"
      "TOP_UP ACTIVE: 2 of 12, held 0", "REVERSAL ACTIVE: 10 of 10, held 0"
      "1 STARTING_BALANCE 10 [10/0] -> 10 API at 00:00:00", "2 USAGE -25 [-10/0] -> -15 EVENT at 00:00:00"
      "3 REVERSAL 5 [] -> -10 API at 00:00:00", "4 TOP_UP 12 [2/0] -> 2 API at 00:00:00"
      "5 REVERSAL 11 [1/0 10/0] -> 13 API at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

on_sqlite!(a_capture_is_taken_back_and_so_is_what_other_holds_pin_beside_it, async |db| {
    let desk = Desk::with(db, "20").await;
    let (first, other) = (desk.hold("8", 60).await, desk.hold("7", 60).await);
    desk.capture(&first, Some("10"), "UP_TO_AVAILABLE").await;
    let mut told = vec![desk.reverse(4, Some("3")).await, desk.reverse(4, None).await];
    told.push(desk.capture(&other, None, "REJECT").await);
    told.extend(desk.grants().await);
    told.extend(desk.entries().await);
    answer!(json!(told), @r#"
    [
      "5 REVERSAL 3 held 0 | 6 available, 13 settled, 7 held, ACTIVE"
      "6 REVERSAL 7 held 0 | 13 available, 20 settled, 7 held, ACTIVE"
      "7 CAPTURE -7 held -7 | CAPTURED 7, captured 7, until 00:01:00, ended 00:00:00 | 13 available, 13 settled, 0 held, ACTIVE"
      "STARTING_BALANCE ACTIVE: 13 of 20, held 0", "1 STARTING_BALANCE 20 [20/0] -> 20 API at 00:00:00"
      "2 HOLD 0 held 8 [0/8] -> 12 API at 00:00:00", "3 HOLD 0 held 7 [0/7] -> 5 API at 00:00:00"
      "4 CAPTURE -10 held -8 [-10/-8] -> 3 API at 00:00:00", "5 REVERSAL 3 [3/0] -> 6 API at 00:00:00"
      "6 REVERSAL 7 [7/0] -> 13 API at 00:00:00", "7 CAPTURE -7 held -7 [-7/-7] -> 13 API at 00:00:00"
    ]
    "#);
    desk.proven().await;
});

both!(a_repeated_key_takes_an_entry_back_once, async |db| {
    let desk = Desk::with(db, "20").await;
    desk.api.burn("e1", "10").await;
    let entry = desk.entry(2).await;
    let mut told = Vec::new();
    for (credits, reason) in [("4", "wrong"), ("4.0", "wrong"), ("5", "wrong"), ("4", "another")] {
        let input = json!({"entryId": entry, "credits": credits, "reason": reason, "idempotencyKey": "k1"});
        told.push(desk.say("reverseEntry", input).await);
    }
    answer!(json!(told), @r#"
    [
      "3 REVERSAL 4 held 0 | 14 available, 14 settled, 0 held, ACTIVE"
      "3 REVERSAL 4 held 0 | 14 available, 14 settled, 0 held, ACTIVE | replayed"
      "IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
    ]
    "#);
    desk.proven().await;
});
