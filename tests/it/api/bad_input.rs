//! What bad input gets: an error that names the field, and nothing is changed.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::both;

both!(an_amount_that_cannot_be_taken_names_its_field, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let refused = api
        .ask(
            r#"mutation($id: ID!) {
                seven: topUpCredits(input: {balanceId: $id, credits: "1.0000001", idempotencyKey: "1"}) { ...P }
                negative: topUpCredits(input: {balanceId: $id, credits: "-1", idempotencyKey: "2"}) { ...P }
                large: topUpCredits(input: {balanceId: $id, credits: "1000000000000.000001", idempotencyKey: "3"}) { ...P }
                zero: topUpCredits(input: {balanceId: $id, credits: 0, idempotencyKey: "4"}) { ...P }
                retained: retainCredits(input: {balanceId: $id, credits: "0.0", idempotencyKey: "5"}) { ...P }
            }
            fragment P on LedgerPayload { balance { id } entry { id } replayed errors { ...Error } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      large: {
        balance: null, entry: null
        errors: [{
          __typename: "InvalidInput", message: "credits is over the greatest amount, 1000000000000."
          path: ["credits"]
        }]
        replayed: false
      }
      negative: {
        balance: null, entry: null
        errors: [{
          __typename: "InvalidInput", message: "credits is negative; amounts are given as magnitudes."
          path: ["credits"]
        }]
        replayed: false
      }
      retained: {
        balance: null, entry: null
        errors: [{__typename: "InvalidInput", message: "credits is zero; it must be more than 0.", path: ["credits"]}]
        replayed: false
      }
      seven: {
        balance: null, entry: null
        errors: [{__typename: "InvalidInput", message: "credits has more than 6 fraction digits.", path: ["credits"]}]
        replayed: false
      }
      zero: {
        balance: null, entry: null
        errors: [{__typename: "InvalidInput", message: "credits is zero; it must be more than 0.", path: ["credits"]}]
        replayed: false
      }
    }}
    "#);
});

both!(what_would_take_a_balance_beyond_its_bounds_is_a_limit, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1000000000000").await;
    for key in ["2", "3", "4", "5", "6", "7", "8", "9"] {
        api.top_up(&balance, "1000000000000", key, json!({})).await;
    }
    let refused = api
        .ask(
            r#"mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: "0.000001", idempotencyKey: "10"}) {
                balance { id } errors { ...Error } } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(refused, @r#"
    {data: {topUpCredits: {
      balance: null
      errors: [{
        __typename: "LimitExceeded", limit: "9000000000000"
        message: "The balance would hold more than 9000000000000 credits.", path: ["credits"]
      }]
    }}}
    "#);
});

both!(a_float_is_no_decimal, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let literal = api
        .ask(
            &format!(
                r#"mutation {{ topUpCredits(input: {{balanceId: "{balance}", credits: 1.5, idempotencyKey: "1"}}) {{
                    entry {{ id }} }} }}"#
            ),
            json!({}),
        )
        .await;
    answer!(literal, @r#"
    {errors: [{
      locations: [{column: 25, line: 1}]
      message: "Invalid value for argument \"input.credits\", expected type \"Decimal\""
    }]}
    "#);
});

both!(a_float_in_a_variable_is_no_decimal, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let input = json!({"balanceId": balance, "credits": 1.5, "idempotencyKey": "1"});
    let variable = api
        .ask("mutation($i: TopUpCreditsInput!) { topUpCredits(input: $i) { entry { id } } }", json!({"i": input}))
        .await;
    answer!(variable, @r#"
    {errors: [{
      locations: [{column: 49, line: 1}]
      message: "Invalid value for argument \"input.credits\", expected type \"Decimal\""
    }]}
    "#);
});

both!(terms_of_a_grant_that_cannot_be_name_their_field, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let refused = api
        .ask(
            r#"mutation($id: ID!) {
                past: topUpCredits(input: {balanceId: $id, credits: 1, expiresAt: "2025-12-31T00:00:00Z",
                    idempotencyKey: "1"}) { ...P }
                now: topUpCredits(input: {balanceId: $id, credits: 1, expiresAt: "2026-01-01T00:00:00Z",
                    idempotencyKey: "2"}) { ...P }
                before: topUpCredits(input: {balanceId: $id, credits: 1, effectiveAt: "2026-01-03T00:00:00Z",
                    expiresAt: "2026-01-02T00:00:00Z", idempotencyKey: "3"}) { ...P }
                priority: topUpCredits(input: {balanceId: $id, credits: 1, priority: 1001, idempotencyKey: "4"}) { ...P }
                metadata: topUpCredits(input: {balanceId: $id, credits: 1, metadata: [], idempotencyKey: "5"}) { ...P }
                key: topUpCredits(input: {balanceId: $id, credits: 1, idempotencyKey: ""}) { ...P }
                future: retainCredits(input: {balanceId: $id, credits: 1, occurredAt: "2026-01-01T00:00:00.000001Z",
                    idempotencyKey: "6"}) { ...P }
            }
            fragment P on LedgerPayload { entry { id } errors { ...Error } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      before: {
        entry: null
        errors: [{
          __typename: "InvalidInput", message: "The expiry is not after the grant's beginning and after now."
          path: ["expiresAt"]
        }]
      }
      future: {
        entry: null
        errors: [{
          __typename: "InvalidInput"
          message: "occurredAt lies in the future; credits are retained for what has happened.", path: ["occurredAt"]
        }]
      }
      key: {
        entry: null
        errors: [{
          __typename: "InvalidInput", message: "idempotencyKey is empty; write 1 to 255 characters."
          path: ["idempotencyKey"]
        }]
      }
      metadata: {
        entry: null
        errors: [{__typename: "InvalidInput", message: "metadata is not a JSON object.", path: ["metadata"]}]
      }
      now: {
        entry: null
        errors: [{
          __typename: "InvalidInput", message: "The expiry is not after the grant's beginning and after now."
          path: ["expiresAt"]
        }]
      }
      past: {
        entry: null
        errors: [{
          __typename: "InvalidInput", message: "The expiry is not after the grant's beginning and after now."
          path: ["expiresAt"]
        }]
      }
      priority: {
        entry: null
        errors: [{__typename: "InvalidInput", message: "priority is 1001; write 0 to 1000.", path: ["priority"]}]
      }
    }}
    "#);
});

both!(nothing_is_changed_by_what_is_refused, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let answered = api
        .ask(
            r#"mutation($id: ID!) {
                topUp: topUpCredits(input: {balanceId: $id, credits: 0, idempotencyKey: "1"}) { errors { ...Error } }
                retain: retainCredits(input: {balanceId: $id, credits: 11, idempotencyKey: "2"}) { errors { ...Error } }
                update: updateCreditBalance(input: {id: $id, name: "Mine", lowBalanceThreshold: "-1"}) {
                    errors { ...Error } }
                close: closeCreditBalance(input: {id: $id}) { errors { ...Error } }
                open: topUpCredits(input: {balanceId: $id, credits: 5, idempotencyKey: "1"}) {
                    balance { name ...Balance entries { nodes { ...Entry } } } errors { ...Error } }
            }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(answered, @r#"
    {data: {
      close: {errors: [{
        __typename: "InvalidState"
        message: "The balance holds credits, debt, a pending grant or an active hold; it can be closed when it is empty."
        path: ["id"], state: "NOT_EMPTY"
      }]}
      open: {
        balance: {
          available: "15"
          entries: {nodes: [
            {
              allocations: [{credits: "5", grant: {id: "grt_06dndml801un9chjrj25cqb5h40g4"}}], availableAfter: "15"
              credits: "5", kind: "TOP_UP", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API", reason: null
              recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2", stateAfter: "ACTIVE", uncovered: "0"
            }
            {
              allocations: [{credits: "10", grant: {id: "grt_06dndml801un9chjrj25cqb5h40g2"}}], availableAfter: "10"
              credits: "10", kind: "STARTING_BALANCE", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API"
              reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1", stateAfter: "ACTIVE"
              uncovered: "0"
            }
          ]}
          held: "0", lastSequence: "2", name: "credits", nextChangeAt: null, settled: "15", state: "ACTIVE"
        }
        errors: []
      }
      retain: {errors: [{
        __typename: "InsufficientCredits", available: "10", message: "11 credits are required and 10 are available."
        path: ["credits"], required: "11", shortfall: "1"
      }]}
      topUp: {errors: [{
        __typename: "InvalidInput", message: "credits is zero; it must be more than 0.", path: ["credits"]
      }]}
      update: {errors: [{
        __typename: "InvalidInput", message: "lowBalanceThreshold is negative; amounts are given as magnitudes."
        path: ["lowBalanceThreshold"]
      }]}
    }}
    "#);
});

both!(an_id_that_names_nothing_is_not_found_in_an_input, async |db| {
    let api = Api::on(db).await;
    let ids = json!({"balance": "bal_000000000000000000000000000g", "grant": "grt_000000000000000000000000000g2",
        "meter": "mtr_00000000000000000000000000", "product": "prd_00000000000000000000000000",
        "customer": "cus_00000000000000000000000000", "option": "opt_00000000000000000000000000"});
    let refused = api
        .ask(
            r#"mutation($balance: ID!, $grant: ID!, $meter: ID!, $product: ID!, $customer: ID!, $option: ID!) {
                topUp: topUpCredits(input: {balanceId: $balance, credits: 1, idempotencyKey: "1"}) { errors { ...Error } }
                retain: retainCredits(input: {balanceId: $balance, credits: 1, idempotencyKey: "1"}) { errors { ...Error } }
                amend: updateGrant(input: {id: $grant, priority: 1}) { errors { ...Error } }
                update: updateCreditBalance(input: {id: $balance, name: "x"}) { errors { ...Error } }
                close: closeCreditBalance(input: {id: $balance}) { errors { ...Error } }
                open: createCreditBalance(input: {customer: {id: $customer}, productId: $product}) { errors { ...Error } }
                named: createCreditBalance(input: {customer: {externalId: "x"}, productId: $product}) { errors { ...Error } }
                meter: updateMeter(input: {id: $meter, name: "x"}) { errors { ...Error } }
                rule: createCreditProduct(input: {key: "k", name: "k", consumption: [{meterId: $meter, creditsPerUnit: 1}]}) {
                    errors { ...Error } }
                product: archiveProduct(input: {id: $product}) { errors { ...Error } }
                option: archivePurchaseOption(input: {id: $option}) { errors { ...Error } }
                customer: archiveCustomer(input: {id: $customer}) { errors { ...Error } }
            }"#,
            ids,
        )
        .await;
    answer!(refused, @r#"
    {data: {
      amend: {errors: [{
        __typename: "NotFound", id: "bal_000000000000000000000000000g"
        message: "There is no credit balance with this id or key: bal_000000000000000000000000000g.", path: ["id"]
      }]}
      close: {errors: [{
        __typename: "NotFound", id: "bal_000000000000000000000000000g"
        message: "There is no credit balance with this id or key: bal_000000000000000000000000000g.", path: ["id"]
      }]}
      customer: {errors: [{
        __typename: "NotFound", id: "cus_00000000000000000000000000"
        message: "There is no customer with this id or key: cus_00000000000000000000000000.", path: ["id"]
      }]}
      meter: {errors: [{
        __typename: "NotFound", id: "mtr_00000000000000000000000000"
        message: "There is no meter with this id or key: mtr_00000000000000000000000000.", path: ["id"]
      }]}
      named: {errors: [{
        __typename: "NotFound", id: "x", message: "There is no customer with this id or key: x."
        path: ["customer", "externalId"]
      }]}
      open: {errors: [{
        __typename: "NotFound", id: "prd_00000000000000000000000000"
        message: "There is no credit product with this id or key: prd_00000000000000000000000000."
        path: ["productId"]
      }]}
      option: {errors: [{
        __typename: "NotFound", id: "opt_00000000000000000000000000"
        message: "There is no purchase option with this id or key: opt_00000000000000000000000000.", path: ["id"]
      }]}
      product: {errors: [{
        __typename: "NotFound", id: "prd_00000000000000000000000000"
        message: "There is no product with this id or key: prd_00000000000000000000000000.", path: ["id"]
      }]}
      retain: {errors: [{
        __typename: "NotFound", id: "bal_000000000000000000000000000g"
        message: "There is no credit balance with this id or key: bal_000000000000000000000000000g."
        path: ["balanceId"]
      }]}
      rule: {errors: [{
        __typename: "NotFound", id: "mtr_00000000000000000000000000"
        message: "There is no meter with this id or key: mtr_00000000000000000000000000."
        path: ["consumption", "0", "meterId"]
      }]}
      topUp: {errors: [{
        __typename: "NotFound", id: "bal_000000000000000000000000000g"
        message: "There is no credit balance with this id or key: bal_000000000000000000000000000g."
        path: ["balanceId"]
      }]}
      update: {errors: [{
        __typename: "NotFound", id: "bal_000000000000000000000000000g"
        message: "There is no credit balance with this id or key: bal_000000000000000000000000000g.", path: ["id"]
      }]}
    }}
    "#);
});

both!(an_id_of_the_wrong_kind_names_both_kinds, async |db| {
    let api = Api::on(db).await;
    let customer = api.customer("acme").await;
    let refused = api
        .ask(
            r#"mutation($id: ID!) {
                topUp: topUpCredits(input: {balanceId: $id, credits: 1, idempotencyKey: "1"}) { errors { ...Error } }
                amend: updateGrant(input: {id: $id, priority: 1}) { errors { ...Error } }
                open: createCreditBalance(input: {customer: {id: "cus_1"}, productId: $id}) { errors { ...Error } }
                product: createCreditBalance(input: {customer: {id: $id}, productId: $id}) { errors { ...Error } }
                meter: archiveMeter(input: {id: $id}) { errors { ...Error } }
                rule: createCreditProduct(input: {key: "k", name: "k", consumption: [{meterId: $id, creditsPerUnit: 1}]}) {
                    errors { ...Error } }
                events: ingestEvents(input: {events: [{id: "e", customer: {id: "mtr_1"}, type: "t"}]}) {
                    receipts { status error { ...Error } } errors { ...Error } }
            }"#,
            json!({"id": customer}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      amend: {errors: [{
        __typename: "InvalidInput", message: "id is the id of a customer; a grant is needed here (\"grt_…\")."
        path: ["id"]
      }]}
      events: {
        errors: []
        receipts: [{
          error: {
            __typename: "InvalidInput", message: "id is not the id of a customer (\"cus_…\")."
            path: ["events", "0", "customer", "id"]
          }
          status: "INVALID"
        }]
      }
      meter: {errors: [{
        __typename: "InvalidInput", message: "id is the id of a customer; a meter is needed here (\"mtr_…\")."
        path: ["id"]
      }]}
      open: {errors: [{
        __typename: "InvalidInput", message: "id is not the id of a customer (\"cus_…\").", path: ["customer", "id"]
      }]}
      product: {errors: [{
        __typename: "InvalidInput"
        message: "productId is the id of a customer; a product is needed here (\"prd_…\").", path: ["productId"]
      }]}
      rule: {errors: [{
        __typename: "InvalidInput", message: "meterId is the id of a customer; a meter is needed here (\"mtr_…\")."
        path: ["consumption", "0", "meterId"]
      }]}
      topUp: {errors: [{
        __typename: "InvalidInput"
        message: "balanceId is the id of a customer; a credit balance is needed here (\"bal_…\")."
        path: ["balanceId"]
      }]}
    }}
    "#);
});

both!(a_query_by_an_id_of_the_wrong_kind_is_bad_input_and_by_one_of_nothing_null, async |db| {
    let api = Api::on(db).await;
    let customer = api.customer("acme").await;
    let answered = api
        .ask(
            r#"query($id: ID!) { wrong: creditBalance(id: $id) { id } customer(by: {id: "cus_00000000000000000000000000"}) { id }
                product(by: {id: $id}) { id } nothing: customer(by: {externalId: "nobody"}) { id } }"#,
            json!({"id": customer}),
        )
        .await;
    answer!(answered, @r#"
    {
      data: {customer: null, nothing: null, product: null, wrong: null}
      errors: [
        {
          extensions: {argument: "id", code: "BAD_USER_INPUT"}, locations: [{column: 19, line: 1}]
          message: "id is the id of a customer; a credit balance is needed here (\"bal_…\").", path: ["wrong"]
        }
        {
          extensions: {argument: "by.id", code: "BAD_USER_INPUT"}, locations: [{column: 17, line: 2}]
          message: "by.id is the id of a customer; a product is needed here (\"prd_…\").", path: ["product"]
        }
      ]
    }
    "#);
});

both!(there_is_one_open_balance_of_a_pair_and_a_new_one_once_it_is_closed, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    api.customer("acme").await;
    let first = api.balance("acme", &product, "0", json!({})).await;
    let answered = api
        .ask(
            r#"mutation($product: ID!, $first: ID!) {
                second: createCreditBalance(input: {customer: {externalId: "acme"}, productId: $product,
                    startingBalance: 5}) { balance { id } errors { ...Error } }
                close: closeCreditBalance(input: {id: $first}) { errors { ...Error } }
                third: createCreditBalance(input: {customer: {externalId: "acme"}, productId: $product}) {
                    balance { id } errors { ...Error } }
            }"#,
            json!({"product": product, "first": first}),
        )
        .await;
    answer!(answered, @r#"
    {data: {
      close: {errors: []}
      second: {
        balance: null
        errors: [{
          __typename: "AlreadyExists", existing: {id: "bal_06dndml801p4rai17capb161480g"}
          message: "The customer has an open balance of this product already; there is at most one."
          path: ["productId"]
        }]
      }
      third: {balance: {id: "bal_06dndml801p4rai17capb1614810"}, errors: []}
    }}
    "#);
});

both!(a_meter_that_cannot_be_names_its_field, async |db| {
    let api = Api::on(db).await;
    api.meter("taken", "call").await;
    let condition = json!({"name": "p", "operator": "EXISTS", "values": []});
    let many: Vec<Value> = (0..21).map(|_| condition.clone()).collect();
    let refused = api
        .ask(
            r#"mutation($many: [PropertyFilterInput!]!, $filters: [EventFilterInput!]!) {
                taken: createMeter(input: {key: "taken", name: "n", eventType: "e", aggregation: COUNT}) { ...P }
                sum: createMeter(input: {key: "a", name: "n", eventType: "e", aggregation: SUM}) { ...P }
                count: createMeter(input: {key: "a", name: "n", eventType: "e", aggregation: COUNT, property: "p"}) { ...P }
                conditions: createMeter(input: {key: "a", name: "n", eventType: "e", aggregation: COUNT,
                    filter: [{all: []}, {all: $many}]}) { ...P }
                filters: createMeter(input: {key: "a", name: "n", eventType: "e", aggregation: COUNT,
                    filter: $filters}) { ...P }
                value: createMeter(input: {key: "a", name: "n", eventType: "e", aggregation: COUNT,
                    filter: [{all: [{name: "p", operator: EQ}]}]}) { ...P }
                key: createMeter(input: {key: "A", name: "n", eventType: "e", aggregation: COUNT}) { ...P }
                name: createMeter(input: {key: "a", name: "", eventType: "e", aggregation: COUNT}) { ...P }
            }
            fragment P on MeterPayload { meter { id } errors { ...Error } }"#,
            json!({"many": many, "filters": (0..21).map(|_| json!({"all": []})).collect::<Vec<_>>()}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      conditions: {
        errors: [{
          __typename: "InvalidInput", message: "all has more than 20 conditions.", path: ["filter", "1", "all"]
        }]
        meter: null
      }
      count: {
        errors: [{
          __typename: "InvalidInput", message: "property goes with SUM; leave it out to COUNT events."
          path: ["property"]
        }]
        meter: null
      }
      filters: {
        errors: [{__typename: "InvalidInput", message: "filter has more than 20 filters.", path: ["filter"]}]
        meter: null
      }
      key: {
        errors: [{
          __typename: "InvalidInput"
          message: "key is not a key: write 1 to 100 characters of a-z, 0-9, '_', '-' and '.', beginning with a letter or digit."
          path: ["key"]
        }]
        meter: null
      }
      name: {
        errors: [{__typename: "InvalidInput", message: "name is empty; write 1 to 200 characters.", path: ["name"]}]
        meter: null
      }
      sum: {
        errors: [{
          __typename: "InvalidInput", message: "property is needed with SUM; name the event property to add up."
          path: ["property"]
        }]
        meter: null
      }
      taken: {
        errors: [{
          __typename: "AlreadyExists", existing: {id: "mtr_06dndml801qt3d5grb4kgciqo4"}
          message: "The key \"taken\" belongs to another meter, archived ones included; choose another key."
          path: ["key"]
        }]
        meter: null
      }
      value: {
        errors: [{
          __typename: "InvalidInput", message: "values must be exactly one value; only IN and NOT_IN take several."
          path: ["filter", "0", "all", "0", "values"]
        }]
        meter: null
      }
    }}
    "#);
});

both!(a_product_that_cannot_be_names_its_field, async |db| {
    let api = Api::on(db).await;
    let meter = api.meter("calls", "call").await;
    let archived = api.meter("old", "call").await;
    api.make("archiveMeter", "meter { id }", json!({"id": archived})).await;
    let refused = api
        .ask(
            r#"mutation($meter: ID!, $archived: ID!) {
                twice: createCreditProduct(input: {key: "a", name: "n", consumption: [
                    {meterId: $meter, creditsPerUnit: 1}, {meterId: $meter, creditsPerUnit: 2}]}) { ...P }
                archived: createCreditProduct(input: {key: "a", name: "n", consumption: [
                    {meterId: $meter, creditsPerUnit: 1}, {meterId: $archived, creditsPerUnit: 2}]}) { ...P }
                weight: createCreditProduct(input: {key: "a", name: "n", consumption: [
                    {meterId: $meter, creditsPerUnit: "0.0000000000001"}]}) { ...P }
                period: createCreditProduct(input: {key: "a", name: "n", expiration: {policy: END_OF_PERIOD}}) { ...P }
                days: createCreditProduct(input: {key: "a", name: "n", expiration: {policy: AFTER_DAYS}}) { ...P }
                limit: createCreditProduct(input: {key: "a", name: "n", overdraft: {policy: DENY, limit: 1}}) { ...P }
                threshold: createCreditProduct(input: {key: "a", name: "n", lowBalanceThreshold: "-1"}) { ...P }
            }
            fragment P on CreditProductPayload { product { id } errors { ...Error } }"#,
            json!({"meter": meter, "archived": archived}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      archived: {
        errors: [{
          __typename: "InvalidState", message: "The meter \"old\" is archived; use or make another one."
          path: ["consumption", "1", "meterId"], state: "ARCHIVED"
        }]
        product: null
      }
      days: {
        errors: [{
          __typename: "InvalidInput", message: "days must be 1 to 36500 with AFTER_DAYS."
          path: ["expiration", "days"]
        }]
        product: null
      }
      limit: {
        errors: [{
          __typename: "InvalidInput", message: "limit goes with ALLOW; leave it out to DENY overdraft."
          path: ["overdraft", "limit"]
        }]
        product: null
      }
      period: {
        errors: [{
          __typename: "InvalidInput"
          message: "END_OF_PERIOD is for included credits alone; choose NEVER or AFTER_DAYS."
          path: ["expiration", "policy"]
        }]
        product: null
      }
      threshold: {
        errors: [{
          __typename: "InvalidInput", message: "lowBalanceThreshold is negative; amounts are given as magnitudes."
          path: ["lowBalanceThreshold"]
        }]
        product: null
      }
      twice: {
        errors: [{
          __typename: "InvalidInput", message: "meterId names a meter that an earlier rule names already."
          path: ["consumption", "1", "meterId"]
        }]
        product: null
      }
      weight: {
        errors: [{
          __typename: "InvalidInput", message: "creditsPerUnit has more than 12 fraction digits."
          path: ["consumption", "0", "creditsPerUnit"]
        }]
        product: null
      }
    }}
    "#);
});

both!(what_is_archived_cannot_be_used, async |db| {
    let api = Api::on(db).await;
    let product = api.product("old", &[], json!({})).await;
    api.make("archiveProduct", "product { id }", json!({"id": product})).await;
    let gone = api.customer("gone").await;
    api.make("archiveCustomer", "customer { id }", json!({"id": gone})).await;
    api.customer("acme").await;
    let current = api.product("new", &[], json!({})).await;
    let refused = api
        .ask(
            r#"mutation($product: ID!, $current: ID!) {
                product: createCreditBalance(input: {customer: {externalId: "acme"}, productId: $product}) {
                    errors { ...Error } }
                customer: createCreditBalance(input: {customer: {externalId: "gone"}, productId: $current}) {
                    errors { ...Error } }
                option: createPurchaseOption(input: {productId: $product, name: "n", credits: 1,
                    price: {amount: 1, currency: "EUR"}}) { errors { ...Error } }
                key: createCreditProduct(input: {key: "old", name: "n"}) { errors { ...Error } }
                update: updateCreditProduct(input: {id: $product, name: "x"}) { errors { ...Error } }
                events: ingestEvents(input: {events: [{id: "e", customer: {externalId: "gone"}, type: "call"}]}) {
                    receipts { status error { ...Error } } }
            }"#,
            json!({"product": product, "current": current}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      customer: {errors: [{
        __typename: "InvalidState"
        message: "The customer is archived and gets no new balance; use or make another one.", path: ["customer"]
        state: "ARCHIVED"
      }]}
      events: {receipts: [{
        error: {
          __typename: "InvalidState", message: "The customer is archived and takes no more events."
          path: ["events", "0", "customer"], state: "ARCHIVED"
        }
        status: "INVALID"
      }]}
      key: {errors: [{
        __typename: "AlreadyExists", existing: {id: "prd_06dndml801qt3d5grb4kgciqo4"}
        message: "The key \"old\" belongs to another product, archived ones included; choose another key."
        path: ["key"]
      }]}
      option: {errors: [{
        __typename: "InvalidState", message: "The product \"old\" is archived; use or make another one."
        path: ["productId"], state: "ARCHIVED"
      }]}
      product: {errors: [{
        __typename: "InvalidState"
        message: "The product is archived; a balance can only be opened of one that is not.", path: ["productId"]
        state: "ARCHIVED"
      }]}
      update: {errors: [{
        __typename: "InvalidState", message: "The product \"old\" is archived; use or make another one.", path: ["id"]
        state: "ARCHIVED"
      }]}
    }}
    "#);
});

both!(what_is_in_use_cannot_be_archived_and_an_option_always_can, async |db| {
    let api = Api::on(db).await;
    let meter = api.meter("calls", "call").await;
    let product = api.product("ai", &[(&meter, "1")], json!({})).await;
    let customer = api.customer("acme").await;
    api.balance("acme", &product, "0", json!({})).await;
    let option = json!({"productId": product, "name": "n", "credits": 1, "price": {"amount": 1, "currency": "EUR"}});
    let option = api.make("createPurchaseOption", "purchaseOption { id }", option).await;
    let answered = api
        .ask(
            "mutation($meter: ID!, $product: ID!, $customer: ID!, $option: ID!) {
                archiveMeter(input: {id: $meter}) { meter { id } errors { ...Error } }
                archiveProduct(input: {id: $product}) { product { id } errors { ...Error } }
                archiveCustomer(input: {id: $customer}) { customer { id } errors { ...Error } }
                archivePurchaseOption(input: {id: $option}) { purchaseOption { archivedAt } errors { ...Error } }
            }",
            json!({"meter": meter, "product": product, "customer": customer, "option": option["purchaseOption"]["id"]}),
        )
        .await;
    answer!(answered, @r#"
    {data: {
      archiveCustomer: {
        customer: null
        errors: [{
          __typename: "InvalidState", message: "The customer has open balances; close them first.", path: ["id"]
          state: "IN_USE"
        }]
      }
      archiveMeter: {
        errors: [{
          __typename: "InvalidState"
          message: "The product \"ai\" burns credits by this meter; take it out of the product's consumption, or archive the product, first."
          path: ["id"], state: "IN_USE"
        }]
        meter: null
      }
      archiveProduct: {
        errors: [{
          __typename: "InvalidState", message: "Customers have open balances of this product; close them first."
          path: ["id"], state: "IN_USE"
        }]
        product: null
      }
      archivePurchaseOption: {errors: [], purchaseOption: {archivedAt: "2026-01-01T00:00:00.000000Z"}}
    }}
    "#);
});

both!(a_grant_that_is_over_takes_no_new_terms, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let burned = api.top_up(&balance, "5", "k1", json!({})).await;
    api.retain(&balance, "5", "k2").await;
    let expired = api.top_up(&balance, "5", "k3", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    let open = api.top_up(&balance, "5", "k4", json!({"effectiveAt": "2026-01-05T00:00:00Z"})).await;
    api.at("2026-01-02T00:00:00Z");
    let refused = api
        .ask(
            r#"mutation($burned: ID!, $expired: ID!, $open: ID!) {
                burned: updateGrant(input: {id: $burned, priority: 1}) { errors { ...Error } }
                expired: updateGrant(input: {id: $expired, expiresAt: null}) { errors { ...Error } }
                early: updateGrant(input: {id: $open, expiresAt: "2026-01-05T00:00:00Z"}) { errors { ...Error } }
                priority: updateGrant(input: {id: $open, priority: -1}) { errors { ...Error } }
            }"#,
            json!({"burned": burned, "expired": expired, "open": open}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      burned: {errors: [{__typename: "InvalidState", message: "The grant is over.", path: ["id"], state: "DEPLETED"}]}
      early: {errors: [{
        __typename: "InvalidInput", message: "The expiry is not after the grant's beginning and after now."
        path: ["expiresAt"]
      }]}
      expired: {errors: [{__typename: "InvalidState", message: "The grant is over.", path: ["id"], state: "EXPIRED"}]}
      priority: {errors: [{
        __typename: "InvalidInput", message: "priority is -1; write 0 to 1000.", path: ["priority"]
      }]}
    }}
    "#);
});
