//! A portal session: its customer, and nothing else.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;
use crate::support::socket::Socket;

/// Two customers with a balance each, and what is sold; answers the balances.
async fn shop(api: &Api) -> (String, String) {
    let acme = api.acme("10").await;
    let product =
        api.ask(r#"{ product(by: {key: "credits"}) { id } }"#, json!({})).await["data"]["product"]["id"].clone();
    for (name, shown) in [("small", true), ("secret", false)] {
        let input = json!({"productId": product, "name": name, "credits": "10", "price": {"amount": "5.00", "currency": "EUR"},
                           "showInPortal": shown});
        api.make("createPurchaseOption", "purchaseOption { id }", input).await;
    }
    api.customer("globex").await;
    let globex = api.balance("globex", product.as_str().expect("an id"), "7", json!({})).await;
    (acme, globex)
}

both!(a_session_sees_its_customer_and_what_is_shown_to_customers, async |db| {
    let api = Api::on(db).await;
    let (acme, _) = shop(&api).await;
    api.top_up(&acme, "5", "gift", json!({"metadata": {"internal": true}})).await;
    let portal = api.portal("acme").await;
    let query = r#"query($id: ID!) {
        viewer { kind name scopes customer { externalId metadata creditBalances { name available state nextChangeAt
            product { unitName } purchaseOptions { name price { amount } pricePerCredit }
            entries(first: 1) { nodes { kind credits reason metadata idempotencyKey grant { remaining metadata } } } } } }
        creditBalance(id: $id) { available }
        customer(by: {externalId: "acme"}) { name }
        node(id: $id) { id }
    }"#;
    let told = portal.ask(query, json!({"id": acme})).await;
    answer!(told, @r#"
    {data: {
      creditBalance: {available: "15"}, customer: {name: "acme"}, node: {id: "bal_06dndml801o07ai17capb161480g"}
      viewer: {
        customer: {
          creditBalances: [{
            available: "15"
            entries: {nodes: [{
              credits: "5", grant: {metadata: {}, remaining: "5"}, idempotencyKey: null, kind: "TOP_UP", metadata: {}
              reason: "gift"
            }]}
            name: "credits", nextChangeAt: null, product: {unitName: "credit"}
            purchaseOptions: [{name: "small", price: {amount: "5.00"}, pricePerCredit: "0.5"}], state: "ACTIVE"
          }]
          externalId: "acme", metadata: {}
        }
        kind: "PORTAL_SESSION", name: "acme", scopes: []
      }
    }}
    "#);
});

both!(what_is_anothers_is_not_there_for_a_session, async |db| {
    let api = Api::on(db).await;
    let (_, globex) = shop(&api).await;
    let portal = api.portal("acme").await;
    let everything = "{
        customers { nodes { id creditBalances { id grants { nodes { id } } entries { nodes { id } }
            product { id purchaseOptions { id name } } } } }
        meters { nodes { id } } apiKeys { nodes { id } }
    }";
    let known = api.ask(everything, json!({})).await;
    let mut ids = Vec::new();
    collect(&known["data"], &mut ids);
    ids.sort();
    ids.dedup();
    let globex_id = api.ask(r#"{ customer(by: {externalId: "globex"}) { id } }"#, json!({})).await;
    let seen = portal.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ids})).await;
    let seen: Vec<&Value> =
        seen["data"]["nodes"].as_array().expect("nodes").iter().filter(|node| !node.is_null()).collect();
    let kinds: Vec<&str> = seen.iter().map(|node| &node["id"].as_str().expect("an id")[..3]).collect();
    // Its own customer, balance, lot and entry, and the option that is shown: of each one.
    let mut sorted = kinds.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["bal", "cus", "ent", "grt", "opt"], "{seen:?}");
    let query = r#"query($id: ID!, $customer: ID!) { creditBalance(id: $id) { id } node(id: $id) { id }
        byId: customer(by: {id: $customer}) { id } byName: customer(by: {externalId: "globex"}) { id } }"#;
    let variables = json!({"id": globex, "customer": globex_id["data"]["customer"]["id"]});
    let told = portal.ask(query, variables).await;
    answer!(told, @"{data: {byId: null, byName: null, creditBalance: null, node: null}}");
    let watch = &documents::balance_changes("entry { id }");
    let mut socket = Socket::subscribe(&portal, watch, json!({"id": globex})).await;
    let told = socket.next().await["payload"][0]["message"].clone();
    answer!(told, @r#""balanceId names no credit balance; pass what this server answered.""#);
    let watch = r#"subscription { customerBalanceChanges(customer: {externalId: "globex"}) { cursor } }"#;
    let mut socket = Socket::subscribe(&portal, watch, json!({})).await;
    let told = socket.next().await["payload"][0]["message"].clone();
    answer!(told, @r#""customer names nobody; check the id.""#);
});

fn collect(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(id) = fields.get("id").and_then(Value::as_str) {
                ids.push(id.to_owned());
            }
            fields.values().for_each(|field| collect(field, ids));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        _ => {}
    }
}

on_sqlite!(what_is_not_for_customers_is_forbidden_wherever_it_stands, async |db| {
    let api = Api::on(db).await;
    shop(&api).await;
    let portal = api.portal("acme").await;
    for hidden in [
        "{ customers { nodes { id } } }",
        "{ viewer { customer { subscriptions { nodes { id } } } } }",
        "{ viewer { customer { events { nodes { properties } } } } }",
        "{ viewer { customer { creditBalances { product { consumption { creditsPerUnit } } } } } }",
        "{ viewer { customer { creditBalances { subscription { id } } } } }",
        "{ viewer { customer { creditBalances { subscription { __typename } } } } }",
        "{ viewer { customer { creditBalances { product { purchaseOptions { name } } } } } }",
        "{ viewer { customer { creditBalances { entries { nodes { event { properties } } } } } } }",
        "{ viewer { customer { creditBalances { entries { nodes { rating { meter { filter { all { name } } } } } } } } } }",
        r#"{ node(id: "mtr_0") { ... on Meter { eventType } } }"#,
        r#"{ node(id: "mtr_0") { ...M } } fragment M on Plan { name }"#,
        r#"mutation { topUpCredits(input: {balanceId: "x", credits: "1", idempotencyKey: "1"}) { replayed } }"#,
        "subscription { balanceStateChanges { at } }",
    ] {
        let told = portal.ask(hidden, json!({})).await;
        assert_eq!(told["errors"][0]["extensions"]["code"], "FORBIDDEN", "{hidden}: {told}");
        assert!(told.get("data").is_none_or(Value::is_null), "{hidden}: {told}");
    }
});

both!(a_session_watches_its_balance_and_resumes, async |db| {
    let api = Api::on(db).await;
    let (acme, _) = shop(&api).await;
    let portal = api.portal("acme").await;
    let watch = "subscription($after: String) { customerBalanceChanges(customer: {externalId: \"acme\"}, after: $after)
                 { cursor entry { credits } customer { name } } }";
    let mut socket = Socket::subscribe(&portal, watch, json!({})).await;
    let cursor = socket.next().await["customerBalanceChanges"]["cursor"].clone();
    drop(socket);
    api.top_up(&acme, "5", "gift", json!({})).await;
    let mut socket = Socket::subscribe(&portal, watch, json!({"after": cursor})).await;
    assert_eq!(socket.next().await["customerBalanceChanges"]["entry"], json!({"credits": "5"}));
});

on_sqlite!(a_session_lasts_as_long_as_it_says, async |db| {
    let api = Api::on(db).await;
    api.customer("acme").await;
    let mut told = Vec::new();
    for input in [
        json!({"customer": {"externalId": "acme"}, "ttlSeconds": 59}),
        json!({"customer": {"externalId": "acme"}, "ttlSeconds": 86401}),
        json!({"customer": {"externalId": "nobody"}}),
        json!({"customer": {"id": "cus_06dndml80000000000000000000"}}),
    ] {
        let query = &documents::mutation("createPortalSession", "token expiresAt errors { ...Error }");
        told.push(api.ask(query, json!({"input": input})).await["data"]["createPortalSession"].clone());
    }
    let input = json!({"customer": {"externalId": "acme"}});
    told.push(api.make("createPortalSession", "expiresAt", input).await);
    answer!(json!(told), @r#"
    [
      {
        errors: [{__typename: "InvalidInput", message: "ttlSeconds is 59; take 60 to 86400.", path: ["ttlSeconds"]}]
        expiresAt: null, token: null
      }
      {
        errors: [{__typename: "InvalidInput", message: "ttlSeconds is 86401; take 60 to 86400.", path: ["ttlSeconds"]}]
        expiresAt: null, token: null
      }
      {
        errors: [{
          __typename: "NotFound", message: "There is no customer with the external id \"nobody\"."
          path: ["customer", "externalId"], requested: "nobody"
        }]
        expiresAt: null, token: null
      }
      {
        errors: [{
          __typename: "InvalidInput", message: "id is not the id of a customer (\"cus_…\").", path: ["customer", "id"]
        }]
        expiresAt: null, token: null
      }
      {errors: [], expiresAt: "2026-01-01T01:00:00.000000Z"}
    ]
    "#);
    let (portal, other) = (api.portal("acme").await, api.another_on(db, 2).await);
    let ask = async |node: &Api| {
        node.shown(portal.token.as_deref().expect("a token")).ask("{ viewer { name } }", json!({})).await
    };
    api.at("2026-01-01T00:59:59.999999Z");
    assert_eq!(ask(&other).await["data"]["viewer"]["name"], "acme", "every server knows it");
    api.at("2026-01-01T01:00:00Z");
    assert_eq!(ask(&api).await["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
});

both!(revoked_portal_sessions_end_with_their_streams_on_every_server_and_new_ones_begin, threads, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    api.customer("other").await;
    let node = api.another_on(db, 2).await;
    let (acme, other) = (api.portal("acme").await, api.portal("other").await);
    let token = acme.token.clone().expect("a token");
    let query = &documents::balance_changes("entry { id }");
    let mut sockets = Vec::new();
    for node in [&api, &node] {
        let mut socket = Socket::subscribe(&node.shown(&token), query, json!({"id": balance})).await;
        assert_eq!(socket.next().await, json!({"balanceChanges": {"entry": null}}));
        sockets.push(socket);
    }
    api.at("2026-01-01T00:00:01Z");
    let input = json!({"customer": {"externalId": "acme"}});
    let revoked = api.make("revokePortalSessions", "customer { externalId }", input).await;
    assert_eq!(revoked["customer"]["externalId"], "acme");
    for mut socket in sockets {
        assert_eq!(socket.closed().await, (4403, "The key or token is not valid any more".to_owned()));
    }
    let status = async |caller: &Api| {
        let sent = caller.post("/graphql").json(&json!({"query": "{ viewer { id } }"})).send().await;
        sent.expect("it answers").status().as_u16()
    };
    assert_eq!((status(&acme).await, status(&node.shown(&token)).await, status(&other).await), (401, 401, 200));
    // A server that starts knows of it, too.
    assert_eq!(status(&api.another_on(db, 3).await.shown(&token)).await, 401);
    api.at("2026-01-01T00:00:02Z");
    assert_eq!(status(&api.portal("acme").await).await, 200);
});

both!(customer_who_is_archived_has_no_portal_sessions, async |db| {
    let api = Api::on(db).await;
    let id = api.customer("gone").await;
    let portal = api.portal("gone").await;
    api.at("2026-01-01T00:00:01Z");
    api.make("archiveCustomer", "customer { archivedAt }", json!({"id": id})).await;
    api.app.keyring.turn().await.expect("the database answers");
    let sent = portal.post("/graphql").json(&json!({"query": "{ viewer { id } }"})).send().await;
    assert_eq!(sent.expect("it answers").status(), 401);
    api.at("2026-01-01T00:00:02Z");
    let input = json!({"customer": {"externalId": "gone"}});
    let query = &documents::mutation("createPortalSession", "token errors { ...Error }");
    let refused = api.ask(query, json!({"input": input})).await;
    answer!(refused, @r#"
    {data: {createPortalSession: {
      errors: [{
        __typename: "InvalidState", message: "The customer is archived and gets no new portal session."
        path: ["customer"], state: "ARCHIVED"
      }]
      token: null
    }}}
    "#);
});

both!(name_of_another_customer_takes_a_portal_session_as_much_as_one_that_names_nobody, async |db| {
    let api = Api::on(db).await;
    api.customer("acme").await;
    api.customer("other").await;
    let portal = api.portal("acme").await;
    let query = "query($by: CustomerBy!) { customer(by: $by) { externalId } }";
    let mut told = Vec::new();
    for name in ["other", "nobody", "acme"] {
        // The first request fills the caches.
        portal.ask(query, json!({"by": {"externalId": name}})).await;
        let before = api.app.db.statements();
        let found = portal.ask(query, json!({"by": {"externalId": name}})).await["data"]["customer"].take();
        told.push((found, api.app.db.statements() - before));
    }
    let nothing = told[1].1;
    assert_eq!(told[..2], [(Value::Null, nothing), (Value::Null, nothing)]);
    assert_eq!(told[2].0, json!({"externalId": "acme"}));
});
