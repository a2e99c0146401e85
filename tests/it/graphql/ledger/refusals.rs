//! What bad input gets: an error that says where and why, and nothing has changed.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::answer::answer;
use crate::support::db::on_sqlite;
use crate::support::documents;

/// Asks for each, and says what was refused; the balance has as many entries after it as before.
async fn refused(desk: &Desk, asked: Vec<(&str, Value)>) -> Value {
    let before = desk.now().await;
    let mut told = Vec::new();
    for (mutation, input) in asked {
        let answer = desk.ask(mutation, input).await;
        assert!(answer.get("entry").is_none_or(Value::is_null), "{mutation}: {answer:#}");
        let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
        told.push(match errors.first() {
            Some(error) if error["__typename"].is_string() => super::desk::line(&answer),
            _ => format!("{}: {}", errors[0]["extensions"]["code"], errors[0]["message"]),
        });
    }
    assert_eq!(desk.now().await, before);
    json!(told)
}

on_sqlite!(what_cannot_be_set_aside_says_why, async |db| {
    let desk = Desk::with(db, "10").await;
    let hold = |credits: Value, ttl: i64| {
        (
            "holdCredits",
            json!({"balanceId": desk.balance, "credits": credits, "ttlSeconds": ttl, "idempotencyKey": "k"}),
        )
    };
    let nobody = json!({"balanceId": format!("{}0", desk.balance), "credits": "1", "idempotencyKey": "k"});
    let customer = json!({"balanceId": desk.balance.replace("bal_", "grt_"), "credits": "1", "idempotencyKey": "k"});
    let metadata = json!({"balanceId": desk.balance, "credits": "1", "metadata": [], "idempotencyKey": "k"});
    let asked = vec![
        hold(json!("10.000001"), 900),
        hold(json!("0"), 900),
        hold(json!("-1"), 900),
        hold(json!("1.0000001"), 900),
        hold(json!("1000000000001"), 900),
        hold(json!("1"), 0),
        hold(json!("1"), -5),
        hold(json!("1"), 604_801),
        ("holdCredits", nobody),
        ("holdCredits", customer),
        ("holdCredits", metadata),
        ("holdCredits", json!({"balanceId": desk.balance, "credits": "1", "idempotencyKey": ""})),
    ];
    let told = refused(&desk, asked).await;
    answer!(told, @r#"
    [
      "InsufficientCredits at credits: available 10 required 10.000001 shortfall 0.000001 10.000001 credits are required and 10 are available."
      "InvalidInput at credits: credits is zero; it must be more than 0."
      "InvalidInput at credits: credits is negative; amounts are given as magnitudes."
      "InvalidInput at credits: credits has more than 6 fraction digits."
      "InvalidInput at credits: credits is over the greatest amount, 1000000000000."
      "InvalidInput at ttlSeconds: ttlSeconds is 0; credits are set aside for 1 to 604800 seconds."
      "InvalidInput at ttlSeconds: ttlSeconds is -5; credits are set aside for 1 to 604800 seconds."
      "InvalidInput at ttlSeconds: ttlSeconds is 604801; credits are set aside for 1 to 604800 seconds."
      "InvalidInput at balanceId: balanceId is not the id of a credit balance (\"bal_…\")."
      "InvalidInput at balanceId: balanceId is the id of a grant; a credit balance is needed here (\"bal_…\")."
      "InvalidInput at metadata: metadata is not a JSON object."
      "InvalidInput at idempotencyKey: idempotencyKey is empty; write 1 to 255 characters."
    ]
    "#);
});

on_sqlite!(a_hold_that_is_not_covered_names_what_can_be_bought, async |db| {
    let desk = Desk::with(db, "10").await;
    let product = &documents::balance("product { id }");
    let product = desk.api.ask(product, json!({"id": desk.balance})).await;
    let product = product["data"]["creditBalance"]["product"]["id"].clone();
    for (name, credits) in [("Small", "50"), ("Large", "500")] {
        let price = json!({"amount": "5.00", "currency": "EUR"});
        let option = json!({"productId": product, "name": name, "credits": credits, "price": price});
        desk.api.make("createPurchaseOption", "purchaseOption { id }", option).await;
    }
    let query = "mutation($id: ID!) { holdCredits(input: {balanceId: $id, credits: 300, idempotencyKey: \"k\"}) { hold { id } \
                 balance { available } entry { id } replayed errors { ...Error ...on InsufficientCredits { \
                 balance { available } purchaseOptions { name credits } } } } }";
    let told = desk.api.ask(query, json!({"id": desk.balance})).await;
    answer!(told, @r#"
    {data: {holdCredits: {
      balance: null, entry: null
      errors: [{
        __typename: "InsufficientCredits", available: "10", balance: {available: "10"}
        message: "300 credits are required and 10 are available.", path: ["credits"]
        purchaseOptions: [{credits: "50", name: "Small"}, {credits: "500", name: "Large"}], required: "300"
        shortfall: "290"
      }]
      hold: null, replayed: false
    }}}
    "#);
});

on_sqlite!(what_cannot_be_captured_extended_or_released_says_why, async |db| {
    let desk = Desk::with(db, "10").await;
    let hold = desk.hold("4", 60).await;
    let unknown = desk.entry(1).await.replace("ent_", "hld_");
    let capture = |hold: &str, credits: Value, overrun: &str| {
        ("captureHold", json!({"holdId": hold, "credits": credits, "overrun": overrun, "idempotencyKey": "k"}))
    };
    let asked = vec![
        capture(&hold, json!("4.000001"), "REJECT"),
        capture(&hold, json!("10.000001"), "OVERDRAFT"),
        capture(&hold, json!("-1"), "REJECT"),
        capture(&hold, json!("0.0000001"), "REJECT"),
        capture(&unknown, Value::Null, "REJECT"),
        capture(&desk.balance, Value::Null, "REJECT"),
        ("extendHold", json!({"holdId": hold, "ttlSeconds": 0})),
        ("extendHold", json!({"holdId": hold, "ttlSeconds": 604_801})),
        ("extendHold", json!({"holdId": unknown, "ttlSeconds": 60})),
        ("releaseHold", json!({"holdId": unknown})),
        ("releaseHold", json!({"holdId": "nonsense"})),
        ("releaseHold", json!({"holdId": hold, "reason": "a\u{0}b"})),
    ];
    let told = refused(&desk, asked).await;
    answer!(told, @r#"
    [
      "LimitExceeded at credits: limit 4 More is captured than the 4 credits that are held."
      "InsufficientCredits at credits: available 6 required 6.000001 shortfall 0.000001 6.000001 credits are required and 6 are available."
      "InvalidInput at credits: credits is negative; amounts are given as magnitudes."
      "InvalidInput at credits: credits has more than 6 fraction digits."
      "NotFound at holdId: There is no hold with the id \"hld_06dndml801o07ai17capb161480g2\"."
      "InvalidInput at holdId: holdId is the id of a credit balance; a hold is needed here (\"hld_…\")."
      "InvalidInput at ttlSeconds: ttlSeconds is 0; credits are set aside for 1 to 604800 seconds."
      "InvalidInput at ttlSeconds: ttlSeconds is 604801; credits are set aside for 1 to 604800 seconds."
      "NotFound at holdId: There is no hold with the id \"hld_06dndml801o07ai17capb161480g2\"."
      "NotFound at holdId: There is no hold with the id \"hld_06dndml801o07ai17capb161480g2\"."
      "InvalidInput at holdId: holdId is not the id of a hold (\"hld_…\")."
      "InvalidInput at reason: reason holds the character U+0000, or half of a surrogate pair."
    ]
    "#);
});

on_sqlite!(what_cannot_be_taken_back_says_why, async |db| {
    let desk = Desk::with(db, "10").await;
    let ends = json!({"expiresAt": "2026-01-01T00:01:00Z"});
    desk.api.top_up(&desk.balance, "5", "short", ends).await;
    desk.api.retain(&desk.balance, "3", "retained").await;
    desk.reverse(3, Some("1")).await;
    desk.hold("1", 30).await;
    desk.api.at("2026-01-01T00:01:00Z");
    desk.api.work().await;
    let mut asked = Vec::new();
    for sequence in [1, 2, 4, 5, 6, 7] {
        asked.push(("reverseEntry", json!({"entryId": desk.entry(sequence).await, "idempotencyKey": "k"})));
    }
    let retained = desk.entry(3).await;
    let reverse = |entry: &str, credits: Value| {
        ("reverseEntry", json!({"entryId": entry, "credits": credits, "idempotencyKey": "k"}))
    };
    asked.extend([
        reverse(&retained, json!("2.000001")),
        reverse(&retained, json!("0")),
        reverse(&retained, json!("-1")),
        reverse(&format!("{}0", &retained[..retained.len() - 1]), Value::Null),
        reverse(&desk.balance, Value::Null),
        ("voidGrant", json!({"grantId": retained.replace("ent_", "grt_")})),
        ("voidGrant", json!({"grantId": desk.balance})),
    ]);
    let told = refused(&desk, asked).await;
    let entries = desk.entries().await;
    answer!(json!([told, entries]), @r#"
    [
      [
        "InvalidState at entryId: state NOT_REVERSIBLE Only usage, retentions and captures can be taken back, with what they burned."
        "InvalidState at entryId: state NOT_REVERSIBLE Only usage, retentions and captures can be taken back, with what they burned."
        "InvalidState at entryId: state NOT_REVERSIBLE Only usage, retentions and captures can be taken back, with what they burned."
        "InvalidState at entryId: state NOT_REVERSIBLE Only usage, retentions and captures can be taken back, with what they burned."
        "InvalidState at entryId: state NOT_REVERSIBLE Only usage, retentions and captures can be taken back, with what they burned."
        "InvalidState at entryId: state NOT_REVERSIBLE Only usage, retentions and captures can be taken back, with what they burned."
        "LimitExceeded at credits: limit 2 More is given back than the 2 credits that are left of the entry."
        "InvalidInput at credits: credits is zero; it must be more than 0."
        "InvalidInput at credits: credits is negative; amounts are given as magnitudes."
        "NotFound at entryId: There is no ledger entry with the id \"ent_06dndml801o07ai17capb161480g0\"."
        "InvalidInput at entryId: entryId is the id of a credit balance; a ledger entry is needed here (\"ent_…\")."
        "NotFound at grantId: There is no grant with the id \"grt_06dndml801o07ai17capb161480g6\"."
        "InvalidInput at grantId: grantId is the id of a credit balance; a grant is needed here (\"grt_…\")."
      ]
      [
        "1 STARTING_BALANCE 10 [10/0] -> 10 API at 00:00:00", "2 TOP_UP 5 [5/0] -> 15 API at 00:00:00"
        "3 RETENTION -3 [-3/0] -> 12 API at 00:00:00", "4 REVERSAL 1 [1/0] -> 13 API at 00:00:00"
        "5 HOLD 0 held 1 [0/1] -> 12 API at 00:00:00"
        "6 RELEASE 0 held -1 [0/-1] -> 13 SYSTEM at 00:00:30, recorded 00:01:00"
        "7 EXPIRATION -3 [-3/0] -> 10 SYSTEM at 00:01:00"
      ]
    ]
    "#);
});

on_sqlite!(nothing_is_moved_on_a_closed_balance, async |db| {
    let desk = Desk::with(db, "5").await;
    let hold = desk.hold("2", 60).await;
    desk.release(&hold).await;
    desk.api.retain(&desk.balance, "5", "all").await;
    let retained = desk.entry(4).await;
    desk.api.close(&desk.balance).await;
    let asked = vec![
        ("holdCredits", json!({"balanceId": desk.balance, "credits": "1", "idempotencyKey": "k"})),
        ("captureHold", json!({"holdId": hold, "idempotencyKey": "k"})),
        ("extendHold", json!({"holdId": hold, "ttlSeconds": 60})),
        ("reverseEntry", json!({"entryId": retained, "idempotencyKey": "k"})),
    ];
    let told = refused(&desk, asked).await;
    let released = desk.release(&hold).await;
    answer!(json!([told, released]), @r#"
    [
      [
        "InvalidState at balanceId: state CLOSED The balance is closed."
        "InvalidState at holdId: state RELEASED The hold was released; set credits aside anew."
        "InvalidState at holdId: state RELEASED The hold was released; set credits aside anew."
        "InvalidState at entryId: state CLOSED The balance is closed."
      ]
      "RELEASED 2, captured 0, until 00:01:00, ended 00:00:00 | 0 available, 0 settled, 0 held, CLOSED | replayed"
    ]
    "#);
});
