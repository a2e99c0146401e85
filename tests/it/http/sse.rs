//! Server-sent events: one operation a request, the cursor as the event's id.

use std::time::Duration;

use scrip::app::{Settings, Timeouts};
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::db::on_sqlite;
use crate::support::node::trusting;

const WATCH: &str = "subscription($id: ID!) { balanceChanges(balanceId: $id) { entry { sequence } } }";

/// Reads a stream of events, one behind the other.
struct Events {
    answer: reqwest::Response,
    rest: String,
}

impl Events {
    fn of(answer: reqwest::Response) -> Self {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, rest: String::new() }
    }

    /// The next event: its name, its data, and its id.
    async fn next(&mut self) -> (String, Value, String) {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    line.unwrap_or_default().trim().to_owned()
                };
                if !event.starts_with(':') {
                    return (field("event"), serde_json::from_str(&field("data")).unwrap_or_default(), field("id"));
                }
            } else {
                let chunk = self.answer.chunk().await.expect("it can be read").expect("the stream goes on");
                self.rest.push_str(std::str::from_utf8(&chunk).expect("it is text"));
            }
        }
    }
}

on_sqlite!(each_event_carries_the_cursor_to_go_on_from, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let mut events = Events::of(api.stream(WATCH, json!({"id": balance}), None).await);
    let (name, data, first) = events.next().await;
    assert_eq!((name.as_str(), &data["data"]), ("next", &json!({"balanceChanges": {"entry": null}})));
    api.burn("e1", "1").await;
    let (_, data, second) = events.next().await;
    assert_eq!(data["data"], json!({"balanceChanges": {"entry": {"sequence": "2"}}}));
    drop(events);
    api.burn("e2", "1").await;
    for (after, wanted) in [(first, ["2", "3"].as_slice()), (second, &["3"])] {
        let mut events = Events::of(api.stream(WATCH, json!({"id": balance}), Some(&after)).await);
        for sequence in wanted {
            assert_eq!(events.next().await.1["data"]["balanceChanges"]["entry"]["sequence"], *sequence);
        }
    }
    let by_name = r#"subscription { customerBalanceChanges(customer: {externalId: "acme"}) { entry { sequence } } }"#;
    let mut events = Events::of(api.stream(by_name, json!({}), None).await);
    let cursor = events.next().await.2;
    api.burn("e3", "1").await;
    let mut events = Events::of(api.stream(by_name, json!({}), Some(&cursor)).await);
    assert_eq!(events.next().await.1["data"]["customerBalanceChanges"]["entry"]["sequence"], "4");
});

on_sqlite!(a_query_is_one_event_and_the_end, async |db| {
    let api = Api::on(db).await;
    let told = async |query: &str| {
        let text = api.stream(query, json!({}), None).await.text().await.expect("it ends");
        assert!(text.ends_with("event: complete\ndata: null\n\n"), "{text}");
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        serde_json::from_str::<Value>(data).expect("it is JSON")
    };
    assert_eq!(told("{ viewer { kind } }").await["data"], json!({"viewer": {"kind": "LOCAL"}}));
    for refused in ["{ nothing }", "{", "{ ...A } fragment A on Query { ...A }", WATCH] {
        let answer = told(refused).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        assert!(answer.get("data").is_none(), "{answer}");
    }
});

on_sqlite!(a_stream_by_get_is_a_query_or_a_subscription, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let get = |query: &str| {
        let variables = json!({"id": balance}).to_string();
        let request = api.request(reqwest::Method::GET, "/graphql").header("accept", "text/event-stream");
        request.query(&[("query", query), ("variables", &variables)])
    };
    let mut events = Events::of(get(WATCH).send().await.expect("it answers"));
    assert_eq!(events.next().await.1["data"], json!({"balanceChanges": {"entry": null}}));
    let mutation = get(r#"mutation { createCustomer(input: {name: "x"}) { customer { id } } }"#);
    assert_eq!(mutation.send().await.expect("it answers").status(), 405);
});

on_sqlite!(who_is_not_known_gets_no_stream, async |db| {
    let api = Api::on(db).await;
    let strict = api.beside(db, Settings::default()).await;
    let refused = strict.stream("{ viewer { id } }", json!({}), None).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
        (401, &"Bearer".parse().expect("it is"))
    );
});

on_sqlite!(a_reader_of_events_that_does_not_read_is_cut_off_and_can_resume, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1").await;
    let timeouts = Timeouts { write: Duration::from_millis(500), ..Timeouts::default() };
    let node = api.beside(db, Settings { timeouts, ..trusting() }).await;
    let streams = async || {
        let told = node.request(reqwest::Method::GET, "/metrics").send().await.expect("it answers");
        let told = told.text().await.expect("it is text");
        let line = told.lines().find_map(|line| line.strip_prefix(r#"scrip_streams{transport="sse"} "#));
        line.expect("it is counted").parse::<u64>().expect("it is a number")
    };
    let many: Vec<String> = (0..20).map(|at| format!("m{at}: metadata")).collect();
    let watch = WATCH.replace("sequence", &format!("sequence {}", many.join(" ")));
    let mut deaf = Events::of(node.stream(&watch, json!({"id": balance}), None).await);
    let cursor = deaf.next().await.2;
    let mut other = Events::of(node.stream(WATCH, json!({"id": balance}), None).await);
    assert!(other.next().await.1["data"]["balanceChanges"]["entry"].is_null());
    // Messages of a third of a MiB fill what lies between the two.
    let metadata = json!({"text": "x".repeat(16_000)});
    let mut sent = 0;
    while streams().await > 1 {
        sent += 1;
        node.top_up(&balance, "1", &sent.to_string(), json!({"metadata": metadata})).await;
        assert_eq!(other.next().await.1["data"]["balanceChanges"]["entry"]["sequence"], json!((sent + 1).to_string()));
    }
    let mut again = Events::of(node.stream(WATCH, json!({"id": balance}), Some(&cursor)).await);
    for sequence in 2..=sent + 1 {
        assert_eq!(again.next().await.1["data"]["balanceChanges"]["entry"]["sequence"], json!(sequence.to_string()));
    }
    drop(deaf);
});
