//! Limits on one caller: each is told, is paid for before it is held, and leaves the other callers theirs.

use scrip::access::budget::Budget;
use scrip::access::shares::{Holdings, Limits};
use scrip::app::Settings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::api::Api;
use crate::support::db::{TestDb, on_sqlite};
use crate::support::documents;
use crate::support::node::trusting;
use crate::support::socket::Socket;

const FEW: Holdings = Holdings { sockets: 2, streams: 2 };
const MANY: Holdings = Holdings { sockets: 100, streams: 100 };

/// A node on which each customer, or all callers, hold few sockets and streams; and a balance.
async fn narrow(db: &TestDb, limits: Limits) -> (Api, String) {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    (api.beside(db, Settings { limits, ..trusting() }).await, balance)
}

/// A node whose callers have so many points, and one more a second; and a balance.
async fn poor(db: &TestDb, burst: u64) -> (Api, String) {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let budget = Budget { burst, per_second: 1 };
    (api.beside(db, Settings { key_budget: budget, ..trusting() }).await, balance)
}

/// How many points a caller has left, before this was asked.
async fn remaining(api: &Api) -> i64 {
    let told = api.ask_for_all("{ viewer { id } }", json!({})).await;
    told["extensions"]["cost"]["remaining"].as_i64().expect("it is told") + 1
}

/// A field so many times, each time under another name that begins so.
fn renamed(times: usize, name: &str, field: &str) -> String {
    (0..times).map(|at| format!("{name}{at}: {field}")).collect::<Vec<_>>().join(" ")
}

fn code(answer: &Value) -> (&Value, &Value) {
    let error = &answer["errors"][0];
    (&error["extensions"]["code"], &error["message"])
}

/// Sends bytes, and answers what comes back until the connection ends.
async fn sent(api: &Api, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(api.address).await.expect("it connects");
    connection.write_all(bytes).await.expect("it can be written");
    let mut said = Vec::new();
    connection.read_to_end(&mut said).await.expect("it is closed");
    String::from_utf8_lossy(&said).into_owned()
}

on_sqlite!(customer_has_few_sockets_however_many_sessions, async |db| {
    let (api, _) = narrow(db, Limits { key: MANY, portal: FEW, all: MANY }).await;
    let held = [Socket::connect(&api.portal("acme").await).await, Socket::connect(&api.portal("acme").await).await];
    let hello =
        |token: &str| json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}});
    let protocol = [("sec-websocket-protocol", "graphql-transport-ws")];
    let mut third = Socket::open(&api, &protocol).await;
    third.say(&hello(api.portal("acme").await.token.as_deref().expect("a token"))).await;
    assert_eq!(third.closed().await, (4429, "Too many sockets".to_owned()));
    let _others = Socket::connect(&api).await;
    drop(held);
});

on_sqlite!(sockets_of_all_callers_are_bounded, async |db| {
    let (api, _) = narrow(db, Limits { key: MANY, portal: MANY, all: FEW }).await;
    let _held = [Socket::connect(&api).await, Socket::connect(&api).await];
    let mut third = Socket::open(&api, &[("sec-websocket-protocol", "graphql-transport-ws")]).await;
    third.say(&json!({"type": "connection_init"})).await;
    assert_eq!(third.closed().await, (1013, "Try again later".to_owned()));
});

on_sqlite!(streams_of_a_customer_are_bounded_over_both_transports_and_told_when_to_come_back, async |db| {
    let (api, balance) = narrow(db, Limits { key: MANY, portal: FEW, all: MANY }).await;
    let portal = api.portal("acme").await;
    let watch = &documents::balance_changes("cursor");
    let _first = portal.stream(watch, json!({"id": balance}), None).await;
    let mut socket = Socket::subscribe(&portal, watch, json!({"id": balance})).await;
    socket.next().await;
    let refused = portal.stream(watch, json!({"id": balance}), None).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().expect("a header")));
    let told: Value = refused.json().await.expect("it is JSON");
    let message = json!("You have 2 streams open, which is the most; close one, or use those you have.");
    assert_eq!(code(&told), (&json!("RATE_LIMITED"), &message));
    socket.start("2", watch, json!({"id": balance})).await;
    let told = socket.next().await;
    assert_eq!(told["payload"][0]["message"], message, "{told}");
    socket.start("3", "{ viewer { id } }", json!({})).await;
    assert_eq!(
        socket.next().await["viewer"]["id"].as_str().map(|id| &id[..4]),
        Some("cus_"),
        "whatever is no stream goes on"
    );
});

on_sqlite!(streams_of_all_callers_are_bounded, async |db| {
    let (api, balance) = narrow(db, Limits { key: MANY, portal: MANY, all: FEW }).await;
    let watch = &documents::balance_changes("cursor");
    let _held =
        [api.stream(watch, json!({"id": balance}), None).await, api.stream(watch, json!({"id": balance}), None).await];
    let refused = api.stream(watch, json!({"id": balance}), None).await;
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(code(&refused.json().await.expect("it is JSON")).0, "UNAVAILABLE");
});

on_sqlite!(where_there_are_too_many_connections_the_oldest_goes_that_nobody_knows, async |db| {
    let api = Api::on(db).await;
    let node = api.beside(db, Settings { connections: 3, ..trusting() }).await;
    assert_eq!(remaining(&node).await, 1_000_000, "the client's own connection is known from now on");
    let mut idle = [connected(&node).await, connected(&node).await];
    let known = sent(&node, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(known.starts_with("HTTP/1.1 200 "), "{known}");
    let mut end = Vec::new();
    idle[0].read_to_end(&mut end).await.expect("it is closed");
    assert_eq!(end, b"");
    assert_eq!(remaining(&node).await, 999_999, "whoever is known stays");
});

/// A connection that says nothing.
async fn connected(api: &Api) -> TcpStream {
    TcpStream::connect(api.address).await.expect("it connects")
}

on_sqlite!(head_of_a_request_is_bounded, async |db| {
    let api = Api::on(db).await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}", "x".repeat(20_000));
    let said = sent(&api, head.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
});

on_sqlite!(first_message_of_a_socket_is_short, async |db| {
    let api = Api::on(db).await;
    let mut socket = Socket::open(&api, &[("sec-websocket-protocol", "graphql-transport-ws")]).await;
    socket.say(&json!({"type": "connection_init", "payload": {"x": "x".repeat(5_000)}})).await;
    assert_eq!(socket.closed().await, (1009, "Message too big".to_owned()));
});

on_sqlite!(body_is_paid_for_before_it_is_read, async |db| {
    let (api, _) = poor(db, 100).await;
    let said = sent(
        &api,
        b"POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
          accept: application/graphql-response+json\r\ncontent-length: 1000000\r\n\r\n",
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 429 ") && said.contains("RATE_LIMITED"), "{said}");
    let said = sent(
        &api,
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-ndjson\r\n\
          content-length: 1000000\r\n\r\n",
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 429 ") && said.contains("RATE_LIMITED"), "{said}");
    assert_eq!(remaining(&api).await, 100, "nothing was taken for what was not read");
});

on_sqlite!(bytes_and_values_of_a_body_cost_points_whatever_becomes_of_it, async |db| {
    let (api, _) = poor(db, 10_000).await;
    let left = async |body: Value| {
        let before = remaining(&api).await;
        let answer = api.post("/graphql").json(&body).send().await.expect("it answers");
        drop(answer.bytes().await);
        // The points left before, less those of the question itself.
        before - 1 - remaining(&api).await
    };
    assert_eq!(left(json!({"query": "{ viewer { id } }"})).await, 1);
    assert_eq!(left(json!({"query": "{ nope }", "variables": {"u": "x".repeat(400_000)}})).await, 1 + 400_000 / 4_096);
    let values = left(json!({"query": "{ nope }", "variables": {"u": vec![0; 25_000]}})).await;
    assert_eq!(values, 1 + 50_000 / 4_096 + 25_000 / 50);
    let refused = left(json!({"query": format!("{{ a(b: [{}]) }}", "1 ".repeat(3_000))})).await;
    assert_eq!(refused, 6_000 / 4_096 + 3_000 / 150 + 1, "and what is refused costs what it took");
    assert_eq!(left(json!({"query": format!("{{ {} viewer {{ id }} }}", renamed(30, "a", "__typename"))})).await, 31);
});

on_sqlite!(body_of_no_said_length_costs_what_it_had, async |db| {
    let (api, _) = poor(db, 1_000).await;
    let said = sent(
        &api,
        b"POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
          transfer-encoding: chunked\r\n\r\n1e\r\n{\"query\":\"{ viewer { kind } }\"\r\n1\r\n}\r\n0\r\n\r\n",
    )
    .await;
    assert!(said.contains("LOCAL"), "{said}");
    assert_eq!(remaining(&api).await, 999);
});

on_sqlite!(message_of_a_socket_costs_its_bytes_and_values, async |db| {
    let (api, _) = poor(db, 10_000).await;
    let mut socket = Socket::connect(&api).await;
    socket.start("1", "{ nope }", json!({"u": vec![0; 5_000]})).await;
    assert_eq!(socket.next().await["type"], "error");
    assert_eq!(remaining(&api).await, 10_000 - 2 - 100 - 1);
});

on_sqlite!(answer_that_would_be_too_long_is_an_error_and_a_long_one_costs_points, async |db| {
    let (api, balance) = poor(db, 40_000).await;
    let long = json!({"text": "x".repeat(16_000)});
    for at in 0..30 {
        let input = json!({"name": format!("c{at}"), "metadata": long});
        api.make("createCustomer", "customer { id }", input).await;
    }
    let many = renamed(20, "a", "metadata");
    let told = api.ask(&format!("{{ customers(first: 100) {{ nodes {{ {many} }} }} }}"), json!({})).await;
    let message = "The answer has more than 8388608 bytes; ask for fewer rows, or fewer long values, at once.";
    assert_eq!(code(&told), (&json!("QUERY_TOO_COMPLEX"), &json!(message)));
    let before = remaining(&api).await;
    let page = api.ask("{ customers(first: 31) { nodes { metadata } } }", json!({})).await;
    assert_eq!(page["data"]["customers"]["nodes"].as_array().map(Vec::len), Some(31));
    // A page of 31, the question about the budget, and 30 times 16,000 bytes.
    assert_eq!(before - remaining(&api).await, 32 + 1 + 30 * 16_000 / 4_096);
    // Short values whose names in the answer are long.
    let names = renamed(10, &"n".repeat(4_000), "id");
    let told = api.ask_for_all(&format!("{{ customers(first: 31) {{ nodes {{ {names} }} }} }}"), json!({})).await;
    let cost = told["extensions"]["cost"]["requested"].as_i64().expect("it is told");
    assert!(cost > 31 * 10 * 4_000 / 16 / 10, "{cost}");
    drop(balance);
});

on_sqlite!(entries_that_are_added_up_are_paid_for, async |db| {
    let (api, balance) = poor(db, 10_000).await;
    for batch in 0..2 {
        let event =
            |at: usize| json!({"id": format!("{batch}-{at}"), "customer": {"externalId": "acme"}, "type": "call"});
        let events: Vec<Value> = (0..100).map(event).collect();
        api.make("ingestEvents", "accepted", json!({"events": events})).await;
    }
    let query = "query($id: ID!) { creditBalance(id: $id) { consumed(
        from: \"2026-01-01T00:00:00Z\", until: \"2026-01-02T00:00:00Z\", bucket: DAY) { credits } } }";
    let before = remaining(&api).await;
    let told = api.ask_for_all(query, json!({"id": balance})).await;
    let requested = told["extensions"]["cost"]["requested"].as_i64().expect("it is told");
    assert!(told.get("errors").is_none(), "{told}");
    assert_eq!(before - remaining(&api).await, requested + 200 / 50 + 1);
});

on_sqlite!(only_what_all_programs_read_alike_is_let_in, async |db| {
    let api = Api::on(db).await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", "400"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\n", "200"),
        ("POST /graphql HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n", "501"),
    ] {
        let said = sent(&api, format!("{head}connection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(said.split(' ').nth(1), Some(status), "{head}: {said}");
    }
});

on_sqlite!(answers_say_how_pages_and_caches_may_use_them, async |db| {
    let api = Api::on(db).await;
    let request =
        api.request(reqwest::Method::GET, "/graphql?query={viewer{id}}").header("origin", "https://a.example");
    let answer = request.send().await.expect("it answers");
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("cache-control"), "no-store");
    let vary = header("vary").to_ascii_lowercase();
    assert!(vary.contains("accept,") && vary.contains("origin"), "{vary}");
    let policy = header("content-security-policy");
    for part in ["frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
});

on_sqlite!(socket_is_opened_for_a_page_of_this_origin_by_scheme_host_and_port, async |db| {
    let api = Api::on(db).await;
    let opened = async |headers: &[(&str, &str)]| {
        let mut head = format!(
            "GET /graphql HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n",
            api.address
        );
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        let mut connection = connected(&api).await;
        connection.write_all(format!("{head}\r\n").as_bytes()).await.expect("it can be written");
        let mut status = [0; 12];
        connection.read_exact(&mut status).await.expect("it answers");
        String::from_utf8_lossy(&status).into_owned()
    };
    let here = api.address;
    assert_eq!(opened(&[("origin", &format!("http://{here}"))]).await, "HTTP/1.1 101");
    assert_eq!(opened(&[("origin", &format!("https://{here}"))]).await, "HTTP/1.1 403");
    let proxied = [("origin", &*format!("https://{here}")), ("x-forwarded-proto", "https")];
    assert_eq!(opened(&proxied).await, "HTTP/1.1 101");
});
