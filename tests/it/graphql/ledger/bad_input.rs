//! What bad input gets: an error that names the field, and nothing is changed.

use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::on_sqlite;

on_sqlite!(an_amount_that_cannot_be_taken_names_its_field, async |db| {
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

on_sqlite!(what_would_take_a_balance_beyond_its_bounds_is_a_limit, async |db| {
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

on_sqlite!(a_float_is_no_decimal, async |db| {
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
      extensions: {argument: "input.credits", code: "BAD_USER_INPUT", requestId: "test"}
      locations: [{column: 32, line: 1}]
      message: "input.credits must be Decimal: write it in quotes and without an exponent, such as \"12.5\"; whole numbers need no quotes."
    }]}
    "#);
});

on_sqlite!(a_float_in_a_variable_is_no_decimal, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let input = json!({"balanceId": balance, "credits": 1.5, "idempotencyKey": "1"});
    let variable = api
        .ask("mutation($i: TopUpCreditsInput!) { topUpCredits(input: $i) { entry { id } } }", json!({"i": input}))
        .await;
    answer!(variable, @r#"
    {errors: [{
      extensions: {argument: "i.credits", code: "BAD_USER_INPUT", requestId: "test"}
      locations: [{column: 10, line: 1}]
      message: "i.credits must be Decimal: write it in quotes and without an exponent, such as \"12.5\"; whole numbers need no quotes."
    }]}
    "#);
});

on_sqlite!(terms_of_a_grant_that_cannot_be_name_their_field, async |db| {
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
          __typename: "InvalidInput", message: "The expiry must be later than now and than the grant's beginning."
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
          __typename: "InvalidInput", message: "The expiry must be later than now and than the grant's beginning."
          path: ["expiresAt"]
        }]
      }
      past: {
        entry: null
        errors: [{
          __typename: "InvalidInput", message: "The expiry must be later than now and than the grant's beginning."
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

on_sqlite!(nothing_is_changed_by_what_is_refused, async |db| {
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
              allocations: [{credits: "5", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}], availableAfter: "15"
              credits: "5", kind: "TOP_UP", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API", reason: null
              recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2", stateAfter: "ACTIVE", uncovered: "0"
            }
            {
              allocations: [{credits: "10", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "10"
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

on_sqlite!(an_id_that_names_nothing_is_not_found_in_an_input, async |db| {
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
        __typename: "NotFound"
        message: "There is no credit balance with the id \"bal_000000000000000000000000000g\".", path: ["id"]
        requested: "bal_000000000000000000000000000g"
      }]}
      close: {errors: [{
        __typename: "NotFound"
        message: "There is no credit balance with the id \"bal_000000000000000000000000000g\".", path: ["id"]
        requested: "bal_000000000000000000000000000g"
      }]}
      customer: {errors: [{
        __typename: "NotFound", message: "There is no customer with the id \"cus_00000000000000000000000000\"."
        path: ["id"], requested: "cus_00000000000000000000000000"
      }]}
      meter: {errors: [{
        __typename: "NotFound", message: "There is no meter with the id \"mtr_00000000000000000000000000\"."
        path: ["id"], requested: "mtr_00000000000000000000000000"
      }]}
      named: {errors: [{
        __typename: "NotFound", message: "There is no customer with the external id \"x\"."
        path: ["customer", "externalId"], requested: "x"
      }]}
      open: {errors: [{
        __typename: "NotFound", message: "There is no credit product with the id \"prd_00000000000000000000000000\"."
        path: ["productId"], requested: "prd_00000000000000000000000000"
      }]}
      option: {errors: [{
        __typename: "NotFound", message: "There is no purchase option with the id \"opt_00000000000000000000000000\"."
        path: ["id"], requested: "opt_00000000000000000000000000"
      }]}
      product: {errors: [{
        __typename: "NotFound", message: "There is no product with the id \"prd_00000000000000000000000000\"."
        path: ["id"], requested: "prd_00000000000000000000000000"
      }]}
      retain: {errors: [{
        __typename: "NotFound"
        message: "There is no credit balance with the id \"bal_000000000000000000000000000g\".", path: ["balanceId"]
        requested: "bal_000000000000000000000000000g"
      }]}
      rule: {errors: [{
        __typename: "NotFound", message: "There is no meter with the id \"mtr_00000000000000000000000000\"."
        path: ["consumption", "0", "meterId"], requested: "mtr_00000000000000000000000000"
      }]}
      topUp: {errors: [{
        __typename: "NotFound"
        message: "There is no credit balance with the id \"bal_000000000000000000000000000g\".", path: ["balanceId"]
        requested: "bal_000000000000000000000000000g"
      }]}
      update: {errors: [{
        __typename: "NotFound"
        message: "There is no credit balance with the id \"bal_000000000000000000000000000g\".", path: ["id"]
        requested: "bal_000000000000000000000000000g"
      }]}
    }}
    "#);
});

on_sqlite!(an_id_of_the_wrong_kind_names_both_kinds, async |db| {
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
      open: {errors: [
        {__typename: "InvalidInput", message: "id is not the id of a customer (\"cus_…\").", path: ["customer", "id"]}
        {
          __typename: "InvalidInput"
          message: "productId is the id of a customer; a product is needed here (\"prd_…\").", path: ["productId"]
        }
      ]}
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

on_sqlite!(a_query_by_an_id_of_the_wrong_kind_is_bad_input_and_by_one_of_nothing_null, async |db| {
    let api = Api::on(db).await;
    let customer = api.customer("acme").await;
    let answered = api
        .ask(
            r#"query($id: ID!) { wrong: creditBalance(id: $id) { id } customer(by: {id: "cus_00000000000000000000000000"}) { id }
                product(by: {id: $id}) { id } nothing: customer(by: {externalId: "nobody"}) { id }
                nul: customer(by: {externalId: "a\u0000"}) { id } }"#,
            json!({"id": customer}),
        )
        .await;
    answer!(answered, @r#"
    {
      data: {customer: null, nothing: null, nul: null, product: null, wrong: null}
      errors: [
        {
          extensions: {argument: "id", code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 19, line: 1}]
          message: "id is the id of a customer; a credit balance is needed here (\"bal_…\").", path: ["wrong"]
        }
        {
          extensions: {argument: "by.id", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 17, line: 2}]
          message: "by.id is the id of a customer; a product is needed here (\"prd_…\").", path: ["product"]
        }
        {
          extensions: {argument: "by.externalId", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 17, line: 3}]
          message: "by.externalId holds the character U+0000, or half of a surrogate pair.", path: ["nul"]
        }
      ]
    }
    "#);
});
