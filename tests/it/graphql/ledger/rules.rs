//! The rules that only books on record can show, by their numbers: L1, L5 and L12. The others are told in `ledger::scenarios`.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::answer::answer;
use crate::support::db::both;
use crate::support::documents;

/// Every entry with all that it says, the oldest first.
async fn ledger(desk: &Desk) -> Vec<Value> {
    let query = &documents::balance(
        "entries(first: 100) { nodes { id sequence kind credits heldChange \
                 uncovered availableAfter settledAfter heldAfter stateAfter allocations { grant { id } credits heldChange } origin \
                 terms { priority expiresAt } hold { id } reverses { id } reason metadata idempotencyKey occurredAt recordedAt \
                 hash } }",
    );
    let answer = desk.api.ask(query, json!({"id": desk.balance})).await;
    let nodes = answer["data"]["creditBalance"]["entries"]["nodes"].as_array().expect("a page");
    nodes.iter().rev().cloned().collect()
}

both!(l1_a_correction_is_an_entry_of_its_own_and_changes_none, async |db| {
    let desk = Desk::with(db, "10").await;
    let grant = desk.api.top_up(&desk.balance, "20", "more", json!({})).await;
    let hold = desk.hold("5", 60).await;
    desk.capture(&hold, Some("2"), "REJECT").await;
    desk.api.burn("e1", "9").await;
    let mut before = ledger(&desk).await;
    let corrections: [(&str, Value); 4] = [
        ("reverseEntry", json!({"entryId": before[3]["id"], "idempotencyKey": "r1"})),
        ("reverseEntry", json!({"entryId": before[4]["id"], "credits": "4", "idempotencyKey": "r2"})),
        ("updateGrant", json!({"id": grant, "priority": 1, "expiresAt": "2026-01-01T00:10:00Z"})),
        ("voidGrant", json!({"grantId": grant})),
    ];
    for (mutation, input) in corrections {
        desk.ask(mutation, input).await;
        let after = ledger(&desk).await;
        assert_eq!(after[..before.len()], before, "{mutation} changed what is written");
        assert_eq!(after.len(), before.len() + 1, "{mutation} is an entry of its own");
        before = after;
    }
    desk.proven().await;
});

both!(l5_each_command_has_one_effect_a_key, async |db| {
    let desk = Desk::with(db, "100").await;
    let hold = desk.hold("10", 60).await;
    desk.api.burn("e1", "9").await;
    let burned = desk.entry(3).await;
    let commands = [
        ("topUpCredits", json!({"balanceId": desk.balance, "credits": "5"})),
        ("retainCredits", json!({"balanceId": desk.balance, "credits": "5"})),
        ("holdCredits", json!({"balanceId": desk.balance, "credits": "5"})),
        ("captureHold", json!({"holdId": hold, "credits": "5"})),
        ("reverseEntry", json!({"entryId": burned, "credits": "5"})),
    ];
    let mut told = Vec::new();
    for (mutation, mut input) in commands {
        input["idempotencyKey"] = json!(mutation);
        for credits in ["5", "5.000", "6"] {
            input["credits"] = json!(credits);
            told.push(format!("{mutation} {credits}: {}", desk.say(mutation, input.clone()).await));
        }
        // A key is taken for every command of the customer.
        let other = json!({"balanceId": desk.balance, "credits": "5", "reason": "another", "idempotencyKey": mutation});
        assert!(desk.say("topUpCredits", other).await.starts_with("IdempotencyConflict"), "{mutation}");
    }
    answer!(json!(told), @r#"
    [
      "topUpCredits 5: 4 TOP_UP 5 held 0 | 86 available, 96 settled, 10 held, ACTIVE"
      "topUpCredits 5.000: 4 TOP_UP 5 held 0 | 86 available, 96 settled, 10 held, ACTIVE | replayed"
      "topUpCredits 6: IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "retainCredits 5: 5 RETENTION -5 held 0 | 81 available, 91 settled, 10 held, ACTIVE"
      "retainCredits 5.000: 5 RETENTION -5 held 0 | 81 available, 91 settled, 10 held, ACTIVE | replayed"
      "retainCredits 6: IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "holdCredits 5: 6 HOLD 0 held 5 | ACTIVE 5, captured 0, until 00:15:00 | 76 available, 91 settled, 15 held, ACTIVE"
      "holdCredits 5.000: 6 HOLD 0 held 5 | ACTIVE 5, captured 0, until 00:15:00 | 76 available, 91 settled, 15 held, ACTIVE | replayed"
      "holdCredits 6: IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "captureHold 5: 7 CAPTURE -5 held -10 | CAPTURED 10, captured 5, until 00:01:00, ended 00:00:00 | 81 available, 86 settled, 5 held, ACTIVE"
      "captureHold 5.000: 7 CAPTURE -5 held -10 | CAPTURED 10, captured 5, until 00:01:00, ended 00:00:00 | 81 available, 86 settled, 5 held, ACTIVE | replayed"
      "captureHold 6: IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
      "reverseEntry 5: 8 REVERSAL 5 held 0 | 86 available, 91 settled, 5 held, ACTIVE"
      "reverseEntry 5.000: 8 REVERSAL 5 held 0 | 86 available, 91 settled, 5 held, ACTIVE | replayed"
      "reverseEntry 6: IdempotencyConflict at idempotencyKey: This idempotency key was used before with another input; use a new key for a new command."
    ]
    "#);
    desk.proven().await;
});

both!(l12_the_same_commands_at_the_same_time_have_the_same_hashes_on_both_databases, async |db| {
    let desk = Desk::with(db, "10").await;
    let hold = desk.hold("5", 60).await;
    desk.capture(&hold, Some("2"), "REJECT").await;
    desk.reverse(3, Some("1")).await;
    let hashes: Vec<Value> = ledger(&desk).await.into_iter().map(|entry| entry["hash"].clone()).collect();
    answer!(json!(hashes), @r#"
    [
      "57f290cb81b2244f011a064d5d1efa697b33235589c21047fb7bee141b6570fa"
      "f0cb9373323f164277f707ed0d64de2239248a37e52aaeca734ba1a928bc7918"
      "28758c1286b5fcaee546e3f90d4b9db932bf84457cda2520db762408f4fac2ae"
      "26ab6a9659397528cf26e079051d1029942425f4835c992939dc58cf01ee2812"
    ]
    "#);
});
