//! Who may ask what: every root field by every kind of caller.

use scrip::app::Settings;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::db::{TestDb, both, on_sqlite};
use crate::support::node::trusting;

/// Every kind of caller, each on a server that wants keys, but for the one that is trusted.
async fn callers(db: &TestDb) -> Vec<(&'static str, Api)> {
    let local = Api::on(db).await;
    local.acme("10").await;
    let strict = local.beside(db, Settings::default()).await;
    let revoked = local.keyed(&["ADMIN"]).await;
    let keys = local.ask("{ apiKeys(first: 1) { nodes { id } } }", json!({})).await;
    local.make("revokeApiKey", "apiKey { id }", json!({"id": keys["data"]["apiKeys"]["nodes"][0]["id"]})).await;
    let expired = json!({"name": "old", "scopes": ["ADMIN"], "expiresAt": "2026-01-01T00:00:01Z"});
    let expired = local.make("createApiKey", "secret", expired).await;
    let short = json!({"customer": {"externalId": "acme"}, "ttlSeconds": 60});
    let short = local.make("createPortalSession", "token", short).await;
    local.at("2026-01-01T00:01:00Z");
    let as_text = |value: &Value| value.as_str().expect("a text").to_owned();
    vec![
        ("nobody", strict.clone()),
        ("garbage", strict.shown("sk_000")),
        ("revoked", strict.shown(revoked.token.as_deref().expect("a secret"))),
        ("expired", strict.shown(&as_text(&expired["secret"]))),
        ("over", strict.shown(&as_text(&short["token"]))),
        ("portal", strict.shown(local.portal("acme").await.token.as_deref().expect("a token"))),
        ("ingest", strict.shown(local.keyed(&["INGEST"]).await.token.as_deref().expect("a secret"))),
        ("read", strict.shown(local.keyed(&["READ"]).await.token.as_deref().expect("a secret"))),
        ("write", strict.shown(local.keyed(&["WRITE"]).await.token.as_deref().expect("a secret"))),
        ("admin", strict.shown(local.keyed(&["ADMIN"]).await.token.as_deref().expect("a secret"))),
        ("local", local),
    ]
}

/// All root fields of the schema, as operations that ask for nothing but them.
async fn fields(api: &Api) -> Vec<(String, String)> {
    let query = "{ __schema { queryType { ...T } mutationType { ...T } subscriptionType { ...T } } }
                 fragment T on __Type { name fields { name } }";
    let schema = &api.ask(query, json!({})).await["data"]["__schema"];
    let mut found = Vec::new();
    for kind in ["query", "mutation", "subscription"] {
        for field in schema[format!("{kind}Type")]["fields"].as_array().expect("fields") {
            let name = field["name"].as_str().expect("a name");
            found.push((format!("{kind} {name}"), name.to_owned()));
        }
    }
    found
}

/// What a caller is told: may it ask?
fn is_let_in(answer: &Value) -> bool {
    let code = answer.pointer("/errors/0/extensions/code").and_then(Value::as_str);
    !matches!(code, Some("UNAUTHENTICATED" | "FORBIDDEN"))
}

both!(each_root_field_is_for_these_callers_and_nobody_else, async |db| {
    let callers = callers(db).await;
    let mut table = Vec::new();
    for (name, field) in fields(&callers.last().expect("a caller").1).await {
        let kind = name.split(' ').next().expect("a kind");
        let mut may = Vec::new();
        for (caller, api) in &callers {
            if is_let_in(&api.ask(&format!("{kind} {{ {field} }}"), json!({})).await) {
                may.push(*caller);
            }
        }
        table.push(format!("{name}: {}", may.join(" ")));
    }
    insta::allow_duplicates! { insta::assert_snapshot!(table.join("\n"), @"
    query node: portal read write admin local
    query nodes: portal read write admin local
    query viewer: portal ingest read write admin local
    query apiKeys: admin local
    query meter: read write admin local
    query meters: read write admin local
    query product: read write admin local
    query products: read write admin local
    query plan: read write admin local
    query plans: read write admin local
    query customer: portal read write admin local
    query customers: read write admin local
    query creditBalance: portal read write admin local
    query creditBalances: read write admin local
    query ledgerHealth: read write admin local
    query eventTypes: read write admin local
    query previewEvents: read write admin local
    query planSubscription: read write admin local
    query planSubscriptions: read write admin local
    query charges: read write admin local
    query purchase: portal read write admin local
    query purchases: read write admin local
    mutation createMeter: write admin local
    mutation updateMeter: write admin local
    mutation archiveMeter: write admin local
    mutation createCreditProduct: write admin local
    mutation updateCreditProduct: write admin local
    mutation updateProduct: write admin local
    mutation archiveProduct: write admin local
    mutation createFlatFeeProduct: write admin local
    mutation createSeatProduct: write admin local
    mutation createUsageProduct: write admin local
    mutation createPurchaseOption: write admin local
    mutation updatePurchaseOption: write admin local
    mutation archivePurchaseOption: write admin local
    mutation createPlan: write admin local
    mutation updatePlan: write admin local
    mutation publishPlanVersion: write admin local
    mutation archivePlan: write admin local
    mutation createCustomer: write admin local
    mutation updateCustomer: write admin local
    mutation archiveCustomer: write admin local
    mutation createCreditBalance: write admin local
    mutation updateCreditBalance: write admin local
    mutation closeCreditBalance: write admin local
    mutation topUpCredits: write admin local
    mutation retainCredits: write admin local
    mutation updateGrant: write admin local
    mutation voidGrant: write admin local
    mutation reverseEntry: write admin local
    mutation holdCredits: write admin local
    mutation extendHold: write admin local
    mutation captureHold: write admin local
    mutation releaseHold: write admin local
    mutation ingestEvents: ingest write admin local
    mutation createPlanSubscription: write admin local
    mutation overrideSubscriptionItem: write admin local
    mutation changeSubscriptionPlan: write admin local
    mutation cancelPlanSubscription: write admin local
    mutation resumePlanSubscription: write admin local
    mutation purchaseCredits: portal write admin local
    mutation markPurchasePaid: write admin local
    mutation cancelPurchase: write admin local
    mutation refundPurchase: write admin local
    mutation setAutoTopUp: write admin local
    mutation createApiKey: admin local
    mutation revokeApiKey: admin local
    mutation createPortalSession: write admin local
    mutation revokePortalSessions: write admin local
    subscription balanceChanges: portal read write admin local
    subscription customerBalanceChanges: portal read write admin local
    subscription balanceStateChanges: read write admin local
    ") }
});

on_sqlite!(it_does_not_matter_how_a_field_is_asked_for, async |db| {
    let api = Api::on(db).await;
    let reader = api.keyed(&["READ"]).await;
    let fields = "{ apiKeys { nodes { id } } }";
    for document in [
        fields.to_owned(),
        format!("query {fields}"),
        format!("query Named {fields}"),
        format!("query Named($unused: Int) {fields}"),
        "{ viewer { id } renamed: apiKeys { nodes { id } } }".to_owned(),
        format!("{{ ...F }} fragment F on Query {fields}"),
        format!("query Named {{ ... on Query {fields} }}"),
        format!("{{ ... {{ ... {fields} }} }}"),
        format!(
            "query Named {{ ...F @include(if: true) }} fragment F on Query {{ ...G }} fragment G on Query {fields}"
        ),
    ] {
        assert!(!is_let_in(&reader.ask(&document, json!({})).await), "{document}");
        assert!(is_let_in(&api.ask(&document, json!({})).await), "{document}");
    }
    let several = format!("query Open {{ viewer {{ id }} }} query Closed {fields}");
    for (name, wanted) in [("Open", true), ("Closed", false)] {
        let body = json!({"query": several, "operationName": name});
        let answer = reader.post("/graphql").json(&body).send().await.expect("it answers");
        assert_eq!(is_let_in(&answer.json().await.expect("it is JSON")), wanted, "{name}");
    }
});

on_sqlite!(each_path_is_for_these_callers_and_nobody_else, async |db| {
    let callers = callers(db).await;
    let mut table = Vec::new();
    for (name, path) in [("events", "/v1/events"), ("metrics", "/metrics"), ("ready", "/readyz"), ("playground", "/")] {
        let mut may = Vec::new();
        for (caller, api) in &callers {
            let method = if name == "events" { reqwest::Method::POST } else { reqwest::Method::GET };
            let request = api.request(method, path).header("content-type", "application/x-ndjson");
            let status = request.send().await.expect("it answers").status();
            assert!(status.is_success() || status == 401 || status == 403, "{name}: {status}");
            if status.is_success() {
                may.push(*caller);
            }
        }
        table.push(format!("{path}: {}", may.join(" ")));
    }
    insta::allow_duplicates! { insta::assert_snapshot!(table.join("\n"), @"
    /v1/events: ingest write admin local
    /metrics: read write admin local
    /readyz: nobody garbage revoked expired over portal ingest read write admin local
    /: nobody garbage revoked expired over portal ingest read write admin local
    ") }
});

on_sqlite!(who_shows_nothing_is_a_stranger_unless_loopback_is_trusted, async |db| {
    let local = Api::on(db).await;
    let strict = local.beside(db, Settings::default()).await;
    let query = "{ viewer { kind scopes } }";
    assert_eq!(local.ask(query, json!({})).await["data"]["viewer"], json!({"kind": "LOCAL", "scopes": ["ADMIN"]}));
    let refused = strict.ask(query, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{refused}");
    let wrong = local.shown("sk_wrong").ask(query, json!({})).await;
    assert!(!is_let_in(&wrong), "what is shown is looked at, trusted or not: {wrong}");
    assert!(trusting().trusts_loopback && !Settings::default().trusts_loopback);
});

on_sqlite!(a_key_that_only_sends_events_sees_their_answer_and_no_more, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let ingest = api.keyed(&["INGEST"]).await;
    let send = |fields: &str| {
        format!(
            r#"mutation {{ ingestEvents(input: {{events: [{{id: "1", customer: {{externalId: "acme"}}, type: "call"}}]}})
               {{ {fields} }} }}"#
        )
    };
    let seen = "accepted receipts { status event { eventId outcomes { meter { key } credits } entries { credits } } }
                balances { available state product { name } } errors { message }";
    assert!(is_let_in(&ingest.ask(&send(seen), json!({})).await));
    for hidden in [
        "receipts { event { customer { id } } }",
        "receipts { event { customer { creditBalances { id } } } }",
        "balances { entries { nodes { id } } }",
        "balances { customer { name } }",
        "receipts { event { entries { metadata } } }",
        "...P",
    ] {
        let mut document = send(hidden);
        if hidden == "...P" {
            document +=
                " fragment P on IngestEventsPayload { balances { ... on Node { ... on CreditBalance { consumed } } } }";
        }
        assert!(!is_let_in(&ingest.ask(&document, json!({})).await), "{hidden}");
    }
});
