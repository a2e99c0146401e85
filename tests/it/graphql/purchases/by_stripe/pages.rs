//! Pages on which customers pay, and what webhooks and sweeps make of them.

use std::time::Duration;

use scrip::worker;
use serde_json::{Value, json};

use super::shop;
use crate::graphql::purchases::{PURCHASE, Shop, option, text, told};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;
use crate::support::socket::Socket;
use crate::support::stripe::{Mood, WEBHOOK_SECRET, deliver, sign};

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
    assert_eq!(shop.api.sweep().await, 0, "their time has not come");
    assert!(stripe.pay(&page, "pm_card"));
    shop.api.make("cancelPurchase", "replayed", json!({"purchaseId": expired})).await;
    assert_eq!(stripe.page(&other)["status"], "expired", "it cannot be paid any more");
    shop.api.at("2026-01-01T00:01:00Z");
    assert_eq!(shop.api.sweep().await, 1);
    assert_eq!((shop.stands(&paid).await.0, shop.stands(&expired).await.0), ("PAID".into(), "CANCELED".into()));
    assert_eq!((shop.available().await, shop.api.sweep().await), ("100".into(), 0));
});

on_sqlite!(webhooks_are_taken_when_they_are_signed_here_and_now, async |db| {
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
    let long = " ".repeat(256 * 1024 + 1);
    assert_eq!(deliver(&shop.api, long.clone(), &sign(WEBHOOK_SECRET, seconds, &long)).await, 413);
    let strange = json!({"type": "customer.created", "data": {"object": {"id": "cus_1"}}}).to_string();
    assert_eq!(deliver(&shop.api, strange.clone(), &sign(WEBHOOK_SECRET, seconds, &strange)).await, 200);
});

on_sqlite!(another_amount_or_currency_brings_nothing_and_is_told, async |db| {
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
    answer!(json!([bought["purchase"]["status"], bought["purchase"]["failureReason"], bought["purchase"]["paymentUrl"]]), @r#"["PENDING", "The payment provider cannot be reached: it answers 503.", null]"#);
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

on_sqlite!(what_the_provider_refuses_has_failed_with_its_reason, async |db| {
    let (mut shop, stripe) = shop(db, "0").await;
    shop.option = shop.option("1", "0.10", json!({})).await;
    let bought = shop.buy(1, "p1").await;
    answer!(json!([bought["purchase"]["status"], bought["purchase"]["failureReason"]]), @r#"["FAILED", "The Checkout Session's total amount due must add up to at least €0.50 eur"]"#);
    let again = shop.buy(1, "p1").await;
    assert_eq!((&again["purchase"]["status"], stripe.count("checkout/sessions")), (&json!("FAILED"), 1));
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
    let query = &documents::mutation("cancelPurchase", "replayed");
    let answer = shop.api.ask(query, json!({"input": {"purchaseId": second}})).await;
    answer!(json!([answer["errors"][0]["message"], answer["errors"][0]["extensions"]["code"], answer["errors"][0]["extensions"]["retryable"]]), @r#"["The payment provider cannot be reached: it answers 503. Nothing happened; try again.", "UNAVAILABLE", true]"#);
    assert_eq!(shop.stands(&second).await.0, "PENDING");
    assert!(stripe.pay(&page, "pm_card"));
    stripe.hint(&shop.api, "checkout.session.completed", &page).await;
    assert_eq!(shop.stands(&second).await.0, "PAID");
});

on_sqlite!(a_page_that_the_provider_does_not_know_any_more_can_be_canceled_and_fails_after_a_day, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (canceled, _) = shop.open(&stripe, "p1").await;
    let (failed, _) = shop.open(&stripe, "p2").await;
    stripe.forget();
    shop.ask("cancelPurchase", &canceled).await;
    shop.api.at("2026-01-01T01:00:00Z");
    shop.api.sweep().await;
    assert_eq!((shop.stands(&canceled).await.0, shop.stands(&failed).await.0), ("CANCELED".into(), "PENDING".into()));
    shop.api.at("2026-01-02T01:00:00Z");
    shop.api.sweep().await;
    assert_eq!(shop.stands(&failed).await.0, "FAILED");
});

on_sqlite!(who_is_not_known_to_the_provider_any_more_pays_as_somebody_new, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.save(&stripe, "pm_card").await;
    stripe.forget();
    let (_, page) = shop.open(&stripe, "p2").await;
    assert_eq!(stripe.page(&page)["customer"], Value::Null);
});

on_sqlite!(page_is_opened_without_an_email_address_that_the_provider_refuses, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    shop.set_email("someone@gmile").await;
    stripe.fare(&[Mood::Well, Mood::Lost]);
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    assert_eq!(shop.stands(&id).await.0, "PENDING");
    // The page was made and its answer lost: the same one is answered, since both requests are repeated under their keys.
    let again = shop.buy(1, "p1").await;
    let page = stripe.page_of(&id).expect("it has a page");
    assert_eq!(again["purchase"]["paymentUrl"], json!(format!("https://checkout.stripe.com/c/pay/{page}")));
    assert_eq!((&stripe.page(&page)["customer_email"], stripe.count("checkout/sessions")), (&Value::Null, 2));
    assert!(stripe.pay(&page, "pm_card"));
    stripe.hint(&shop.api, "checkout.session.completed", &page).await;
    assert_eq!(shop.stands(&id).await.0, "PAID");
});

both!(a_page_whose_answer_was_lost_is_the_same_whatever_has_changed_since, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    stripe.fare(&[Mood::Lost]);
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    shop.set_email("new@acme.example").await;
    let input = json!({"id": shop.option, "name": "A hundred credits"});
    shop.api.make("updatePurchaseOption", "purchaseOption { id }", input).await;
    let again = shop.buy(1, "p1").await;
    let page = stripe.page_of(&id).expect("it has a page");
    assert_eq!(again["purchase"]["paymentUrl"], json!(format!("https://checkout.stripe.com/c/pay/{page}")));
    assert_eq!(stripe.count("checkout/sessions"), 1);
});

both!(money_that_came_on_another_page_of_a_purchase_is_its_money, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (id, page) = shop.open(&stripe, "p1").await;
    let twin = stripe.twin_of(&page);
    assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &twin).await, 200);
    assert_eq!(shop.stands(&id).await.0, "PENDING", "nobody has paid");
    assert!(stripe.pay(&twin, "pm_card"));
    assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &twin).await, 200);
    assert_eq!((shop.stands(&id).await, shop.available().await), (("PAID".into(), None), "100".into()));
});

on_sqlite!(a_provider_that_is_too_slow_is_asked_again_later, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    stripe.fare(&[Mood::Hung]);
    let hasty = shop.api.beside(db, stripe.settings_of(Duration::from_millis(200))).await;
    let bought = Shop { api: hasty, ..shop.clone() }.buy(1, "p1").await;
    answer!(json!([bought["purchase"]["status"], bought["purchase"]["failureReason"]]), @r#"["PENDING", "The payment provider cannot be reached: it takes too long."]"#);
    let id = text(&bought["purchase"]["id"]);
    shop.api.at("2026-01-01T00:01:00Z");
    assert_eq!(shop.api.sweep().await, 1);
    assert_eq!((shop.stands(&id).await, stripe.count("checkout/sessions")), (("PENDING".into(), None), 1));
    assert!(shop.purchase(&id).await["paymentUrl"].is_string());
});

both!(what_the_provider_is_slow_about_holds_up_none_of_the_others, async |db| {
    let (first, stripe) = shop(db, "0").await;
    let patient = first.api.beside(db, stripe.settings_of(Duration::from_hours(1))).await;
    let shop = Shop { api: patient, ..first };
    let other = shop.api.product("other", &[], json!({})).await;
    let other = Shop {
        balance: shop.api.balance("acme", &other, "0", json!({})).await,
        option: option(&shop.api, &other, ("100", "20", "EUR"), json!({})).await,
        ..shop.clone()
    };
    for number in 0..18 {
        let of = if number < 9 { &other } else { &shop };
        let (_, page) = of.open(&stripe, &format!("p{number}")).await;
        assert!(stripe.pay(&page, "pm_card"));
    }
    let watch = &documents::balance_changes("balance { available }");
    let mut socket = Socket::subscribe(&shop.api, watch, json!({"id": shop.balance})).await;
    socket.next().await;
    // As many as are asked of at once, less one.
    stripe.fare(&[Mood::Hung; 15]);
    shop.api.at("2026-01-01T00:01:00Z");
    let asking = tokio::spawn(worker::keep_asking(shop.api.app.clone()));
    for available in ["100", "200", "300"] {
        assert_eq!(socket.next().await["balanceChanges"]["balance"]["available"], available);
    }
    asking.abort();
});

on_sqlite!(money_of_another_currency_that_nobody_waits_for_is_told_as_it_is, async |db| {
    let (shop, stripe) = shop(db, "0").await;
    let (id, page) = shop.open(&stripe, "p1").await;
    stripe.pay_as(&page, "pm_card", |session| session["currency"] = json!("usd"));
    stripe.hint(&shop.api, "checkout.session.completed", &page).await;
    shop.ask("cancelPurchase", &id).await;
    shop.api.sweep().await;
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let told = json!([shop.stands(&id).await, portal.stands(&id).await]);
    answer!(told, @r#"
    [
      ["CANCELED", "20.00 USD came, and not as asked for; give it back at the provider."]
      ["CANCELED", "The payment was not as asked for; ask whoever sold you the credits."]
    ]
    "#);
});

on_sqlite!(what_the_provider_says_is_told_to_keys_and_not_to_customers, async |db| {
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
