//! `graphql-transport-ws`: its close codes, its bounds.

use std::time::Duration;

use scrip::app::{Settings, Timeouts};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::api::Api;
use crate::support::db::on_sqlite;
use crate::support::node::trusting;
use crate::support::socket::Socket;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");
const STATES: &str = "subscription { balanceStateChanges { at } }";

on_sqlite!(a_socket_is_closed_with_the_code_that_says_why, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    let init = json!({"type": "connection_init"});
    let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": STATES}});
    let text = |value: &serde_json::Value| Message::text(value.to_string());
    let mut lines = Vec::new();
    for (what, node, said) in [
        ("no JSON", &api, vec![Message::text("{")]),
        ("a list", &api, vec![Message::text(r#"["ping"]"#)]),
        (
            "a payload that is a list",
            &api,
            vec![text(&init), text(&json!({"type": "subscribe", "id": "1", "payload": ["{ viewer { id } }"]}))],
        ),
        ("an unknown message", &api, vec![Message::text(r#"{"type":"start"}"#)]),
        ("bytes", &api, vec![Message::binary(b"{}".to_vec())]),
        ("an operation before hello", &api, vec![text(&subscribe)]),
        ("hello twice", &api, vec![text(&init), text(&init)]),
        ("an id twice", &api, vec![text(&init), text(&subscribe), text(&subscribe)]),
        ("a message of 64 KiB and more", &api, vec![text(&init), Message::text(" ".repeat(64 * 1024 + 1))]),
        ("hello without a key", &strict, vec![text(&init)]),
        (
            "hello with a wrong key",
            &api,
            vec![text(&json!({"type": "connection_init", "payload": {"Authorization": "Bearer sk_1"}}))],
        ),
    ] {
        let mut socket = Socket::open(node, &[PROTOCOL]).await;
        for message in said {
            socket.send(message).await;
        }
        let (code, reason) = socket.closed().await;
        lines.push(format!("{what}: {code} {reason}"));
    }
    let mut old = Socket::open(&api, &[]).await;
    lines.push(format!("no protocol: {:?}", old.closed().await));
    insta::allow_duplicates! { insta::assert_snapshot!(lines.join("\n"), @r#"
    no JSON: 4400 Invalid message
    a list: 4400 Invalid message
    a payload that is a list: 4400 Invalid message
    an unknown message: 4400 Invalid message
    bytes: 4400 Messages are text
    an operation before hello: 4401 Unauthorized
    hello twice: 4429 Too many initialisation requests
    an id twice: 4409 Subscriber for this id already exists
    a message of 64 KiB and more: 1009 Message too big
    hello without a key: 4403 Forbidden
    hello with a wrong key: 4403 Forbidden
    no protocol: (4406, "Subprotocol not acceptable")
    "#) }
});

on_sqlite!(key_is_read_from_hello_however_a_client_nests_and_spells_it, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    let secret = api.keyed(&["READ"]).await.token.expect("a secret");
    let shown = format!("Bearer {secret}");
    for payload in [
        json!({"authorization": shown}),
        json!({"AUTHORIZATION": shown}),
        json!({"headers": {"authorization": shown}}),
        json!({"Headers": {"Authorization": shown, "x": 1}, "locale": "de"}),
        json!({"authorization": "", "headers": {"authorization": shown}}),
    ] {
        let mut socket = Socket::open(&strict, &[PROTOCOL]).await;
        socket.say(&json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.hear().await["type"], "connection_ack", "{payload}");
        socket.start("1", "{ viewer { kind } }", json!({})).await;
        assert_eq!(socket.next().await, json!({"viewer": {"kind": "API_KEY"}}), "{payload}");
    }
});

on_sqlite!(payload_that_is_no_request_is_told_to_its_operation_and_the_socket_goes_on, async |db| {
    let api = Api::on(db).await;
    let mut socket = Socket::connect(&api).await;
    let query = "{ viewer { kind } }";
    for (payload, message) in [
        (
            json!({"query": query, "variables": "{}"}),
            "variables is a text; send the object itself, not its JSON in quotes",
        ),
        (json!({"query": query, "variables": []}), "variables is not a JSON object"),
        (json!({"query": query, "extensions": "x"}), "extensions is a text; send the object itself"),
        (json!({"query": 1}), "invalid type: integer `1`, expected a string"),
    ] {
        socket.say(&json!({"type": "subscribe", "id": "wrong", "payload": payload})).await;
        let told = socket.hear().await;
        assert_eq!((&told["type"], &told["id"]), (&json!("error"), &json!("wrong")), "{told}");
        let error = &told["payload"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        let said = error["message"].as_str().expect("a message");
        assert!(said.starts_with("The payload is not a GraphQL request: ") && said.contains(message), "{said}");
    }
    let right = json!({"type": "subscribe", "id": "right", "payload": {"query": query}});
    socket.send(Message::text(format!("\u{feff}{right}"))).await;
    assert_eq!(socket.next().await, json!({"viewer": {"kind": "LOCAL"}}));
});

on_sqlite!(a_client_that_says_nothing_is_sent_away, async |db| {
    let api = Api::on(db).await;
    let short = Duration::from_millis(50);
    let timeouts = Timeouts { init: short, ping: short, ..Timeouts::default() };
    let node = api.beside(db, Settings { timeouts, ..trusting() }).await;
    let mut silent = Socket::open(&node, &[PROTOCOL]).await;
    assert_eq!(silent.closed().await, (4408, "Connection initialisation timeout".to_owned()));
    let mut deaf = Socket::open(&node, &[PROTOCOL]).await;
    deaf.say(&json!({"type": "connection_init"})).await;
    assert_eq!(deaf.closed().await, (4499, "No answer to a ping".to_owned()));
});

on_sqlite!(a_socket_runs_fifty_operations_and_no_more, async |db| {
    let api = Api::on(db).await;
    let mut socket = Socket::connect(&api).await;
    let mut other = Socket::connect(&api).await;
    for id in 0..5_000 {
        socket.start(&id.to_string(), STATES, json!({})).await;
    }
    assert_eq!(socket.closed().await, (4429, "Too many operations on one socket".to_owned()));
    other.start("1", "{ viewer { kind } }", json!({})).await;
    assert_eq!(other.next().await, json!({"viewer": {"kind": "LOCAL"}}), "nobody else notices");
});

on_sqlite!(queries_and_mutations_run_over_a_socket_too, async |db| {
    let api = Api::on(db).await;
    let mut socket = Socket::connect(&api).await;
    socket.start("q", "{ viewer { kind } }", json!({})).await;
    assert_eq!(socket.next().await, json!({"viewer": {"kind": "LOCAL"}}));
    assert_eq!(socket.next().await, "complete");
    socket.start("m", r#"mutation { createCustomer(input: {name: "x"}) { customer { name } } }"#, json!({})).await;
    assert_eq!(socket.next().await, json!({"createCustomer": {"customer": {"name": "x"}}}));
    assert_eq!(socket.next().await, "complete");
    socket.start("w", "{ nothing }", json!({})).await;
    let refused = socket.next().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("w")), "{refused}");
    socket.say(&json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await, json!({"type": "pong"}));
});

on_sqlite!(a_reader_that_does_not_read_is_cut_off_and_can_resume, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1").await;
    let timeouts = Timeouts { send: Duration::from_millis(500), ..Timeouts::default() };
    let node = api.beside(db, Settings { timeouts, ..trusting() }).await;
    let watch = |fields: &str| {
        format!(
            "subscription($id: ID!, $after: String) {{ balanceChanges(balanceId: $id, after: $after)
               {{ cursor entry {{ sequence {fields} }} }} }}"
        )
    };
    let many: Vec<String> = (0..20).map(|at| format!("m{at}: metadata")).collect();
    let mut deaf = Socket::subscribe(&node, &watch(&many.join(" ")), json!({"id": balance})).await;
    let cursor = deaf.next().await["balanceChanges"]["cursor"].clone();
    let mut other = Socket::subscribe(&node, &watch(""), json!({"id": balance})).await;
    assert!(other.next().await["balanceChanges"]["entry"].is_null());
    // Messages of a third of a MiB fill what lies between the two.
    let metadata = json!({"text": "x".repeat(16_000)});
    let mut sent = 0;
    while node.app.sockets.len() > 1 {
        sent += 1;
        node.top_up(&balance, "1", &sent.to_string(), json!({"metadata": metadata})).await;
        assert_eq!(other.next().await["balanceChanges"]["entry"]["sequence"], json!((sent + 1).to_string()));
    }
    let mut again = Socket::subscribe(&node, &watch(""), json!({"id": balance, "after": cursor})).await;
    for sequence in 2..=sent + 1 {
        assert_eq!(again.next().await["balanceChanges"]["entry"]["sequence"], json!(sequence.to_string()));
    }
    drop(deaf);
});
