//! Metrics, readiness, and the end of streams when the server stops: the view of operators over HTTP.

use scrip::db::DbUrl;
use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::on_sqlite;
use crate::support::documents;
use crate::support::socket::Socket;

on_sqlite!(metrics_tell_of_requests_operations_refusals_streams_and_the_intake, async |db| {
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

on_sqlite!(a_server_that_is_told_to_stop_is_not_ready_but_alive, async |db| {
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

on_sqlite!(server_whose_database_file_is_gone_is_not_ready_until_it_is_back, async |db| {
    let api = Api::on(db).await;
    let status = async || api.request(reqwest::Method::GET, "/readyz").send().await.expect("it answers").status();
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    std::fs::rename(file, file.with_file_name("away.db")).expect("it is there");
    assert_eq!(status().await, 503);
    std::fs::rename(file.with_file_name("away.db"), file).expect("it is there");
    assert_eq!(status().await, 200);
});

on_sqlite!(streams_are_sent_away_to_come_back_when_the_server_stops, threads, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let query = &documents::balance_changes("entry { id }");
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
