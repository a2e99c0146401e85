//! What operators see: metrics, readiness, lines of the log, traces.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::both;
use crate::support::server::Server;
use crate::support::socket::Socket;

both!(metrics_tell_of_requests_operations_refusals_streams_and_the_intake, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    api.ask("{ ...A } fragment A on Query { ...A }", json!({})).await;
    api.ask("{ viewer { id } }", json!({})).await;
    let _socket = Socket::subscribe(&api, "subscription { balanceStateChanges { at } }", json!({})).await;
    api.request(reqwest::Method::GET, "/made-up").send().await.expect("it answers");
    let shown = api.request(reqwest::Method::GET, "/metrics").send().await.expect("it answers");
    assert!(shown.headers()["content-type"].to_str().expect("a text").starts_with("application/openmetrics-text"));
    let shown = shown.text().await.expect("it is text");
    let value = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {shown}"));
        line.rsplit(' ').next().expect("a value").to_owned()
    };
    answer!(json!([
        value(r#"scrip_http_requests_total{path="/graphql",method="POST",status="200"}"#),
        value(r#"scrip_http_requests_total{path="other",method="GET",status="404"}"#),
        value(r#"scrip_http_request_seconds_count{path="/graphql"}"#),
        value(r#"scrip_graphql_operations_total{kind="query",outcome="data"}"#),
        value(r#"scrip_graphql_operations_total{kind="mutation",outcome="data"}"#),
        value(r#"scrip_refusals_total{reason="BAD_USER_INPUT"}"#),
        value(r#"scrip_streams{transport="websocket"}"#),
        value("scrip_intake_waiting"),
        value("scrip_intake_batch_size_sum"),
        value(r#"scrip_intake_transactions_total{outcome="committed"}"#),
        shown.ends_with("# EOF\n"),
    ]), @r#"["7", "1", "8", "1", "5", "1", "1", "0", "1.0", "1", true]"#);
});

both!(a_server_that_is_told_to_stop_is_not_ready_but_alive, async |db| {
    let api = Api::on(db).await;
    let status =
        async |path: &str| api.request(reqwest::Method::GET, path).send().await.expect("it answers").status().as_u16();
    assert_eq!((status("/readyz").await, status("/healthz").await), (200, 200));
    api.app.intake.drain().await;
    assert_eq!((status("/readyz").await, status("/healthz").await), (503, 200), "nothing more is let in");
    let other = Api::on(db).await;
    db.tamper(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    )
    .await;
    let ready = other.request(reqwest::Method::GET, "/readyz").send().await.expect("it answers");
    assert_eq!(ready.status().as_u16(), 503, "the database is older than the program");
});

both!(streams_are_sent_away_to_come_back_when_the_server_stops, threads, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let query = "subscription($id: ID!) { balanceChanges(balanceId: $id) { entry { id } } }";
    let mut socket = Socket::subscribe(&api, query, json!({"id": balance})).await;
    socket.next().await;
    let mut events = api.stream(query, json!({"id": balance}), None).await;
    let first = events.chunk().await.expect("it can be read").expect("it goes on");
    assert!(first.starts_with(b"event: next"));
    api.app.stop.cancel();
    assert_eq!(socket.closed().await, (1012, "The server stops; come back".to_owned()));
    let said = events.text().await.expect("it ends");
    assert!(!said.contains("event: complete"), "it is not over, only elsewhere: {said}");
});

both!(each_request_is_one_line_of_the_log_without_secrets, async |db| {
    let mut server = Server::start(db.url());
    let secret = "sk_0123456789abcdefghijklmnopqrstuv";
    let client = crate::support::http::client();
    let request = client.post(server.url("http", "/graphql")).header("x-request-id", "abc-1").bearer_auth(secret);
    let body = json!({"query": "query Named($name: String) { customers(search: $name) { nodes { id } } }",
                      "variables": {"name": "confidential"}});
    assert_eq!(request.json(&body).send().await.expect("it answers").status(), 401);
    let request = client.post(server.url("http", "/graphql")).header("x-request-id", "abc-2");
    assert_eq!(request.json(&body).send().await.expect("it answers").status(), 200);
    server.terminate();
    assert!(server.wait().success());
    let log = server.log();
    let of = |id: &str| -> Vec<Value> {
        let lines = log.iter().filter(|line| line.contains(id));
        lines.map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    };
    for (id, status, operation) in [("abc-1", 401, Value::Null), ("abc-2", 200, json!("Named"))] {
        let lines = of(id);
        assert_eq!(lines.len(), 1, "{log:#?}");
        let span = &lines[0]["span"];
        assert_eq!(
            (&lines[0]["status"], &span["path"], &span["method"]),
            (&json!(status), &json!("/graphql"), &json!("POST"))
        );
        assert_eq!(lines[0]["operation"], operation);
        assert!(lines[0]["us"].is_u64());
    }
    let all = log.join("\n");
    assert!(!all.contains("0123456789abcdef") && !all.contains("confidential"), "{all}");
});

both!(traces_go_to_the_collector_that_is_named, async |db| {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let collector = format!("http://{}", listener.local_addr().expect("it has an address"));
    let mut server = Server::start_with(db.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)]);
    let request = crate::support::http::client().post(server.url("http", "/graphql")).header("x-request-id", "traced-1");
    let body = json!({"query": "query Traced { viewer { id } }"});
    assert_eq!(request.json(&body).send().await.expect("it answers").status(), 200);
    // What is still to be sent is sent at the end.
    server.terminate();
    let (mut connection, _) = listener.accept().await.expect("the server connects");
    let mut said = Vec::new();
    while !(contains(&said, b"POST /v1/traces") && contains(&said, b"traced-1") && contains(&said, b"Traced")) {
        assert!(
            connection.read_buf(&mut said).await.expect("it can be read") > 0,
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it can be written");
    assert!(server.wait().success());
});

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}
