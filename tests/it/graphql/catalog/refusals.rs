//! What cannot be made, used or archived: an error that names the field or what stands in the way.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};

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
          __typename: "AlreadyExists", existing: {id: "bal_06dndml801o03d5grb4kgciqo40g"}
          message: "The customer has an open balance of this product already; there is at most one."
          path: ["productId"]
        }]
      }
      third: {balance: {id: "bal_06dndml801o03d5grb4kgciqo410"}, errors: []}
    }}
    "#);
});

on_sqlite!(a_meter_that_cannot_be_names_its_field, async |db| {
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
          __typename: "AlreadyExists", existing: {id: "mtr_06dndml801o01c6jcgd6huaad4"}
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

on_sqlite!(a_product_that_cannot_be_names_its_field, async |db| {
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
        __typename: "AlreadyExists", existing: {id: "prd_06dndml801o01c6jcgd6huaad4"}
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
          __typename: "InvalidState"
          message: "The customer has open balances or running subscriptions; close and cancel them first."
          path: ["id"], state: "IN_USE"
        }]
      }
      archiveMeter: {
        errors: [{
          __typename: "InvalidState"
          message: "The product \"ai\" measures usage by this meter; archive it, or take the meter out of its consumption, first."
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

on_sqlite!(a_grant_that_is_over_takes_no_new_terms, async |db| {
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
                same: updateGrant(input: {id: $expired, priority: 500}) { replayed errors { ...Error } }
                early: updateGrant(input: {id: $open, expiresAt: "2026-01-05T00:00:00Z"}) { errors { ...Error } }
                priority: updateGrant(input: {id: $open, priority: -1}) { errors { ...Error } }
            }"#,
            json!({"burned": burned, "expired": expired, "open": open}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      burned: {errors: [{
        __typename: "InvalidState", message: "The grant is over: it is DEPLETED.", path: ["id"], state: "DEPLETED"
      }]}
      early: {errors: [{
        __typename: "InvalidInput", message: "The expiry must be later than now and than the grant's beginning."
        path: ["expiresAt"]
      }]}
      expired: {errors: [{
        __typename: "InvalidState", message: "The grant is over: it is EXPIRED.", path: ["id"], state: "EXPIRED"
      }]}
      priority: {errors: [{
        __typename: "InvalidInput", message: "priority is -1; write 0 to 1000.", path: ["priority"]
      }]}
      same: {
        errors: [{
          __typename: "InvalidState", message: "The grant is over: it is EXPIRED.", path: ["id"], state: "EXPIRED"
        }]
        replayed: false
      }
    }}
    "#);
});

on_sqlite!(a_balance_that_cannot_be_names_its_field, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    let customer = api.customer("acme").await;
    let refused = api
        .ask(
            r#"mutation($product: ID!, $customer: ID!) {
                digits: createCreditBalance(input: {customer: {id: $customer}, productId: $product,
                    startingBalance: "0.0000001"}) { ...P }
                negative: createCreditBalance(input: {customer: {id: $customer}, productId: $product,
                    startingBalance: -1}) { ...P }
                threshold: createCreditBalance(input: {customer: {id: $customer}, productId: $product,
                    lowBalanceThreshold: "1000000000001"}) { ...P }
                limit: createCreditBalance(input: {customer: {id: $customer}, productId: $product,
                    overdraft: {policy: DENY, limit: 1}}) { ...P }
                name: createCreditBalance(input: {customer: {id: $customer}, productId: $product, name: ""}) { ...P }
                none: createCreditBalance(input: {customer: {id: $customer}, productId: $product}) { ...P }
            }
            fragment P on LedgerPayload { balance { lastSequence } errors { ...Error } }"#,
            json!({"product": product, "customer": customer}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      digits: {
        balance: null
        errors: [{
          __typename: "InvalidInput", message: "startingBalance has more than 6 fraction digits."
          path: ["startingBalance"]
        }]
      }
      limit: {
        balance: null
        errors: [{
          __typename: "InvalidInput", message: "limit goes with ALLOW; leave it out to DENY overdraft."
          path: ["overdraft", "limit"]
        }]
      }
      name: {
        balance: null
        errors: [{__typename: "InvalidInput", message: "name is empty; write 1 to 200 characters.", path: ["name"]}]
      }
      negative: {
        balance: null
        errors: [{
          __typename: "InvalidInput", message: "startingBalance is negative; amounts are given as magnitudes."
          path: ["startingBalance"]
        }]
      }
      none: {balance: {lastSequence: "0"}, errors: []}
      threshold: {
        balance: null
        errors: [{
          __typename: "InvalidInput", message: "lowBalanceThreshold is over the greatest amount, 1000000000000."
          path: ["lowBalanceThreshold"]
        }]
      }
    }}
    "#);
});

on_sqlite!(an_option_that_cannot_be_names_its_field, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    let refused = api
        .ask(
            r#"mutation($product: ID!) {
                none: createPurchaseOption(input: {productId: $product, name: "n", credits: 0,
                    price: {amount: 1, currency: "EUR"}}) { ...P }
                cents: createPurchaseOption(input: {productId: $product, name: "n", credits: 1,
                    price: {amount: "1.001", currency: "EUR"}}) { ...P }
                yen: createPurchaseOption(input: {productId: $product, name: "n", credits: 1,
                    price: {amount: "1.5", currency: "JPY"}}) { ...P }
                negative: createPurchaseOption(input: {productId: $product, name: "n", credits: 1,
                    price: {amount: "-1", currency: "EUR"}}) { ...P }
            }
            fragment P on PurchaseOptionPayload { purchaseOption { id } errors { ...Error } }"#,
            json!({"product": product}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      cents: {
        errors: [{
          __typename: "InvalidInput", message: "amount has more than 2 fraction digits.", path: ["price", "amount"]
        }]
        purchaseOption: null
      }
      negative: {
        errors: [{__typename: "InvalidInput", message: "amount is negative.", path: ["price", "amount"]}]
        purchaseOption: null
      }
      none: {
        errors: [{__typename: "InvalidInput", message: "credits is zero; it must be more than 0.", path: ["credits"]}]
        purchaseOption: null
      }
      yen: {
        errors: [{
          __typename: "InvalidInput", message: "amount has more than 0 fraction digits.", path: ["price", "amount"]
        }]
        purchaseOption: null
      }
    }}
    "#);
});
