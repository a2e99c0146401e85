//! The walk from an empty server to a closed balance.

use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::both;

both!(a_meter_is_made, async |db| {
    let api = Api::on(db).await;
    let made = api
        .ask(
            r#"mutation {
                createMeter(input: {key: "tokens", name: "Tokens", eventType: "completion", aggregation: SUM,
                    property: "usage.tokens", filter: [{all: [{name: "model", operator: IN, values: ["large", 3]}]}]}) {
                    meter { id key name eventType aggregation property filter { all { name operator values } }
                        createdAt updatedAt archivedAt }
                    errors { ...Error }
                }
            }"#,
            json!({}),
        )
        .await;
    answer!(made, @r#"
    {data: {createMeter: {
      errors: []
      meter: {
        aggregation: "SUM", archivedAt: null, createdAt: "2026-01-01T00:00:00.000000Z", eventType: "completion"
        filter: [{all: [{name: "model", operator: "IN", values: ["large", 3]}]}], id: "mtr_06dndml801o01c6jcgd6huaad4"
        key: "tokens", name: "Tokens", property: "usage.tokens", updatedAt: "2026-01-01T00:00:00.000000Z"
      }
    }}}
    "#);
});

both!(a_credit_product_is_made, async |db| {
    let api = Api::on(db).await;
    let meter = api.meter("calls", "call").await;
    let made = api
        .ask(
            r#"mutation($meter: ID!) {
                createCreditProduct(input: {key: "ai", name: "AI credits", description: "For all models",
                    consumption: [{meterId: $meter, creditsPerUnit: "0.50"}], lowBalanceThreshold: 10,
                    overdraft: {policy: ALLOW, limit: "5"}, expiration: {policy: AFTER_DAYS, days: 30},
                    metadata: {b: 1, a: [true, null]}}) {
                    product { id key kind name description unitName consumption { meter { key } creditsPerUnit }
                        lowBalanceThreshold overdraft { policy limit } expiration { policy days } metadata
                        purchaseOptions { id } createdAt updatedAt archivedAt }
                    errors { ...Error }
                }
            }"#,
            json!({"meter": meter}),
        )
        .await;
    answer!(made, @r#"
    {data: {createCreditProduct: {
      errors: []
      product: {
        archivedAt: null, consumption: [{creditsPerUnit: "0.5", meter: {key: "calls"}}]
        createdAt: "2026-01-01T00:00:00.000000Z", description: "For all models"
        expiration: {days: 30, policy: "AFTER_DAYS"}, id: "prd_06dndml801o03d5grb4kgciqo4", key: "ai", kind: "CREDIT"
        lowBalanceThreshold: "10", metadata: {a: [true, null], b: 1}, name: "AI credits"
        overdraft: {limit: "5", policy: "ALLOW"}, purchaseOptions: [], unitName: "credit"
        updatedAt: "2026-01-01T00:00:00.000000Z"
      }
    }}}
    "#);
});

both!(a_purchase_option_is_a_price_for_credits, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    let made = api
        .ask(
            r#"mutation($product: ID!) {
                createPurchaseOption(input: {productId: $product, name: "Three", credits: "3",
                    price: {amount: "10", currency: "EUR"}}) {
                    purchaseOption { id product { key } name credits price { amount currency } pricePerCredit
                        showInPortal position createdAt archivedAt }
                    errors { ...Error }
                }
            }"#,
            json!({"product": product}),
        )
        .await;
    answer!(made, @r#"
    {data: {createPurchaseOption: {
      errors: []
      purchaseOption: {
        archivedAt: null, createdAt: "2026-01-01T00:00:00.000000Z", credits: "3", id: "opt_06dndml801o03d5grb4kgciqo4"
        name: "Three", position: 0, price: {amount: "10.00", currency: "EUR"}, pricePerCredit: "3.333333"
        product: {key: "ai"}, showInPortal: true
      }
    }}}
    "#);
});

both!(a_customer_is_made, async |db| {
    let api = Api::on(db).await;
    let made = api
        .ask(
            r#"mutation {
                createCustomer(input: {externalId: "acme", name: "Acme", email: "pay@acme.example", currency: "EUR",
                    metadata: {tier: "gold"}}) {
                    customer { id externalId name email currency metadata createdAt updatedAt archivedAt
                        creditBalances { id } }
                    errors { ...Error }
                }
            }"#,
            json!({}),
        )
        .await;
    answer!(made, @r#"
    {data: {createCustomer: {
      customer: {
        archivedAt: null, createdAt: "2026-01-01T00:00:00.000000Z", creditBalances: [], currency: "EUR"
        email: "pay@acme.example", externalId: "acme", id: "cus_06dndml801o01c6jcgd6huaad4", metadata: {tier: "gold"}
        name: "Acme", updatedAt: "2026-01-01T00:00:00.000000Z"
      }
      errors: []
    }}}
    "#);
});

both!(a_balance_begins_with_its_starting_credits, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({"lowBalanceThreshold": "5"})).await;
    api.customer("acme").await;
    let made = api
        .ask(
            r#"mutation($product: ID!) {
                createCreditBalance(input: {customer: {externalId: "acme"}, productId: $product,
                    startingBalance: "12.500"}) {
                    balance { id name customer { externalId } product { key } ...Balance lowBalanceThreshold
                        overdraft { policy limit } overrides createdAt updatedAt closedAt }
                    entry { id ...Entry grant { ...Grant } terms { credits priority effectiveAt expiresAt } hash }
                    replayed
                    errors { ...Error }
                }
            }"#,
            json!({"product": product}),
        )
        .await;
    answer!(made, @r#"
    {data: {createCreditBalance: {
      balance: {
        available: "12.5", closedAt: null, createdAt: "2026-01-01T00:00:00.000000Z", customer: {externalId: "acme"}
        held: "0", id: "bal_06dndml801o03d5grb4kgciqo40g", lastSequence: "1", lowBalanceThreshold: "5", name: "ai"
        nextChangeAt: null, overdraft: {limit: null, policy: "DENY"}, overrides: [], product: {key: "ai"}
        settled: "12.5", state: "ACTIVE", updatedAt: "2026-01-01T00:00:00.000000Z"
      }
      entry: {
        allocations: [{credits: "12.5", grant: {id: "grt_06dndml801o03d5grb4kgciqo40g2"}}], availableAfter: "12.5"
        credits: "12.5"
        grant: {
          credits: "12.5", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null
          id: "grt_06dndml801o03d5grb4kgciqo40g2", priority: 500, remaining: "12.5", source: "STARTING_BALANCE"
          state: "ACTIVE"
        }
        hash: "0654d87f4027401f3441ffbd081438a7d4ba7f71fee2484140d8674405e9c1fe"
        id: "ent_06dndml801o03d5grb4kgciqo40g2", kind: "STARTING_BALANCE", occurredAt: "2026-01-01T00:00:00.000000Z"
        origin: "API", reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1", stateAfter: "ACTIVE"
        terms: {credits: "12.5", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null, priority: 500}
        uncovered: "0"
      }
      errors: [], replayed: false
    }}}
    "#);
});

both!(a_balance_that_starts_with_nothing_has_no_lot_and_no_entry, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    api.customer("acme").await;
    let made = api
        .ask(
            r#"mutation($product: ID!) {
                createCreditBalance(input: {customer: {externalId: "acme"}, productId: $product}) {
                    balance { ...Balance grants { nodes { id } } entries { nodes { id } } }
                    entry { id }
                    errors { ...Error }
                }
            }"#,
            json!({"product": product}),
        )
        .await;
    answer!(made, @r#"
    {data: {createCreditBalance: {
      balance: {
        available: "0", entries: {nodes: []}, grants: {nodes: []}, held: "0", lastSequence: "0", nextChangeAt: null
        settled: "0", state: "DEPLETED"
      }
      entry: null, errors: []
    }}}
    "#);
});

both!(the_answer_to_events_holds_the_new_balances_and_why, async |db| {
    let api = Api::on(db).await;
    let (calls, tokens) = (api.meter("calls", "call").await, api.sum("tokens", "call", "tokens").await);
    let product = api.product("ai", &[(&calls, "1"), (&tokens, "0.004")], json!({"unitName": "token"})).await;
    api.customer("acme").await;
    let balance = api.balance("acme", &product, "5", json!({})).await;
    api.top_up(&balance, "100", "later", json!({"priority": 900})).await;
    let sent = api
        .ask(
            r#"mutation {
                ingestEvents(input: {events: [{id: "e1", customer: {externalId: "acme"}, type: "call",
                    timestamp: "2025-12-31T23:00:00Z", properties: {tokens: 1200.5, model: "large"}}]}) {
                    accepted duplicates refused invalid
                    receipts { index eventId status differs event { ...Event } error { ...Error } }
                    balances { ...Balance }
                    errors { ...Error }
                }
            }"#,
            json!({}),
        )
        .await;
    answer!(sent, @r#"
    {data: {ingestEvents: {
      accepted: 1
      balances: [{
        available: "99.198", held: "0", lastSequence: "4", nextChangeAt: null, settled: "99.198", state: "ACTIVE"
      }]
      duplicates: 0, errors: [], invalid: 0
      receipts: [{
        differs: false, error: null
        event: {
          entries: [
            {
              allocations: [{credits: "-1", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "104"
              credits: "-1", kind: "USAGE", occurredAt: "2025-12-31T23:00:00.000000Z", origin: "EVENT"
              rating: {credits: "1", creditsPerUnit: "1", exactCredits: "1", meter: {key: "calls"}, quantity: "1"}
              reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "3", stateAfter: "ACTIVE"
              uncovered: "0"
            }
            {
              allocations: [
                {credits: "-4", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}
                {credits: "-0.802", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}
              ]
              availableAfter: "99.198", credits: "-4.802", kind: "USAGE", occurredAt: "2025-12-31T23:00:00.000000Z"
              origin: "EVENT"
              rating: {
                credits: "4.802", creditsPerUnit: "0.004", exactCredits: "4.802", meter: {key: "tokens"}
                quantity: "1200.5"
              }
              reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "4", stateAfter: "ACTIVE"
              uncovered: "0"
            }
          ]
          eventId: "e1"
          outcomes: [
            {
              credits: "1", creditsPerUnit: "1", explanation: "1 event × 1 = 1 token", meter: {key: "calls"}
              outcome: "BURNED", quantity: "1"
            }
            {
              credits: "4.802", creditsPerUnit: "0.004", explanation: "1200.5 units × 0.004 = 4.802 tokens"
              meter: {key: "tokens"}, outcome: "BURNED", quantity: "1200.5"
            }
          ]
          properties: {model: "large", tokens: 1200.5}, receivedAt: "2026-01-01T00:00:00.000000Z"
          timestamp: "2025-12-31T23:00:00.000000Z", type: "call"
        }
        eventId: "e1", index: 0, status: "ACCEPTED"
      }]
      refused: 0
    }}}
    "#);
});

both!(an_event_says_of_each_rule_of_its_type_what_became_of_it, async |db| {
    let api = Api::on(db).await;
    let filtered = json!({"key": "large", "name": "Large", "eventType": "call", "aggregation": "COUNT",
        "filter": [{"all": [{"name": "model", "operator": "EQ", "values": ["large"]}]}]});
    let filtered = api.make("createMeter", "meter { id }", filtered).await["meter"]["id"].clone();
    let mut rules = vec![(filtered.as_str().unwrap().to_owned(), "1")];
    for property in ["missing", "text", "negative", "huge", "zero"] {
        rules.push((api.sum(property, "call", property).await, "1"));
    }
    rules.push((api.meter("other", "another.type").await, "1"));
    let rules: Vec<(&str, &str)> = rules.iter().map(|(meter, weight)| (meter.as_str(), *weight)).collect();
    let product = api.product("ai", &rules, json!({})).await;
    let calls = api.meter("calls", "call").await;
    api.product("unsold", &[(&calls, "2")], json!({})).await;
    api.customer("acme").await;
    api.balance("acme", &product, "5", json!({})).await;
    let sent = api
        .ask(
            r#"mutation {
                ingestEvents(input: {events: [{id: "e1", customer: {externalId: "acme"}, type: "call",
                    properties: {model: "small", text: "12a", negative: -1, huge: 1e15, zero: 0}}]}) {
                    receipts { status event { outcomes { product { key } meter { key } outcome quantity creditsPerUnit
                        credits explanation } entries { id } } error { ...Error } }
                }
            }"#,
            json!({}),
        )
        .await;
    answer!(sent, @r#"
    {data: {ingestEvents: {receipts: [{
      error: null
      event: {
        entries: []
        outcomes: [
          {
            credits: null, creditsPerUnit: null, explanation: "The meter's filter did not let the event through."
            meter: {key: "large"}, outcome: "FILTERED_OUT", product: {key: "ai"}, quantity: null
          }
          {
            credits: null, creditsPerUnit: null, explanation: "The event has no property \"missing\"."
            meter: {key: "missing"}, outcome: "MISSING_PROPERTY", product: {key: "ai"}, quantity: null
          }
          {
            credits: null, creditsPerUnit: null, explanation: "The property \"text\" is not a number."
            meter: {key: "text"}, outcome: "NOT_A_NUMBER", product: {key: "ai"}, quantity: null
          }
          {
            credits: null, creditsPerUnit: null, explanation: "The property \"negative\" is negative: -1."
            meter: {key: "negative"}, outcome: "NEGATIVE_QUANTITY", product: {key: "ai"}, quantity: "-1"
          }
          {
            credits: null, creditsPerUnit: null
            explanation: "The property \"huge\" is out of range: a quantity is less than 1000000000000000."
            meter: {key: "huge"}, outcome: "OUT_OF_RANGE", product: {key: "ai"}, quantity: null
          }
          {
            credits: "0", creditsPerUnit: "1", explanation: "0 units × 1 = 0 credits", meter: {key: "zero"}
            outcome: "ZERO", product: {key: "ai"}, quantity: "0"
          }
          {
            credits: null, creditsPerUnit: "2"
            explanation: "Matched, but the customer has no open balance of this product.", meter: {key: "calls"}
            outcome: "NO_BALANCE", product: {key: "unsold"}, quantity: "1"
          }
        ]
      }
      status: "ACCEPTED"
    }]}}}
    "#);
});
