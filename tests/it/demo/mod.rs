//! The demo: what somebody sees who has just started the program.

use std::collections::{BTreeMap, BTreeSet};

use scrip::base::time::{DAY, SECOND};
use scrip::demo::{SEED, prepare};
use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::{Api, BEGIN, time};
use crate::support::db::{both, on_sqlite};
use crate::support::socket::Socket;

/// Everything that tells how much there is.
async fn extent(api: &Api) -> Value {
    let query = "{ customers(first: 50) { nodes { externalId metadata creditBalances { lastSequence available } } } }";
    api.ask(query, json!({})).await
}

both!(an_empty_database_becomes_a_platform_with_a_history_of_thirty_days, async |db| {
    let api = Api::on(db).await;
    assert!(prepare(&api.app, SEED).await.expect("it can be made").is_some());
    let catalog = r#"{ product(by: {key: "ai_credits"}) { ...on CreditProduct { unitName
        consumption { meter { key aggregation property } creditsPerUnit } purchaseOptions { name credits price { amount } } } } }"#;
    let catalog = api.ask(catalog, json!({})).await;
    answer!(catalog, @r#"
    {data: {product: {
      consumption: [
        {creditsPerUnit: "0.001", meter: {aggregation: "SUM", key: "nova_fast_tokens", property: "tokens"}}
        {creditsPerUnit: "0.004", meter: {aggregation: "SUM", key: "nova_pro_tokens", property: "tokens"}}
        {creditsPerUnit: "0.015", meter: {aggregation: "SUM", key: "nova_ultra_tokens", property: "tokens"}}
        {creditsPerUnit: "10", meter: {aggregation: "COUNT", key: "images", property: null}}
      ]
      purchaseOptions: [
        {credits: "500", name: "Starter", price: {amount: "9.00"}}
        {credits: "2500", name: "Team", price: {amount: "39.00"}}
        {credits: "10000", name: "Studio", price: {amount: "129.00"}}
      ]
      unitName: "credit"
    }}}
    "#);

    let customers = "{ customers(first: 50) { nodes { externalId creditBalances { state nextChangeAt
        first: entries(last: 1) { nodes { recordedAt } } grants(state: [PENDING, ACTIVE]) { nodes { state expiresAt } } } } } }";
    let answered = api.ask(customers, json!({})).await;
    let customers = answered["data"]["customers"]["nodes"].as_array().expect("a list");
    assert_eq!(customers.len(), 12);
    let balances: Vec<&Value> =
        customers.iter().flat_map(|customer| customer["creditBalances"].as_array().expect("a list")).collect();
    assert_eq!(balances.len(), 11, "one has none yet");
    let states: BTreeSet<&str> = balances.iter().filter_map(|balance| balance["state"].as_str()).collect();
    assert_eq!(states, BTreeSet::from(["ACTIVE", "DEPLETED", "LOW", "OVERDRAWN"]));
    let begun = time(BEGIN).plus_micros(-30 * DAY).expect("a time").to_string();
    assert!(balances.iter().all(|balance| balance["first"]["nodes"][0]["recordedAt"] == begun));
    let soon = time(BEGIN).plus_micros(180 * SECOND).expect("a time").to_string();
    assert_eq!(balances.iter().filter(|balance| balance["nextChangeAt"] == soon).count(), 2, "credits end in minutes");
    let grants = balances.iter().flat_map(|balance| balance["grants"]["nodes"].as_array().expect("a list"));
    let mut by_state: BTreeMap<&str, usize> = BTreeMap::new();
    for grant in grants {
        *by_state.entry(grant["state"].as_str().expect("a state")).or_default() += 1;
    }
    assert_eq!(by_state["PENDING"], 2, "credits that are yet to begin");
});

on_sqlite!(the_demo_has_plans_and_subscriptions_some_with_options_of_their_own, async |db| {
    let api = Api::on(db).await;
    prepare(&api.app, SEED).await.expect("it can be made");
    let query = "{ plans { nodes { key } } planSubscriptions { nodes { customer { externalId } status startsAt cancelAt
        planVersion { plan { key } } pendingPlanVersion { plan { key } } currentPeriod { index }
        items { product { key } overrides } charges { nodes { description amount { amount } period { index } } } } } }";
    let shown = api.ask(query, json!({})).await;
    answer!(shown, @r#"
    {data: {
      planSubscriptions: {nodes: [
        {
          cancelAt: null, charges: {nodes: []}, currentPeriod: null, customer: {externalId: "vandelay"}
          items: [
            {overrides: [], product: {key: "ai_credits"}}, {overrides: [], product: {key: "team_fee"}}
            {overrides: [], product: {key: "workspace_seats"}}, {overrides: [], product: {key: "image_delivery"}}
          ]
          pendingPlanVersion: null, planVersion: {plan: {key: "team"}}, startsAt: "2026-01-05T20:00:00.000000Z"
          status: "SCHEDULED"
        }
        {
          cancelAt: "2026-01-22T00:00:00.000000Z"
          charges: {nodes: [
            {amount: {amount: "29.00"}, description: "Team platform fee", period: {index: 0}}
            {amount: {amount: "36.00"}, description: "Seats: 3 at 12.00 EUR", period: {index: 0}}
            {amount: {amount: "29.00"}, description: "Team platform fee", period: {index: 1}}
            {amount: {amount: "36.00"}, description: "Seats: 3 at 12.00 EUR", period: {index: 1}}
            {amount: {amount: "0.00"}, description: "Image delivery: 0 beyond 10 at 0.015 EUR", period: {index: 0}}
          ]}
          currentPeriod: {index: 1}, customer: {externalId: "soylent"}
          items: [
            {overrides: [], product: {key: "ai_credits"}}, {overrides: [], product: {key: "team_fee"}}
            {overrides: [], product: {key: "workspace_seats"}}, {overrides: [], product: {key: "image_delivery"}}
          ]
          pendingPlanVersion: null, planVersion: {plan: {key: "team"}}, startsAt: "2025-11-22T00:00:00.000000Z"
          status: "ACTIVE"
        }
        {
          cancelAt: null
          charges: {nodes: [
            {amount: {amount: "199.00"}, description: "Scale platform fee", period: {index: 0}}
            {amount: {amount: "300.00"}, description: "Seats: 25 at 12.00 EUR", period: {index: 0}}
            {amount: {amount: "199.00"}, description: "Scale platform fee", period: {index: 1}}
            {amount: {amount: "300.00"}, description: "Seats: 25 at 12.00 EUR", period: {index: 1}}
            {amount: {amount: "0.21"}, description: "Image delivery: 14 beyond 10 at 0.015 EUR", period: {index: 0}}
          ]}
          currentPeriod: {index: 1}, customer: {externalId: "hooli"}
          items: [
            {overrides: ["includedCredits", "rolloverLimit", "lowBalanceThreshold"], product: {key: "ai_credits"}}
            {overrides: [], product: {key: "scale_fee"}}, {overrides: ["quantity"], product: {key: "workspace_seats"}}
            {overrides: [], product: {key: "image_delivery"}}
          ]
          pendingPlanVersion: null, planVersion: {plan: {key: "scale"}}, startsAt: "2025-11-22T00:00:00.000000Z"
          status: "ACTIVE"
        }
        {
          cancelAt: null
          charges: {nodes: [
            {amount: {amount: "29.00"}, description: "Team platform fee", period: {index: 0}}
            {amount: {amount: "36.00"}, description: "Seats: 3 at 12.00 EUR", period: {index: 0}}
            {amount: {amount: "29.00"}, description: "Team platform fee", period: {index: 1}}
            {amount: {amount: "36.00"}, description: "Seats: 3 at 12.00 EUR", period: {index: 1}}
            {amount: {amount: "0.00"}, description: "Image delivery: 0 beyond 10 at 0.015 EUR", period: {index: 0}}
          ]}
          currentPeriod: {index: 1}, customer: {externalId: "globex"}
          items: [
            {overrides: [], product: {key: "ai_credits"}}, {overrides: [], product: {key: "team_fee"}}
            {overrides: [], product: {key: "workspace_seats"}}, {overrides: [], product: {key: "image_delivery"}}
          ]
          pendingPlanVersion: {plan: {key: "scale"}}, planVersion: {plan: {key: "team"}}
          startsAt: "2025-11-22T00:00:00.000000Z", status: "ACTIVE"
        }
      ]}
      plans: {nodes: [{key: "scale"}, {key: "team"}]}
    }}
    "#);
});

on_sqlite!(the_demo_has_purchases_of_each_kind_and_a_balance_that_buys_by_itself, async |db| {
    let api = Api::on(db).await;
    prepare(&api.app, SEED).await.expect("it can be made");
    let query = "{ purchases(first: 100) { nodes { customer { externalId } option { name } quantity status origin
        price { amount } refunded { amount } } }
        customer(by: {externalId: \"tyrell\"}) { creditBalances { autoTopUp { enabled threshold option { name } status
            dailyLimit } } } }";
    let shown = api.ask(query, json!({})).await;
    answer!(shown, @r#"
    {data: {
      customer: {creditBalances: [{autoTopUp: {
        dailyLimit: 5, enabled: true, option: {name: "Starter"}, status: "IDLE", threshold: "75"
      }}]}
      purchases: {nodes: [
        {
          customer: {externalId: "wonka"}, option: {name: "Starter"}, origin: "PORTAL", price: {amount: "18.00"}
          quantity: 2, refunded: {amount: "18.00"}, status: "REFUNDED"
        }
        {
          customer: {externalId: "soylent"}, option: {name: "Starter"}, origin: "PORTAL", price: {amount: "9.00"}
          quantity: 1, refunded: {amount: "0.00"}, status: "PENDING"
        }
        {
          customer: {externalId: "initech"}, option: {name: "Studio"}, origin: "PORTAL", price: {amount: "129.00"}
          quantity: 1, refunded: {amount: "0.00"}, status: "CANCELED"
        }
        {
          customer: {externalId: "acme"}, option: {name: "Team"}, origin: "API", price: {amount: "39.00"}, quantity: 1
          refunded: {amount: "0.00"}, status: "PAID"
        }
        {
          customer: {externalId: "tyrell"}, option: {name: "Starter"}, origin: "AUTO_TOP_UP", price: {amount: "9.00"}
          quantity: 1, refunded: {amount: "0.00"}, status: "PAID"
        }
        {
          customer: {externalId: "tyrell"}, option: {name: "Starter"}, origin: "AUTO_TOP_UP", price: {amount: "9.00"}
          quantity: 1, refunded: {amount: "0.00"}, status: "PAID"
        }
      ]}
    }}
    "#);
});

both!(a_demo_that_was_interrupted_is_completed_and_nothing_of_it_is_there_twice, async |db| {
    let api = Api::on(db).await;
    prepare(&api.app, SEED).await.expect("it can be made");
    let complete = extent(&api).await;
    prepare(&api.app, SEED).await.expect("it is there");
    assert_eq!(extent(&api).await, complete);
    let mark = r#"{ customer(by: {externalId: "hudsucker"}) { id } }"#;
    let mark = api.ask(mark, json!({})).await["data"]["customer"]["id"].take();
    api.make("updateCustomer", "customer { id }", json!({"id": mark, "metadata": {"demo": "being made"}})).await;
    prepare(&api.app, SEED).await.expect("it can be completed");
    assert_eq!(extent(&api).await, complete);
});

on_sqlite!(a_database_with_data_of_its_own_gets_no_demo, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    assert!(prepare(&api.app, SEED).await.expect("it can be looked at").is_none());
    api.customer("hudsucker").await;
    assert!(prepare(&api.app, SEED).await.expect("it can be looked at").is_none());
});

on_sqlite!(the_trickle_goes_on_for_days_without_draining_anybody, async |db| {
    let api = Api::on(db).await;
    let mut demo = prepare(&api.app, SEED).await.expect("it can be made").expect("it is there");
    let query = "{ customers(first: 50) { nodes { externalId creditBalances { state lastSequence } } } }";
    let before = api.ask(query, json!({})).await;
    for _ in 0..500 {
        demo.go_on(&api.app).await.expect("it goes on");
    }
    let after = api.ask(query, json!({})).await;
    let balances = |answer: &Value| -> BTreeMap<String, (String, i64)> {
        let customers = answer["data"]["customers"]["nodes"].as_array().expect("a list").iter();
        let with_balance = customers.filter_map(|customer| {
            let balance = customer["creditBalances"].get(0)?;
            let sequence = balance["lastSequence"].as_str()?.parse().ok()?;
            Some((customer["externalId"].to_string(), (balance["state"].to_string(), sequence)))
        });
        with_balance.collect()
    };
    let (before, after) = (balances(&before), balances(&after));
    let moved: Vec<&String> = before.keys().filter(|name| before[*name].1 < after[*name].1).collect();
    assert_eq!(moved, ["\"acme\"", "\"globex\"", "\"hooli\"", "\"tyrell\""]);
    for name in moved {
        assert_ne!(after[name].0, "\"DEPLETED\"", "{name} tops up");
    }
});

/// The tabs of the playground: each text between backticks is one operation.
fn examples() -> Vec<&'static str> {
    let texts = include_str!("../../../assets/playground/src/examples.js").split('`').skip(1).step_by(2);
    texts.collect()
}

on_sqlite!(each_example_of_the_playground_runs_on_the_demo, async |db| {
    let api = Api::on(db).await;
    prepare(&api.app, SEED).await.expect("it can be made");
    let balance = r#"{ customer(by: {externalId: "acme"}) { creditBalances { id } } }"#;
    let balance = api.ask(balance, json!({})).await["data"]["customer"]["creditBalances"][0]["id"].take();
    let event = json!({"id": "playground-1", "customer": {"externalId": "acme"}, "type": "llm.tokens",
                       "properties": {"model": "nova-pro", "tokens": 1000}});
    // What the comments ask for is put in as it comes up.
    let subscribed = r#"{ product(by: {key: "ai_credits"}) { id ...on CreditProduct { purchaseOptions { id } } }
        customer(by: {externalId: "hooli"}) { subscriptions { nodes { id } } } }"#;
    let subscribed = api.ask(subscribed, json!({})).await["data"].take();
    let mut variables = json!({"balanceId": balance, "events": [event], "creditsId": subscribed["product"]["id"],
                               "optionId": subscribed["product"]["purchaseOptions"][0]["id"],
                               "subscriptionId": subscribed["customer"]["subscriptions"]["nodes"][0]["id"]});
    for example in examples() {
        if example.contains("\nsubscription ") {
            let first = Socket::subscribe(&api, example, json!({})).await.next().await;
            assert_eq!(first["customerBalanceChanges"]["entry"], Value::Null, "{first}");
            continue;
        }
        let answer = api.ask(example, variables.clone()).await;
        assert!(answer.get("errors").is_none(), "{example}\n{answer:#}");
        for payload in answer["data"].as_object().expect("data").values() {
            assert!(payload.get("errors").is_none_or(|errors| errors == &json!([])), "{example}\n{answer:#}");
            for made in ["meter", "product", "hold", "entry", "purchase"] {
                if let Some(id) = payload.get(made).and_then(|made| made.get("id")) {
                    variables[format!("{made}Id")] = id.clone();
                }
            }
        }
    }
    assert!(variables["productId"].is_string(), "the examples make a product");
});
