//! The customer's own view: what he has, what he may buy, and how his balance rises when the money arrives.

use serde_json::json;

use super::{PURCHASE, Shop, option, text, told};
use crate::support::answer::answer;
use crate::support::db::both;
use crate::support::documents;
use crate::support::socket::Socket;

both!(a_customer_sees_his_balance_buys_and_watches_it_rise, async |db| {
    let shop = Shop::on(db, "0").await;
    let ends = json!({"expiresAt": "2026-02-01T00:00:00Z"});
    shop.api.top_up(&shop.balance, "8", "welcome", ends).await;
    shop.option("1", "1", json!({"showInPortal": false})).await;
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let query = "{ viewer { customer { creditBalances { id product { name unitName } available state nextChangeAt
        nextExpiry: grants(first: 1, state: ACTIVE) { nodes { expiresAt } }
        entries(first: 5) { nodes { kind credits reason } }
        purchaseOptions { name credits price { amount currency } pricePerCredit } } } } }";
    let seen = portal.api.ask(query, json!({})).await;
    answer!(seen, @r#"
    {data: {viewer: {customer: {creditBalances: [{
      available: "8", entries: {nodes: [{credits: "8", kind: "TOP_UP", reason: "welcome"}]}
      id: "bal_06dndml801o07ai17capb161480g", nextChangeAt: "2026-02-01T00:00:00.000000Z"
      nextExpiry: {nodes: [{expiresAt: "2026-02-01T00:00:00.000000Z"}]}
      product: {name: "credits", unitName: "credit"}
      purchaseOptions: [{
        credits: "100", name: "100 credits", price: {amount: "20.00", currency: "EUR"}, pricePerCredit: "0.2"
      }]
      state: "ACTIVE"
    }]}}}}
    "#);
    let watch = &documents::balance_changes(
        "entry { kind credits purchase { id } }
        balance { available state }",
    );
    let mut socket = Socket::subscribe(&portal.api, watch, json!({"id": shop.balance})).await;
    let before = socket.next().await;
    let bought = portal.buy(1, "p1").await;
    assert_eq!((&bought["purchase"]["origin"], &bought["purchase"]["status"]), (&json!("PORTAL"), &json!("PENDING")));
    let id = text(&bought["purchase"]["id"]);
    assert_eq!(portal.purchase(&id).await["status"], "PENDING");
    shop.api.make("markPurchasePaid", PURCHASE, json!({"purchaseId": id})).await;
    let after = socket.next().await;
    answer!(json!([before, after]), @r#"
    [
      {balanceChanges: {balance: {available: "8", state: "ACTIVE"}, entry: null}}
      {balanceChanges: {
        balance: {available: "108", state: "ACTIVE"}
        entry: {credits: "100", kind: "PURCHASE", purchase: {id: "pur_06dndml801o07ai17capb161480g2"}}
      }}
    ]
    "#);
});

both!(a_customer_buys_for_himself_of_what_is_shown_to_him, async |db| {
    let shop = Shop::on(db, "0").await;
    let hidden = shop.option("1", "1", json!({"showInPortal": false})).await;
    shop.api.customer("other").await;
    let theirs = shop.api.balance("other", &shop.product, "5", json!({})).await;
    let own = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let other = Shop { api: shop.api.portal("other").await, balance: theirs.clone(), ..shop.clone() };
    let buy = |balance: &str, option: &str| json!({"balanceId": balance, "optionId": option, "idempotencyKey": "x"});
    let mut errors = Vec::new();
    for input in [buy(&shop.balance, &hidden), buy(&theirs, &shop.option)] {
        errors.push(told(&portal.api, "purchaseCredits", input).await);
    }
    let archived = shop.option("2", "1", json!({})).await;
    shop.api.make("archivePurchaseOption", "purchaseOption { id }", json!({"id": archived})).await;
    errors.push(told(&portal.api, "purchaseCredits", buy(&shop.balance, &archived)).await);
    answer!(json!(errors), @r#"
    [
      {
        __typename: "NotFound", message: "There is no purchase option with the id \"opt_06dndml801o015vt1459r89kd8\"."
        path: ["optionId"], requested: "opt_06dndml801o015vt1459r89kd8"
      }
      {
        __typename: "NotFound"
        message: "There is no credit balance with the id \"bal_06dndml801o034tih9stook8o40g\".", path: ["balanceId"]
        requested: "bal_06dndml801o034tih9stook8o40g"
      }
      {
        __typename: "InvalidState", message: "The purchase option is archived; buy another one.", path: ["optionId"]
        state: "ARCHIVED"
      }
    ]
    "#);
    assert!(other.purchase(&own).await.is_null(), "of another customer");
    let nodes = "query($a: ID!, $b: ID!, $c: ID!) { shown: node(id: $a) { id } hidden: node(id: $b) { id }
        theirs: node(id: $c) { id } }";
    let seen = other.api.ask(nodes, json!({"a": shop.option, "b": hidden, "c": own})).await["data"].take();
    assert_eq!(seen, json!({"shown": {"id": shop.option}, "hidden": null, "theirs": null}));
    for mutation in ["markPurchasePaid", "cancelPurchase", "refundPurchase"] {
        let kind = mutation[..1].to_uppercase() + &mutation[1..];
        let query = format!("mutation($input: {kind}Input!) {{ {mutation}(input: $input) {{ replayed }} }}");
        let refused = portal.api.ask(&query, json!({"input": {"purchaseId": own}})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{mutation}");
    }
    assert_eq!(shop.stands(&own).await.0, "PENDING");
});

both!(the_same_key_of_the_portal_and_of_the_api_are_two_keys, async |db| {
    let shop = Shop::on(db, "0").await;
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let (one, other) = (shop.buy(1, "k").await, portal.buy(1, "k").await);
    assert_ne!(one["purchase"]["id"], other["purchase"]["id"]);
    assert_eq!(portal.buy(1, "k").await["purchase"]["id"], other["purchase"]["id"]);
    // What another currency costs is nothing for him.
    let dollars = option(&shop.api, &shop.product, ("9", "9", "USD"), json!({})).await;
    shop.set_currency("EUR").await;
    let seen = portal.api.ask("{ viewer { customer { creditBalances { purchaseOptions { id } } } } }", json!({})).await;
    let options = seen["data"]["viewer"]["customer"]["creditBalances"][0]["purchaseOptions"].to_string();
    assert!(options.contains(&shop.option) && !options.contains(&dollars), "{seen}");
});

both!(a_balance_has_few_purchases_that_wait_for_their_money, async |db| {
    let shop = Shop::on(db, "0").await;
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let mut made = Vec::new();
    for at in 0..10 {
        made.push(text(&portal.buy(1, &format!("p{at}")).await["purchase"]["id"]));
    }
    let one_more = async |key: &str| told(&portal.api, "purchaseCredits", portal.input(key)).await;
    let refused = one_more("p10").await;
    assert_eq!(
        refused,
        json!({
            "__typename": "LimitExceeded",
            "message": "10 purchases of the balance wait for their money; pay or cancel one first.",
            "path": ["balanceId"]
        })
    );
    assert_eq!(portal.buy(1, "p0").await["replayed"], true, "what was bought before is answered again");
    shop.ask("cancelPurchase", &made[0]).await;
    portal.buy(1, "p11").await;
    assert_eq!(one_more("p12").await, refused);
    shop.ask("markPurchasePaid", &made[1]).await;
    portal.buy(1, "p13").await;
});

both!(a_pack_that_costs_nothing_is_had_as_often_as_it_says_or_once, async |db| {
    let shop = Shop::on(db, "0").await;
    let (plain, twice) =
        (shop.option("5", "0", json!({})).await, shop.option("7", "0", json!({"perCustomer": 2})).await);
    let portal = Shop { api: shop.api.portal("acme").await, ..shop.clone() };
    let query = "{ viewer { customer { creditBalances { purchaseOptions { id perCustomer } } } } }";
    let seen = portal.api.ask(query, json!({})).await.to_string();
    assert!(seen.contains(&twice) && !seen.contains(&plain), "{seen}");
    let of = |option: &String, api: &crate::support::api::Api| Shop {
        option: option.clone(),
        api: api.clone(),
        ..shop.clone()
    };
    let hidden = told(&portal.api, "purchaseCredits", of(&plain, &portal.api).input("h")).await;
    assert_eq!(hidden["__typename"], "NotFound", "{hidden}");
    let shown = of(&twice, &portal.api);
    let mut many = shown.input("m");
    many["quantity"] = json!(3);
    let refused = told(&portal.api, "purchaseCredits", many).await;
    assert_eq!(refused["message"], "A customer may buy 2 of this purchase option; 2 are left for this one.");
    shown.buy(1, "a").await;
    shown.buy(1, "b").await;
    let refused = told(&portal.api, "purchaseCredits", shown.input("c")).await;
    assert_eq!(
        (&refused["__typename"], &refused["path"], &refused["message"]),
        (
            &json!("LimitExceeded"),
            &json!(["quantity"]),
            &json!("A customer may buy 2 of this purchase option; 0 are left for this one.")
        )
    );
    // Another balance is no way around it, and a key is none.
    let other = shop.api.product("other", &[], json!({})).await;
    shop.api.balance("acme", &other, "0", json!({})).await;
    let by_key = of(&plain, &shop.api);
    by_key.buy(1, "d").await;
    assert_eq!(told(&shop.api, "purchaseCredits", by_key.input("e")).await["__typename"], "LimitExceeded");
    assert_eq!(shop.available().await, "19");
    // The limit can be changed.
    let changes = json!({"id": plain, "perCustomer": 2});
    shop.api.make("updatePurchaseOption", "purchaseOption { perCustomer }", changes).await;
    by_key.buy(1, "f").await;
    let wrong = json!({"id": plain, "perCustomer": 0});
    let query = &documents::mutation("updatePurchaseOption", "errors { path message }");
    let refused = shop.api.ask(query, json!({"input": wrong})).await["data"]["updatePurchaseOption"]["errors"].take();
    assert_eq!(refused[0]["path"], json!(["perCustomer"]), "{refused}");
});
