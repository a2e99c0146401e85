//! Products that money is paid for, plans and their versions, as they are read.

use serde_json::{Value, json};

use crate::graphql::subscriptions::shop::Shop;
use crate::support::answer::answer;
use crate::support::db::both;

both!(products_of_every_kind_are_read_and_changed_alike, async |db| {
    let shop = Shop::on(db).await;
    let change = json!({"id": shop.seats, "name": "Places", "metadata": {"a": 1}});
    shop.api.make("updateProduct", "product { key }", change).await;
    let query = "{ products { nodes { key kind name metadata
        ...on FlatFeeProduct { prices { amount currency } } ...on SeatProduct { prices { amount currency } }
        ...on UsageProduct { unitPrices { amount currency } meter { key } } } }
        some: products(kind: [SEAT, USAGE]) { nodes { key } } }";
    let shown = shop.api.ask(query, json!({})).await;
    answer!(shown, @r#"
    {data: {
      products: {nodes: [
        {key: "ai", kind: "CREDIT", metadata: {}, name: "ai"}
        {
          key: "calls", kind: "USAGE", metadata: {}, meter: {key: "called"}, name: "Calls"
          unitPrices: [{amount: "0.01", currency: "EUR"}]
        }
        {
          key: "platform", kind: "FLAT_FEE", metadata: {}, name: "Platform"
          prices: [{amount: "29.00", currency: "EUR"}]
        }
        {key: "seats", kind: "SEAT", metadata: {a: 1}, name: "Places", prices: [{amount: "10.00", currency: "EUR"}]}
      ]}
      some: {nodes: [{key: "calls"}, {key: "seats"}]}
    }}
    "#);
    let nodes = shop
        .api
        .ask(
            "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }",
            json!({"ids": [shop.ai, shop.fee, shop.seats, shop.calls, shop.pro]}),
        )
        .await;
    let names: Vec<&Value> =
        nodes["data"]["nodes"].as_array().unwrap().iter().map(|node| &node["__typename"]).collect();
    assert_eq!(names, ["CreditProduct", "FlatFeeProduct", "SeatProduct", "UsageProduct", "Plan"]);
});

both!(a_version_never_changes_and_what_it_leaves_out_follows_the_product, async |db| {
    let shop = Shop::on(db).await;
    let query = "query($id: ID!) { plan(by: {id: $id}) { key name archivedAt latestVersion { version }
        versions { nodes { version interval currency items { product { key } overrides options {
            ...on CreditOptions { includedCredits lowBalanceThreshold } ...on FlatFeeOptions { price { amount } }
            ...on SeatOptions { price { amount } quantity } ...on UsageOptions { unitPrice { amount } includedUnits } } } } } } }";
    let same = json!({"planId": shop.pro, "interval": "MONTH", "currency": "EUR", "items": [
        {"productId": shop.ai, "options": {"credit": {"includedCredits": "100.0", "rolloverLimit": "30"}}},
        {"productId": shop.fee, "options": null},
        {"productId": shop.seats, "options": {"seat": {"quantity": 2, "price": null}}},
        {"productId": shop.calls, "options": {"usage": {"includedUnits": "3"}}},
    ]});
    shop.api.make("publishPlanVersion", "plan { id }", same).await;
    let next = json!({"planId": shop.pro, "interval": "YEAR", "currency": "EUR", "items": [
        {"productId": shop.fee, "options": {"flatFee": {"price": {"amount": "290", "currency": "EUR"}}}},
    ]});
    shop.api.make("publishPlanVersion", "plan { id }", next).await;
    shop.api.make("updatePlan", "plan { id }", json!({"id": shop.pro, "name": "Professional"})).await;
    shop.api.make("updateCreditProduct", "product { id }", json!({"id": shop.ai, "lowBalanceThreshold": "7"})).await;
    shop.api.make("archivePlan", "plan { id }", json!({"id": shop.pro})).await;
    let shown = shop.api.ask(query, json!({"id": shop.pro})).await;
    answer!(shown, @r#"
    {data: {plan: {
      archivedAt: "2026-01-01T00:00:00.000000Z", key: "pro", latestVersion: {version: 2}, name: "Professional"
      versions: {nodes: [
        {
          currency: "EUR", interval: "YEAR"
          items: [{options: {price: {amount: "290.00"}}, overrides: ["price"], product: {key: "platform"}}]
          version: 2
        }
        {
          currency: "EUR", interval: "MONTH"
          items: [
            {
              options: {includedCredits: "100", lowBalanceThreshold: "7"}
              overrides: ["includedCredits", "rolloverLimit"], product: {key: "ai"}
            }
            {options: {price: {amount: "29.00"}}, overrides: [], product: {key: "platform"}}
            {options: {price: {amount: "10.00"}, quantity: 2}, overrides: ["quantity"], product: {key: "seats"}}
            {
              options: {includedUnits: "3", unitPrice: {amount: "0.01"}}, overrides: ["includedUnits"]
              product: {key: "calls"}
            }
          ]
          version: 1
        }
      ]}
    }}}
    "#);
});

both!(what_a_plan_uses_is_not_archived, async |db| {
    let shop = Shop::on(db).await;
    let meter = shop.api.meter("own", "own").await;
    let rules = json!([{"meterId": meter, "creditsPerUnit": "1"}]);
    let plan = shop.credits("weights", "MONTH", json!({"consumption": rules})).await;
    let mut shown = vec![
        shop.refused("archiveProduct", json!({"id": shop.fee})).await,
        shop.refused("archiveMeter", json!({"id": meter})).await,
    ];
    shop.api.make("archivePlan", "plan { id }", json!({"id": plan})).await;
    shop.api.make("archivePlan", "plan { id }", json!({"id": shop.pro})).await;
    shop.api.make("archiveMeter", "meter { id }", json!({"id": meter})).await;
    shop.api.make("archiveProduct", "product { key }", json!({"id": shop.fee})).await;
    let late = json!({"id": shop.fee, "name": "Late"});
    shown.push(shop.refused("updateProduct", late).await);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      [{
        __typename: "InvalidState"
        message: "The plan \"pro\" has an item of it; publish a version without it, or archive the plan, first."
        path: ["id"], state: "IN_USE"
      }]
      [{
        __typename: "InvalidState"
        message: "The plan \"weights\" measures usage by this meter; archive it, or take the meter out of its consumption, first."
        path: ["id"], state: "IN_USE"
      }]
      [{
        __typename: "InvalidState", message: "The product \"platform\" is archived; use or make another one."
        path: ["id"], state: "ARCHIVED"
      }]
    ]
    "#);
});

both!(subscriptions_and_charges_are_listed_by_what_they_are_now, async |db| {
    let shop = Shop::on(db).await;
    let fee = shop.without_credits().await;
    shop.subscribe(&fee, json!({})).await;
    let first = shop.subscribe(&shop.pro, json!({"startsAt": "2026-01-02T00:00:00Z"})).await;
    let listed = async |arguments: &str| {
        let query = format!(
            "{{ planSubscriptions({arguments}) {{ nodes {{ status planVersion {{ plan {{ key }} }} }} }}
            customer(by: {{externalId: \"acme\"}}) {{ subscriptions(status: [ACTIVE]) {{ nodes {{ status }} }} }} }}"
        );
        shop.api.ask(&query, json!({})).await["data"].clone()
    };
    let mut shown = vec![listed("status: [SCHEDULED]").await, listed("status: [ACTIVE], first: 1").await];
    shop.api.at("2026-01-02T00:00:00Z");
    shown.push(listed("status: [ACTIVE]").await);
    shop.ask("changeSubscriptionPlan", &first, json!({"planId": fee})).await;
    shop.api.at("2026-02-02T00:00:00Z");
    shown.push(listed(&format!("planId: \"{fee}\"")).await);
    shown.push(listed(&format!("planId: \"{}\"", shop.pro)).await);
    shop.ask("cancelPlanSubscription", &first, json!({"effective": "NOW"})).await;
    shown.push(listed("status: [CANCELED]").await);
    shop.api.work().await;
    shop.meter(&first).await;
    let charges = "{ charges(from: \"2026-02-02T00:00:00Z\", until: \"2026-02-03T00:00:00Z\", first: 2) {
        nodes { description subscription { id } product { key } } pageInfo { hasNextPage } } }";
    shown.push(shop.api.ask(charges, json!({})).await["data"].clone());
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      {
        customer: {subscriptions: {nodes: [{status: "ACTIVE"}]}}
        planSubscriptions: {nodes: [{planVersion: {plan: {key: "pro"}}, status: "SCHEDULED"}]}
      }
      {
        customer: {subscriptions: {nodes: [{status: "ACTIVE"}]}}
        planSubscriptions: {nodes: [{planVersion: {plan: {key: "fee_only"}}, status: "ACTIVE"}]}
      }
      {
        customer: {subscriptions: {nodes: [{status: "ACTIVE"}, {status: "ACTIVE"}]}}
        planSubscriptions: {nodes: [
          {planVersion: {plan: {key: "pro"}}, status: "ACTIVE"}
          {planVersion: {plan: {key: "fee_only"}}, status: "ACTIVE"}
        ]}
      }
      {
        customer: {subscriptions: {nodes: [{status: "ACTIVE"}, {status: "ACTIVE"}]}}
        planSubscriptions: {nodes: [
          {planVersion: {plan: {key: "fee_only"}}, status: "ACTIVE"}
          {planVersion: {plan: {key: "fee_only"}}, status: "ACTIVE"}
        ]}
      }
      {customer: {subscriptions: {nodes: [{status: "ACTIVE"}, {status: "ACTIVE"}]}}, planSubscriptions: {nodes: []}}
      {
        customer: {subscriptions: {nodes: [{status: "ACTIVE"}]}}
        planSubscriptions: {nodes: [{planVersion: {plan: {key: "fee_only"}}, status: "CANCELED"}]}
      }
      {charges: {
        nodes: [
          {
            description: "Platform", product: {key: "platform"}
            subscription: {id: "sub_06dndml801o0d997l0cr0om6g00g"}
          }
          {
            description: "Calls: 0 beyond 3 at 0.01 EUR", product: {key: "calls"}
            subscription: {id: "sub_06dndml801o0d997l0cr0om6g010"}
          }
        ]
        pageInfo: {hasNextPage: true}
      }}
    ]
    "#);
});
