//! Money that goes back.

use scrip::base::time::MINUTE;
use serde_json::json;

use super::shop;
use crate::graphql::purchases::{Shop, option};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;
use crate::support::node::trusting;
use crate::support::stripe::Mood;

both!(a_refund_sends_the_money_back_once, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    shop.api.burn("e1", "33.3333").await;
    let refunded = shop.ask("refundPurchase", &id).await;
    answer!(json!([refunded["purchase"]["status"], refunded["purchase"]["refunded"], refunded["purchase"]["failureReason"]]), @r#"["REFUNDED", {amount: "13.33"}, null]"#);
    assert_eq!((stripe.money(&id).0, shop.available().await), (667, "0".into()));
    assert_eq!(shop.ask("refundPurchase", &id).await["replayed"], true);
    assert_eq!((stripe.money(&id).0, shop.api.sweep().await), (667, 0));
    shop.assert_sound().await;
});

both!(a_refund_whose_answer_is_lost_is_asked_for_until_it_is_known_and_never_twice, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    shop.api.burn("e1", "60").await;
    // The look before goes unanswered, the refund is made and nobody hears.
    stripe.fare(&[Mood::Away]);
    stripe.fare_of_posts(Mood::Lost);
    let refunded = shop.ask("refundPurchase", &id).await;
    assert_eq!(refunded["purchase"]["status"], "REFUNDED");
    assert!(refunded["purchase"]["failureReason"].is_string(), "{refunded}");
    assert_eq!(stripe.money(&id).0, 1200);
    // Two days later the key is forgotten there.
    shop.api.at("2026-01-03T00:00:00Z");
    stripe.forget_keys();
    assert_eq!(shop.api.sweep().await, 1);
    assert_eq!((shop.stands(&id).await, stripe.money(&id).0), (("REFUNDED".into(), None), 1200));
});

both!(money_that_cannot_go_back_is_told_before_any_credit_goes, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    let query = &documents::mutation(
        "refundPurchase",
        "purchase { id }
        errors { ...Error ...on PaymentFailed { purchase { id status } } }",
    );
    stripe.change_payments(|payment| payment["latest_charge"]["amount_refunded"] = json!(1));
    let some_gone = shop.api.ask(query, json!({"input": {"purchaseId": id}})).await["data"]["refundPurchase"].take();
    stripe.change_payments(|payment| payment["latest_charge"]["disputed"] = json!(true));
    let disputed = shop.api.ask(query, json!({"input": {"purchaseId": id}})).await["data"]["refundPurchase"].take();
    answer!(json!([some_gone, disputed]), @r#"
    [
      {
        errors: [{
          __typename: "PaymentFailed", message: "The provider has only 19.99 EUR of the payment left to give back."
          path: ["purchaseId"], purchase: {id: "pur_06dndml801o07ai17capb161480g2", status: "PAID"}
        }]
        purchase: null
      }
      {
        errors: [{
          __typename: "PaymentFailed"
          message: "The customer disputes the payment; the dispute decides about its money.", path: ["purchaseId"]
          purchase: {id: "pur_06dndml801o07ai17capb161480g2", status: "PAID"}
        }]
        purchase: null
      }
    ]
    "#);
    assert_eq!((shop.available().await, shop.stands(&id).await.0), ("100".into(), "PAID".into()));
});

on_sqlite!(in_a_currency_that_the_provider_rounds_what_goes_back_is_rounded_down_to_that, async |db| {
    let (mut shop, stripe) = shop(db, "0").await;
    shop.option = option(&shop.api, &shop.product, ("3", "10", "KWD"), json!({})).await;
    let id = shop.save(&stripe, "pm_card").await;
    shop.api.burn("e1", "1").await;
    let refunded = shop.ask("refundPurchase", &id).await;
    answer!(json!([refunded["purchase"]["status"], refunded["purchase"]["refunded"], refunded["purchase"]["failureReason"]]), @r#"["REFUNDED", {amount: "6.660"}, null]"#);
    assert_eq!(stripe.money(&id).0, 3340);
});

both!(a_refund_is_asked_after_until_it_has_gone_and_made_again_when_it_came_back, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    stripe.refunds_are("failed");
    let refunded = shop.ask("refundPurchase", &id).await;
    assert_eq!(refunded["purchase"]["failureReason"], "The refund failed; it is tried again.");
    stripe.refunds_are("pending");
    let at =
        |minutes: i64| shop.api.app.clock.set(shop.api.app.clock.now().plus_micros(minutes * MINUTE).expect("a time"));
    for _ in 0..3 {
        at(60);
        assert_eq!(shop.api.sweep().await, 1, "it is under way");
    }
    stripe.refunds_are("succeeded");
    at(60);
    assert_eq!((shop.api.sweep().await, shop.stands(&id).await), (1, ("REFUNDED".into(), None)));
    at(600);
    assert_eq!(shop.api.sweep().await, 0);
});

on_sqlite!(without_the_provider_no_money_of_its_purchases_is_moved, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let paid = shop.save(&stripe, "pm_card").await;
    let (open, _) = shop.open(&stripe, "p1").await;
    let without = Shop { api: shop.api.beside(db, trusting()).await, ..shop.clone() };
    for (mutation, id) in [("cancelPurchase", &open), ("refundPurchase", &paid), ("markPurchasePaid", &open)] {
        let error = without.refused(mutation, id).await;
        assert_eq!(error["state"], "PROVIDER", "{mutation}: {error}");
    }
    assert_eq!((without.stands(&open).await.0, without.stands(&paid).await.0), ("PENDING".into(), "PAID".into()));
});
