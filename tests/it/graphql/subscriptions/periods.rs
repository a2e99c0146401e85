//! What periods bring and cost, each once, at its exact instant.

use serde_json::{Value, json};

use super::shop::Shop;
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

both!(each_period_grants_rolls_over_and_charges, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    shop.call("first", 5).await;
    shop.api.at("2026-02-01T00:00:00Z");
    shop.api.work().await;
    shop.burn("second", "125").await;
    shop.api.at("2026-03-01T00:00:00Z");
    shop.api.work().await;
    let entries = shop.entries().await;
    answer!(entries, @r#"
    [
      "01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "01-01T00:00 USAGE -40 EVENT"
      "02-01T00:00 EXPIRATION -60 SYSTEM", "02-01T00:00 ROLLOVER 30 SUBSCRIPTION by it"
      "02-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-01T00:00 USAGE -125 EVENT"
      "03-01T00:00 EXPIRATION -5 SYSTEM", "03-01T00:00 ROLLOVER 5 SUBSCRIPTION by it"
      "03-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it"
    ]
    "#);
    let charges = shop.charges(&subscription).await;
    answer!(charges, @r#"
    [
      "0 [01-01T00:00, 02-01T00:00) Platform = 29.00", "0 [01-01T00:00, 02-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
      "1 [02-01T00:00, 03-01T00:00) Platform = 29.00", "1 [02-01T00:00, 03-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
      "0 [01-01T00:00, 02-01T00:00) Calls: 2 beyond 3 at 0.01 EUR = 0.02"
      "1 [02-01T00:00, 03-01T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
      "2 [03-01T00:00, 04-01T00:00) Platform = 29.00", "2 [03-01T00:00, 04-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
    ]
    "#);
});

both!(a_period_shows_to_the_microsecond_though_nothing_was_posted, async |db| {
    let shop = Shop::on(db).await;
    shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    let mut shown = Vec::new();
    for time in ["2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"] {
        shop.api.at(time);
        shown.push(shop.balance().await);
    }
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      {
        available: "60", held: "0", lastSequence: "2", lowBalanceThreshold: "20"
        nextChangeAt: "2026-02-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "60"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      {
        available: "130", held: "0", lastSequence: "2", lowBalanceThreshold: "20"
        nextChangeAt: "2026-03-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "130"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      {
        available: "130", held: "0", lastSequence: "2", lowBalanceThreshold: "20"
        nextChangeAt: "2026-04-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "130"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
    ]
    "#);
});

on_sqlite!(an_event_at_a_periods_first_instant_burns_what_the_period_brings, async |db| {
    let shop = Shop::on(db).await;
    shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "100").await;
    shop.api.at("2026-02-01T00:00:00Z");
    shop.burn("second", "100").await;
    let entries = shop.entries().await;
    answer!(entries, @r#"
    [
      "01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "01-01T00:00 USAGE -100 EVENT"
      "02-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-01T00:00 USAGE -100 EVENT"
    ]
    "#);
});

on_sqlite!(a_start_in_the_past_grants_and_charges_what_the_periods_since_would_have, async |db| {
    let shop = Shop::on(db).await;
    shop.call("before", 4).await;
    let subscription = shop.subscribe(&shop.pro, json!({"startsAt": "2025-10-31T12:00:00Z"})).await;
    let entries = shop.entries().await;
    answer!(entries, @r#"
    [
      "2025-10-31T12:00 ALLOWANCE 100 SUBSCRIPTION by it", "2025-11-30T12:00 EXPIRATION -100 SYSTEM"
      "2025-11-30T12:00 ROLLOVER 30 SUBSCRIPTION by it", "2025-11-30T12:00 ALLOWANCE 100 SUBSCRIPTION by it"
      "2025-12-31T12:00 EXPIRATION -30 SYSTEM", "2025-12-31T12:00 EXPIRATION -100 SYSTEM"
      "2025-12-31T12:00 ROLLOVER 30 SUBSCRIPTION by it", "2025-12-31T12:00 ALLOWANCE 100 SUBSCRIPTION by it"
    ]
    "#);
    shop.api.work().await;
    let charges = shop.charges(&subscription).await;
    answer!(charges, @r#"
    [
      "0 [2025-10-31T12:00, 2025-11-30T12:00) Platform = 29.00"
      "0 [2025-10-31T12:00, 2025-11-30T12:00) Seats: 2 at 10.00 EUR = 20.00"
      "0 [2025-10-31T12:00, 2025-11-30T12:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
      "1 [2025-11-30T12:00, 2025-12-31T12:00) Platform = 29.00"
      "1 [2025-11-30T12:00, 2025-12-31T12:00) Seats: 2 at 10.00 EUR = 20.00"
      "1 [2025-11-30T12:00, 2025-12-31T12:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
      "2 [2025-12-31T12:00, 01-31T12:00) Platform = 29.00"
      "2 [2025-12-31T12:00, 01-31T12:00) Seats: 2 at 10.00 EUR = 20.00"
    ]
    "#);
});

both!(history_names_grants_of_a_period_that_was_posted_later_by_the_ids_they_got, async |db| {
    let shop = Shop::on(db).await;
    shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    shop.api.at("2026-03-10T00:00:00Z");
    shop.api.work().await;
    let query = "{ customer(by: {externalId: \"acme\"}) { creditBalances {
        then: at(time: \"2026-02-05T00:00:00Z\") { grants { grant { id source } } }
        later: at(time: \"2026-03-05T00:00:00Z\") { grants { grant { id source } } }
        grants(first: 100) { nodes { id source effectiveAt } } } } }";
    let told = shop.api.ask(query, json!({})).await;
    let balance = &told["data"]["customer"]["creditBalances"][0];
    let began = |month: &str| -> Vec<(String, String)> {
        let grants = balance["grants"]["nodes"].as_array().unwrap_or_else(|| panic!("{told:#}"));
        let wanted =
            grants.iter().filter(|grant| grant["effectiveAt"].as_str().is_some_and(|at| at.starts_with(month)));
        let mut named: Vec<_> = wanted.map(|grant| (grant["id"].to_string(), grant["source"].to_string())).collect();
        named.sort();
        named
    };
    for (time, month) in [("then", "2026-02-01"), ("later", "2026-03-01")] {
        let grants = balance[time]["grants"].as_array().unwrap_or_else(|| panic!("{told:#}"));
        let mut named: Vec<_> = grants
            .iter()
            .map(|grant| &grant["grant"])
            .map(|grant| (grant["id"].to_string(), grant["source"].to_string()))
            .collect();
        named.sort();
        assert_eq!((named.len(), &named), (2, &began(month)), "{told:#}");
    }
});

both!(a_start_in_the_future_brings_nothing_before_it, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({"startsAt": "2026-01-31T00:00:00Z"})).await;
    let mut shown = vec![shop.available().await];
    for time in ["2026-01-30T23:59:59.999999Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]
    {
        shop.api.at(time);
        shown.push(shop.available().await);
    }
    shop.api.work().await;
    let shown = Value::from(shown);
    answer!(shown, @r#"["none", "none", "100", "130", "130"]"#);
    let entries = shop.entries().await;
    answer!(entries, @r#"
    [
      "01-31T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-28T00:00 EXPIRATION -100 SYSTEM"
      "02-28T00:00 ROLLOVER 30 SUBSCRIPTION by it", "02-28T00:00 ALLOWANCE 100 SUBSCRIPTION by it"
      "03-31T00:00 EXPIRATION -30 SYSTEM", "03-31T00:00 EXPIRATION -100 SYSTEM"
      "03-31T00:00 ROLLOVER 30 SUBSCRIPTION by it", "03-31T00:00 ALLOWANCE 100 SUBSCRIPTION by it"
    ]
    "#);
    let charges = shop.charges(&subscription).await;
    answer!(charges, @r#"
    [
      "0 [01-31T00:00, 02-28T00:00) Platform = 29.00", "0 [01-31T00:00, 02-28T00:00) Seats: 2 at 10.00 EUR = 20.00"
      "0 [01-31T00:00, 02-28T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
      "1 [02-28T00:00, 03-31T00:00) Platform = 29.00", "1 [02-28T00:00, 03-31T00:00) Seats: 2 at 10.00 EUR = 20.00"
      "1 [02-28T00:00, 03-31T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
      "2 [03-31T00:00, 04-30T00:00) Platform = 29.00", "2 [03-31T00:00, 04-30T00:00) Seats: 2 at 10.00 EUR = 20.00"
    ]
    "#);
});

both!(a_server_that_was_down_catches_up_in_order_each_period_at_its_instant, async |db| {
    let shop = Shop::on(db).await;
    let daily = json!({"includedCredits": "10", "rolloverLimit": "4"});
    let daily = shop.credits("daily", "DAY", daily).await;
    shop.subscribe(&daily, json!({})).await;
    shop.burn("first", "7").await;
    shop.api.at("2026-01-04T06:00:00Z");
    shop.api.work().await;
    let entries = shop.entries().await;
    answer!(entries, @r#"
    [
      "01-01T00:00 ALLOWANCE 10 SUBSCRIPTION by it", "01-01T00:00 USAGE -7 EVENT", "01-02T00:00 EXPIRATION -3 SYSTEM"
      "01-02T00:00 ROLLOVER 3 SUBSCRIPTION by it", "01-02T00:00 ALLOWANCE 10 SUBSCRIPTION by it"
      "01-03T00:00 EXPIRATION -3 SYSTEM", "01-03T00:00 EXPIRATION -10 SYSTEM"
      "01-03T00:00 ROLLOVER 4 SUBSCRIPTION by it", "01-03T00:00 ALLOWANCE 10 SUBSCRIPTION by it"
      "01-04T00:00 EXPIRATION -4 SYSTEM", "01-04T00:00 EXPIRATION -10 SYSTEM"
      "01-04T00:00 ROLLOVER 4 SUBSCRIPTION by it", "01-04T00:00 ALLOWANCE 10 SUBSCRIPTION by it"
    ]
    "#);
});

on_sqlite!(credits_that_outlive_their_period_do_as_they_were_said_to, async |db| {
    let shop = Shop::on(db).await;
    let never = json!({"includedCredits": "10", "includedExpiration": {"policy": "NEVER"}});
    let days = json!({"includedCredits": "10", "includedExpiration": {"policy": "AFTER_DAYS", "days": 40}});
    let never = shop.credits("never", "MONTH", never).await;
    let days = shop.credits("days", "MONTH", days).await;
    let first = shop.subscribe(&never, json!({})).await;
    shop.api.at("2026-02-01T00:00:00Z");
    let mut shown = vec![shop.available().await];
    shop.ask("cancelPlanSubscription", &first, json!({})).await;
    shop.api.at("2026-03-01T00:00:00Z");
    shown.push(shop.available().await);
    shop.subscribe(&days, json!({})).await;
    for time in ["2026-04-01T00:00:00Z", "2026-04-09T23:59:59.999999Z", "2026-04-10T00:00:00Z"] {
        shop.api.at(time);
        shown.push(shop.available().await);
    }
    assert_eq!(shown, ["20", "20", "40", "40", "30"]);
});

both!(what_a_period_brought_is_among_the_grants_before_it_is_posted, async |db| {
    let shop = Shop::on(db).await;
    shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    shop.api.at("2026-02-01T00:00:00Z");
    let listed = async |arguments: &str| {
        let query = format!(
            "query($id: ID!) {{ customer(by: {{externalId: \"acme\"}}) {{ creditBalance(product: {{id: $id}}) {{
                grants{arguments} {{ nodes {{ id source state remaining subscription {{ id }} }} }} }} }} }}"
        );
        let answer = shop.api.ask(&query, json!({"id": shop.ai})).await;
        answer["data"]["customer"]["creditBalance"]["grants"]["nodes"].clone()
    };
    let before = listed("").await;
    let named = json!({"id": before[1]["id"]});
    let named = shop.api.ask("query($id: ID!) { node(id: $id) { ...on Grant { source remaining } } }", named).await;
    assert_eq!(named["data"]["node"], json!({"source": "ROLLOVER", "remaining": "30"}));
    let (active, last) = (listed("(state: [ACTIVE])").await, listed("(last: 1)").await);
    assert_eq!((active[0].clone(), last[0].clone()), (before[1].clone(), before[2].clone()));
    shop.api.work().await;
    assert_eq!(listed("").await, before);
    let told =
        |grant: &Value| format!("{} {} {}", grant["source"], grant["state"], grant["remaining"]).replace('"', "");
    let told: Vec<String> = before.as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, ["ALLOWANCE EXPIRED 0", "ROLLOVER ACTIVE 30", "ALLOWANCE ACTIVE 100"]);
});

both!(usage_that_is_on_its_way_when_its_period_ends_is_charged_with_it, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.call("before", 4).await;
    shop.api.at("2026-02-01T00:00:00Z");
    shop.api.work().await;
    shop.api.at("2026-02-01T00:04:59.999999Z");
    shop.api.work().await;
    let late = json!({"id": "late", "customer": {"externalId": "acme"}, "type": "call",
                      "timestamp": "2026-01-31T23:59:59.999999Z"});
    shop.set(&subscription, &shop.seats, json!({"seat": {"quantity": 3}})).await;
    shop.api.make("ingestEvents", "accepted", json!({"events": [late]})).await;
    let query = "query($id: ID!) { planSubscription(id: $id) { charges { nodes { description createdAt } } } }";
    let charges = async || {
        let answer = shop.api.ask(query, json!({"id": subscription})).await;
        answer["data"]["planSubscription"]["charges"]["nodes"].as_array().cloned().expect("it is a list")
    };
    assert_eq!(charges().await.len(), 4, "two periods in advance");
    shop.api.at("2026-02-01T00:05:00Z");
    shop.api.work().await;
    shop.api.work().await;
    let metered = json!({"description": "Calls: 2 beyond 3 at 0.01 EUR", "createdAt": "2026-02-01T00:05:00.000000Z"});
    let all = charges().await;
    assert_eq!((all.len(), all.last()), (5, Some(&metered)));
});

both!(a_thousand_periods_are_caught_up_on_in_steps_and_before_the_answer, async |db| {
    let shop = Shop::on(db).await;
    let items =
        json!([{"productId": shop.ai, "options": {"credit": {"includedCredits": "1"}}}, {"productId": shop.fee}]);
    let daily = shop.plan("daily", "DAY", items).await;
    let subscription = shop.subscribe(&daily, json!({"startsAt": "2023-04-08T00:00:00Z"})).await;
    let last = "query($id: ID!) { planSubscription(id: $id) { currentPeriod { index }
        charges(last: 1) { nodes { period { index } } } items { balance { lastSequence available } } } }";
    let shown = shop.api.ask(last, json!({"id": subscription})).await;
    let shown = shown["data"]["planSubscription"].clone();
    answer!(shown, @r#"
    {
      charges: {nodes: [{period: {index: 999}}]}, currentPeriod: {index: 999}
      items: [{balance: {available: "1", lastSequence: "1999"}}, {balance: null}]
    }
    "#);
    shop.api.at("2026-08-01T00:00:00Z");
    let changed = shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    assert_eq!(changed["subscription"]["currentPeriod"]["index"], 1_211);
    let health = shop.api.ask("{ ledgerHealth(first: 10) { problems { detail } } }", json!({})).await;
    assert_eq!(health["data"]["ledgerHealth"]["problems"], json!([]));
});

on_sqlite!(what_a_hold_pins_of_a_periods_credits_outlives_the_period_and_does_not_roll_over, async |db| {
    let shop = Shop::on(db).await;
    shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "20").await;
    let balance = shop.api.ask("{ creditBalances { nodes { id } } }", json!({})).await;
    let balance = balance["data"]["creditBalances"]["nodes"][0]["id"].clone();
    let hold = json!({"balanceId": balance, "credits": "70", "ttlSeconds": 604_800, "idempotencyKey": "hold"});
    shop.api.at("2026-01-30T00:00:00Z");
    let hold = shop.api.make("holdCredits", "hold { id }", hold).await["hold"]["id"].clone();
    shop.api.at("2026-02-01T00:00:00Z");
    let mut told = vec![shop.balance().await];
    shop.api.work().await;
    let capture = json!({"holdId": hold, "credits": "60", "idempotencyKey": "capture"});
    shop.api.at("2026-02-03T00:00:00Z");
    shop.api.make("captureHold", "replayed", capture).await;
    told.push(shop.balance().await);
    told.push(shop.entries().await);
    let told = Value::from(told);
    answer!(told, @r#"
    [
      {
        available: "110", held: "70", lastSequence: "3", lowBalanceThreshold: "20"
        nextChangeAt: "2026-02-06T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "180"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      {
        available: "110", held: "0", lastSequence: "8", lowBalanceThreshold: "20"
        nextChangeAt: "2026-03-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "110"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      [
        "01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "01-01T00:00 USAGE -20 EVENT", "01-30T00:00 HOLD 0 API"
        "02-01T00:00 EXPIRATION -10 SYSTEM", "02-01T00:00 ROLLOVER 10 SUBSCRIPTION by it"
        "02-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-03T00:00 CAPTURE -60 API"
        "02-03T00:00 EXPIRATION -10 SYSTEM"
      ]
    ]
    "#);
});
