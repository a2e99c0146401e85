//! Keys: made, shown once, used, revoked.

use scrip::app::Settings;
use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;
use crate::support::socket::Socket;

const KEYS: &str = "{ apiKeys { nodes { name scopes hint createdAt lastUsedAt expiresAt revokedAt } } }";

both!(a_secret_is_shown_once_and_its_hint_for_ever, async |db| {
    let api = Api::on(db).await;
    let input = json!({"name": "Billing", "scopes": ["READ", "INGEST"], "expiresAt": "2027-01-01T00:00:00Z"});
    let made = api.make("createApiKey", "secret apiKey { id hint }", input).await;
    let secret = made["secret"].as_str().expect("a secret");
    let hint = made["apiKey"]["hint"].as_str().expect("a hint");
    assert!(secret.starts_with("sk_") && hint.ends_with(&secret[secret.len() - 4..]), "{hint}");
    let key = api.shown(secret);
    let told = key.ask("{ viewer { id kind name scopes customer { id } } }", json!({})).await;
    answer!(told, @r#"
    {data: {viewer: {
      customer: null, id: "key_06dndml801o01c6jcgd6huaad4", kind: "API_KEY", name: "Billing"
      scopes: ["READ", "INGEST"]
    }}}
    "#);
    let told = api.ask(KEYS, json!({})).await;
    answer!(told, @r#"
    {data: {apiKeys: {nodes: [{
      createdAt: "2026-01-01T00:00:00.000000Z", expiresAt: "2027-01-01T00:00:00.000000Z", hint: "sk_…fj5g"
      lastUsedAt: null, name: "Billing", revokedAt: null, scopes: ["READ", "INGEST"]
    }]}}}
    "#);
    let found =
        api.ask("query($id: ID!) { node(id: $id) { id ... on ApiKey { name } } }", json!({"id": made["apiKey"]["id"]}));
    let told = found.await;
    answer!(told, @r#"{data: {node: {id: "key_06dndml801o01c6jcgd6huaad4", name: "Billing"}}}"#);
    let hidden = key.ask("query($id: ID!) { node(id: $id) { id } }", json!({"id": made["apiKey"]["id"]})).await;
    assert_eq!(hidden["data"]["node"], Value::Null, "{hidden}");
});

on_sqlite!(what_cannot_be_a_key_is_refused, async |db| {
    let api = Api::on(db).await;
    let mut told = Vec::new();
    for input in [
        json!({"name": " ", "scopes": ["READ"]}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["READ"], "expiresAt": "2026-01-01T00:00:00Z"}),
    ] {
        let query = &documents::mutation("createApiKey", "apiKey { id } secret errors { ...Error }");
        told.push(api.ask(query, json!({"input": input})).await["data"]["createApiKey"].clone());
    }
    let query = r#"mutation { revokeApiKey(input: {id: "key_06dndml80000000000000000000"}) { errors { ...Error } } }"#;
    told.push(api.ask(query, json!({})).await["data"]["revokeApiKey"].clone());
    answer!(json!(told), @r#"
    [
      {
        apiKey: null
        errors: [{__typename: "InvalidInput", message: "name is empty; write 1 to 200 characters.", path: ["name"]}]
        secret: null
      }
      {
        apiKey: null
        errors: [{__typename: "InvalidInput", message: "scopes is empty; name at least one.", path: ["scopes"]}]
        secret: null
      }
      {
        apiKey: null
        errors: [{
          __typename: "InvalidInput", message: "expiresAt is over; name a time that is to come.", path: ["expiresAt"]
        }]
        secret: null
      }
      {errors: [{__typename: "InvalidInput", message: "id is not the id of an API key (\"key_…\").", path: ["id"]}]}
    ]
    "#);
});

on_sqlite!(nobody_can_tell_an_unknown_key_from_a_revoked_one, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    let key = api.keyed(&["ADMIN"]).await;
    let secret = key.token.clone().expect("a secret");
    let revoke = async || {
        let id = api.ask("{ apiKeys { nodes { id } } }", json!({})).await["data"]["apiKeys"]["nodes"][0]["id"].clone();
        api.make("revokeApiKey", "apiKey { revokedAt }", json!({"id": id})).await
    };
    let ask = async |token: &str| {
        let answer = strict.shown(token).post("/graphql").json(&json!({"query": "{ viewer { id } }"})).send().await;
        let answer = answer.expect("it answers");
        (answer.status(), answer.headers()["www-authenticate"].clone(), answer.text().await.expect("a text"))
    };
    let last = if secret.ends_with('0') { "g" } else { "0" };
    let wrong = ask(&format!("{}{last}", &secret[..secret.len() - 1])).await;
    let first = revoke().await;
    assert_eq!(ask(&secret).await, wrong, "revoked");
    assert_eq!(ask("sk_0").await, wrong, "malformed");
    assert_eq!(wrong.0, 401);
    assert_eq!(revoke().await, first, "a revoked key is answered as it is");
});

both!(revoking_a_key_ends_its_streams_on_every_server, threads, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let other = api.another_on(db, 2).await;
    let key = api.keyed(&["READ"]).await;
    let token = key.token.clone().expect("a secret");
    let query = &documents::balance_changes("entry { id }");
    let mut sockets = Vec::new();
    for node in [&api, &other] {
        let mut socket = Socket::subscribe(&node.shown(&token), query, json!({"id": balance})).await;
        assert_eq!(socket.next().await, json!({"balanceChanges": {"entry": null}}));
        sockets.push(socket);
    }
    let events = key.stream(query, json!({"id": balance}), None).await;
    let mut untouched = Socket::subscribe(&api, query, json!({"id": balance})).await;
    assert_eq!(untouched.next().await, json!({"balanceChanges": {"entry": null}}));
    let id = api.ask("{ apiKeys { nodes { id } } }", json!({})).await["data"]["apiKeys"]["nodes"][0]["id"].clone();
    api.make("revokeApiKey", "apiKey { id }", json!({"id": id})).await;
    for mut socket in sockets {
        assert_eq!(socket.closed().await, (4403, "The key or token is not valid any more".to_owned()));
    }
    let said = events.text().await.expect("it ends");
    assert!(said.contains("UNAUTHENTICATED") && said.ends_with("event: complete\ndata: null\n\n"), "{said}");
    api.burn("e1", "1").await;
    assert!(untouched.next().await["balanceChanges"]["entry"]["id"].is_string(), "nobody else notices");
});

on_sqlite!(streams_end_when_the_key_or_token_expires, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let input = json!({"name": "short", "scopes": ["READ"], "expiresAt": "2026-01-01T00:30:00Z"});
    let key = api.make("createApiKey", "secret", input).await;
    let query = &documents::balance_changes("entry { id }");
    let mut sockets = Vec::new();
    for caller in [api.shown(key["secret"].as_str().expect("a secret")), api.portal("acme").await] {
        let mut socket = Socket::subscribe(&caller, query, json!({"id": balance})).await;
        assert_eq!(socket.next().await, json!({"balanceChanges": {"entry": null}}));
        sockets.push(socket);
    }
    api.at("2026-01-01T01:00:00Z");
    for mut socket in sockets {
        assert_eq!(socket.closed().await.0, 4403);
    }
});

both!(the_last_use_of_a_key_is_noted_to_the_minute, async |db| {
    let api = Api::on(db).await;
    let key = api.keyed(&["READ"]).await;
    let mut noted = Vec::new();
    for time in ["2026-01-01T00:00:10Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:30Z"] {
        api.at(time);
        key.ask("{ viewer { id } }", json!({})).await;
        api.app.keyring.turn().await.expect("the database answers");
        noted.push(
            api.ask("{ apiKeys { nodes { lastUsedAt } } }", json!({})).await["data"]["apiKeys"]["nodes"][0].clone(),
        );
    }
    answer!(json!(noted), @r#"
    [
      {lastUsedAt: "2026-01-01T00:00:10.000000Z"}, {lastUsedAt: "2026-01-01T00:00:10.000000Z"}
      {lastUsedAt: "2026-01-01T00:01:30.000000Z"}
    ]
    "#);
});

on_sqlite!(use_of_a_key_that_is_revoked_at_once_is_on_record, async |db| {
    let api = Api::on(db).await;
    let key = api.keyed(&["READ"]).await;
    key.ask("{ viewer { id } }", json!({})).await;
    let id = api.ask("{ apiKeys { nodes { id } } }", json!({})).await["data"]["apiKeys"]["nodes"][0]["id"].clone();
    api.make("revokeApiKey", "apiKey { id }", json!({"id": id})).await;
    let known = api.ask("{ apiKeys { nodes { lastUsedAt revokedAt } } }", json!({})).await["data"]["apiKeys"]["nodes"]
        [0]
    .take();
    assert_eq!(known, json!({"lastUsedAt": "2026-01-01T00:00:00.000000Z", "revokedAt": "2026-01-01T00:00:00.000000Z"}));
});

on_sqlite!(key_that_only_sends_events_does_not_see_what_another_program_recorded, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let event = |count: i64| json!({"id": "e1", "customer": {"externalId": "acme"}, "type": "tokens", "properties": {"count": count}});
    let ingest = async |api: &Api, count: i64| {
        let fields = "receipts { status differs event { properties } }";
        api.make("ingestEvents", fields, json!({"events": [event(count)]})).await["receipts"][0].take()
    };
    let key = api.keyed(&["INGEST"]).await;
    let first = ingest(&key, 3).await;
    assert_eq!(first, json!({"status": "ACCEPTED", "differs": false, "event": {"properties": {"count": 3}}}));
    let again = ingest(&key, 4).await;
    assert_eq!(again, json!({"status": "DUPLICATE", "differs": true, "event": null}));
    let both = api.keyed(&["INGEST", "READ"]).await;
    assert_eq!(ingest(&both, 4).await["event"], json!({"properties": {"count": 3}}));
});
