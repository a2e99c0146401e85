//! The database is away, the queue is full, the server stops: everybody is told at once, nothing that was acknowledged
//! is lost, and all goes on by itself.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use scrip::base::ids::BalanceId;
use scrip::db::listen::{self, Heard};
use scrip::db::{Conn, Db, DbError, DbUrl, Failure, NotMigrated, migrate};
use scrip::http;
use scrip::intake::{Done, Status, Whose};
use scrip::metering::event::Mode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::db::{TestDb, both};
use crate::support::node::{Node, call, credits, made};
use crate::support::proxy::Proxy;
use crate::support::server::{Server, run_scrip};

/// How long somebody waits at most to be told that the database is away.
const PROMPT: Duration = Duration::from_secs(5);

fn is_away(result: &Result<Done, Failure>) -> bool {
    matches!(result, Err(Failure::Db(DbError::Unavailable(_))))
}

/// Answers within [`PROMPT`].
async fn promptly<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PROMPT, what).await.expect("the answer comes promptly")
}

async fn send(node: &Node, balance: BalanceId, id: &str) -> Result<Status, DbError> {
    let receipts = node.0.intake.ingest(vec![call(balance.customer, id)], Mode::Record).await?;
    Ok(receipts[0].status)
}

// --- What cannot be applied --------------------------------------------------------------------------------------------

both!(a_balance_that_cannot_be_read_takes_no_other_command_with_it, async |db| {
    let node = Node::on(db);
    let balance = node.shop(100).await;
    let product = node.balance(balance).await.product;
    let mut whose = vec![balance.customer];
    for name in ["b", "c"] {
        let customer = node.make_customer(name).await;
        node.open(customer, product, 100).await.expect("a balance can be opened");
        whose.push(customer);
    }
    let first = "customer_id = (SELECT customer_id FROM balances ORDER BY customer_id LIMIT 1)";
    db.tamper(&format!("UPDATE balances SET lots = 'no JSON' WHERE {first}")).await;
    let fresh = Node::on(db);
    let events = || (0..6).map(|number| call(whose[number % 3], &format!("e{number}"))).collect::<Vec<_>>();
    // What cannot be recorded now is to be sent again: nothing says that the event is at fault.
    let told = fresh.0.intake.ingest(events(), Mode::Record).await;
    assert!(matches!(told, Err(DbError::Failed(_))), "{told:?}");
    let sound = events().into_iter().filter(|event| event.whose != Whose::Id(balance.customer)).collect();
    let receipts = fresh.0.intake.ingest(sound, Mode::Record).await.expect("the intake answers");
    let statuses: Vec<Status> = receipts.iter().map(|receipt| receipt.status).collect();
    assert_eq!(statuses, [Status::Duplicate; 4], "they were recorded the first time");
    let told = fresh.retain(balance, 1, "k").await;
    assert!(matches!(told, Err(Failure::Db(DbError::Failed(_)))), "{told:?}");
});

both!(a_command_that_always_conflicts_takes_no_other_with_it, async |db| {
    let node = Node::on(db);
    let balance = node.shop(100).await;
    let product = node.balance(balance).await.product;
    let other = node.make_customer("b").await;
    node.open(other, product, 100).await.expect("a balance can be opened");
    // The number of the balance's next entry is taken.
    let whose = "customer_id = (SELECT customer_id FROM balances ORDER BY customer_id LIMIT 1)";
    db.tamper(&format!("UPDATE entries SET sequence = 2 WHERE {whose}")).await;
    let told = node.0.intake.ingest(vec![call(balance.customer, "e"), call(other, "e")], Mode::Record).await;
    assert!(matches!(told, Err(DbError::Unavailable(_))), "{told:?}");
    assert_eq!(node.call(other, "e", Mode::Record).await.status, Status::Duplicate, "it was recorded all the same");
});

// --- Notices between nodes ---------------------------------------------------------------------------------------------

/// What a listener on the database hears, in order.
fn listen(db: Db) -> UnboundedReceiver<Heard> {
    let (say, heard) = unbounded_channel();
    // Who does not listen any more need not be told.
    tokio::spawn(listen::listen(db, move |what| drop(say.send(what))));
    heard
}

#[tokio::test]
async fn every_commit_is_told_to_other_nodes_also_after_the_listener_lost_its_connection() {
    let db = TestDb::postgres().await;
    let node = Node::on(&db);
    let balance = node.shop(100).await;
    let mut heard = listen(Db::clone(&db));
    let told = Heard::Notice(format!("first {}", balance.customer));
    for round in ["1", "2"] {
        assert_eq!(promptly(heard.recv()).await, Some(Heard::Anything), "it has just begun to listen");
        node.retain(balance, 1, round).await.expect("there is enough");
        assert_eq!(promptly(heard.recv()).await, Some(told.clone()));
        end_listeners(&db).await;
    }
}

/// Ends the connections that listen, as a restart of the database would.
async fn end_listeners(db: &TestDb) {
    let Conn::Postgres { mut conn, .. } = db.read().await.expect("the database answers") else { return };
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(diesel::sql_query(end).execute(&mut **conn).await.expect(end), 1);
}

// --- PostgreSQL goes away ----------------------------------------------------------------------------------------------

/// A node whose database can be taken away, and a balance of 100.
async fn stage() -> (TestDb, Proxy, Node, BalanceId) {
    let db = TestDb::postgres().await;
    let proxy = Proxy::to(db.url()).await;
    let node = Node::at(proxy.url(), "behind");
    let balance = node.shop(100).await;
    (db, proxy, node, balance)
}

#[tokio::test]
async fn commands_are_told_promptly_and_the_server_recovers_by_itself() {
    let (_db, proxy, node, balance) = stage().await;
    for round in 0..3 {
        let (key, id) = (format!("k{round}"), format!("e{round}"));
        node.retain(balance, 1, &format!("before{round}")).await.expect("the database is there");
        proxy.cut();
        let told = promptly(join_all((0..8).map(|_| node.retain(balance, 1, &key)))).await;
        assert!(told.iter().all(is_away), "{told:?}");
        let told = promptly(send(&node, balance, &id)).await;
        assert!(matches!(told, Err(DbError::Unavailable(_))), "{told:?}");
        proxy.restore();
        let done = promptly(node.retain(balance, 1, &key)).await.expect("the database is back");
        assert!(!done.replayed);
        assert_eq!(promptly(send(&node, balance, &id)).await.expect("the database is back"), Status::Accepted);
    }
    assert_eq!(node.balance(balance).await.account.settled, credits(91));
    node.assert_sound().await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_its_retry() {
    let (_db, proxy, node, balance) = stage().await;
    proxy.lose_the_answer_to(b"COMMIT");
    let told = promptly(node.retain(balance, 1, "key")).await;
    assert!(proxy.has_lost_it());
    assert!(is_away(&told), "{told:?}");
    let done = promptly(node.retain(balance, 1, "key")).await.expect("the database is there");
    assert!(done.replayed);
    assert_eq!((made(&done).posting.sequence, done.balance.account.settled), (2, credits(99)));

    proxy.lose_the_answer_to(b"COMMIT");
    let told = promptly(send(&node, balance, "event")).await;
    assert!(matches!(told, Err(DbError::Unavailable(_))), "{told:?}");
    assert_eq!(promptly(send(&node, balance, "event")).await.expect("the database is there"), Status::Duplicate);
    assert_eq!(node.entries(balance).await.len(), 3);
    node.assert_sound().await;
}

/// A batch of many commands is lost as a whole: all are told, and all find their results.
#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_found_by_all_of_it() {
    let (_db, proxy, node, balance) = stage().await;
    let keys: Vec<String> = (0..10).map(|number| format!("key{number}")).collect();
    proxy.lose_the_answer_to(b"COMMIT");
    let told = promptly(join_all(keys.iter().map(|key| node.retain(balance, 1, key)))).await;
    let lost = told.iter().filter(|result| is_away(result)).count();
    assert!(lost > 0 && told.iter().all(|result| is_away(result) || result.is_ok()), "{told:?}");
    let again = promptly(join_all(keys.iter().map(|key| node.retain(balance, 1, key)))).await;
    assert!(again.iter().all(|result| result.as_ref().is_ok_and(|done| done.replayed)), "{again:?}");
    assert_eq!(node.balance(balance).await.account.settled, credits(90));
    node.assert_sound().await;
}

#[tokio::test]
async fn a_transaction_that_was_cut_before_its_commit_leaves_no_trace() {
    let (_db, proxy, node, balance) = stage().await;
    for (number, text) in [&b"BEGIN"[..], b"idempotency_keys", b"INSERT INTO"].into_iter().enumerate() {
        let key = format!("key{number}");
        // A fresh node has prepared nothing yet, so that the statements' texts go by.
        let node = Node::at(proxy.url(), &key);
        proxy.lose_the_answer_to(text);
        let told = promptly(node.retain(balance, 1, &key)).await;
        assert!(proxy.has_lost_it());
        assert!(is_away(&told), "{told:?}");
        let done = promptly(node.retain(balance, 1, &key)).await.expect("the database is there");
        assert!(!done.replayed);
    }
    assert_eq!(node.entries(balance).await.len(), 4);
    node.assert_sound().await;
}

/// Serves a node over HTTP; answers where.
async fn serve(node: &Node) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let router = http::router(node.0.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn programs_are_told_to_come_back_in_the_words_of_each_wire() {
    let (_db, proxy, node, balance) = stage().await;
    let (url, client) = (serve(&node).await, crate::support::http::client());
    proxy.cut();
    let event = json!({"specversion": "1.0", "id": "e", "source": "test", "type": "call", "subject": "acme"});
    let sent = client.post(format!("{url}/v1/events")).header("content-type", "application/cloudevents+json");
    let answer = promptly(sent.body(event.to_string()).send()).await.expect("the server answers");
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = answer.json().await.expect("it is JSON");
    assert_eq!((&body["error"]["code"], &body["error"]["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));

    let query = format!(
        "mutation {{ retainCredits(input: {{ balanceId: \"{balance}\", credits: \"1\", idempotencyKey: \"k\" }}) \
         {{ replayed errors {{ code }} }} }}"
    );
    let sent = client.post(format!("{url}/graphql")).json(&json!({"query": query}));
    let body: Value = promptly(sent.send()).await.expect("the server answers").json().await.expect("it is JSON");
    let extensions = &body["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{body}");

    let ready = promptly(client.get(format!("{url}/readyz")).send()).await.expect("the server answers");
    assert_eq!(ready.status(), 503);
    let alive = promptly(client.get(format!("{url}/healthz")).send()).await.expect("the server answers");
    assert_eq!(alive.status(), 200);

    proxy.restore();
    let sent = client.post(format!("{url}/graphql")).json(&json!({"query": query}));
    let body: Value = promptly(sent.send()).await.expect("the server answers").json().await.expect("it is JSON");
    assert_eq!(body["data"]["retainCredits"], json!({"replayed": false, "errors": []}), "{body}");
    let ready = promptly(client.get(format!("{url}/readyz")).send()).await.expect("the server answers");
    assert_eq!(ready.status(), 200);
}

// --- SQLite is busy ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_locked_file_is_an_outage_and_passes() {
    let db = TestDb::sqlite().await;
    let node = Node::on(&db);
    let balance = node.shop(100).await;
    // The one connection that writes is to be told at once, not after five seconds.
    let mut txn = db.begin().await.expect("it can be written");
    let Conn::Sqlite { conn, .. } = &mut *txn else { panic!("this is SQLite") };
    diesel::sql_query("PRAGMA busy_timeout = 0").execute(conn).await.expect("it can be set");
    txn.commit().await.expect("it can be committed");

    let DbUrl::Sqlite(path) = db.url() else { panic!("this is SQLite") };
    let mut other = SqliteConnection::establish(&path.to_string_lossy()).expect("it can be opened");
    for round in 0..2 {
        let (key, id) = (format!("k{round}"), format!("e{round}"));
        other.batch_execute("BEGIN EXCLUSIVE").expect("nobody writes");
        let told = promptly(node.retain(balance, 1, &key)).await;
        assert!(is_away(&told), "{told:?}");
        let told = promptly(send(&node, balance, &id)).await;
        assert!(matches!(told, Err(DbError::Unavailable(_))), "{told:?}");
        other.batch_execute("ROLLBACK").expect("it can be let go");
        let done = promptly(node.retain(balance, 1, &key)).await.expect("the file is free");
        assert!(!done.replayed);
        assert_eq!(promptly(send(&node, balance, &id)).await.expect("the file is free"), Status::Accepted);
    }
    assert_eq!(node.balance(balance).await.account.settled, credits(96));
    node.assert_sound().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_file_is_not_where_it_was() {
    let db = TestDb::sqlite().await;
    let node = Node::on(&db);
    let balance = node.shop(100).await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let (away, other) = (file.with_file_name("away.db"), file.with_file_name("other.db"));
    std::fs::write(&other, "another file").expect("it can be written");
    for replaced in [false, true] {
        let (key, id) = (format!("k{replaced}"), format!("e{replaced}"));
        std::fs::rename(file, &away).expect("it is there");
        if replaced {
            std::fs::rename(&other, file).expect("it is there");
        }
        let told = promptly(node.retain(balance, 1, &key)).await;
        assert!(is_away(&told), "{told:?}");
        let told = promptly(send(&node, balance, &id)).await;
        assert!(matches!(told, Err(DbError::Unavailable(_))), "{told:?}");
        assert!(node.0.db.read().await.is_err(), "and nothing is read from it");
        std::fs::rename(&away, file).expect("it is there");
        promptly(node.retain(balance, 1, &key)).await.expect("it is back");
        assert_eq!(promptly(send(&node, balance, &id)).await.expect("it is back"), Status::Accepted);
    }
    assert_eq!(node.balance(balance).await.account.settled, credits(96));
    node.assert_sound().await;
}

// --- The queue is full, or closes --------------------------------------------------------------------------------------

/// As many events as the queue takes; one event, time and again, so that they are quickly done.
const CAPACITY: usize = 50_000;

both!(a_full_queue_refuses_at_once_and_empties, async |db| {
    let node = Node::on(db);
    let balance = node.shop(100).await;
    let filler = node.clone();
    let fill = vec![call(balance.customer, "same"); CAPACITY];
    let ingested = tokio::spawn(async move { filler.0.intake.ingest(fill, Mode::Record).await });
    while node.0.intake.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.0.intake.waiting(), CAPACITY);
    // Refused without waiting: nothing else runs between these two lines.
    let told = futures_util::FutureExt::now_or_never(node.retain(balance, 1, "key"));
    assert!(told.as_ref().is_some_and(is_away), "{told:?}");
    let receipts = ingested.await.expect("it ends").expect("all of it was let in");
    let count = |status| receipts.iter().filter(|receipt| receipt.status == status).count();
    assert_eq!((count(Status::Accepted), count(Status::Duplicate)), (1, CAPACITY - 1));
    assert!(!node.retain(balance, 1, "key").await.expect("there is room").replayed);
    assert_eq!(node.0.intake.waiting(), 0);
    node.assert_sound().await;
});

both!(draining_finishes_what_was_let_in_and_refuses_what_comes_later, async |db| {
    let node = Node::on(db);
    let balance = node.shop(100).await;
    let asked: Vec<_> = (0..50)
        .map(|number| {
            let node = node.clone();
            tokio::spawn(async move { node.retain(balance, 1, &format!("key{number}")).await })
        })
        .collect();
    while node.0.intake.waiting() < 50 {
        tokio::task::yield_now().await;
    }
    let mut drained = Box::pin(node.0.intake.drain());
    assert!(futures_util::FutureExt::now_or_never(&mut drained).is_none(), "there is work left");
    let told = futures_util::FutureExt::now_or_never(node.retain(balance, 1, "late"));
    assert!(told.as_ref().is_some_and(is_away), "{told:?}");
    drained.await;
    for done in asked {
        assert!(!done.await.expect("it ends").expect("it was let in").replayed);
    }
    assert!(is_away(&node.retain(balance, 1, "later").await));
    assert_eq!(node.balance(balance).await.account.settled, credits(50));
    node.assert_sound().await;
});

// --- A newer database --------------------------------------------------------------------------------------------------

both!(a_database_that_a_newer_program_migrated_is_refused, async |db| {
    let mut txn = db.begin().await.expect("it can be written");
    let statement = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    match &mut *txn {
        Conn::Postgres { conn, .. } => diesel::sql_query(statement).execute(conn).await.expect(statement),
        Conn::Sqlite { conn, .. } => diesel::sql_query(statement).execute(conn).await.expect(statement),
    };
    txn.commit().await.expect("it can be committed");
    let refused = migrate(db.url()).await;
    let why = refused.map_err(|refused| refused.why);
    assert!(matches!(&why, Err(NotMigrated::Newer(version)) if version == "99990101000000"), "{why:?}");
    for command in ["serve --insecure-loopback", "migrate", "verify"] {
        let output = run_scrip(command, db.url());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("newer program") && said.contains("99990101000000"), "{said}");
    }
});

// --- The program -------------------------------------------------------------------------------------------------------

#[test]
fn an_audit_of_a_database_that_is_not_there_says_so_and_makes_none() {
    let folder = std::env::temp_dir().join(format!("scrip-typo-{}", std::process::id()));
    let output = run_scrip("verify", &DbUrl::Sqlite(folder.join("oops.db")));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("oops.db cannot be opened: there is no such file"), "{said}");
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_embedded_database_is_served_by_one_process_at_a_time() {
    let db = TestDb::sqlite().await;
    let mut first = Server::start(db.url());
    let second = run_scrip("serve --insecure-loopback", db.url());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("is served by another process"), "{said}");
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let other = file.with_file_name("other-name.db");
    std::fs::hard_link(file, &other).expect("it can be linked");
    let refused = |command: &str| {
        let other = run_scrip(command, &DbUrl::Sqlite(other.clone()));
        let said = String::from_utf8_lossy(&other.stderr).into_owned();
        assert!(!other.status.success() && said.contains("has another name, a hard link"), "{command}: {said}");
    };
    let commands = ["serve --insecure-loopback", "migrate", "verify", "key list", "key create --name k --scope read"];
    commands.into_iter().for_each(&refused);
    first.kill();
    commands.into_iter().for_each(&refused);
    std::fs::remove_file(&other).expect("it is there");
    Server::start(db.url()).kill();
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_a_server_that_is_told_twice_to_stop() {
    let db = TestDb::sqlite().await;
    let mut server = Server::start(db.url());
    let mut caller = std::net::TcpStream::connect(server.url("", "").trim_start_matches("://")).expect("it listens");
    let half = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
    std::io::Write::write_all(&mut caller, half).expect("it reads");
    server.terminate();
    while !server.log().iter().any(|line| line.contains("stopping")) {
        tokio::task::yield_now().await;
    }
    server.terminate();
    assert!(server.wait().success());
}
