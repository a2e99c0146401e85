//! Two nodes on one database: whatever the other one does between two steps of a batch, the answer is one that some
//! order of both could give.
//!
//! A batch is held up at a chosen step by a lock on the table that it reads there; whoever holds the lock does what the
//! other node would have done, in the same transaction, and so commits exactly in between.

use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use scrip::base::decimal::Decimal;
use scrip::base::idempotency::{Key, Scope};
use scrip::base::ids::BalanceId;
use scrip::base::patch::Patch;
use scrip::base::problem::ProblemKind;
use scrip::base::settings::Overrides;
use scrip::catalog::input::{CreditProductChanges, GivenRule};
use scrip::catalog::snapshot::load_snapshot;
use scrip::db::{Conn, Failure, Txn};
use scrip::intake::{Done, Receipt, Status};
use scrip::ledger::command::{Command, Cover, NewGrant, Spend, SpendKind};
use scrip::ledger::entry::{Note, Origin};
use scrip::ledger::model::{Balance, DEFAULT_PRIORITY, GrantSource, Policy};
use scrip::ledger::service::{Changed, Terms, Writes, post};
use scrip::ledger::store::{self, KeyRow};
use scrip::metering::event::{Mode, NewEvent, RawEvent};
use scrip::metering::service::{Context, EventWrites, record};
use scrip::{catalog, customers};

use crate::support::db::TestDb;
use crate::support::node::{Node, credits, made, noon};

// --- The stage ---------------------------------------------------------------------------------------------------------

/// A node that is held up, and the other one.
struct Stage {
    db: TestDb,
    node: Node,
    other: Node,
}

/// The other node's transaction; it holds a table that the first node wants to read.
struct Meanwhile<'a> {
    stage: &'a Stage,
    txn: Txn,
}

impl Stage {
    async fn new() -> Self {
        let db = TestDb::postgres().await;
        let (node, other) = (Node::on(&db), Node::at(db.url(), "other"));
        Self { db, node, other }
    }

    /// Takes a table, so that whoever reads it waits.
    async fn hold(&self, table: &str) -> Meanwhile<'_> {
        let mut txn = self.other.0.db.begin().await.expect("a transaction can begin");
        run(&mut txn, &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await;
        Meanwhile { stage: self, txn }
    }
}

async fn run(conn: &mut Conn, statement: &str) -> usize {
    let Conn::Postgres { conn, .. } = conn else { panic!("locks are for PostgreSQL") };
    diesel::sql_query(statement).execute(conn).await.expect(statement)
}

impl Meanwhile<'_> {
    /// Looks until somebody waits for the table.
    async fn until_it_is_waited_for(&self) {
        let mut conn = self.stage.db.read().await.expect("the database answers");
        let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while run(&mut conn, waiting).await == 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn open_balance(&mut self, id: BalanceId) -> Balance {
        let open = store::list_open_balances(&mut self.txn, &[id.customer]).await.expect("they can be read");
        open.into_iter().find(|balance| balance.account.id == id).expect("it is open")
    }

    /// Carries out a command as the other node would, with or without a key.
    async fn post(&mut self, id: BalanceId, command: Command, key: Option<Key>) {
        let mut balance = self.open_balance(id).await;
        let mut writes = Writes::default();
        let terms = Terms::of(&balance, Policy::default(), noon());
        let idempotency_key = key.as_ref().map(|key| key.key.clone());
        let note = Note { idempotency_key, ..Note::of(Origin::Api) };
        let entries = post(&mut balance, &terms, (&command, &note), &mut writes).expect("it is possible");
        if let Some(key) = key {
            writes.remember_key(KeyRow {
                customer_id: id.customer,
                scope: 0,
                key: key.key,
                input_hash: key.input.to_vec(),
                balance: id.number,
                sequence: entries.last().expect("it makes an entry").posting.sequence,
                created_at: noon(),
                subscription: None,
                purchase: None,
            });
        }
        let changed = Changed { balance: &balance, settings: false };
        writes.flush(&mut self.txn, &[changed]).await.expect("it can be written");
    }

    async fn retain(&mut self, id: BalanceId, whole: i64, key: Option<&str>) {
        let command = retention(whole);
        let action =
            scrip::intake::Action::Retain(scrip::intake::Retention { credits: credits(whole), occurred_at: None });
        let key = key.map(|key| Key::of(Scope::Api, key.into(), &format!("{id} {action:?}")));
        self.post(id, command, key).await;
    }

    async fn top_up(&mut self, id: BalanceId, whole: i64) {
        let grant = NewGrant {
            source: GrantSource::TopUp,
            credits: credits(whole),
            priority: DEFAULT_PRIORITY,
            effective_at: None,
            expires_at: None,
            cost: None,
        };
        self.post(id, Command::Grant(grant), None).await;
    }

    /// Closes an empty balance.
    async fn close(&mut self, id: BalanceId) {
        let mut balance = self.open_balance(id).await;
        let mut writes = Writes::default();
        let terms = Terms::of(&balance, Policy::default(), noon());
        post(&mut balance, &terms, (&Command::Close, &Note::of(Origin::Api)), &mut writes).expect("it is empty");
        balance.closed_at = Some(noon());
        let changed = Changed { balance: &balance, settings: true };
        writes.flush(&mut self.txn, &[changed]).await.expect("it can be written");
    }

    /// Opens a balance of a customer that has none, with some credits.
    async fn open(&mut self, id: BalanceId, product: scrip::base::ids::ProductId, whole: i64) {
        let number = customers::service::number_balance(&mut self.txn, id.customer).await.expect("there is room");
        assert_eq!(number, id.number);
        let mut balance = Balance::open(id, product, Overrides::default(), noon());
        let grant = NewGrant {
            source: GrantSource::StartingBalance,
            credits: credits(whole),
            priority: DEFAULT_PRIORITY,
            effective_at: None,
            expires_at: None,
            cost: None,
        };
        let mut writes = Writes::default();
        let terms = Terms::of(&balance, Policy::default(), noon());
        let command = (&Command::Grant(grant), &Note::of(Origin::Api));
        post(&mut balance, &terms, command, &mut writes).expect("it is possible");
        let changed = Changed { balance: &balance, settings: true };
        writes.flush(&mut self.txn, &[changed]).await.expect("it can be written");
    }

    /// Records a call.
    async fn call(&mut self, id: BalanceId, event: &str) {
        let raw = RawEvent {
            id: event.into(),
            customer: id.customer,
            event_type: "call".into(),
            timestamp: None,
            properties: None,
        };
        let event = NewEvent::check(raw, noon()).expect("it is right in itself");
        let snapshot = load_snapshot(&mut self.txn).await.expect("the catalog can be read");
        let mut balances = [self.open_balance(id).await];
        let (mut writes, mut events) = (Writes::default(), EventWrites::default());
        let context = Context { catalog: &snapshot, now: noon(), mode: Mode::Record };
        record(&event, context, &mut balances, (&mut writes, &mut events)).expect("it is recorded");
        let changed = Changed { balance: &balances[0], settings: false };
        writes.flush(&mut self.txn, &[changed]).await.expect("it can be written");
        events.flush(&mut self.txn).await.expect("it can be written");
    }

    async fn commit(self) {
        self.txn.commit().await.expect("it can be committed");
    }
}

fn retention(whole: i64) -> Command {
    Command::Spend(Spend {
        kind: SpendKind::Retention,
        credits: credits(whole),
        cover: Cover::Whole,
        occurred_at: None,
    })
}

fn is_insufficient(result: &Result<Done, Failure>) -> bool {
    matches!(result, Err(Failure::Problems(problems)) if matches!(problems.as_slice()[0].kind, ProblemKind::Insufficient { .. }))
}

fn is_state(result: &Result<Done, Failure>) -> bool {
    matches!(result, Err(Failure::Problems(problems)) if matches!(problems.as_slice()[0].kind, ProblemKind::State { .. }))
}

// --- Between the books and the keys ------------------------------------------------------------------------------------

#[tokio::test]
async fn l4_what_the_other_node_spent_meanwhile_is_not_spent_again() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(10).await;
    let mut meanwhile = stage.hold("idempotency_keys").await;
    let node = stage.node.clone();
    let asked = tokio::spawn(async move { node.retain(balance, 6, "mine").await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.retain(balance, 6, None).await;
    meanwhile.commit().await;
    let result = asked.await.expect("it ends");
    assert!(is_insufficient(&result), "{result:?}");
    assert_eq!(stage.node.entries(balance).await.len(), 2);
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn l11_a_balance_that_moved_meanwhile_goes_on_behind_the_other_nodes_entry() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(10).await;
    let mut meanwhile = stage.hold("idempotency_keys").await;
    let node = stage.node.clone();
    let asked = tokio::spawn(async move { node.retain(balance, 6, "mine").await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.top_up(balance, 5).await;
    meanwhile.commit().await;
    let done = asked.await.expect("it ends").expect("it is covered");
    assert_eq!((made(&done).posting.sequence, done.balance.account.settled), (3, credits(9)));
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn l5_a_key_that_the_other_node_used_meanwhile_is_replayed_with_the_balance_as_it_stands_now() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(10).await;
    let mut meanwhile = stage.hold("idempotency_keys").await;
    let node = stage.node.clone();
    let asked = tokio::spawn(async move { node.retain(balance, 6, "ours").await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.retain(balance, 6, Some("ours")).await;
    meanwhile.commit().await;
    let done = asked.await.expect("it ends").expect("it was covered");
    assert!(done.replayed);
    assert_eq!(made(&done).posting.sequence, 2);
    assert_eq!(done.balance.account.settled, credits(4), "the balance after the entry, not before it");
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn a_balance_that_the_other_node_closed_meanwhile_gets_no_more_entries() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(0).await;
    let mut meanwhile = stage.hold("idempotency_keys").await;
    let node = stage.node.clone();
    let asked = tokio::spawn(async move { node.top_up(balance, 5, "late").await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.close(balance).await;
    meanwhile.commit().await;
    let result = asked.await.expect("it ends");
    assert!(is_state(&result), "{result:?}");
    assert_eq!(stage.node.entries(balance).await.len(), 0);
}

// --- Between the books and the events ----------------------------------------------------------------------------------

#[tokio::test]
async fn l5_an_event_that_the_other_node_recorded_meanwhile_is_a_duplicate() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(1).await;
    let mut meanwhile = stage.hold("events").await;
    let node = stage.node.clone();
    let sent = tokio::spawn(async move { node.call(balance.customer, "once", Mode::Enforce).await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.call(balance, "once").await;
    meanwhile.commit().await;
    let receipt: Receipt = sent.await.expect("it ends");
    assert_eq!((receipt.status, receipt.differs), (Status::Duplicate, false));
    assert_eq!(stage.node.entries(balance).await.len(), 2);
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn l10_an_event_is_refused_for_what_the_other_node_spent_meanwhile() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(1).await;
    let mut meanwhile = stage.hold("events").await;
    let node = stage.node.clone();
    let sent = tokio::spawn(async move { node.call(balance.customer, "mine", Mode::Enforce).await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.call(balance, "theirs").await;
    meanwhile.commit().await;
    assert_eq!(sent.await.expect("it ends").status, Status::Refused);
    // It left no trace: when there is something to spend, the same id is taken.
    stage.other.top_up(balance, 1, "more").await.expect("credits can come in");
    assert_eq!(stage.node.call(balance.customer, "mine", Mode::Enforce).await.status, Status::Accepted);
    stage.node.assert_sound().await;
}

// --- Between the books and the other balances asked for ----------------------------------------------------------------

#[tokio::test]
async fn a_balance_that_the_other_node_opened_meanwhile_is_open() {
    let stage = Stage::new().await;
    let product = stage.node.make_product("1").await;
    let customer = stage.node.make_customer("acme").await;
    let balance = BalanceId { customer, number: 1 };
    let mut meanwhile = stage.hold("customers").await;
    let node = stage.node.clone();
    let asked = tokio::spawn(async move { node.retain(balance, 4, "early").await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.open(balance, product, 10).await;
    meanwhile.commit().await;
    let done = asked.await.expect("it ends").expect("the balance is open and covers it");
    assert_eq!(done.balance.account.settled, credits(6));
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn a_balance_that_the_other_node_opened_meanwhile_is_not_said_to_be_closed_already() {
    let stage = Stage::new().await;
    let product = stage.node.make_product("1").await;
    let customer = stage.node.make_customer("acme").await;
    let balance = BalanceId { customer, number: 1 };
    let mut meanwhile = stage.hold("customers").await;
    let node = stage.node.clone();
    let asked = tokio::spawn(async move { node.close(balance).await });
    meanwhile.until_it_is_waited_for().await;
    meanwhile.open(balance, product, 10).await;
    meanwhile.commit().await;
    let result = asked.await.expect("it ends");
    assert!(is_state(&result), "10 credits are left, so it cannot be closed: {result:?}");
    assert_eq!(stage.node.balance(balance).await.closed_at, None);
}

// --- Books in memory ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn books_in_memory_are_not_believed_when_the_other_node_moved_them() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(10).await;
    for round in 0..4 {
        let (node, other) = if round % 2 == 0 { (&stage.node, &stage.other) } else { (&stage.other, &stage.node) };
        node.retain(balance, 1, &format!("a{round}")).await.expect("it is covered");
        let left = node.balance(balance).await.account.settled.micros() / 1_000_000;
        other.retain(balance, left, &format!("b{round}")).await.expect("all of it can be spent");
        let refused = node.retain(balance, 1, &format!("c{round}")).await;
        assert!(is_insufficient(&refused), "{refused:?}");
        assert_eq!(node.call(balance.customer, &format!("d{round}"), Mode::Enforce).await.status, Status::Refused);
        other.top_up(balance, 10, &format!("e{round}")).await.expect("credits can come in");
    }
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn a_node_sees_the_balances_that_the_other_node_opens_and_closes() {
    let stage = Stage::new().await;
    let Stage { node, other, .. } = &stage;
    let product = node.make_product("1").await;
    let customer = node.make_customer("acme").await;
    for round in 0..3 {
        let call = async |node: &Node, id: &str, mode| node.call(customer, &format!("{id}{round}"), mode).await.status;
        // Both remember that there is none.
        assert_eq!(call(node, "a", Mode::Enforce).await, Status::Refused);
        assert_eq!(call(other, "b", Mode::Enforce).await, Status::Refused);
        let balance = other.open(customer, product, 1).await.expect("it can be opened").balance.account.id;
        assert_eq!(call(node, "c", Mode::Enforce).await, Status::Accepted);
        assert!(other.close(balance).await.expect("it is empty").balance.closed_at.is_some());
        assert_eq!(call(node, "d", Mode::Enforce).await, Status::Refused);
        assert!(is_state(&node.top_up(balance, 1, &format!("late{round}")).await));
    }
    node.assert_sound().await;
}

#[tokio::test]
async fn a_balance_opened_on_all_nodes_at_once_is_opened_once() {
    let stage = Stage::new().await;
    let product = stage.node.make_product("1").await;
    for number in 0..5 {
        let customer = stage.node.make_customer(&format!("c{number}")).await;
        let nodes = [&stage.node, &stage.other];
        let results = join_all((0..8).map(|client| nodes[client % 2].open(customer, product, 5))).await;
        let opened: Vec<&Done> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(opened.len(), 1);
        for result in &results {
            let exists = |failure: &Failure| matches!(failure, Failure::Problems(p) if matches!(p.as_slice()[0].kind, ProblemKind::Exists { .. }));
            assert!(result.as_ref().err().is_none_or(exists), "{result:?}");
        }
        assert_eq!(stage.other.balance(opened[0].balance.account.id).await.account.settled, credits(5));
    }
    stage.node.assert_sound().await;
}

#[tokio::test]
async fn a_balance_closed_on_one_node_and_filled_on_the_other_is_one_or_the_other() {
    let stage = Stage::new().await;
    let product = stage.node.make_product("1").await;
    for number in 0..10 {
        let customer = stage.node.make_customer(&format!("c{number}")).await;
        let id = stage.node.open(customer, product, 0).await.expect("it can be opened").balance.account.id;
        // Both have it in memory.
        stage.other.retain(id, 1, "warm").await.expect_err("nothing is there");
        let (closed, filled) = tokio::join!(stage.node.close(id), stage.other.top_up(id, 1, "fill"));
        assert_ne!(closed.is_ok(), filled.is_ok(), "{closed:?} {filled:?}");
        let balance = stage.node.balance(id).await;
        assert_eq!(balance.closed_at.is_some(), closed.is_ok());
        assert_eq!(balance.account.settled, credits(i64::from(filled.is_ok())));
    }
    stage.node.assert_sound().await;
}

// --- The catalog -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_node_burns_by_the_weights_that_the_other_node_wrote() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(100).await;
    let product = stage.node.balance(balance).await.product;
    let app = &stage.other.0;
    let snapshot = load_snapshot(&mut app.db.read().await.expect("it answers")).await.expect("it can be read");
    let meter = snapshot.product(product).expect("it is there").consumption[0].meter;
    for weight in 2..6 {
        stage.node.call(balance.customer, &format!("before{weight}"), Mode::Record).await;
        let rule = GivenRule {
            meter: meter.into(),
            credits_per_unit: Decimal::new(&weight.to_string()).expect("a weight").into(),
        };
        let changes = CreditProductChanges { consumption: Patch::Set(vec![rule]), ..CreditProductChanges::default() };
        let write =
            app.db.write(async |txn| catalog::service::update_credit_product(txn, noon(), product, &changes).await);
        write.await.expect("it can be changed");
        stage.node.call(balance.customer, &format!("after{weight}"), Mode::Record).await;
    }
    let entries = stage.node.entries(balance).await;
    let burned: Vec<i64> = entries.iter().skip(1).map(|entry| -entry.posting.credits.micros() / 1_000_000).collect();
    assert_eq!(burned, [1, 2, 2, 3, 3, 4, 4, 5]);
    stage.node.assert_sound().await;
}

// --- Faults ------------------------------------------------------------------------------------------------------------

/// A command that no transaction can hold takes only itself down; the others of its batch keep their order.
#[tokio::test]
async fn a_fault_in_a_batch_is_halved_down_to_the_command_that_has_it() {
    let stage = Stage::new().await;
    let balance = stage.node.shop(100).await;
    let mut conn = stage.db.read().await.expect("it answers");
    run(&mut conn, "ALTER TABLE idempotency_keys ADD CONSTRAINT fault CHECK (key <> 'bad')").await;
    let keys = ["a", "b", "bad", "c", "d", "e", "f"];
    let results = join_all(keys.iter().map(|key| stage.node.retain(balance, 1, key))).await;
    let mut sequences = Vec::new();
    for (key, result) in keys.iter().zip(&results) {
        match result {
            Ok(done) => sequences.push(made(done).posting.sequence),
            Err(failure) => {
                assert_eq!(*key, "bad");
                assert!(matches!(failure, Failure::Db(_)), "{failure:?}");
            }
        }
    }
    assert_eq!(sequences, [2, 3, 4, 5, 6, 7]);
    assert_eq!(stage.node.balance(balance).await.account.settled, credits(94));
    stage.node.assert_sound().await;
}
