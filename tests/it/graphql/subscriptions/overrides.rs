//! What a subscription sets itself: the nearest layer wins, some of it at once, the rest from the next period on.

use serde_json::{Value, json};

use super::shop::Shop;
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

const ITEM: &str = "query($id: ID!) { planSubscription(id: $id) { items { product { key } overrides nextOverrides
    options { ...Options } planOptions { ...Options } nextOptions { ...Options } } } }
    fragment Options on ItemOptions {
        ...on CreditOptions { includedCredits includedExpiration { policy days } rolloverLimit expiration { policy days }
            lowBalanceThreshold overdraft { policy limit } consumption { creditsPerUnit } purchaseOptions { name } }
        ...on FlatFeeOptions { price { amount } } ...on SeatOptions { price { amount } quantity }
        ...on UsageOptions { unitPrice { amount } includedUnits } }";

async fn items(shop: &Shop, subscription: &str) -> Value {
    shop.api.ask(ITEM, json!({"id": subscription})).await["data"]["planSubscription"]["items"].clone()
}

on_sqlite!(item_is_found_by_the_id_that_its_plan_or_subscription_answers, async |db| {
    let shop = Shop::on(db).await;
    let plan = shop.credits("layers", "MONTH", json!({})).await;
    let subscription = shop.subscribe(&plan, json!({})).await;
    let query = "query($id: ID!) { planSubscription(id: $id) { items { __typename id }
                 planVersion { items { __typename id } } } }";
    let found = shop.api.ask(query, json!({"id": subscription})).await["data"]["planSubscription"].clone();
    for item in [&found["items"][0], &found["planVersion"]["items"][0]] {
        let node = "query($id: ID!) { node(id: $id) { __typename id ...on PlanItem { product { key } }
                    ...on SubscriptionItem { product { key } } } }";
        let node = &shop.api.ask(node, json!({"id": item["id"]})).await["data"]["node"];
        assert_eq!((&node["id"], &node["__typename"]), (&item["id"], &item["__typename"]));
        assert!(node["product"]["key"].is_string(), "{node}");
    }
    let portal = shop.api.portal("acme").await;
    let hidden = portal.ask("query($id: ID!) { node(id: $id) { id } }", json!({"id": found["items"][0]["id"]})).await;
    assert!(hidden["data"]["node"].is_null(), "{hidden}");
});

on_sqlite!(the_nearest_layer_wins_for_each_setting_by_itself, async |db| {
    let shop = Shop::on(db).await;
    let options = json!({"lowBalanceThreshold": "30", "overdraft": {"policy": "ALLOW", "limit": "5"}});
    let plan = shop.credits("layers", "MONTH", options).await;
    let mut shown = vec![];
    let subscription = shop.subscribe(&plan, json!({})).await;
    shown.push(shop.balance().await);
    shop.set(&subscription, &shop.ai, json!({"credit": {"lowBalanceThreshold": "40"}})).await;
    shown.push(shop.balance().await);
    let id = shop.balance_id().await;
    let own = json!({"id": id, "lowBalanceThreshold": "50", "overdraft": {"policy": "DENY"}});
    shop.api.make("updateCreditBalance", "balance { id }", own).await;
    shown.push(shop.balance().await);
    let own = json!({"id": id, "lowBalanceThreshold": null, "overdraft": null});
    shop.api.make("updateCreditBalance", "balance { id }", own).await;
    shop.set(&subscription, &shop.ai, json!({"credit": {"lowBalanceThreshold": null}})).await;
    shown.push(shop.balance().await);
    shop.ask("cancelPlanSubscription", &subscription, json!({"effective": "NOW"})).await;
    shown.push(shop.balance().await);
    let told = |balance: &Value| {
        let limit = balance["overdraft"]["limit"].as_str().unwrap_or("denied");
        format!("{} {limit}", balance["lowBalanceThreshold"].as_str().unwrap_or("never"))
    };
    assert_eq!(shown.iter().map(told).collect::<Vec<_>>(), ["30 5", "40 5", "50 denied", "30 5", "20 denied"]);
});

both!(settings_change_at_once_and_what_periods_bring_with_the_next_one, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    let options = json!({"credit": {"includedCredits": "500", "lowBalanceThreshold": "150", "rolloverLimit": "0"}});
    shop.set(&subscription, &shop.ai, options).await;
    shop.set(&subscription, &shop.seats, json!({"seat": {"quantity": 5}})).await;
    let before = items(&shop, &subscription).await;
    let low = shop.balance().await["state"].clone();
    shop.api.at("2026-02-01T00:00:00Z");
    let available = shop.available().await;
    shop.api.at("2026-03-01T00:00:00Z");
    shop.api.work().await;
    let shown = [before, low, available.into(), items(&shop, &subscription).await, shop.charges(&subscription).await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      [
        {
          nextOptions: {
            consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "500"
            includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "150"
            overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "0"
          }
          nextOverrides: ["includedCredits", "rolloverLimit", "lowBalanceThreshold"]
          options: {
            consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "100"
            includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "150"
            overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "30"
          }
          overrides: ["lowBalanceThreshold"]
          planOptions: {
            consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "100"
            includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "20"
            overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "30"
          }
          product: {key: "ai"}
        }
        {
          nextOptions: null, nextOverrides: [], options: {price: {amount: "29.00"}}, overrides: []
          planOptions: {price: {amount: "29.00"}}, product: {key: "platform"}
        }
        {
          nextOptions: {price: {amount: "10.00"}, quantity: 5}, nextOverrides: ["quantity"]
          options: {price: {amount: "10.00"}, quantity: 2}, overrides: []
          planOptions: {price: {amount: "10.00"}, quantity: 2}, product: {key: "seats"}
        }
        {
          nextOptions: null, nextOverrides: [], options: {includedUnits: "3", unitPrice: {amount: "0.01"}}
          overrides: [], planOptions: {includedUnits: "3", unitPrice: {amount: "0.01"}}, product: {key: "calls"}
        }
      ]
      "LOW", "530"
      [
        {
          nextOptions: null, nextOverrides: []
          options: {
            consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "500"
            includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "150"
            overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "0"
          }
          overrides: ["includedCredits", "rolloverLimit", "lowBalanceThreshold"]
          planOptions: {
            consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "100"
            includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "20"
            overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "30"
          }
          product: {key: "ai"}
        }
        {
          nextOptions: null, nextOverrides: [], options: {price: {amount: "29.00"}}, overrides: []
          planOptions: {price: {amount: "29.00"}}, product: {key: "platform"}
        }
        {
          nextOptions: null, nextOverrides: [], options: {price: {amount: "10.00"}, quantity: 5}
          overrides: ["quantity"], planOptions: {price: {amount: "10.00"}, quantity: 2}, product: {key: "seats"}
        }
        {
          nextOptions: null, nextOverrides: [], options: {includedUnits: "3", unitPrice: {amount: "0.01"}}
          overrides: [], planOptions: {includedUnits: "3", unitPrice: {amount: "0.01"}}, product: {key: "calls"}
        }
      ]
      [
        "0 [01-01T00:00, 02-01T00:00) Platform = 29.00", "0 [01-01T00:00, 02-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
        "0 [01-01T00:00, 02-01T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
        "1 [02-01T00:00, 03-01T00:00) Platform = 29.00", "1 [02-01T00:00, 03-01T00:00) Seats: 5 at 10.00 EUR = 50.00"
        "1 [02-01T00:00, 03-01T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
        "2 [03-01T00:00, 04-01T00:00) Platform = 29.00", "2 [03-01T00:00, 04-01T00:00) Seats: 5 at 10.00 EUR = 50.00"
      ]
    ]
    "#);
});

on_sqlite!(absent_stays_null_inherits_and_null_for_all_inherits_everything, async |db| {
    let shop = Shop::on(db).await;
    let own =
        json!([{"productId": shop.ai, "options": {"credit": {"includedCredits": "7", "lowBalanceThreshold": "1"}}}]);
    let subscription = shop.subscribe(&shop.pro, json!({"overrides": own})).await;
    let mut shown = vec![shop.available().await];
    let names = async || items(&shop, &subscription).await[0]["overrides"].to_string();
    shown.push(names().await);
    shop.set(&subscription, &shop.ai, json!({"credit": {"overdraft": {"policy": "ALLOW", "limit": null}}})).await;
    shown.push(names().await);
    shop.set(&subscription, &shop.ai, json!({"credit": {"lowBalanceThreshold": null, "includedCredits": null}})).await;
    shown.push(names().await);
    shop.ask("overrideSubscriptionItem", &subscription, json!({"productId": shop.ai})).await;
    shown.push(names().await);
    shop.set(&subscription, &shop.ai, Value::Null).await;
    shown.push(names().await);
    shop.api.at("2026-02-01T00:00:00Z");
    shown.extend([shop.available().await, names().await]);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      "7", "[\"includedCredits\",\"lowBalanceThreshold\"]"
      "[\"includedCredits\",\"lowBalanceThreshold\",\"overdraft\"]", "[\"includedCredits\",\"overdraft\"]"
      "[\"includedCredits\",\"overdraft\"]", "[\"includedCredits\"]", "107", "[]"
    ]
    "#);
});

both!(a_subscription_burns_by_its_own_weights_while_it_runs, async |db| {
    let shop = Shop::on(db).await;
    let meter = shop.api.meter("pages", "page").await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    let page = async |event: &str| {
        let event = json!({"id": event, "customer": {"externalId": "acme"}, "type": "page"});
        let fields = "receipts { event { outcomes { outcome credits } } }";
        let payload = shop.api.make("ingestEvents", fields, json!({"events": [event]})).await;
        payload["receipts"][0]["event"]["outcomes"].to_string()
    };
    let mut shown = vec![page("1").await];
    let rules = json!([{"meterId": meter, "creditsPerUnit": "2.5"}]);
    shop.set(&subscription, &shop.ai, json!({"credit": {"consumption": rules}})).await;
    shown.push(page("2").await);
    shop.burn("tokens burn nothing now", "9").await;
    shown.push(shop.available().await);
    shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    shop.api.at("2026-02-01T00:00:00Z");
    shown.push(page("3").await);
    let shown = Value::from(shown);
    answer!(shown, @r#"["[]", "[{\"credits\":\"2.5\",\"outcome\":\"BURNED\"}]", "97.5", "[]"]"#);
});

on_sqlite!(only_the_options_that_are_offered_can_be_bought, async |db| {
    let shop = Shop::on(db).await;
    let option = async |name: &str| {
        let price = json!({"amount": "5", "currency": "EUR"});
        let input = json!({"productId": shop.ai, "name": name, "credits": "100", "price": price});
        let made = shop.api.make("createPurchaseOption", "purchaseOption { id }", input).await;
        made["purchaseOption"]["id"].clone()
    };
    let (small, large) = (option("small").await, option("large").await);
    let plan = shop.credits("offers", "MONTH", json!({"purchaseOptionIds": [large]})).await;
    let subscription = shop.subscribe(&plan, json!({})).await;
    let offered = async || {
        let query = "query($id: ID!) { customer(by: {externalId: \"acme\"}) { creditBalance(product: {id: $id}) {
            purchaseOptions { name } } } }";
        let answer = shop.api.ask(query, json!({"id": shop.ai})).await;
        answer["data"]["customer"]["creditBalance"]["purchaseOptions"].clone()
    };
    let event =
        json!([{"id": "much", "customer": {"externalId": "acme"}, "type": "tokens", "properties": {"count": 9}}]);
    let fields = "receipts { error { ...on InsufficientCredits { shortfall purchaseOptions { name } } } }";
    let refused = shop.api.make("ingestEvents", fields, json!({"events": event, "mode": "ENFORCE"})).await;
    let mut shown = vec![offered().await, refused];
    shop.set(&subscription, &shop.ai, json!({"credit": {"purchaseOptionIds": [small]}})).await;
    shown.push(offered().await);
    shop.set(&subscription, &shop.ai, json!({"credit": {"purchaseOptionIds": []}})).await;
    shown.push(offered().await);
    shop.ask("cancelPlanSubscription", &subscription, json!({"effective": "NOW"})).await;
    shown.push(offered().await);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      [{name: "large"}], {errors: [], receipts: [{error: {purchaseOptions: [{name: "large"}], shortfall: "9"}}]}
      [{name: "small"}], [], [{name: "small"}, {name: "large"}]
    ]
    "#);
});

both!(what_is_set_goes_on_under_another_plan, async |db| {
    let shop = Shop::on(db).await;
    let big = shop.credits("big", "MONTH", json!({"includedCredits": "500", "lowBalanceThreshold": "9"})).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.set(&subscription, &shop.ai, json!({"credit": {"lowBalanceThreshold": "77", "includedCredits": "200"}})).await;
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": big, "effective": "NOW"})).await;
    let shown = [shop.balance().await, items(&shop, &subscription).await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      {
        available: "200", held: "0", lastSequence: "3", lowBalanceThreshold: "77"
        nextChangeAt: "2026-02-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "200"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "big"}}}
      }
      [{
        nextOptions: null, nextOverrides: []
        options: {
          consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "200"
          includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "77"
          overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "0"
        }
        overrides: ["includedCredits", "lowBalanceThreshold"]
        planOptions: {
          consumption: [{creditsPerUnit: "1"}], expiration: {days: null, policy: "NEVER"}, includedCredits: "500"
          includedExpiration: {days: null, policy: "END_OF_PERIOD"}, lowBalanceThreshold: "9"
          overdraft: {limit: null, policy: "DENY"}, purchaseOptions: [], rolloverLimit: "0"
        }
        product: {key: "ai"}
      }]
    ]
    "#);
});
