//! Balances that buy by themselves: played step by step, each with how it stands afterwards.

use serde_json::{Value, json};

use super::{Shop, text};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

/// Plays steps, one a line; what stands behind each is the status, how many purchases there are, what is available, and why
/// nothing is bought. `burn 5`, `hold 5`, `add 5`, `pay`, `fail` (it is canceled), `at TIME`, `work`, `buy 1` (by a person),
/// `set {…}`, `archive`.
async fn play(shop: &Shop, steps: &str) -> Vec<String> {
    let mut told = Vec::new();
    for (number, step) in steps.lines().map(str::trim).filter(|step| !step.is_empty()).enumerate() {
        let (what, how) = step.split_once(' ').unwrap_or((step, ""));
        let key = format!("k{}-{number}", told.len());
        let newest = async |status: &str| {
            let all = shop.purchases().await;
            let found = all.iter().find(|one| one["status"] == status).unwrap_or_else(|| panic!("none is {status}"));
            text(&found["id"])
        };
        match what {
            "burn" => shop.api.burn(&key, how).await,
            "hold" => {
                let input = json!({"balanceId": shop.balance, "credits": how, "idempotencyKey": key});
                shop.api.make("holdCredits", "replayed", input).await;
            }
            "add" => drop(shop.api.top_up(&shop.balance, how, &key, json!({})).await),
            "pay" => drop(shop.ask("markPurchasePaid", &newest("PENDING").await).await),
            "fail" => drop(shop.ask("cancelPurchase", &newest("PENDING").await).await),
            "at" => shop.api.at(how),
            "work" => shop.api.work().await,
            "buy" => drop(shop.buy(how.parse().expect("a number"), &key).await),
            "set" => drop(shop.set_auto(serde_json::from_str(how).expect("JSON")).await),
            "archive" => {
                let input = json!({"id": shop.option});
                shop.api.make("archivePurchaseOption", "purchaseOption { id }", input).await;
            }
            other => panic!("{other}?"),
        }
        let (status, reason) = shop.blocked().await;
        let line = format!("{step}: {status} {} {}", shop.purchases().await.len(), shop.available().await);
        told.push(reason.map_or_else(|| line.clone(), |reason| format!("{line} {reason}")));
    }
    told
}

both!(it_buys_what_is_missing_once_when_little_is_left, async |db| {
    let shop = Shop::on(db, "100").await;
    let told = play(
        &shop,
        r#"
        set {"target": "250"}
        burn 79
        burn 1
        burn 15
        pay
        burn 290
        pay
        buy 1
        burn 300
        hold 10
        fail
        set {"enabled": false}
    "#,
    )
    .await;
    answer!(json!(told), @r#"
    [
      "set {\"target\": \"250\"}: IDLE 0 100", "burn 79: IDLE 0 21"
      "burn 1: PENDING_PAYMENT 1 20 A purchase waits for its money."
      "burn 15: PENDING_PAYMENT 1 5 A purchase waits for its money.", "pay: IDLE 1 305"
      "burn 290: PENDING_PAYMENT 2 15 A purchase waits for its money.", "pay: IDLE 2 315", "buy 1: IDLE 3 315"
      "burn 300: PENDING_PAYMENT 3 15 Credits of a purchase that waits for its money count as if they were there."
      "hold 10: PENDING_PAYMENT 3 5 Credits of a purchase that waits for its money count as if they were there."
      "fail: PENDING_PAYMENT 4 5 A purchase waits for its money."
      "set {\"enabled\": false}: DISABLED 4 5 It is switched off."
    ]
    "#);
    let bought = shop.purchases().await;
    let quantities: Vec<(&Value, &Value)> = bought.iter().map(|one| (&one["quantity"], &one["origin"])).collect();
    answer!(json!(quantities), @r#"[[3, "AUTO_TOP_UP"], [1, "API"], [3, "AUTO_TOP_UP"], [3, "AUTO_TOP_UP"]]"#);
    shop.assert_sound().await;
});

on_sqlite!(it_buys_no_more_often_in_a_day_than_it_may, async |db| {
    let shop = Shop::on(db, "50").await;
    let told = play(
        &shop,
        r#"
        set {"dailyLimit": 2}
        burn 40
        pay
        at 2026-01-01T10:00:00Z
        burn 100
        pay
        burn 100
        at 2026-01-01T23:59:59Z
        work
        at 2026-01-02T00:00:00Z
        work
        pay
        burn 95
        set {"dailyLimit": 3}
    "#,
    )
    .await;
    answer!(json!(told), @r#"
    [
      "set {\"dailyLimit\": 2}: IDLE 0 50", "burn 40: PENDING_PAYMENT 1 10 A purchase waits for its money."
      "pay: IDLE 1 110", "at 2026-01-01T10:00:00Z: IDLE 1 110"
      "burn 100: PENDING_PAYMENT 2 10 A purchase waits for its money.", "pay: IDLE 2 110"
      "burn 100: DAILY_LIMIT_REACHED 2 10 It has bought 2 times in 24 hours, which is as often as it may."
      "at 2026-01-01T23:59:59Z: DAILY_LIMIT_REACHED 2 10 It has bought 2 times in 24 hours, which is as often as it may."
      "work: DAILY_LIMIT_REACHED 2 10 It has bought 2 times in 24 hours, which is as often as it may."
      "at 2026-01-02T00:00:00Z: IDLE 2 10 It is about to buy: with the balance's next change, or within the hour."
      "work: PENDING_PAYMENT 3 10 A purchase waits for its money.", "pay: IDLE 3 110"
      "burn 95: DAILY_LIMIT_REACHED 3 15 It has bought 2 times in 24 hours, which is as often as it may."
      "set {\"dailyLimit\": 3}: PENDING_PAYMENT 4 15 A purchase waits for its money."
    ]
    "#);
});

on_sqlite!(behind_payments_that_fail_it_waits_longer_and_longer_and_then_stops, async |db| {
    let shop = Shop::on(db, "50").await;
    let told = play(
        &shop,
        r"
        set {}
        burn 40
        fail
        burn 1
        at 2026-01-01T00:59:59Z
        work
        at 2026-01-01T01:00:00Z
        work
        fail
        at 2026-01-01T05:00:00Z
        work
        fail
        at 2026-01-02T05:00:00Z
        work
        fail
        at 2026-02-01T00:00:00Z
        work
        burn 1
        set {}
        pay
    ",
    )
    .await;
    answer!(json!(told), @r#"
    [
      "set {}: IDLE 0 50", "burn 40: PENDING_PAYMENT 1 10 A purchase waits for its money."
      "fail: PAYMENT_FAILED 1 10 The purchase was canceled; tries again at 2026-01-01T01:00:00.000000Z."
      "burn 1: PAYMENT_FAILED 1 9 The purchase was canceled; tries again at 2026-01-01T01:00:00.000000Z."
      "at 2026-01-01T00:59:59Z: PAYMENT_FAILED 1 9 The purchase was canceled; tries again at 2026-01-01T01:00:00.000000Z."
      "work: PAYMENT_FAILED 1 9 The purchase was canceled; tries again at 2026-01-01T01:00:00.000000Z."
      "at 2026-01-01T01:00:00Z: IDLE 1 9 It is about to buy: with the balance's next change, or within the hour."
      "work: PENDING_PAYMENT 2 9 A purchase waits for its money."
      "fail: PAYMENT_FAILED 2 9 The purchase was canceled; tries again at 2026-01-01T05:00:00.000000Z."
      "at 2026-01-01T05:00:00Z: IDLE 2 9 It is about to buy: with the balance's next change, or within the hour."
      "work: PENDING_PAYMENT 3 9 A purchase waits for its money."
      "fail: PAYMENT_FAILED 3 9 The purchase was canceled; tries again at 2026-01-02T05:00:00.000000Z."
      "at 2026-01-02T05:00:00Z: IDLE 3 9 It is about to buy: with the balance's next change, or within the hour."
      "work: PENDING_PAYMENT 4 9 A purchase waits for its money."
      "fail: PAYMENT_FAILED 4 9 The purchase was canceled, 4 times in a row; set it again to go on."
      "at 2026-02-01T00:00:00Z: PAYMENT_FAILED 4 9 The purchase was canceled, 4 times in a row; set it again to go on."
      "work: PAYMENT_FAILED 4 9 The purchase was canceled, 4 times in a row; set it again to go on."
      "burn 1: PAYMENT_FAILED 4 8 The purchase was canceled, 4 times in a row; set it again to go on."
      "set {}: PENDING_PAYMENT 5 8 A purchase waits for its money.", "pay: IDLE 5 108"
    ]
    "#);
});

both!(it_buys_when_time_takes_credits_and_when_it_is_set_on_a_balance_that_is_low, async |db| {
    let shop = Shop::on(db, "10").await;
    let ends = json!({"expiresAt": "2026-01-03T00:00:00Z"});
    shop.api.top_up(&shop.balance, "90", "short", ends).await;
    let told = play(
        &shop,
        r#"
        set {}
        at 2026-01-03T00:00:00Z
        work
        pay
        set {"threshold": "500", "target": "900"}
        archive
        pay
        work
        burn 1
    "#,
    )
    .await;
    answer!(json!(told), @r#"
    [
      "set {}: IDLE 0 100"
      "at 2026-01-03T00:00:00Z: IDLE 0 10 It is about to buy: with the balance's next change, or within the hour."
      "work: PENDING_PAYMENT 1 10 A purchase waits for its money.", "pay: IDLE 1 110"
      "set {\"threshold\": \"500\", \"target\": \"900\"}: PENDING_PAYMENT 2 110 A purchase waits for its money."
      "archive: PENDING_PAYMENT 2 110 A purchase waits for its money.", "pay: IDLE 2 910", "work: IDLE 2 910"
      "burn 1: IDLE 2 909"
    ]
    "#);
});

both!(a_burst_of_ten_thousand_events_buys_once, async |db| {
    let shop = Shop::on(db, "10000").await;
    shop.set_auto(json!({"threshold": "9000"})).await;
    let batch = async |batch: i32| {
        let events: Vec<Value> = (0..1000)
            .map(
                |number| json!({"id": format!("{batch}-{number}"), "customer": {"externalId": "acme"}, "type": "call"}),
            )
            .collect();
        shop.api.make("ingestEvents", "accepted", json!({"events": events})).await
    };
    futures_util::future::join_all((0..10).map(batch)).await;
    let (all, available) = (shop.purchases().await, shop.available().await);
    assert_eq!((all.len(), available.as_str()), (1, "0"), "{all:?}");
    shop.assert_sound().await;
});

on_sqlite!(without_a_way_to_pay_it_says_so, async |db| {
    let stripe = crate::support::stripe::StandIn::start().await;
    let shop = Shop::set_up(db, "10", stripe.settings()).await;
    shop.set_auto(json!({})).await;
    let blocked = shop.blocked().await;
    answer!(json!(blocked), @r#"
    [
      "NO_PAYMENT_METHOD"
      "The customer has no way of payment on record; one is saved with the first purchase he pays."
    ]
    "#);
    assert!(shop.purchases().await.is_empty());
});

both!(what_is_blocked_costs_no_write_with_each_change, async |db| {
    let stripe = crate::support::stripe::StandIn::start().await;
    let shop = Shop::set_up(db, "10", stripe.settings()).await;
    shop.api.burn("its type is on record from now on", "1").await;
    shop.set_auto(json!({})).await;
    let mut taken = Vec::new();
    for (event, at) in [("e1", "2026-01-01T00:00:00Z"), ("e2", "2026-01-01T00:00:01Z"), ("e3", "2026-01-01T00:30:00Z")]
    {
        shop.api.at(at);
        let before = shop.api.app.db.statements();
        shop.api.burn(event, "1").await;
        taken.push(shop.api.app.db.statements() - before);
    }
    assert_eq!(taken[1..], [taken[0], taken[0]], "as many as at the instant at which it was set");
});
