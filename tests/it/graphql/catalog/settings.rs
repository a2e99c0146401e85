//! Settings: overdraft, thresholds, and what a balance inherits from its product or has of its own.

use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;

const RETAIN: &str = r#"mutation($id: ID!, $credits: Decimal!) {
    retainCredits(input: {balanceId: $id, credits: $credits, idempotencyKey: "k"}) {
        balance { ...Balance } entry { ...Entry } errors { ...Error } } }"#;

on_sqlite!(without_overdraft_nothing_goes_below_zero, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("5").await;
    let refused = api.ask(RETAIN, json!({"id": balance, "credits": "5.000001"})).await;
    answer!(refused, @r#"
    {data: {retainCredits: {
      balance: null, entry: null
      errors: [{
        __typename: "InsufficientCredits", available: "5"
        message: "5.000001 credits are required and 5 are available.", path: ["credits"], required: "5.000001"
        shortfall: "0.000001"
      }]
    }}}
    "#);
});

on_sqlite!(overdraft_goes_down_to_its_limit, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme_with("5", json!({"overdraft": {"policy": "ALLOW", "limit": "3"}})).await;
    let retained = api.ask(RETAIN, json!({"id": balance, "credits": 8})).await;
    answer!(retained, @r#"
    {data: {retainCredits: {
      balance: {available: "-3", held: "0", lastSequence: "2", nextChangeAt: null, settled: "-3", state: "OVERDRAWN"}
      entry: {
        allocations: [{credits: "-5", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "-3"
        credits: "-8", kind: "RETENTION", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API", reason: null
        recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2", stateAfter: "OVERDRAWN", uncovered: "0"
      }
      errors: []
    }}}
    "#);
});

on_sqlite!(beyond_the_limit_of_overdraft_a_retention_is_refused_with_what_is_missing, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme_with("5", json!({"overdraft": {"policy": "ALLOW", "limit": "3"}})).await;
    let refused = api.ask(RETAIN, json!({"id": balance, "credits": "8.5"})).await;
    answer!(refused, @r#"
    {data: {retainCredits: {
      balance: null, entry: null
      errors: [{
        __typename: "InsufficientCredits", available: "5", message: "8.5 credits are required and 5 are available."
        path: ["credits"], required: "8.5", shortfall: "0.5"
      }]
    }}}
    "#);
});

both!(overdraft_without_a_limit_ends_at_what_a_balance_can_hold, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme_with("0", json!({"overdraft": {"policy": "ALLOW"}})).await;
    for key in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        api.retain(&balance, "1000000000000", key).await;
    }
    let refused = api.ask(RETAIN, json!({"id": balance, "credits": "0.000001"})).await;
    answer!(refused, @r#"
    {data: {retainCredits: {
      balance: null, entry: null
      errors: [{
        __typename: "InsufficientCredits", available: "-9000000000000"
        message: "0.000001 credits are required and -9000000000000 are available.", path: ["credits"]
        required: "0.000001", shortfall: "0.000001"
      }]
    }}}
    "#);
});

on_sqlite!(what_comes_in_pays_debt_first, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme_with("0", json!({"overdraft": {"policy": "ALLOW"}})).await;
    api.retain(&balance, "7", "debt").await;
    let paid = api
        .ask(
            r#"mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: 10, idempotencyKey: "k"}) {
                balance { ...Balance grants { nodes { ...Grant } } } entry { ...Entry } errors { ...Error } } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(paid, @r#"
    {data: {topUpCredits: {
      balance: {
        available: "3"
        grants: {nodes: [{
          credits: "10", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null
          id: "grt_06dndml801o07ai17capb161480g4", priority: 500, remaining: "3", source: "TOP_UP", state: "ACTIVE"
        }]}
        held: "0", lastSequence: "2", nextChangeAt: null, settled: "3", state: "ACTIVE"
      }
      entry: {
        allocations: [{credits: "3", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}], availableAfter: "3"
        credits: "10", kind: "TOP_UP", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API", reason: null
        recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2", stateAfter: "ACTIVE", uncovered: "0"
      }
      errors: []
    }}}
    "#);
});

both!(a_balance_below_a_tightened_floor_is_only_not_taken_further_down, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme_with("0", json!({"overdraft": {"policy": "ALLOW"}})).await;
    api.retain(&balance, "7", "debt").await;
    api.make("updateCreditBalance", "balance { id }", json!({"id": balance, "overdraft": {"policy": "DENY"}})).await;
    api.burn("e1", "1").await;
    let shown = api
        .ask(&documents::balance("...Balance entries(first: 1) { nodes { ...Entry } }"), json!({"id": balance}))
        .await;
    answer!(shown, @r#"
    {data: {creditBalance: {
      available: "-7"
      entries: {nodes: [{
        allocations: [], availableAfter: "-7", credits: "0", kind: "USAGE", occurredAt: "2026-01-01T00:00:00.000000Z"
        origin: "EVENT", reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2"
        stateAfter: "OVERDRAWN", uncovered: "1"
      }]}
      held: "0", lastSequence: "2", nextChangeAt: null, settled: "-7", state: "OVERDRAWN"
    }}}
    "#);
});

const SETTINGS: &str = "name lowBalanceThreshold overdraft { policy limit } overrides state";

both!(a_balance_has_settings_of_its_own_and_names_them, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme_with("5", json!({"lowBalanceThreshold": "1"})).await;
    api.at("2026-01-02T00:00:00Z");
    let changed = api
        .ask(
            &format!(
                r#"mutation($id: ID!) {{
                    all: updateCreditBalance(input: {{id: $id, name: "Mine", lowBalanceThreshold: 10,
                        overdraft: {{policy: ALLOW, limit: "2.50"}}}}) {{ balance {{ {SETTINGS} updatedAt }} errors {{ ...Error }} }}
                    one: updateCreditBalance(input: {{id: $id, lowBalanceThreshold: null}}) {{ balance {{ {SETTINGS} }} errors {{ ...Error }} }}
                    rest: updateCreditBalance(input: {{id: $id, name: null, overdraft: null}}) {{ balance {{ {SETTINGS} }} errors {{ ...Error }} }}
                }}"#
            ),
            json!({"id": balance}),
        )
        .await;
    answer!(changed, @r#"
    {data: {
      all: {
        balance: {
          lowBalanceThreshold: "10", name: "Mine", overdraft: {limit: "2.5", policy: "ALLOW"}
          overrides: ["name", "lowBalanceThreshold", "overdraft"], state: "LOW"
          updatedAt: "2026-01-02T00:00:00.000000Z"
        }
        errors: []
      }
      one: {
        balance: {
          lowBalanceThreshold: "1", name: "Mine", overdraft: {limit: "2.5", policy: "ALLOW"}
          overrides: ["name", "overdraft"], state: "ACTIVE"
        }
        errors: []
      }
      rest: {
        balance: {
          lowBalanceThreshold: "1", name: "credits", overdraft: {limit: null, policy: "DENY"}, overrides: []
          state: "ACTIVE"
        }
        errors: []
      }
    }}
    "#);
});

both!(a_balance_can_be_opened_with_settings_of_its_own, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({"lowBalanceThreshold": "1"})).await;
    api.customer("acme").await;
    let made = api
        .ask(
            &format!(
                r#"mutation($product: ID!) {{ createCreditBalance(input: {{customer: {{externalId: "acme"}}, productId: $product,
                    name: "Mine", lowBalanceThreshold: 0, overdraft: {{policy: ALLOW}}}}) {{
                    balance {{ {SETTINGS} }} errors {{ ...Error }} }} }}"#
            ),
            json!({"product": product}),
        )
        .await;
    answer!(made, @r#"
    {data: {createCreditBalance: {
      balance: {
        lowBalanceThreshold: "0", name: "Mine", overdraft: {limit: null, policy: "ALLOW"}
        overrides: ["name", "lowBalanceThreshold", "overdraft"], state: "DEPLETED"
      }
      errors: []
    }}}
    "#);
});

both!(changing_the_product_moves_every_balance_that_inherits_and_no_entry, async |db| {
    let api = Api::on(db).await;
    let meter = api.meter("calls", "call").await;
    let product = api.product("ai", &[(&meter, "1")], json!({})).await;
    for customer in ["acme", "own"] {
        api.customer(customer).await;
    }
    api.balance("acme", &product, "5", json!({})).await;
    api.balance("own", &product, "5", json!({"lowBalanceThreshold": 2})).await;
    let send = async |id: &str| {
        let event = |customer| json!({"id": id, "customer": {"externalId": customer}, "type": "call"});
        api.make("ingestEvents", "accepted", json!({"events": [event("acme"), event("own")]})).await;
    };
    send("before").await;
    let changes = json!({"id": product, "name": "New", "lowBalanceThreshold": 10,
                         "consumption": [{"meterId": meter, "creditsPerUnit": "1.5"}]});
    api.make("updateCreditProduct", "product { id }", changes).await;
    send("after").await;
    let shown = api
        .ask(
            &format!(
                "{{ customers {{ nodes {{ externalId creditBalances {{ {SETTINGS} consumption {{ creditsPerUnit }}
                    entries {{ nodes {{ sequence credits stateAfter }} }} }} }} }} }}"
            ),
            json!({}),
        )
        .await;
    answer!(shown, @r#"
    {data: {customers: {nodes: [
      {
        creditBalances: [{
          consumption: [{creditsPerUnit: "1.5"}]
          entries: {nodes: [
            {credits: "-1.5", sequence: "3", stateAfter: "ACTIVE"}
            {credits: "-1", sequence: "2", stateAfter: "ACTIVE"}, {credits: "5", sequence: "1", stateAfter: "ACTIVE"}
          ]}
          lowBalanceThreshold: "2", name: "New", overdraft: {limit: null, policy: "DENY"}
          overrides: ["lowBalanceThreshold"], state: "ACTIVE"
        }]
        externalId: "own"
      }
      {
        creditBalances: [{
          consumption: [{creditsPerUnit: "1.5"}]
          entries: {nodes: [
            {credits: "-1.5", sequence: "3", stateAfter: "LOW"}, {credits: "-1", sequence: "2", stateAfter: "ACTIVE"}
            {credits: "5", sequence: "1", stateAfter: "ACTIVE"}
          ]}
          lowBalanceThreshold: "10", name: "New", overdraft: {limit: null, policy: "DENY"}, overrides: []
          state: "LOW"
        }]
        externalId: "acme"
      }
    ]}}}
    "#);
});

both!(null_in_an_update_of_a_product_returns_to_the_default, async |db| {
    let api = Api::on(db).await;
    let meter = api.meter("calls", "call").await;
    let all = json!({"description": "d", "lowBalanceThreshold": 1, "overdraft": {"policy": "ALLOW"},
                     "expiration": {"policy": "AFTER_DAYS", "days": 3}, "metadata": {"a": 1}});
    let product = api.product("ai", &[(&meter, "1")], all).await;
    let changed = api
        .ask(
            "mutation($id: ID!) {
                updateCreditProduct(input: {id: $id, description: null, consumption: null, lowBalanceThreshold: null,
                    overdraft: null, expiration: null, metadata: null}) {
                    product { description consumption { creditsPerUnit } lowBalanceThreshold overdraft { policy limit }
                        expiration { policy days } metadata } errors { ...Error } }
                name: updateCreditProduct(input: {id: $id, name: null}) { product { name } errors { ...Error } }
            }",
            json!({"id": product}),
        )
        .await;
    answer!(changed, @r#"
    {data: {
      name: {
        errors: [{
          __typename: "InvalidInput", message: "name cannot be null; leave it out to keep what is there."
          path: ["name"]
        }]
        product: null
      }
      updateCreditProduct: {
        errors: []
        product: {
          consumption: [], description: null, expiration: {days: null, policy: "NEVER"}, lowBalanceThreshold: null
          metadata: {}, overdraft: {limit: null, policy: "DENY"}
        }
      }
    }}
    "#);
});

both!(a_customers_former_external_id_goes_on_naming_it, async |db| {
    let api = Api::on(db).await;
    let customer = api.customer("acme").await;
    let answered = api
        .ask(
            r#"mutation($id: ID!) {
                update: updateCustomer(input: {id: $id, externalId: "acme-2", email: "a@b.example"}) {
                    customer { externalId email } errors { ...Error } }
                taken: createCustomer(input: {externalId: "acme", name: "Another"}) { customer { id } errors { ...Error } }
                event: ingestEvents(input: {events: [{id: "e", customer: {externalId: "acme"}, type: "t"}]}) {
                    receipts { status event { customer { externalId } } } }
            }"#,
            json!({"id": customer}),
        )
        .await;
    answer!(answered, @r#"
    {data: {
      event: {receipts: [{event: {customer: {externalId: "acme-2"}}, status: "ACCEPTED"}]}
      taken: {
        customer: null
        errors: [{
          __typename: "AlreadyExists", existing: {id: "cus_06dndml801o01c6jcgd6huaad4"}
          message: "The external id \"acme\" names another customer, now or formerly; use that customer or another id."
          path: ["externalId"]
        }]
      }
      update: {customer: {email: "a@b.example", externalId: "acme-2"}, errors: []}
    }}
    "#);
});

on_sqlite!(a_variable_without_a_value_leaves_what_it_names_and_null_clears_it, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let query = "mutation($id: ID!, $name: String, $threshold: Decimal) {
        updateCreditBalance(input: {id: $id, name: $name, lowBalanceThreshold: $threshold}) {
            balance { name lowBalanceThreshold overrides } errors { ...Error } } }";
    let mut told = Vec::new();
    for given in
        [json!({"name": "Ours", "threshold": "3"}), json!({"name": "Theirs"}), json!({}), json!({"name": null})]
    {
        let mut variables = given;
        variables["id"] = json!(balance);
        told.push(api.ask(query, variables).await["data"]["updateCreditBalance"]["balance"].take());
    }
    let archived = "query($archived: Boolean) { customers(includeArchived: $archived) { nodes { externalId } } }";
    told.push(api.ask(archived, json!({})).await);
    answer!(json!(told), @r#"
    [
      {lowBalanceThreshold: "3", name: "Ours", overrides: ["name", "lowBalanceThreshold"]}
      {lowBalanceThreshold: "3", name: "Theirs", overrides: ["name", "lowBalanceThreshold"]}
      {lowBalanceThreshold: "3", name: "Theirs", overrides: ["name", "lowBalanceThreshold"]}
      {lowBalanceThreshold: "3", name: "credits", overrides: ["lowBalanceThreshold"]}
      {data: {customers: {nodes: [{externalId: "acme"}]}}}
    ]
    "#);
});

on_sqlite!(operations_that_share_a_fragment_have_values_of_their_own, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let document = "query A($first: Int) { ...Page } query B($first: Int) { ...Page customers { nodes { id } } }
                    fragment Page on Query { creditBalances(first: $first) { nodes { available } } }";
    let body = json!({"query": document, "operationName": "A", "variables": {}});
    let url = format!("http://{}/graphql", api.address);
    let answer = crate::support::http::client().post(url).json(&body).send().await.expect("the server answers");
    let answer: serde_json::Value = answer.json().await.expect("it is JSON");
    answer!(answer["data"], @r#"{creditBalances: {nodes: [{available: "10"}]}}"#);
});
