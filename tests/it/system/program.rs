//! The program as operators run it: the command line, the log, traces.

use std::process::Output;

use scrip::db::DbUrl;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::db::{both, on_sqlite};
use crate::support::server::{Server, run_scrip};

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is text").trim_end().to_owned()
}

both!(the_first_key_is_made_on_the_command_line, async |db| {
    let refused = run_scrip("serve", db.url());
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("scrip key create"), "{why}");
    let made = run_scrip("key create --name first --scope admin", db.url());
    let secret = said(&made);
    assert!(made.status.success() && secret.starts_with("sk_") && !secret.contains('\n'), "{secret}");
    let mut server = Server::start_strict(db.url());
    let ask = async |server: &Server| {
        let request = crate::support::http::client().post(server.url("http", "/graphql")).bearer_auth(&secret);
        let answer = request.json(&json!({"query": "{ viewer { name scopes } }"})).send().await;
        answer.expect("it answers").json::<Value>().await.expect("it is JSON")
    };
    assert_eq!(ask(&server).await["data"]["viewer"], json!({"name": "first", "scopes": ["ADMIN"]}));
    let listed = said(&run_scrip("key list", db.url()));
    assert!(listed.contains("ADMIN  first  active") && !listed.contains(&secret), "{listed}");
    let id = listed.split_whitespace().next().expect("an id");
    let revoked = said(&run_scrip(&format!("key revoke {id}"), db.url()));
    assert!(revoked.contains("revoked"), "{revoked}");
    // The server reads it within a second, by itself.
    while ask(&server).await.get("errors").is_none() {}
    server.terminate();
    assert!(server.wait().success());
    assert!(!server.log().iter().any(|line| line.contains(&secret)), "a secret is in the log");
    let again = run_scrip("serve", db.url());
    assert!(!again.status.success(), "a revoked key lets nobody in");
});

on_sqlite!(each_request_is_one_line_of_the_log_without_secrets, async |db| {
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

on_sqlite!(page_that_is_not_let_in_is_named_once_with_the_setting_that_lets_it_in, async |db| {
    let mut server = Server::start(db.url());
    let client = crate::support::http::client();
    for origin in ["http://localhost:5173", "http://localhost:5173", &server.url("http", "")] {
        let preflight = client.request(reqwest::Method::OPTIONS, server.url("http", "/graphql"));
        let preflight = preflight.header("origin", origin).header("access-control-request-method", "POST");
        preflight.send().await.expect("it answers");
    }
    server.terminate();
    assert!(server.wait().success());
    let setting = "SCRIP_ALLOWED_ORIGINS=http://localhost:5173";
    let named: Vec<String> = server.log().into_iter().filter(|line| line.contains("SCRIP_ALLOWED_ORIGINS")).collect();
    assert!(named.len() == 1 && named[0].contains(setting), "{named:?}");
});

#[test]
fn database_that_cannot_be_opened_is_told_with_its_cause_and_without_its_password() {
    for (url, cause) in [
        (
            "postgres://u:s3cret?x@127.0.0.1:1/d",
            "postgres://127.0.0.1:1/d cannot be opened: error connecting to server: Connection",
        ),
        (
            "postgres://u:s3cret@h/d?port=s3cret",
            "postgres://h/d cannot be opened: invalid connection string: invalid value",
        ),
        ("postgres://u:s3cret@h:port/d", "DATABASE_URL is not postgres://USER:PASSWORD@HOST:PORT/DATABASE"),
        ("postgres://u:s3cret/x@h/d", "DATABASE_URL has an @ or / inside its user name or password"),
    ] {
        let output = run_scrip("verify", &DbUrl::Postgres(url.to_owned()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(cause) && !said.contains("s3cret"), "{said}");
    }
}

on_sqlite!(traces_go_to_the_collector_that_is_named, async |db| {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let collector = format!("http://{}", listener.local_addr().expect("it has an address"));
    let mut server = Server::start_with(db.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)]);
    let request =
        crate::support::http::client().post(server.url("http", "/graphql")).header("x-request-id", "traced-1");
    let body = json!({"query": "query Traced { viewer { id } }"});
    assert_eq!(request.json(&body).send().await.expect("it answers").status(), 200);
    // The exporter sends its last spans when the server stops.
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
