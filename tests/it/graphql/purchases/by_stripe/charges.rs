//! Auto top-ups: what is charged without asking.

use serde_json::{Value, json};

use super::shop;
use crate::graphql::purchases::{Shop, text, told};
use crate::support::answer::answer;
use crate::support::db::{TestDb, both, on_sqlite};
use crate::support::stripe::Mood;

on_sqlite!(money_that_is_under_way_cannot_be_stopped, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_slow").await;
    shop.set_auto(json!({"threshold": "100"})).await;
    let id = text(&shop.purchases().await[0]["id"]);
    assert_eq!(shop.api.sweep().await, 1);
    let error = told(&shop.api, "cancelPurchase", json!({"purchaseId": id})).await;
    assert_eq!((&error["state"], shop.stands(&id).await.0), (&json!("PROCESSING"), "PENDING".into()), "{error}");
    stripe.decide(true);
    shop.api.at("2026-01-01T00:01:00Z");
    shop.api.sweep().await;
    assert_eq!((shop.stands(&id).await.0, shop.available().await), ("PAID".into(), "200".into()));
});

both!(an_auto_top_up_charges_what_was_saved_once, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_card").await;
    shop.set_auto(json!({"target": "300"})).await;
    shop.api.burn("e1", "90").await;
    let bought = shop.purchases().await;
    let id = text(&bought[0]["id"]);
    assert_eq!((bought.len(), &bought[0]["quantity"], &bought[0]["origin"]), (2, &json!(3), &json!("AUTO_TOP_UP")));
    assert_eq!(shop.blocked().await.0, "PENDING_PAYMENT");
    // The charge is made and nobody hears; nobody else asks in the same minute.
    stripe.fare(&[Mood::Lost]);
    assert_eq!((shop.api.sweep().await, stripe.money(&id)), (1, (6000, 1)));
    assert_eq!((shop.api.sweep().await, shop.stands(&id).await.0), (0, "PENDING".into()));
    shop.api.at("2026-01-01T00:01:00Z");
    assert_eq!((shop.api.sweep().await, stripe.money(&id)), (1, (6000, 1)));
    assert_eq!((shop.stands(&id).await.0, shop.available().await), ("PAID".into(), "310".into()));
    assert_eq!(shop.blocked().await, ("IDLE".into(), None));
});

/// An auto top-up whose first request fared so, and of which nothing was heard for two days. How it stands then, and how often
/// it was charged.
async fn silence(db: &TestDb, mood: Mood) -> (String, usize) {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_card").await;
    shop.set_auto(json!({"threshold": "100"})).await;
    let id = text(&shop.purchases().await[0]["id"]);
    stripe.fare(&[mood]);
    shop.api.sweep().await;
    for key in ["p1", "p2", "p3"] {
        let (_, page) = shop.open(&stripe, key).await;
        assert!(stripe.pay(&page, "pm_card"), "more payments than fit on a page of a list");
    }
    shop.api.at("2026-01-03T00:00:00Z");
    stripe.forget_keys();
    shop.api.sweep().await;
    (shop.stands(&id).await.0, stripe.money(&id).1)
}

both!(a_charge_of_which_nothing_was_heard_for_days_is_found_and_not_made_again, async |db| {
    assert_eq!(silence(db, Mood::Lost).await, ("PAID".into(), 1));
});

both!(a_charge_that_could_not_be_made_for_days_has_failed, async |db| {
    assert_eq!(silence(db, Mood::Away).await, ("FAILED".into(), 0));
});

/// An auto top-up that is charged by such a method.
async fn charged_by(db: &TestDb, method: &str) -> Value {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, method).await;
    shop.set_auto(json!({"threshold": "100"})).await;
    shop.api.sweep().await;
    let bought = shop.purchases().await[0].clone();
    assert_eq!((stripe.money(&text(&bought["id"])), shop.available().await), ((0, 0), "100".into()));
    json!([bought["status"], bought["failureReason"], shop.blocked().await])
}

on_sqlite!(a_card_that_is_declined_stops_the_auto_top_up_with_its_reason, async |db| {
    let told = charged_by(db, "pm_declined").await;
    answer!(told, @r#"
    [
      "FAILED", "Your card was declined."
      ["PAYMENT_FAILED", "Your card was declined; tries again at 2026-01-01T01:00:00.000000Z."]
    ]
    "#);
});

on_sqlite!(a_bank_that_asks_for_the_customer_stops_the_auto_top_up_with_its_reason, async |db| {
    let told = charged_by(db, "pm_asks").await;
    answer!(told, @r#"
    [
      "FAILED", "The customer's bank wants him to confirm the payment himself."
      [
        "PAYMENT_FAILED"
        "The customer's bank wants him to confirm the payment himself; tries again at 2026-01-01T01:00:00.000000Z."
      ]
    ]
    "#);
});

both!(an_auto_top_up_that_is_canceled_while_it_is_charged_gives_the_money_back, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_card").await;
    shop.set_auto(json!({"threshold": "100"})).await;
    let id = text(&shop.purchases().await[0]["id"]);
    stripe.fare(&[Mood::Lost]);
    shop.api.sweep().await;
    let canceled = shop.ask("cancelPurchase", &id).await;
    assert_eq!((&canceled["purchase"]["status"], stripe.money(&id)), (&json!("CANCELED"), (2000, 1)));
    shop.api.at("2026-01-01T00:05:00Z");
    for _ in 0..2 {
        shop.api.sweep().await;
    }
    assert_eq!((stripe.money(&id), shop.available().await), ((0, 1), "100".into()));
    assert_eq!(shop.purchase(&id).await["refunded"]["amount"], "20.00");
    shop.assert_sound().await;
});

on_sqlite!(what_is_in_the_way_of_what_an_auto_top_up_ordered_is_told_there, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_slow").await;
    shop.set_auto(json!({"threshold": "100"})).await;
    shop.api.sweep().await;
    stripe.change_payments(|payment| payment["amount"] = json!(1));
    stripe.decide(true);
    shop.api.at("2026-01-01T00:01:00Z");
    shop.api.sweep().await;
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let told = json!([shop.blocked().await, portal.blocked().await]);
    answer!(told, @r#"
    [
      ["PENDING_PAYMENT", "A purchase waits for its money: The provider has 0.01 EUR for it instead of 20.00 EUR."]
      ["PENDING_PAYMENT", "A purchase waits for its money: The payment is not settled yet."]
    ]
    "#);
});

both!(what_costs_nothing_is_bought_without_a_way_to_pay_until_there_is_enough, async |db| {
    let (mut shop, stripe) = shop(db, "0").await;
    shop.option = shop.option("10", "0", json!({})).await;
    shop.set_auto(json!({"threshold": "25"})).await;
    assert_eq!((shop.available().await, shop.blocked().await), ("30".into(), ("IDLE".into(), None)));
    shop.api.burn("e1", "30").await;
    let told = json!([shop.available().await, shop.blocked().await]);
    answer!(told, @r#"["20", ["DAILY_LIMIT_REACHED", "It has bought 5 times in 24 hours, which is as often as it may."]]"#);
    shop.api.at("2026-01-02T00:00:00Z");
    shop.api.work().await;
    assert_eq!((shop.available().await, shop.blocked().await), ("30".into(), ("IDLE".into(), None)));
    assert_eq!(stripe.payments().len(), 0);
    shop.assert_sound().await;
});
