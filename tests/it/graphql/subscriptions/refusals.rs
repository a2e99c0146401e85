//! What bad input gets: an error that names the place, and nothing changed.

use serde_json::{Value, json};

use super::shop::Shop;
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

const UNKNOWN: &str = "prd_06dndml804o04ckd5fpmnqio4s";

on_sqlite!(a_version_is_checked_as_a_whole, async |db| {
    let shop = Shop::on(db).await;
    let other = shop.api.product("other", &[], json!({})).await;
    let price = json!({"amount": "5", "currency": "EUR"});
    let option = json!({"productId": other, "name": "Pack", "credits": "1", "price": price});
    let option = shop.api.make("createPurchaseOption", "purchaseOption { id }", option).await;
    let option = option["purchaseOption"]["id"].clone();
    let mut shown = Vec::new();
    let plan = |items: Value, currency: &str| json!({"key": "bad", "name": "Bad", "interval": "MONTH", "currency": currency, "items": items});
    let credit = |options: Value| json!([{"productId": shop.ai, "options": {"credit": options}}]);
    for (items, currency) in [
        (json!([]), "EUR"),
        (json!([{"productId": UNKNOWN}]), "EUR"),
        (json!([{"productId": shop.fee}, {"productId": shop.fee}]), "EUR"),
        (json!([{"productId": shop.ai}, {"productId": shop.fee}]), "USD"),
        (json!([{"productId": shop.fee, "options": {"credit": {"includedCredits": "1"}}}]), "EUR"),
        (
            json!([{"productId": shop.fee, "options": {"flatFee": {"price": {"amount": "1", "currency": "USD"}}}}]),
            "EUR",
        ),
        (json!([{"productId": shop.seats, "options": {"seat": {"quantity": -1}}}]), "EUR"),
        (json!([{"productId": shop.calls, "options": {"usage": {"includedUnits": "-1"}}}]), "EUR"),
        (credit(json!({"rolloverLimit": "5", "includedExpiration": {"policy": "NEVER"}})), "EUR"),
        (credit(json!({"includedExpiration": {"policy": "AFTER_DAYS"}})), "EUR"),
        (credit(json!({"expiration": {"policy": "END_OF_PERIOD"}})), "EUR"),
        (credit(json!({"includedCredits": "-5"})), "EUR"),
        (credit(json!({"purchaseOptionIds": [option]})), "EUR"),
        (credit(json!({"consumption": [{"meterId": "mtr_06dndml804o04ckd5fpmnqio4s", "creditsPerUnit": "1"}]})), "EUR"),
    ] {
        shown.push(shop.refused("createPlan", plan(items, currency)).await);
    }
    let taken =
        json!({"key": "pro", "name": "Pro", "interval": "DAY", "currency": "EUR", "items": [{"productId": shop.ai}]});
    let mut taken = shop.refused("createPlan", taken).await;
    assert_eq!(taken[0]["existing"]["id"].take(), shop.pro);
    shown.push(taken);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      [{__typename: "InvalidInput", message: "items is empty; a plan has at least one item.", path: ["items"]}]
      [{
        __typename: "NotFound", message: "There is no product with the id \"prd_06dndml804o04ckd5fpmnqio4s\"."
        path: ["items", "0", "productId"], requested: "prd_06dndml804o04ckd5fpmnqio4s"
      }]
      [{
        __typename: "InvalidInput"
        message: "An earlier item is of this product already; a plan has each product once."
        path: ["items", "1", "productId"]
      }]
      [{
        __typename: "InvalidInput"
        message: "The product \"platform\" has no price in USD, the plan's currency; set one in the item's options, or use a product that has one."
        path: ["items", "1", "productId"]
      }]
      [{
        __typename: "InvalidInput"
        message: "The product \"platform\" is of the kind FLAT_FEE; give its options as flatFee."
        path: ["items", "0", "options", "credit"]
      }]
      [{
        __typename: "InvalidInput", message: "currency is not that of the plan; give the price in EUR."
        path: ["items", "0", "options", "flatFee", "price", "currency"]
      }]
      [{
        __typename: "InvalidInput", message: "quantity must be 0 to 1000000."
        path: ["items", "0", "options", "seat", "quantity"]
      }]
      [{
        __typename: "InvalidInput", message: "includedUnits must be 0 to 1000000000000."
        path: ["items", "0", "options", "usage", "includedUnits"]
      }]
      [{
        __typename: "InvalidInput"
        message: "Only included credits that end with their period can roll over; set rolloverLimit to 0, or includedExpiration to END_OF_PERIOD."
        path: ["items", "0", "options", "credit", "rolloverLimit"]
      }]
      [{
        __typename: "InvalidInput", message: "days must be 1 to 36500 with AFTER_DAYS."
        path: ["items", "0", "options", "credit", "includedExpiration", "days"]
      }]
      [{
        __typename: "InvalidInput"
        message: "END_OF_PERIOD is for included credits alone; choose NEVER or AFTER_DAYS."
        path: ["items", "0", "options", "credit", "expiration", "policy"]
      }]
      [{
        __typename: "InvalidInput", message: "includedCredits is negative; amounts are given as magnitudes."
        path: ["items", "0", "options", "credit", "includedCredits"]
      }]
      [{
        __typename: "InvalidInput"
        message: "The purchase option sells credits of another product; name options of the item's product."
        path: ["items", "0", "options", "credit", "purchaseOptionIds", "0"]
      }]
      [{
        __typename: "NotFound", message: "There is no meter with the id \"mtr_06dndml804o04ckd5fpmnqio4s\"."
        path: ["items", "0", "options", "credit", "consumption", "0", "meterId"]
        requested: "mtr_06dndml804o04ckd5fpmnqio4s"
      }]
      [{
        __typename: "AlreadyExists", existing: {id: null}
        message: "The key \"pro\" belongs to another plan, archived ones included; choose another key.", path: ["key"]
      }]
    ]
    "#);
    let plans = shop.api.ask("{ plans { nodes { key latestVersion { version } } } }", json!({})).await;
    assert_eq!(plans["data"]["plans"]["nodes"], json!([{"key": "pro", "latestVersion": {"version": 1}}]));
});

on_sqlite!(a_subscription_is_refused_whole, async |db| {
    let shop = Shop::on(db).await;
    let other = shop.api.product("other", &[], json!({})).await;
    let daily = shop.credits("daily", "DAY", json!({"includedCredits": "1"})).await;
    let gone = shop.credits("gone", "DAY", json!({})).await;
    shop.api.make("archivePlan", "plan { id }", json!({"id": gone})).await;
    let mut shown = Vec::new();
    for (plan, more) in [
        (&shop.pro, json!({"customer": {"externalId": "nobody"}})),
        (&"pln_06dndml804o04ckd5fpmnqio4s".to_owned(), json!({})),
        (&gone, json!({})),
        (&shop.pro, json!({"startsAt": "2036-01-01T00:00:00.000001Z"})),
        (&shop.pro, json!({"startsAt": "2015-12-31T00:00:00Z"})),
        (&daily, json!({"startsAt": "2023-04-07T00:00:00Z"})),
        (&shop.pro, json!({"overrides": [{"productId": other, "options": {"credit": {}}}]})),
        (&shop.pro, json!({"overrides": [{"productId": shop.ai, "options": {"seat": {"quantity": 1}}}]})),
        (
            &shop.pro,
            json!({"overrides": [{"productId": shop.ai, "options": {"credit": {"includedExpiration": {"policy": "NEVER"}}}}]}),
        ),
        (
            &shop.pro,
            json!({"overrides": [{"productId": shop.seats, "options": {"seat": {}}}, {"productId": shop.seats, "options": {"seat": {}}}]}),
        ),
        (&shop.pro, json!({"metadata": [1]})),
        (&shop.pro, json!({"idempotencyKey": ""})),
    ] {
        let mut input = json!({"customer": {"externalId": "acme"}, "planId": plan, "idempotencyKey": "k"});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        shown.push(shop.refused("createPlanSubscription", input).await);
    }
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      [{
        __typename: "NotFound", message: "There is no customer with the external id \"nobody\"."
        path: ["customer", "externalId"], requested: "nobody"
      }]
      [{
        __typename: "NotFound", message: "There is no plan with the id \"pln_06dndml804o04ckd5fpmnqio4s\"."
        path: ["planId"], requested: "pln_06dndml804o04ckd5fpmnqio4s"
      }]
      [{
        __typename: "InvalidState", message: "The plan \"gone\" is archived; use or make another one."
        path: ["planId"], state: "ARCHIVED"
      }]
      [{
        __typename: "InvalidInput", message: "startsAt is more than 10 years away; start closer to now."
        path: ["startsAt"]
      }]
      [{
        __typename: "InvalidInput", message: "startsAt is more than 10 years away; start closer to now."
        path: ["startsAt"]
      }]
      [{
        __typename: "LimitExceeded", limit: "1000"
        message: "More than 1000 periods have begun since startsAt; start later.", path: ["startsAt"]
      }]
      [{
        __typename: "InvalidInput"
        message: "The subscription's plan has no item of this product; name a product that the plan holds."
        path: ["overrides", "0", "productId"]
      }]
      [{
        __typename: "InvalidInput", message: "The product \"ai\" is of the kind CREDIT; give its options as credit."
        path: ["overrides", "0", "options", "seat"]
      }]
      [{
        __typename: "InvalidInput"
        message: "Only included credits that end with their period can roll over; set rolloverLimit to 0, or includedExpiration to END_OF_PERIOD."
        path: ["overrides", "0", "options", "credit", "rolloverLimit"]
      }]
      [{
        __typename: "InvalidInput", message: "An earlier override is of this product already; name each product once."
        path: ["overrides", "1", "productId"]
      }]
      [{__typename: "InvalidInput", message: "metadata is not a JSON object.", path: ["metadata"]}]
      [{
        __typename: "InvalidInput", message: "idempotencyKey is empty; write 1 to 255 characters."
        path: ["idempotencyKey"]
      }]
    ]
    "#);
    let left = "{ planSubscriptions { nodes { id } } customer(by: {externalId: \"acme\"}) { creditBalances { id } } }";
    let left = shop.api.ask(left, json!({})).await;
    assert_eq!(left["data"], json!({"planSubscriptions": {"nodes": []}, "customer": {"creditBalances": []}}));
    // 1,000 periods are not too many.
    shop.subscribe(&daily, json!({"startsAt": "2023-04-08T00:00:00Z"})).await;
});

both!(what_has_ended_is_not_changed_and_one_subscription_has_the_credits, async |db| {
    let shop = Shop::on(db).await;
    let other = shop.api.product("other", &[], json!({})).await;
    let first = shop.subscribe(&shop.pro, json!({})).await;
    let small = shop.credits("small", "MONTH", json!({})).await;
    let fee = shop.without_credits().await;
    let second = shop.subscribe(&fee, json!({})).await;
    let acme = json!({"externalId": "acme"});
    let again = json!({"customer": acme, "planId": small, "idempotencyKey": "again"});
    let mut shown = vec![
        shop.refused("createPlanSubscription", again.clone()).await,
        shop.refused("changeSubscriptionPlan", json!({"subscriptionId": second, "planId": small})).await,
        shop.refused("overrideSubscriptionItem", json!({"subscriptionId": first, "productId": other, "options": null}))
            .await,
        shop.refused(
            "overrideSubscriptionItem",
            json!({"subscriptionId": first, "productId": shop.ai, "options": {
            "credit": {"includedExpiration": {"policy": "NEVER"}}}}),
        )
        .await,
    ];
    for shown in &mut shown[..2] {
        assert_eq!(shown[0]["existing"]["id"].take(), first);
    }
    let balance = shop.balance_id().await;
    shown.push(shop.refused("closeCreditBalance", json!({"id": balance})).await);
    shop.ask("cancelPlanSubscription", &first, json!({})).await;
    shown.push(shop.refused("changeSubscriptionPlan", json!({"subscriptionId": first, "planId": fee})).await);
    shown.push(shop.refused("createPlanSubscription", again.clone()).await);
    shown[6][0]["existing"].take();
    shop.ask("cancelPlanSubscription", &first, json!({"effective": "NOW"})).await;
    for (mutation, more) in [
        ("overrideSubscriptionItem", json!({"productId": shop.ai, "options": null})),
        ("changeSubscriptionPlan", json!({"planId": fee})),
        ("resumePlanSubscription", json!({})),
    ] {
        let mut input = json!({"subscriptionId": first});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        shown.push(shop.refused(mutation, input).await);
    }
    let unknown = first.replace("sub_", "sub_0");
    shown.push(shop.refused("cancelPlanSubscription", json!({"subscriptionId": unknown})).await);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      [{
        __typename: "AlreadyExists", existing: {id: null}
        message: "The customer has a subscription with \"ai\" already, and credits of one product come by one subscription; change that one's plan, or cancel it first."
        path: ["planId"]
      }]
      [{
        __typename: "AlreadyExists", existing: {id: null}
        message: "The customer has a subscription with \"ai\" already, and credits of one product come by one subscription; change that one's plan, or cancel it first."
        path: ["planId"]
      }]
      [{
        __typename: "InvalidInput"
        message: "The subscription's plan has no item of this product; name a product that the plan holds."
        path: ["productId"]
      }]
      [{
        __typename: "InvalidInput"
        message: "Only included credits that end with their period can roll over; set rolloverLimit to 0, or includedExpiration to END_OF_PERIOD."
        path: ["options", "credit", "rolloverLimit"]
      }]
      [{
        __typename: "InvalidState"
        message: "A running subscription includes these credits; cancel it first, or change to another plan."
        path: ["id"], state: "SUBSCRIBED"
      }]
      [{
        __typename: "InvalidState"
        message: "The subscription ends at 2026-02-01T00:00:00.000000Z; resume it before its plan is changed."
        path: ["subscriptionId"], state: "CANCELING"
      }]
      [{
        __typename: "AlreadyExists", existing: null
        message: "The customer has a subscription with \"ai\" already, and credits of one product come by one subscription; it ends at 2026-02-01T00:00:00.000000Z: subscribe then, or cancel it now."
        path: ["planId"]
      }]
      [{
        __typename: "InvalidState", message: "The subscription has ended; make a new one.", path: ["subscriptionId"]
        state: "CANCELED"
      }]
      [{
        __typename: "InvalidState", message: "The subscription has ended; make a new one.", path: ["subscriptionId"]
        state: "CANCELED"
      }]
      [{
        __typename: "InvalidState", message: "The subscription has ended; make a new one.", path: ["subscriptionId"]
        state: "CANCELED"
      }]
      [{
        __typename: "InvalidInput", message: "subscriptionId is not the id of a plan subscription (\"sub_…\")."
        path: ["subscriptionId"]
      }]
    ]
    "#);
    shop.api.make("closeCreditBalance", "balance { id }", json!({"id": balance})).await;
    shop.subscribe(&small, json!({"idempotencyKey": "again"})).await;
    assert_eq!(shop.available().await, "0");
});

both!(a_key_makes_one_subscription, async |db| {
    let shop = Shop::on(db).await;
    let own = json!([{"productId": shop.ai, "options": {"credit": {"includedCredits": "5.50", "overdraft": null}}}]);
    let first = shop.subscribe(&shop.pro, json!({"overrides": own})).await;
    let own = json!([{"productId": shop.ai, "options": {"credit": {"includedCredits": "5.5"}}}]);
    let again =
        json!({"customer": {"externalId": "acme"}, "planId": shop.pro, "idempotencyKey": shop.pro, "overrides": own});
    let made = shop.api.make("createPlanSubscription", "replayed subscription { id }", again).await;
    assert_eq!((&made["replayed"], &made["subscription"]["id"]), (&json!(true), &json!(first)));
    let other = json!({"customer": {"externalId": "acme"}, "planId": shop.pro, "idempotencyKey": shop.pro});
    let refused = shop.refused("createPlanSubscription", other).await;
    assert_eq!(refused[0]["__typename"], "IdempotencyConflict");
    assert_eq!(shop.available().await, "5.5");
});

on_sqlite!(what_is_set_while_a_change_is_pending_must_be_possible_under_both_plans, async |db| {
    let shop = Shop::on(db).await;
    let never = json!({"includedCredits": "1", "includedExpiration": {"policy": "NEVER"}});
    let never = shop.credits("never", "MONTH", never).await;
    let price = |currency: &str| json!({"amount": "99", "currency": currency});
    let dollars = json!([{"productId": shop.fee, "options": {"flatFee": {"price": price("USD")}}}]);
    let dollars =
        json!({"key": "dollars", "name": "Dollars", "interval": "MONTH", "currency": "USD", "items": dollars});
    let dollars = shop.api.make("createPlan", "plan { id }", dollars).await["plan"]["id"].clone();
    let first = shop.subscribe(&never, json!({})).await;
    shop.ask("changeSubscriptionPlan", &first, json!({"planId": shop.pro})).await;
    let rollover = json!({"credit": {"rolloverLimit": "50"}});
    let input = json!({"subscriptionId": first, "productId": shop.ai, "options": rollover});
    let mut shown = vec![shop.refused("overrideSubscriptionItem", input).await];
    shop.ask("resumePlanSubscription", &first, json!({})).await;
    shop.ask("changeSubscriptionPlan", &first, json!({"planId": shop.pro, "effective": "NOW"})).await;
    shop.ask("changeSubscriptionPlan", &first, json!({"planId": dollars})).await;
    for currency in ["USD", "EUR"] {
        let options = json!({"flatFee": {"price": price(currency)}});
        let input = json!({"subscriptionId": first, "productId": shop.fee, "options": options});
        shown.push(shop.refused("overrideSubscriptionItem", input).await);
    }
    shop.ask("resumePlanSubscription", &first, json!({})).await;
    shop.set(&first, &shop.fee, json!({"flatFee": {"price": price("EUR")}})).await;
    shown.push(shop.refused("changeSubscriptionPlan", json!({"subscriptionId": first, "planId": dollars})).await);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      [{
        __typename: "InvalidState"
        message: "What the subscription sets of rollover and expiration does not go together with a plan that it is or will be on; set none of it, by overrideSubscriptionItem with options null, or take the change of plan back."
        path: ["options"], state: "OVERRIDDEN"
      }]
      [{
        __typename: "InvalidState"
        message: "A price that the subscription sets must be in EUR, since a plan that it is or will be on is; set no price, by overrideSubscriptionItem with options null, or take the change of plan back."
        path: ["options"], state: "OVERRIDDEN"
      }]
      [{
        __typename: "InvalidInput", message: "currency is not that of the plan; give the price in USD."
        path: ["options", "flatFee", "price", "currency"]
      }]
      [{
        __typename: "InvalidState"
        message: "A price that the subscription sets must be in USD, since a plan that it is or will be on is; set no price, by overrideSubscriptionItem with options null, or take the change of plan back."
        path: ["planId"], state: "OVERRIDDEN"
      }]
    ]
    "#);
});

both!(a_meter_that_a_running_subscription_burns_by_is_not_archived, async |db| {
    let shop = Shop::on(db).await;
    let (own, old) = (shop.api.meter("own", "own").await, shop.api.meter("old", "old").await);
    let by = |meter: &str| json!({"consumption": [{"meterId": meter, "creditsPerUnit": "1"}]});
    let plan = shop.credits("weights", "MONTH", by(&old)).await;
    let subscription = shop.subscribe(&plan, json!({})).await;
    let next = json!({"planId": plan, "interval": "MONTH", "currency": "EUR", "items": [{"productId": shop.ai}]});
    shop.api.make("publishPlanVersion", "plan { id }", next).await;
    shop.set(&subscription, &shop.ai, json!({"credit": by(&own)})).await;
    for meter in [&own, &old] {
        let refused = shop.refused("archiveMeter", json!({"id": meter})).await;
        assert_eq!((&refused[0]["state"], &refused[0]["path"]), (&json!("IN_USE"), &json!(["id"])));
    }
    shop.ask("cancelPlanSubscription", &subscription, json!({"effective": "NOW"})).await;
    for meter in [&own, &old] {
        shop.api.make("archiveMeter", "meter { id }", json!({"id": meter})).await;
    }
});
