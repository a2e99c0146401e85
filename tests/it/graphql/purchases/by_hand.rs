//! Purchases whose money people take.

use scrip::base::ids::PurchaseId;
use serde_json::{Value, json};

use super::{PURCHASE, Shop, text, told};
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;

on_sqlite!(purchase_that_its_balance_does_not_await_is_an_error, async |db| {
    let shop = Shop::on(db, "1").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    db.tamper(r#"UPDATE balances SET buying = '{"last":1,"awaited":1}', revision = revision + 1"#).await;
    let query = documents::mutation("cancelPurchase", "replayed");
    let answer = shop.api.ask(&query, json!({"input": {"purchaseId": id}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer}");
    assert_eq!(shop.stands(&id).await.0, "PENDING");
});

on_sqlite!(currency_that_has_ended_since_stays_readable, async |db| {
    let shop = Shop::on(db, "0").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    db.tamper("UPDATE purchases SET currency = 'BGN'").await;
    db.tamper("UPDATE customers SET currency = 'BGN'").await;
    let paid = shop.ask("markPurchasePaid", &id).await;
    let grant = &paid["purchase"]["grant"];
    assert_eq!(
        (&paid["purchase"]["price"], &grant["cost"]),
        (&json!({"amount": "20.00", "currency": "BGN"}), &json!({"amount": "20.00"}))
    );
    let customer = shop.api.ask("{ customer(by: {externalId: \"acme\"}) { currency } }", json!({})).await;
    assert_eq!(customer["data"]["customer"]["currency"], "BGN");
});

both!(a_purchase_that_is_paid_brings_its_credits_once_with_what_they_cost, async |db| {
    let mut shop = Shop::on(db, "1").await;
    shop.option = shop.option("100", "19.99", json!({})).await;
    let made = shop.buy(2, "p1").await;
    let id = text(&made["purchase"]["id"]);
    assert_eq!((&made["purchase"]["status"], &made["balance"]["available"]), (&json!("PENDING"), &json!("1")));
    let input = json!({"purchaseId": id, "reference": "INV-7"});
    let paid = shop.api.make("markPurchasePaid", PURCHASE, input.clone()).await;
    let again = shop.api.make("markPurchasePaid", PURCHASE, input).await;
    assert_eq!((&paid["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!((&paid["balance"]["available"], &again["balance"]["available"]), (&json!("201"), &json!("201")));
    let repeated = shop.buy(2, "p1").await;
    assert_eq!((&repeated["replayed"], &repeated["purchase"]["status"]), (&json!(true), &json!("PAID")));
    let error = told(&shop.api, "purchaseCredits", shop.input("p1")).await;
    assert_eq!(error["__typename"], "IdempotencyConflict", "one is not two: {error}");
    answer!(paid["purchase"], @r#"
    {
      credits: "200", endedAt: null, failureReason: null
      grant: {cost: {amount: "39.98"}, credits: "200", expiresAt: null, remaining: "200", state: "ACTIVE"}
      id: "pur_06dndml801o07ai17capb161480g2", origin: "API", paidAt: "2026-01-01T00:00:00.000000Z", paymentUrl: null
      price: {amount: "39.98", currency: "EUR"}, provider: "MANUAL", providerReference: "INV-7", quantity: 2
      refunded: {amount: "0.00"}, status: "PAID"
    }
    "#);
    // What is free goes first: 50 of the 200.
    shop.api.burn("e1", "51").await;
    let refunded = shop.ask("refundPurchase", &id).await;
    answer!(refunded, @r#"
    {
      balance: {available: "0"}, errors: []
      purchase: {
        credits: "200", endedAt: "2026-01-01T00:00:00.000000Z", failureReason: null
        grant: {cost: {amount: "39.98"}, credits: "200", expiresAt: null, remaining: "0", state: "VOIDED"}
        id: "pur_06dndml801o07ai17capb161480g2", origin: "API", paidAt: "2026-01-01T00:00:00.000000Z"
        paymentUrl: null, price: {amount: "39.98", currency: "EUR"}, provider: "MANUAL", providerReference: "INV-7"
        quantity: 2, refunded: {amount: "29.98"}, status: "REFUNDED"
      }
      replayed: false
    }
    "#);
    assert_eq!(shop.ask("refundPurchase", &id).await["replayed"], true);
    shop.assert_sound().await;
});

on_sqlite!(bought_credits_end_as_the_product_says, async |db| {
    let shop = Shop::on(db, "0").await;
    let input = json!({"id": shop.product, "expiration": {"policy": "AFTER_DAYS", "days": 30}});
    shop.api.make("updateCreditProduct", "product { id }", input).await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    shop.api.at("2026-01-05T12:00:00Z");
    let paid = shop.ask("markPurchasePaid", &id).await;
    assert_eq!(paid["purchase"]["grant"]["expiresAt"], "2026-02-04T12:00:00.000000Z", "from when they came");
});

on_sqlite!(bought_credits_end_as_the_plan_says_where_there_is_one, async |db| {
    let shop = Shop::on(db, "0").await;
    let input = json!({"id": shop.product, "expiration": {"policy": "AFTER_DAYS", "days": 30}});
    shop.api.make("updateCreditProduct", "product { id }", input).await;
    let credit = json!({"includedCredits": "10", "expiration": {"policy": "AFTER_DAYS", "days": 7}});
    let items = json!([{"productId": shop.product, "options": {"credit": credit}}]);
    let input = json!({"key": "pro", "name": "Pro", "interval": "MONTH", "currency": "EUR", "items": items});
    let plan = shop.api.make("createPlan", "plan { id }", input).await;
    let input = json!({"customer": {"externalId": "acme"}, "planId": plan["plan"]["id"], "idempotencyKey": "s1"});
    shop.api.make("createPlanSubscription", "subscription { id }", input).await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let paid = shop.ask("markPurchasePaid", &id).await;
    assert_eq!(paid["purchase"]["grant"]["expiresAt"], "2026-01-08T00:00:00.000000Z");
});

both!(what_is_left_of_a_purchase_is_refunded_unless_a_hold_pins_it, async |db| {
    let shop = Shop::on(db, "0").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let early = shop.refused("refundPurchase", &id).await;
    shop.ask("markPurchasePaid", &id).await;
    let input = json!({"balanceId": shop.balance, "credits": "30", "idempotencyKey": "h1"});
    let hold = shop.api.make("holdCredits", "hold { id }", input).await;
    let pinned = shop.refused("refundPurchase", &id).await;
    assert_eq!(shop.stands(&id).await.0, "PAID");
    shop.api.make("releaseHold", "replayed", json!({"holdId": hold["hold"]["id"]})).await;
    shop.api.burn("e1", "100").await;
    let spent = shop.refused("refundPurchase", &id).await;
    answer!(json!([early, pinned, spent]), @r#"
    [
      {
        __typename: "InvalidState", message: "The purchase is not paid yet: cancel it, or wait for its money."
        path: ["purchaseId"], state: "PENDING"
      }
      {__typename: "InvalidState", message: "A hold pins some of the grant.", path: ["purchaseId"], state: "HELD"}
      {
        __typename: "InvalidState", message: "The grant is over: it is DEPLETED.", path: ["purchaseId"]
        state: "DEPLETED"
      }
    ]
    "#);
});

both!(a_purchase_that_was_canceled_cannot_be_paid, async |db| {
    let shop = Shop::on(db, "0").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let canceled = shop.ask("cancelPurchase", &id).await;
    assert_eq!((&canceled["purchase"]["status"], &canceled["replayed"]), (&json!("CANCELED"), &json!(false)));
    assert_eq!(shop.ask("cancelPurchase", &id).await["replayed"], true);
    let paid = text(&shop.buy(1, "p2").await["purchase"]["id"]);
    shop.ask("markPurchasePaid", &paid).await;
    let missing = id.parse::<PurchaseId>().expect("an id").balance.purchase(99).to_string();
    let mut errors = Vec::new();
    for (mutation, purchase) in
        [("markPurchasePaid", &id), ("refundPurchase", &id), ("cancelPurchase", &paid), ("markPurchasePaid", &missing)]
    {
        errors.push(shop.refused(mutation, purchase).await);
    }
    answer!(json!(errors), @r#"
    [
      {
        __typename: "InvalidState", message: "The purchase was canceled; make a new one.", path: ["purchaseId"]
        state: "CANCELED"
      }
      {
        __typename: "InvalidState", message: "The purchase was canceled; make a new one.", path: ["purchaseId"]
        state: "CANCELED"
      }
      {
        __typename: "InvalidState", message: "The purchase is paid: refund it to take it back.", path: ["purchaseId"]
        state: "PAID"
      }
      {
        __typename: "NotFound", message: "There is no purchase with the id \"pur_06dndml801o07ai17capb161480m6\"."
        path: ["purchaseId"], requested: "pur_06dndml801o07ai17capb161480m6"
      }
    ]
    "#);
    assert_eq!((shop.stands(&id).await.0, shop.available().await), ("CANCELED".into(), "100".into()));
});

both!(purchases_are_found_by_customer_by_status_by_page_and_by_id, async |db| {
    let shop = Shop::on(db, "0").await;
    let mut ids = Vec::new();
    for second in 1..=5 {
        shop.api.at(&format!("2026-01-01T00:00:0{second}Z"));
        ids.insert(0, text(&shop.buy(second, &format!("p{second}")).await["purchase"]["id"]));
    }
    shop.ask("markPurchasePaid", &ids[1]).await;
    shop.ask("cancelPurchase", &ids[3]).await;
    let list = async |arguments: &str| -> Vec<Value> {
        let query = format!("{{ purchases{arguments} {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}");
        let found = shop.api.ask(&query, json!({})).await["data"]["purchases"].take();
        found["nodes"].as_array().expect("a list").iter().map(|node| node["id"].clone()).collect()
    };
    assert_eq!(list("").await, ids);
    assert_eq!(list("(status: [PAID, CANCELED])").await, [ids[1].clone(), ids[3].clone()]);
    assert_eq!(list("(first: 2)").await, &ids[..2]);
    assert_eq!(list("(last: 2)").await, &ids[3..]);
    let mut seen = Vec::new();
    let mut after = Value::Null;
    shop.api.customer("other").await;
    let theirs = shop.api.balance("other", &shop.product, "0", json!({})).await;
    Shop { balance: theirs, ..shop.clone() }.buy(1, "p1").await;
    for _ in 0..3 {
        let query = "query($after: String) { customer(by: {externalId: \"acme\"}) {
            purchases(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } } }";
        let mut found = shop.api.ask(query, json!({"after": after})).await;
        let page = &mut found["data"]["customer"]["purchases"];
        seen.extend(page["nodes"].as_array().expect("a list").iter().map(|node| node["id"].clone()));
        assert_eq!(page["pageInfo"]["hasNextPage"], json!(seen.len() < 5));
        after = page["pageInfo"]["endCursor"].take();
    }
    assert_eq!(seen, ids, "those of the customer");
    let query = "query($id: ID!) { node(id: $id) { id ...on Purchase { status customer { externalId } balance { id }
        option { name } quantity } } }";
    let node = shop.api.ask(query, json!({"id": ids[1]})).await["data"]["node"].take();
    assert_eq!(node["balance"]["id"], shop.balance);
    assert_eq!((&node["status"], &node["quantity"]), (&json!("PAID"), &json!(4)));
});

both!(a_page_of_purchases_and_of_balances_that_buy_by_themselves_costs_the_same_however_long_it_is, async |db| {
    let shop = Shop::on(db, "100").await;
    shop.set_auto(json!({})).await;
    for number in 0..30 {
        let name = format!("customer-{number}");
        shop.api.customer(&name).await;
        let balance = shop.api.balance(&name, &shop.product, "100", json!({})).await;
        let theirs = Shop { balance, ..shop.clone() };
        let id = text(&theirs.buy(1, "p1").await["purchase"]["id"]);
        theirs.ask("markPurchasePaid", &id).await;
        theirs.set_auto(json!({})).await;
    }
    for (list, fields) in [
        ("creditBalances", "autoTopUp { status blockedReason option { name } }"),
        ("purchases", "status option { name } customer { name }"),
        ("purchases", "balance { available }"),
        ("purchases", "grant { remaining purchase { id } }"),
    ] {
        let query = format!("query($first: Int) {{ {list}(first: $first) {{ nodes {{ {fields} }} }} }}");
        let mut costs = Vec::new();
        for first in [3, 30] {
            let before = shop.api.app.db.statements();
            let page = shop.api.ask(&query, json!({"first": first})).await;
            costs.push(shop.api.app.db.statements() - before);
            let nodes = page["data"][list]["nodes"].as_array().expect("a page");
            assert_eq!((nodes.len(), page.to_string().contains("null")), (first, fields.contains("blocked")), "{page}");
        }
        assert_eq!(costs[0], costs[1], "statements of pages of 3 and of 30: {fields}");
    }
});

both!(entry_and_grant_name_the_purchase_that_made_them, async |db| {
    let shop = Shop::on(db, "5").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    shop.ask("markPurchasePaid", &id).await;
    shop.ask("refundPurchase", &id).await;
    let query = &documents::balance(
        "entries { nodes { kind credits origin purchase { id } } }
        grants { nodes { source purchase { id } } }",
    );
    let found = shop.api.ask(query, json!({"id": shop.balance})).await["data"]["creditBalance"].take();
    answer!(found, @r#"
    {
      entries: {nodes: [
        {credits: "-100", kind: "REFUND", origin: "API", purchase: {id: "pur_06dndml801o07ai17capb161480g2"}}
        {credits: "100", kind: "PURCHASE", origin: "API", purchase: {id: "pur_06dndml801o07ai17capb161480g2"}}
        {credits: "5", kind: "STARTING_BALANCE", origin: "API", purchase: null}
      ]}
      grants: {nodes: [
        {purchase: null, source: "STARTING_BALANCE"}
        {purchase: {id: "pur_06dndml801o07ai17capb161480g2"}, source: "PURCHASE"}
      ]}
    }
    "#);
});

both!(a_balance_closes_once_no_purchase_waits_for_its_money, async |db| {
    let shop = Shop::on(db, "0").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let error = told(&shop.api, "closeCreditBalance", json!({"id": shop.balance})).await;
    assert_eq!(
        (&error["__typename"], &error["state"]),
        (&json!("InvalidState"), &json!("PURCHASE_PENDING")),
        "{error}"
    );
    shop.ask("cancelPurchase", &id).await;
    shop.api.close(&shop.balance).await;
});

on_sqlite!(what_costs_nothing_is_paid_at_once, async |db| {
    let mut shop = Shop::on(db, "0").await;
    shop.option = shop.option("5", "0", json!({})).await;
    let bought = shop.buy(1, "p1").await;
    assert_eq!((&bought["purchase"]["status"], &bought["balance"]["available"]), (&json!("PAID"), &json!("5")));
    shop.set_auto(json!({"threshold": "10", "target": "20"})).await;
    assert_eq!((shop.available().await, shop.blocked().await.0), ("20".into(), "IDLE".into()));
    shop.assert_sound().await;
});
