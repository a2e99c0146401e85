//! GraphQL over HTTP: methods, media types, statuses, origins.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use scrip::app::{Settings, Timeouts};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::on_sqlite;
use crate::support::node::trusting;
use crate::support::socket::Socket;

const NEW: &str = "application/graphql-response+json";

/// The status, and the code of the first error.
async fn told(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.expect("it answers");
    let (status, kind) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
    let body: Value = answer.json().await.unwrap_or_default();
    let code = body.pointer("/errors/0/extensions/code").and_then(Value::as_str).unwrap_or("no error");
    let data = if body.get("data").is_some() { "data" } else { "no data" };
    let kind = kind.map(|kind| kind.to_str().expect("a text").to_owned()).unwrap_or_default();
    format!("{status} {code}, {data}, {kind}")
}

on_sqlite!(statuses_say_what_became_of_a_request, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    let reader = strict.shown(api.keyed(&["READ"]).await.token.as_deref().expect("a secret"));
    let ask = |api: &Api, accept: &str, query: &str| {
        api.post("/graphql").header("accept", accept).json(&json!({"query": query}))
    };
    let mut lines = Vec::new();
    for accept in [NEW, "application/json"] {
        for (what, api, query) in [
            ("it runs", &api, "{ viewer { id } }"),
            ("a field fails", &api, r#"{ viewer { id } node(id: "x") { id } }"#),
            ("it cannot be parsed", &api, "{"),
            ("it is not valid", &api, "{ nothing }"),
            ("a variable is missing", &api, "query($id: ID!) { node(id: $id) { id } }"),
            ("it asks for too much", &api, "{ ledgerHealth { problems { rule } } ...F } fragment F on Query { ...F }"),
            ("nobody is known", &strict, "{ viewer { id } }"),
            ("it is forbidden", &reader, "{ apiKeys { nodes { id } } }"),
            ("it is a subscription", &api, "subscription { balanceStateChanges { at } }"),
        ] {
            lines.push(format!("{what}: {}", told(ask(api, accept, query)).await));
        }
    }
    insta::allow_duplicates! { insta::assert_snapshot!(lines.join("\n"), @"
    it runs: 200 no error, data, application/graphql-response+json; charset=utf-8
    a field fails: 200 BAD_USER_INPUT, data, application/graphql-response+json; charset=utf-8
    it cannot be parsed: 400 BAD_USER_INPUT, no data, application/graphql-response+json; charset=utf-8
    it is not valid: 400 BAD_USER_INPUT, no data, application/graphql-response+json; charset=utf-8
    a variable is missing: 400 BAD_USER_INPUT, no data, application/graphql-response+json; charset=utf-8
    it asks for too much: 400 BAD_USER_INPUT, no data, application/graphql-response+json; charset=utf-8
    nobody is known: 401 UNAUTHENTICATED, no data, application/graphql-response+json; charset=utf-8
    it is forbidden: 403 FORBIDDEN, no data, application/graphql-response+json; charset=utf-8
    it is a subscription: 400 BAD_USER_INPUT, no data, application/graphql-response+json; charset=utf-8
    it runs: 200 no error, data, application/json; charset=utf-8
    a field fails: 200 BAD_USER_INPUT, data, application/json; charset=utf-8
    it cannot be parsed: 200 BAD_USER_INPUT, no data, application/json; charset=utf-8
    it is not valid: 200 BAD_USER_INPUT, no data, application/json; charset=utf-8
    a variable is missing: 200 BAD_USER_INPUT, no data, application/json; charset=utf-8
    it asks for too much: 200 BAD_USER_INPUT, no data, application/json; charset=utf-8
    nobody is known: 401 UNAUTHENTICATED, no data, application/json; charset=utf-8
    it is forbidden: 200 FORBIDDEN, no data, application/json; charset=utf-8
    it is a subscription: 400 BAD_USER_INPUT, no data, application/json; charset=utf-8
    ") }
});

on_sqlite!(a_client_gets_the_media_type_that_it_wants_most, async |db| {
    let api = Api::on(db).await;
    for (accept, kind) in [
        ("", Some("application/json")),
        ("application/json;q=0.1, application/graphql-response+json", Some(NEW)),
        ("application/json, application/graphql-response+json;q=0.9", Some("application/json")),
        ("application/graphql-response+json, application/json", Some(NEW)),
        ("Application/JSON", Some("application/json")),
        ("text/html, */*;q=0.1", Some("application/json")),
        ("application/json;q=0.0", None),
        ("application/json; q=0", None),
        ("text/html", None),
    ] {
        let asked = api.post("/graphql").header("accept", accept).json(&json!({"query": "{ viewer { id } }"}));
        let answer = asked.send().await.expect("it answers");
        let said = answer.headers()["content-type"].to_str().expect("a text").to_owned();
        let said = (answer.status() == 200).then(|| said.split(';').next().unwrap_or_default().to_owned());
        assert_eq!(said.as_deref(), kind, "{accept}");
    }
});

on_sqlite!(a_request_that_wants_another_protocol_is_answered_in_this_one, async |db| {
    let api = Api::on(db).await;
    let get = api.request(Method::GET, "/graphql").query(&[("query", "{ viewer { id } }")]).header("upgrade", "h2c");
    assert_eq!(get.send().await.expect("it answers").status(), 200);
});

on_sqlite!(the_body_of_somebody_unknown_is_not_read, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    for path in ["/graphql", "/v1/events"] {
        let mut connection = TcpStream::connect(strict.address).await.expect("it connects");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{{"
        );
        connection.write_all(head.as_bytes()).await.expect("it can be written");
        let mut said = [0; 12];
        connection.read_exact(&mut said).await.expect("it answers");
        assert_eq!(&said, b"HTTP/1.1 401", "{path}");
    }
});

on_sqlite!(a_page_that_is_allowed_can_read_that_its_request_took_too_long, async |db| {
    let api = Api::on(db).await;
    let timeouts = Timeouts { request: Duration::from_millis(50), ..Timeouts::default() };
    let origins = vec!["https://app.example".to_owned()];
    let node = api.beside(db, Settings { timeouts, allowed_origins: origins, ..trusting() }).await;
    let mut slow = TcpStream::connect(node.address).await.expect("it connects");
    let head = "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: https://app.example\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.expect("it can be written");
    let mut said = String::new();
    slow.read_to_string(&mut said).await.expect("it is closed");
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    for header in
        ["access-control-allow-origin: https://app.example", "x-request-id: ", "x-content-type-options: nosniff"]
    {
        assert!(said.contains(header), "{header} in {said}");
    }
});

on_sqlite!(only_queries_are_sent_by_get, async |db| {
    let api = Api::on(db).await;
    let get = |query: &str| api.request(Method::GET, "/graphql").query(&[("query", query)]);
    assert_eq!(told(get("{ viewer { id } }")).await, "200 no error, data, application/json; charset=utf-8");
    let mutation = r#"mutation { createCustomer(input: {name: "x"}) { customer { id } } }"#;
    let refused = get(mutation).send().await.expect("it answers");
    assert_eq!(
        (refused.status(), &refused.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    assert_eq!(
        get(&"[".repeat(1_000)).send().await.expect("it answers").status(),
        200,
        "refused, in the old media type"
    );
    let found = api.ask("{ customers { nodes { id } } }", json!({})).await;
    assert_eq!(found["data"]["customers"]["nodes"], json!([]), "nothing happened");
});

on_sqlite!(what_is_no_request_is_refused_by_its_status, async |db| {
    let api = Api::on(db).await;
    let post = |kind: &str, body: Vec<u8>| api.post("/graphql").header("content-type", kind).body(body);
    let mut lines = Vec::new();
    let batch = format!("[{}]", vec![r#"{"query":"{ viewer { id } }"}"#; 1_000].join(","));
    for (what, kind, body) in [
        ("a form", "application/x-www-form-urlencoded", b"query={viewer{id}}".to_vec()),
        ("text", "text/plain", br#"{"query":"{ viewer { id } }"}"#.to_vec()),
        ("another charset", "application/json; charset=latin1", b"{}".to_vec()),
        ("a batch", "application/json", batch.into_bytes()),
        ("no query", "application/json", b"{}".to_vec()),
        ("variables that are a list", "application/json", br#"{"query":"{ viewer { id } }","variables":[]}"#.to_vec()),
        ("half a character", "application/json", b"{\"query\":\"{ viewer { id } } # \xe2\x82".to_vec()),
        ("half a body", "application/json", br#"{"query":"{ viewer"#.to_vec()),
        ("more than a MiB", "application/json", vec![b' '; 1024 * 1024 + 1]),
    ] {
        lines.push(format!("{what}: {}", told(post(kind, body)).await));
    }
    let other = api.post("/graphql").header("accept", "text/html").json(&json!({"query": "{ viewer { id } }"}));
    lines.push(format!("another media type is wanted: {}", told(other).await));
    lines.push(format!("another method: {}", told(api.request(Method::PUT, "/graphql")).await));
    insta::allow_duplicates! { insta::assert_snapshot!(lines.join("\n"), @"
    a form: 415 BAD_USER_INPUT, no data, application/json; charset=utf-8
    text: 415 BAD_USER_INPUT, no data, application/json; charset=utf-8
    another charset: 415 BAD_USER_INPUT, no data, application/json; charset=utf-8
    a batch: 400 BAD_USER_INPUT, no data, application/json; charset=utf-8
    no query: 400 BAD_USER_INPUT, no data, application/json; charset=utf-8
    variables that are a list: 400 BAD_USER_INPUT, no data, application/json; charset=utf-8
    half a character: 400 BAD_USER_INPUT, no data, application/json; charset=utf-8
    half a body: 400 BAD_USER_INPUT, no data, application/json; charset=utf-8
    more than a MiB: 413 BAD_USER_INPUT, no data, application/json; charset=utf-8
    another media type is wanted: 406 no error, no data, text/plain; charset=utf-8
    another method: 405 no error, no data, text/plain; charset=utf-8
    ") }
});

on_sqlite!(pages_of_allowed_origins_alone_may_call, async |db| {
    let api = Api::on(db).await;
    let allowed = vec!["https://app.example.com".to_owned()];
    let node = api.beside(db, Settings { allowed_origins: allowed, ..trusting() }).await;
    let preflight = async |origin: &str| {
        let request = node.request(Method::OPTIONS, "/graphql").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let request = request.header("access-control-request-headers", "authorization,content-type");
        let answer = request.send().await.expect("it answers");
        answer.headers().get("access-control-allow-origin").map(|origin| origin.to_str().expect("a text").to_owned())
    };
    assert_eq!(preflight("https://app.example.com").await.as_deref(), Some("https://app.example.com"));
    assert_eq!(preflight("https://evil.example").await, None);
    // Libraries add headers of their own to each request, above all those of traces.
    let wanted = "authorization,content-type,sentry-trace,baggage,traceparent,apollographql-client-name";
    let request = node.request(Method::OPTIONS, "/graphql").header("origin", "https://app.example.com");
    let request = request.header("access-control-request-method", "POST");
    let answer = request.header("access-control-request-headers", wanted).send().await.expect("it answers");
    assert_eq!(answer.headers()["access-control-allow-headers"], wanted);
    let upgrade = async |origin: String| {
        let request = node.request(Method::GET, "/graphql").header("origin", origin).header("upgrade", "websocket");
        let request = request.header("connection", "upgrade").header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.header("sec-websocket-protocol", "graphql-transport-ws").send().await.expect("it answers").status()
    };
    assert_eq!(upgrade("https://app.example.com".to_owned()).await, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(upgrade(format!("http://{}", node.address)).await, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(upgrade("https://evil.example".to_owned()).await, StatusCode::FORBIDDEN);
    assert_eq!(upgrade("null".to_owned()).await, StatusCode::FORBIDDEN);
});

on_sqlite!(hash_without_a_document_is_answered_as_persisted_query_not_supported, async |db| {
    let api = Api::on(db).await;
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": "00"}});
    let post = api.post("/graphql").json(&json!({"variables": {}, "extensions": extensions}));
    let get = api.request(Method::GET, "/graphql").query(&[("extensions", extensions.to_string())]);
    let mut answers = Vec::new();
    for request in [post, get] {
        let answer = request.send().await.expect("it answers");
        answers.push(answer.json::<Value>().await.expect("it is JSON")["errors"].clone());
    }
    let mut socket = Socket::connect(&api).await;
    socket.say(&json!({"type": "subscribe", "id": "1", "payload": {"extensions": extensions}})).await;
    answers.push(socket.hear().await["payload"].take());
    for errors in answers {
        let error = &errors[0];
        let told = (&error["message"], &error["extensions"]["code"]);
        assert_eq!(told, (&json!("PersistedQueryNotSupported"), &json!("PERSISTED_QUERY_NOT_SUPPORTED")), "{errors}");
    }
    let neither = api.post("/graphql").json(&json!({"variables": {}}));
    assert_eq!(told(neither).await, "400 BAD_USER_INPUT, no data, application/json; charset=utf-8");
});

on_sqlite!(body_that_is_not_what_it_should_be_is_told_by_the_name_of_its_part, async |db| {
    let api = Api::on(db).await;
    let query = r#"{"query": "{ viewer { kind } }""#;
    let mut lines = Vec::new();
    for (what, encoding, body) in [
        ("a mark before UTF-8", "identity", format!("\u{feff}{query}}}")),
        ("variables in quotes", "identity", format!(r#"{query}, "variables": "{{}}"}}"#)),
        ("a list of variables", "identity", format!(r#"{query}, "variables": []}}"#)),
        ("extensions in quotes", "identity", format!(r#"{query}, "extensions": "{{}}"}}"#)),
        ("gzip", "gzip", "\u{1f}".to_owned()),
    ] {
        let request = api.post("/graphql").header("content-type", "application/json");
        let answer = request.header("content-encoding", encoding).body(body).send().await.expect("it answers");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("it is JSON");
        let said = body["errors"][0]["message"].as_str().unwrap_or("data");
        lines.push(format!("{what}: {status} {}", said.split(" at line").next().expect("a beginning")));
    }
    insta::allow_duplicates! { insta::assert_snapshot!(lines.join("\n"), @"
    a mark before UTF-8: 200 data
    variables in quotes: 400 The body is not a GraphQL request: variables is a text; send the object itself, not its JSON in quotes
    a list of variables: 400 The body is not a GraphQL request: variables is not a JSON object
    extensions in quotes: 400 The body is not a GraphQL request: extensions is a text; send the object itself, not its JSON in quotes
    gzip: 415 Send the body as it is, without a Content-Encoding.
    ") }
});

on_sqlite!(a_name_that_leads_here_from_elsewhere_is_not_answered_where_loopback_is_trusted, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    let call = async |node: &Api| {
        let request =
            node.post("/graphql").header("host", "scrip.example.com").json(&json!({"query": "{ viewer { id } }"}));
        request.send().await.expect("it answers").status()
    };
    assert_eq!(call(&api).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(call(&strict).await, StatusCode::UNAUTHORIZED, "where keys are wanted, any name will do");
});

on_sqlite!(every_answer_says_under_which_id_the_log_tells_of_it, async |db| {
    let api = Api::on(db).await;
    let plain =
        crate::support::http::client().post(format!("http://{}/graphql", api.address)).json(&json!({"query": "{"}));
    let answer = plain.send().await.expect("it answers");
    let id = answer.headers()["x-request-id"].to_str().expect("a text").to_owned();
    let body: Value = answer.json().await.expect("it is JSON");
    assert_eq!(body["errors"][0]["extensions"]["requestId"], json!(id));
    for odd in ["a b", &"x".repeat(129)] {
        let request = crate::support::http::client().get(format!("http://{}/healthz", api.address));
        let answer = request.header("x-request-id", odd).send().await.expect("it answers");
        assert_ne!(answer.headers()["x-request-id"], odd, "an id that is not plain is not taken");
    }
    let told = api.ask("{ viewr { id } }", json!({})).await;
    answer!(told, @r#"
    {errors: [{
      extensions: {code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 3, line: 1}]
      message: "Unknown field \"viewr\" on type \"Query\". Did you mean `viewer`?"
    }]}
    "#);
});
