//! Purchases whose money Stripe takes, by the stand-in.

use scrip::base::time::MINUTE;
use serde_json::{Value, json};

use super::{PURCHASE, Shop, text, told};
use crate::support::answer::answer;
use crate::support::api::trusting;
use crate::support::db::{TestDb, both};
use crate::support::stripe::{Mood, StandIn, WEBHOOK_SECRET, deliver, sign};

/// A shop whose money Stripe takes; its clock is moved by hand.
async fn shop(db: &TestDb, starting: &str) -> (Shop, StandIn) {
    let stripe = StandIn::start().await;
    (Shop::set_up(db, starting, stripe.settings()).await, stripe)
}

impl Shop {
    /// Asks of what is due; answers of how many.
    async fn sweep(&self) -> usize {
        self.api.app.cashier.sweep().await.expect("the database answers")
    }

    /// Buys on a page; the purchase and the page.
    async fn open(&self, stripe: &StandIn, key: &str) -> (String, String) {
        let bought = self.buy(1, key).await;
        let id = text(&bought["purchase"]["id"]);
        let page = stripe.page_of(&id).unwrap_or_else(|| panic!("it has a page: {bought}"));
        (id, page)
    }

    /// Acme pays once, so that what is saved can be charged from now on.
    async fn save(&self, stripe: &StandIn, method: &str) -> String {
        let (id, page) = self.open(stripe, method).await;
        assert!(stripe.pay(&page, method));
        assert_eq!(stripe.hint(&self.api, "checkout.session.completed", &page).await, 200);
        assert_eq!(self.stands(&id).await, ("PAID".into(), None));
        id
    }
}

both!(a_purchase_is_paid_on_a_page_and_the_webhook_brings_its_credits, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let mut input = shop.input("p1");
    input["returnUrl"] = json!("https://app.example.com/shop?done");
    let bought = shop.api.make("purchaseCredits", PURCHASE, input.clone()).await;
    let id = text(&bought["purchase"]["id"]);
    let page = stripe.page_of(&id).expect("it has a page");
    let url = &bought["purchase"]["paymentUrl"];
    assert_eq!(
        (url, &bought["purchase"]["status"]),
        (&json!(format!("https://checkout.stripe.com/c/pay/{page}")), &json!("PENDING"))
    );
    let asked = stripe.page(&page);
    answer!(json!([asked["amount_total"], asked["currency"], asked["success_url"], asked["customer"]]), @r#"[2000, "eur", "https://app.example.com/shop?done", null]"#);
    let again = shop.api.make("purchaseCredits", PURCHASE, input).await;
    assert_eq!((&again["replayed"], &again["purchase"]["paymentUrl"]), (&json!(true), url));
    assert_eq!(stripe.count("checkout/sessions"), 1);
    // A hint before it is paid is no payment.
    assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &page).await, 200);
    assert_eq!(shop.stands(&id).await, ("PENDING".into(), None));
    assert!(stripe.pay(&page, "pm_card"));
    for _ in 0..3 {
        assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &page).await, 200);
    }
    let paid = shop.purchase(&id).await;
    assert_eq!(
        (&paid["status"], &paid["paymentUrl"], shop.available().await),
        (&json!("PAID"), &Value::Null, "100".into())
    );
    assert_eq!(paid["providerReference"], stripe.payments()[0]["id"]);
    // Who paid once is known the next time.
    let (_, page) = shop.open(&stripe, "p2").await;
    assert_eq!(stripe.page(&page)["customer"], stripe.payments()[0]["customer"]);
    shop.assert_sound().await;
});

both!(a_purchase_whose_webhook_never_came_is_settled_by_the_sweep, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (paid, page) = shop.open(&stripe, "p1").await;
    let (expired, other) = shop.open(&stripe, "p2").await;
    assert_eq!(shop.sweep().await, 0, "their time has not come");
    assert!(stripe.pay(&page, "pm_card"));
    shop.api.make("cancelPurchase", "replayed", json!({"purchaseId": expired})).await;
    assert_eq!(stripe.page(&other)["status"], "expired", "it cannot be paid any more");
    shop.api.at("2026-01-01T00:01:00Z");
    assert_eq!(shop.sweep().await, 1);
    assert_eq!((shop.stands(&paid).await.0, shop.stands(&expired).await.0), ("PAID".into(), "CANCELED".into()));
    assert_eq!((shop.available().await, shop.sweep().await), ("100".into(), 0));
});

both!(webhooks_are_taken_when_they_are_signed_here_and_now, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (id, page) = shop.open(&stripe, "p1").await;
    stripe.pay(&page, "pm_card");
    let body = json!({"type": "checkout.session.completed", "data": {"object": stripe.page(&page)}}).to_string();
    let seconds = 1_767_225_600;
    for (case, signature) in [
        ("none", String::new()),
        ("another's", sign("whsec_other", seconds, &body)),
        ("old", sign(WEBHOOK_SECRET, seconds - 301, &body)),
        ("of the future", sign(WEBHOOK_SECRET, seconds + 301, &body)),
        ("of another body", sign(WEBHOOK_SECRET, seconds, &format!("{body} "))),
    ] {
        assert_eq!(deliver(&shop.api, body.clone(), &signature).await, 400, "{case}");
    }
    assert_eq!(shop.stands(&id).await.0, "PENDING");
    for _ in 0..2 {
        assert_eq!(deliver(&shop.api, body.clone(), &sign(WEBHOOK_SECRET, seconds, &body)).await, 200);
    }
    assert_eq!((shop.stands(&id).await.0, shop.available().await), ("PAID".into(), "100".into()));
    let strange = json!({"type": "customer.created", "data": {"object": {"id": "cus_1"}}}).to_string();
    assert_eq!(deliver(&shop.api, strange.clone(), &sign(WEBHOOK_SECRET, seconds, &strange)).await, 200);
});

both!(another_amount_or_currency_brings_nothing_and_is_told, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let mut told = Vec::new();
    for (key, field, value) in [("p1", "amount_total", json!(1999)), ("p2", "currency", json!("usd"))] {
        let (id, page) = shop.open(&stripe, key).await;
        stripe.pay_as(&page, "pm_card", |session| session[field] = value);
        assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &page).await, 200);
        told.push(shop.stands(&id).await);
    }
    answer!(json!(told), @r#"
    [
      ["PENDING", "The provider has 19.99 EUR for it instead of 20.00 EUR."]
      ["PENDING", "The provider has 20.00 USD for it instead of 20.00 EUR."]
    ]
    "#);
    assert_eq!(shop.available().await, "0");
});

both!(while_the_provider_is_away_a_purchase_waits_and_the_same_key_answers_it, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    stripe.fare(&[Mood::Away, Mood::Lost]);
    let bought = shop.buy(1, "p1").await;
    answer!(json!([bought["purchase"]["status"], bought["purchase"]["failureReason"], bought["purchase"]["paymentUrl"]]), @r#"
    [
      "PENDING", "The payment provider cannot be reached: what answers is not Stripe's API (see STRIPE_API_URL)."
      null
    ]
    "#);
    let id = text(&bought["purchase"]["id"]);
    let again = shop.buy(1, "p1").await;
    assert_eq!((&again["purchase"]["id"], &again["purchase"]["status"]), (&json!(id), &json!("PENDING")));
    // The page was made, and nobody heard: asked for again, it is the same.
    let third = shop.buy(1, "p1").await;
    assert_eq!(
        third["purchase"]["paymentUrl"],
        json!(format!("https://checkout.stripe.com/c/pay/{}", stripe.page_of(&id).unwrap()))
    );
    assert_eq!((stripe.count("checkout/sessions"), third["purchase"]["failureReason"].is_null()), (1, true));
});

both!(what_the_provider_refuses_has_failed_with_its_reason, async |db| {
    let (mut shop, stripe) = shop(db, "0").await;
    shop.option = shop.option("1", "0.10", json!({})).await;
    let bought = shop.buy(1, "p1").await;
    answer!(json!([bought["purchase"]["status"], bought["purchase"]["failureReason"]]), @r#"["FAILED", "The Checkout Session's total amount due must add up to at least €0.50 eur"]"#);
    let again = shop.buy(1, "p1").await;
    assert_eq!((&again["purchase"]["status"], stripe.count("checkout/sessions")), (&json!("FAILED"), 1));
});

both!(a_refund_sends_the_money_back_once, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    shop.api.burn("e1", "33.3333").await;
    let refunded = shop.ask("refundPurchase", &id).await;
    answer!(json!([refunded["purchase"]["status"], refunded["purchase"]["refunded"], refunded["purchase"]["failureReason"]]), @r#"["REFUNDED", {amount: "13.33"}, null]"#);
    assert_eq!((stripe.money(&id).0, shop.available().await), (667, "0".into()));
    assert_eq!(shop.ask("refundPurchase", &id).await["replayed"], true);
    assert_eq!((stripe.money(&id).0, shop.sweep().await), (667, 0));
    shop.assert_sound().await;
});

both!(a_refund_whose_answer_is_lost_is_asked_for_until_it_is_known_and_never_twice, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    shop.api.burn("e1", "60").await;
    // The look before goes unanswered, the refund is made and nobody hears.
    stripe.fare(&[Mood::Away, Mood::Lost]);
    let refunded = shop.ask("refundPurchase", &id).await;
    assert_eq!(refunded["purchase"]["status"], "REFUNDED");
    assert!(refunded["purchase"]["failureReason"].is_string(), "{refunded}");
    assert_eq!(stripe.money(&id).0, 1200);
    // Two days later the key is forgotten there.
    shop.api.at("2026-01-03T00:00:00Z");
    stripe.forget_keys();
    assert_eq!(shop.sweep().await, 1);
    assert_eq!((shop.stands(&id).await, stripe.money(&id).0), (("REFUNDED".into(), None), 1200));
});

both!(money_that_cannot_go_back_is_told_before_any_credit_goes, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let id = shop.save(&stripe, "pm_card").await;
    let query = "mutation($input: RefundPurchaseInput!) { refundPurchase(input: $input) { purchase { id }
        errors { ...Error ...on PaymentFailed { purchase { id status } } } } }";
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

both!(who_pays_while_it_is_canceled_has_paid_or_gets_his_money_back, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (first, page) = shop.open(&stripe, "p1").await;
    stripe.pay(&page, "pm_card");
    let error = told(&shop.api, "cancelPurchase", json!({"purchaseId": first})).await;
    assert_eq!((&error["state"], shop.stands(&first).await.0), (&json!("PAID"), "PAID".into()), "{error}");
    // The page stays open, since the provider is away when it is to close: nothing happens.
    let (second, page) = shop.open(&stripe, "p2").await;
    stripe.fare(&[Mood::Away]);
    let query = "mutation($input: CancelPurchaseInput!) { cancelPurchase(input: $input) { replayed } }";
    let answer = shop.api.ask(query, json!({"input": {"purchaseId": second}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(shop.stands(&second).await.0, "PENDING");
    assert!(stripe.pay(&page, "pm_card"));
    stripe.hint(&shop.api, "checkout.session.completed", &page).await;
    assert_eq!(shop.stands(&second).await.0, "PAID");
});

both!(money_that_is_under_way_cannot_be_stopped, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_slow").await;
    shop.set_auto(json!({"threshold": "100"})).await;
    let id = text(&shop.purchases().await[0]["id"]);
    assert_eq!(shop.sweep().await, 1);
    let error = told(&shop.api, "cancelPurchase", json!({"purchaseId": id})).await;
    assert_eq!((&error["state"], shop.stands(&id).await.0), (&json!("PROCESSING"), "PENDING".into()), "{error}");
    stripe.decide(true);
    shop.api.at("2026-01-01T00:01:00Z");
    shop.sweep().await;
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
    assert_eq!((shop.sweep().await, stripe.money(&id)), (1, (6000, 1)));
    assert_eq!((shop.sweep().await, shop.stands(&id).await.0), (0, "PENDING".into()));
    shop.api.at("2026-01-01T00:01:00Z");
    assert_eq!((shop.sweep().await, stripe.money(&id)), (1, (6000, 1)));
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
    shop.sweep().await;
    shop.api.at("2026-01-03T00:00:00Z");
    stripe.forget_keys();
    shop.sweep().await;
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
    shop.sweep().await;
    let bought = shop.purchases().await[0].clone();
    assert_eq!((stripe.money(&text(&bought["id"])), shop.available().await), ((0, 0), "100".into()));
    json!([bought["status"], bought["failureReason"], shop.blocked().await])
}

both!(a_card_that_is_declined_stops_the_auto_top_up_with_its_reason, async |db| {
    let told = charged_by(db, "pm_declined").await;
    answer!(told, @r#"
    [
      "FAILED", "Your card was declined."
      ["PAYMENT_FAILED", "Your card was declined; tries again at 2026-01-01T01:00:00.000000Z."]
    ]
    "#);
});

both!(a_bank_that_asks_for_the_customer_stops_the_auto_top_up_with_its_reason, async |db| {
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
    shop.sweep().await;
    let canceled = shop.ask("cancelPurchase", &id).await;
    assert_eq!((&canceled["purchase"]["status"], stripe.money(&id)), (&json!("CANCELED"), (2000, 1)));
    shop.api.at("2026-01-01T00:05:00Z");
    for _ in 0..2 {
        shop.sweep().await;
    }
    assert_eq!((stripe.money(&id), shop.available().await), ((0, 1), "100".into()));
    assert_eq!(shop.purchase(&id).await["refunded"]["amount"], "20.00");
    shop.assert_sound().await;
});

both!(a_page_that_the_provider_does_not_know_any_more_can_be_canceled_and_fails_after_a_day, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (canceled, _) = shop.open(&stripe, "p1").await;
    let (failed, _) = shop.open(&stripe, "p2").await;
    stripe.forget();
    shop.ask("cancelPurchase", &canceled).await;
    shop.api.at("2026-01-01T01:00:00Z");
    shop.sweep().await;
    assert_eq!((shop.stands(&canceled).await.0, shop.stands(&failed).await.0), ("CANCELED".into(), "PENDING".into()));
    shop.api.at("2026-01-02T01:00:00Z");
    shop.sweep().await;
    assert_eq!(shop.stands(&failed).await.0, "FAILED");
});

both!(who_is_not_known_to_the_provider_any_more_pays_as_somebody_new, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_card").await;
    stripe.forget();
    let (_, page) = shop.open(&stripe, "p2").await;
    assert_eq!(stripe.page(&page)["customer"], Value::Null);
});

both!(a_page_whose_answer_was_lost_is_made_anew_when_the_customer_has_changed, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    stripe.fare(&[Mood::Lost]);
    shop.buy(1, "p1").await;
    let found = shop.api.ask("{ customer(by: {externalId: \"acme\"}) { id } }", json!({})).await;
    let input = json!({"id": found["data"]["customer"]["id"], "email": "new@acme.example"});
    shop.api.make("updateCustomer", "customer { id }", input).await;
    let again = shop.buy(1, "p1").await;
    assert!(again["purchase"]["paymentUrl"].is_string(), "{again}");
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
        assert_eq!(shop.sweep().await, 1, "it is under way");
    }
    stripe.refunds_are("succeeded");
    at(60);
    assert_eq!((shop.sweep().await, shop.stands(&id).await), (1, ("REFUNDED".into(), None)));
    at(600);
    assert_eq!(shop.sweep().await, 0);
});

both!(without_the_provider_no_money_of_its_purchases_is_moved, async |db| {
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

both!(what_the_provider_says_is_told_to_keys_and_not_to_customers, async |db| {
    let (mut shop, _) = shop(db, "0").await;
    shop.option = shop.option("1", "0.10", json!({})).await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let told = json!([shop.stands(&id).await, portal.stands(&id).await]);
    answer!(told, @r#"
    [
      ["FAILED", "The Checkout Session's total amount due must add up to at least €0.50 eur"]
      ["FAILED", "The payment failed; make a new purchase."]
    ]
    "#);
});

both!(the_key_is_looked_up_before_the_address_to_come_back_to_is_judged, async |db| {
    let (shop, _) = shop(db, "0").await;
    shop.buy(1, "p1").await;
    let mut input = shop.input("p1");
    input["returnUrl"] = json!("https://evil.example/");
    assert_eq!(told(&shop.api, "purchaseCredits", input).await["__typename"], "IdempotencyConflict");
});
