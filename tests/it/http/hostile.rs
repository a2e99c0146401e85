//! What bad input gets: a code, on every transport; the process lives, and nobody else notices.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::api::Api;
use crate::support::db::on_sqlite;
use crate::support::documents;
use crate::support::socket::Socket;

/// Fragments of which each spreads the next twice: 2^`fragments` fields when expanded.
fn bomb(fragments: usize) -> String {
    let each = |at| format!("fragment F{at} on Query {{ ...F{next} ...F{next} }}", next = at + 1);
    let all: Vec<String> = (0..fragments).map(each).collect();
    format!("{{ ...F0 }} {} fragment F{fragments} on Query {{ __typename }}", all.join(" "))
}

/// The same without an end: what the last one spreads is not there.
fn open_bomb(fragments: usize) -> String {
    bomb(fragments).replace("{ __typename }", "{ ...Nowhere }")
}

/// Documents that nobody needs, and what they get.
fn documents() -> Vec<(&'static str, String, &'static str)> {
    let renamed = |count: usize| (0..count).map(|at| format!("a{at}: __typename")).collect::<Vec<_>>().join(" ");
    let (aliases, few_aliases) = (renamed(10_000), renamed(31));
    let circle = format!("{{ __schema {{ types {} }} }}", "{ fields { type ".repeat(6) + "{ name }" + &"} }".repeat(6));
    let deep = format!(
        "{{ node(id: \"x\") {} }}",
        "{ ... on CreditBalance { customer { creditBalances ".repeat(10) + "{ id }" + &"} } }".repeat(10)
    );
    let too_complex = "QUERY_TOO_COMPLEX";
    vec![
        ("brackets", format!("{{ node(id: {}) {{ id }} }}", "[".repeat(20_000)), too_complex),
        (
            "closed brackets",
            format!("{{ node(id: {}{}) {{ id }} }}", "[".repeat(2_000), "]".repeat(2_000)),
            too_complex,
        ),
        ("objects", format!("{{ node(id: {}", "{a:".repeat(20_000)), too_complex),
        ("braces", "{ node ".repeat(5_000), too_complex),
        ("a bomb of 2^10", bomb(10), too_complex),
        ("a bomb of 2^22", bomb(22), too_complex),
        ("a bomb of 2^30", bomb(30), too_complex),
        ("a bomb of 2^45 with nothing in it", open_bomb(45), too_complex),
        ("10,000 aliases", format!("{{ {aliases} }}"), too_complex),
        ("31 aliases", format!("{{ {few_aliases} }}"), too_complex),
        ("5,000 directives", format!("{{ __typename {} }}", "@skip(if: false) ".repeat(5_000)), too_complex),
        ("120 directives", format!("{{ __typename {} }}", "@skip(if: false) ".repeat(120)), too_complex),
        ("introspection in circles", circle, too_complex),
        ("what is deep", deep, too_complex),
        (
            "cyclic fragments",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(),
            "BAD_USER_INPUT",
        ),
        ("70 KB", format!("{{ __typename }} # {}", "x".repeat(70_000)), too_complex),
        (
            "pages within pages",
            "{ customers(first: 100) { nodes { creditBalances { entries(first: 100) { nodes
               { allocations { grant { balance { customer { id } } } } } } } } } }"
                .to_owned(),
            too_complex,
        ),
    ]
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
}

on_sqlite!(what_would_take_too_much_is_refused_on_every_transport, async |db| {
    let api = Api::on(db).await;
    for (what, document, wanted) in documents() {
        let posted = api.ask(&document, json!({})).await;
        assert_eq!((code(&posted), posted.get("data")), (wanted, None), "{what}: {posted}");
        // A longer address is refused before it is read.
        if document.len() < 10_000 {
            let get = api.request(reqwest::Method::GET, "/graphql").query(&[("query", &document)]);
            let got: Value = get.send().await.expect("it answers").json().await.expect("it is JSON");
            assert_eq!(code(&got), wanted, "{what}, by GET");
        }
        let events = api.stream(&document, json!({}), None).await.text().await.expect("it ends");
        assert!(events.contains(wanted), "{what}, by events: {events}");
        let mut socket = Socket::connect(&api).await;
        socket.start("1", &document, json!({})).await;
        if document.len() < 64_000 {
            let told = socket.next().await;
            assert_eq!(told["payload"][0]["extensions"]["code"], wanted, "{what}, by socket: {told}");
        } else {
            assert_eq!(socket.closed().await.0, 1009, "{what}, by socket");
        }
        assert_eq!(api.ask("{ viewer { kind } }", json!({})).await["data"]["viewer"]["kind"], "LOCAL", "after {what}");
    }
});

on_sqlite!(a_body_that_is_no_request_is_refused, async |db| {
    let api = Api::on(db).await;
    let batch = json!(vec![json!({"query": "{ viewer { id } }"}); 1_000]).to_string().into_bytes();
    let many = json!({"query": "{ viewer { id } }", "variables": {"a": vec![0; 60_000]}}).to_string().into_bytes();
    let mut cut = "{\"query\": \"{ viewer { id } } # é".to_owned().into_bytes();
    cut.pop();
    for (what, body, wanted) in [
        ("a batch of 1,000", batch, "BAD_USER_INPUT"),
        ("a list of the fields' values", br#"["{ viewer { id } }", null, null, null]"#.to_vec(), "BAD_USER_INPUT"),
        ("text that is cut off", cut, "BAD_USER_INPUT"),
        ("60,000 values", many, "QUERY_TOO_COMPLEX"),
    ] {
        let post = api.post("/graphql").header("content-type", "application/json").body(body);
        let answer = post.send().await.expect("it answers");
        assert_eq!(answer.status(), 400, "{what}");
        let told: Value = answer.json().await.expect("it is JSON");
        assert_eq!((code(&told), told.get("data")), (wanted, None), "{what}: {told}");
    }
});

on_sqlite!(values_that_are_nested_too_deep_are_refused, async |db| {
    let api = Api::on(db).await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        let body = format!(
            r#"{{"query":"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ id }} }}","variables":{{"ids":{nested}}}}}"#
        );
        let answer = api.post("/graphql").header("content-type", "application/json").body(body).send().await;
        assert_eq!(answer.expect("it answers").status(), 400);
        let mut socket = Socket::connect(&api).await;
        let message = format!(
            r#"{{"type":"subscribe","id":"1","payload":{{"query":"{{ viewer {{ id }} }}","variables":{nested}}}}}"#
        );
        socket
            .send(tokio_tungstenite::tungstenite::Message::text(message.chars().take(60_000).collect::<String>()))
            .await;
        assert_eq!(socket.closed().await.0, 4400);
        let line = format!(r#"{{"id":"1","subject":"acme","type":"call","data":{nested}}}"#);
        let sent = api.events("", "application/x-ndjson", line).await;
        assert_eq!((&sent["status"], &sent["body"]["invalid"]), (&json!(200), &json!(1)), "{sent}");
    }
});

on_sqlite!(connections_that_never_say_anything_keep_nobody_out, async |db| {
    let api = Api::on(db).await;
    let mut half_open = Vec::new();
    for at in 0..200 {
        let mut connection = TcpStream::connect(api.address).await.expect("it connects");
        let said: &[u8] = match at % 4 {
            0 => b"",
            1 => b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n",
            2 => b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"query\"",
            _ => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        };
        connection.write_all(said).await.expect("it can be written");
        half_open.push(connection);
    }
    assert_eq!(api.ask("{ viewer { kind } }", json!({})).await["data"]["viewer"]["kind"], "LOCAL");
});

on_sqlite!(a_head_that_does_not_come_loses_its_connection, async |db| {
    let api = Api::on(db).await;
    let short = std::time::Duration::from_millis(50);
    let timeouts = scrip::app::Timeouts { head: short, request: short, ..scrip::app::Timeouts::default() };
    let node = api.beside(db, scrip::app::Settings { timeouts, ..crate::support::node::trusting() }).await;
    let mut silent = TcpStream::connect(node.address).await.expect("it connects");
    silent.write_all(b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n").await.expect("it can be written");
    let mut said = Vec::new();
    silent.read_to_end(&mut said).await.expect("it is closed");
    let mut slow = TcpStream::connect(node.address).await.expect("it connects");
    slow.write_all(
        b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"query\"",
    )
    .await
    .expect("it can be written");
    let mut said = Vec::new();
    slow.read_to_end(&mut said).await.expect("it is closed");
    assert!(said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
});

on_sqlite!(errors_never_show_what_is_inside, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let mut said = String::new();
    for (query, variables) in [
        ("query($id: ID!) { node(id: $id) { id } }", json!({"id": "'; DROP TABLE customers; --"})),
        (
            "query($id: ID!) { creditBalance(id: $id) { entries(after: \"AAAA\") { nodes { id } } } }",
            json!({"id": balance}),
        ),
        ("query($s: String) { customers(search: $s) { nodes { id } } }", json!({"s": "\u{0}"})),
        ("query($by: CustomerBy!) { customer(by: $by) { id } }", json!({"by": {"externalId": "x", "id": "y"}})),
        (
            &documents::mutation("createCustomer", "errors { message }"),
            json!({"input": {"name": "x", "metadata": {"\u{0}": 1}}}),
        ),
    ] {
        said.push_str(&api.ask(query, variables).await.to_string());
    }
    for body in ["{\"query\": 1}", "[", "null", "{\"query\":\"{\",\"query\":1}"] {
        let answer = api.post("/graphql").header("content-type", "application/json").body(body).send().await;
        said.push_str(&answer.expect("it answers").text().await.expect("it is text"));
    }
    for inside in ["SELECT", "sqlite", "postgres", "diesel", ".rs", "::", "Option<", "/root", "/work", "src/"] {
        assert!(!said.contains(inside), "{inside} in {said}");
    }
});

on_sqlite!(what_a_small_document_would_make_of_large_variables_or_lists_is_refused, async |db| {
    let api = Api::on(db).await;
    let used_often = format!("query($a: [Int!]) {{ nodes(ids: [{}]) {{ id }} }}", "$a ".repeat(2_400));
    let arguments: Vec<String> = (0..1_300).map(|at| format!("b{at}: 1")).collect();
    let differing = format!("{{ a({}) {{ id }} {} }}", arguments.join(" "), "a ".repeat(900));
    let conflicting = format!("{{ a(b: 1) {{ id }} {} }}", "a ".repeat(900));
    let circle = format!(
        "{{ viewer {{ customer {} }} }}",
        "{ creditBalances { customer ".repeat(8) + "{ id }" + &"} }".repeat(8)
    );
    for (what, document, wanted) in [
        ("a variable used 2,400 times", used_often.as_str(), "QUERY_TOO_COMPLEX"),
        ("a field of 1,300 arguments", &differing, "QUERY_TOO_COMPLEX"),
        ("a field in 900 conflicts", &conflicting, "BAD_USER_INPUT"),
        ("a list within itself", &circle, "QUERY_TOO_COMPLEX"),
    ] {
        let answer = api.ask(document, json!({"a": vec![0; 40_000]})).await;
        assert_eq!((code(&answer), answer["errors"].as_array().map(Vec::len)), (wanted, Some(1)), "{what}: {answer}");
    }
});

on_sqlite!(webhook_is_answered_before_its_body_where_nobody_takes_payments, async |db| {
    let api = Api::on(db).await;
    let mut line = TcpStream::connect(api.address).await.expect("it listens");
    let head = "POST /v1/webhooks/stripe HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n";
    line.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = [0; 12];
    line.read_exact(&mut answer).await.expect("it answers");
    assert_eq!(&answer, b"HTTP/1.1 404");
});
