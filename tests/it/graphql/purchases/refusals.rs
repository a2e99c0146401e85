//! What cannot be bought is refused at its place, and nothing has changed.

use scrip::base::ids::PurchaseOptionId;
use serde_json::{Value, json};

use super::{Shop, option, text, told};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

/// What inputs are refused with: type, path, state and message, after the name of the case.
async fn refusals(shop: &Shop, mutation: &str, cases: Vec<(&str, Value)>) -> Vec<String> {
    let mut all = Vec::new();
    for (case, more) in cases {
        let mut input = if mutation == "purchaseCredits" {
            shop.input(case)
        } else {
            json!({"balanceId": shop.balance, "enabled": true})
        };
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        let error = told(&shop.api, mutation, input).await;
        let path: Vec<&str> = error["path"].as_array().expect("a path").iter().filter_map(Value::as_str).collect();
        let state = error["state"].as_str().unwrap_or_default();
        all.push(format!(
            "{case}: {} {state} at {}: {}",
            text(&error["__typename"]),
            path.join("."),
            text(&error["message"])
        ));
    }
    all
}

on_sqlite!(what_cannot_be_bought_is_refused_at_its_place_and_nothing_changes, async |db| {
    let shop = Shop::on(db, "7").await;
    shop.set_currency("EUR").await;
    let archived = shop.option("10", "2", json!({})).await;
    shop.api.make("archivePurchaseOption", "purchaseOption { id }", json!({"id": archived})).await;
    let dollars = option(&shop.api, &shop.product, ("10", "2", "USD"), json!({})).await;
    let other = shop.api.product("other", &[], json!({})).await;
    let foreign = option(&shop.api, &other, ("10", "2", "EUR"), json!({})).await;
    let huge = shop.option("1000000000000", "2", json!({})).await;
    let closed = shop.api.balance("acme", &other, "0", json!({})).await;
    shop.api.close(&closed).await;
    let odd = shop.product.replace("prod_", "opt_");
    let missing = PurchaseOptionId(uuid::Uuid::from_u128(1)).to_string();
    let told = refusals(
        &shop,
        "purchaseCredits",
        vec![
            ("none", json!({"quantity": 0})),
            ("many", json!({"quantity": 1001})),
            ("huge", json!({"optionId": huge, "quantity": 2})),
            ("archived", json!({"optionId": archived})),
            ("currency", json!({"optionId": dollars})),
            ("product", json!({"optionId": foreign})),
            ("missing", json!({"optionId": missing})),
            ("odd", json!({"optionId": odd})),
            ("of a balance", json!({"optionId": shop.balance})),
            ("closed", json!({"balanceId": closed, "optionId": foreign})),
            ("return", json!({"returnUrl": "https://evil.example/"})),
            ("key", json!({"idempotencyKey": ""})),
        ],
    )
    .await;
    answer!(json!(told), @r#"
    [
      "none: InvalidInput  at quantity: quantity is 0; buy 1 to 1000 at once."
      "many: InvalidInput  at quantity: quantity is 1001; buy 1 to 1000 at once."
      "huge: InvalidInput  at quantity: So many come to more than 1000000000000 credits or major units of money; buy fewer at once."
      "archived: InvalidState ARCHIVED at optionId: The purchase option is archived; buy another one."
      "currency: InvalidState NOT_OFFERED at optionId: The purchase option is not in the customer's currency; buy one that the balance lists."
      "product: InvalidState NOT_OFFERED at optionId: The purchase option sells credits of another product than the balance holds."
      "missing: NotFound  at optionId: There is no purchase option with the id \"opt_00000000000000000000000004\"."
      "odd: InvalidInput  at optionId: optionId is the id of a product; a purchase option is needed here (\"opt_…\")."
      "of a balance: InvalidInput  at optionId: optionId is the id of a credit balance; a purchase option is needed here (\"opt_…\")."
      "closed: InvalidState CLOSED at balanceId: The balance is closed."
      "return: InvalidInput  at returnUrl: returnUrl is not under an allowed origin (SCRIP_ALLOWED_ORIGINS), such as https://app.example.com/done."
      "key: InvalidInput  at idempotencyKey: idempotencyKey is empty; write 1 to 255 characters."
    ]
    "#);
    assert!(shop.purchases().await.is_empty());
    // A key that was refused is not used up.
    shop.buy(1, "none").await;
});

both!(the_plan_of_a_customer_offers_its_own_options, async |db| {
    let shop = Shop::on(db, "7").await;
    let special = shop.option("500", "50", json!({})).await;
    let credit = json!({"includedCredits": "10", "purchaseOptionIds": [special]});
    let items = json!([{"productId": shop.product, "options": {"credit": credit}}]);
    let input = json!({"key": "pro", "name": "Pro", "interval": "MONTH", "currency": "EUR", "items": items});
    let plan = shop.api.make("createPlan", "plan { id }", input).await;
    let input = json!({"customer": {"externalId": "acme"}, "planId": plan["plan"]["id"], "idempotencyKey": "s1"});
    shop.api.make("createPlanSubscription", "subscription { id }", input).await;
    let error = told(&shop.api, "purchaseCredits", shop.input("p1")).await;
    answer!(error, @r#"
    {
      __typename: "InvalidState"
      message: "The customer's plan does not offer this purchase option; buy one that the balance lists."
      path: ["optionId"], state: "NOT_OFFERED"
    }
    "#);
    let shop = Shop { option: special, ..shop };
    assert_eq!(shop.buy(1, "p1").await["purchase"]["credits"], "500");
});

on_sqlite!(an_auto_top_up_that_could_not_work_is_refused_at_its_place_and_nothing_changes, async |db| {
    let shop = Shop::on(db, "7").await;
    let archived = shop.option("10", "2", json!({})).await;
    shop.api.make("archivePurchaseOption", "purchaseOption { id }", json!({"id": archived})).await;
    let other = shop.api.product("other", &[], json!({})).await;
    let closed = shop.api.balance("acme", &other, "0", json!({})).await;
    shop.api.close(&closed).await;
    let set = |more: Value| {
        let mut input = json!({"threshold": "20", "optionId": shop.option});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        input
    };
    let told = refusals(
        &shop,
        "setAutoTopUp",
        vec![
            ("threshold is missing", json!({"optionId": shop.option})),
            ("option is missing", json!({"threshold": "20"})),
            ("threshold is null", set(json!({"threshold": null}))),
            ("threshold is negative", set(json!({"threshold": "-1"}))),
            ("target is the threshold", set(json!({"target": "20"}))),
            ("limit is 0", set(json!({"dailyLimit": 0}))),
            ("limit is 101", set(json!({"dailyLimit": 101}))),
            ("archived", set(json!({"optionId": archived}))),
            ("closed", set(json!({"balanceId": closed}))),
        ],
    )
    .await;
    answer!(json!(told), @r#"
    [
      "threshold is missing: InvalidInput  at threshold: threshold is needed: the balance has no auto top-up yet."
      "option is missing: InvalidInput  at optionId: optionId is needed: the balance has no auto top-up yet."
      "threshold is null: InvalidInput  at threshold: threshold cannot be null; leave it out to keep what is there."
      "threshold is negative: InvalidInput  at threshold: threshold is negative; amounts are given as magnitudes."
      "target is the threshold: InvalidInput  at target: target is not above threshold: it would buy again at once. Write more than the threshold."
      "limit is 0: InvalidInput  at dailyLimit: dailyLimit is 0; write 1 to 100."
      "limit is 101: InvalidInput  at dailyLimit: dailyLimit is 101; write 1 to 100."
      "archived: InvalidState ARCHIVED at optionId: The purchase option is archived; buy another one."
      "closed: InvalidState CLOSED at balanceId: The balance is closed."
    ]
    "#);
    assert_eq!(shop.auto().await, Value::Null);
});
