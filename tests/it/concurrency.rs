//! Many at once, on one node and on several: what is there is spent and no more (L4), each key and id once (L5).

use std::collections::HashSet;

use futures_util::future::join_all;
use scrip::base::ids::{BalanceId, CustomerId};
use scrip::base::problem::ProblemKind;
use scrip::db::Failure;
use scrip::intake::{Done, Receipt, Status};
use scrip::metering::event::Mode;

use crate::support::db::{TestDb, both};
use crate::support::node::{Node, credits, made};

const CLIENTS: usize = 32;

/// Clients, each of which spends one credit after the other, by hand or by events that must be covered, until it is
/// told that nothing is left. Answers how many credits they got, and how many were refused.
async fn spend(nodes: &[Node], balance: BalanceId, each: usize) -> (usize, usize) {
    let client = async |client: usize| {
        let node = &nodes[client % nodes.len()];
        let (mut got, mut refused) = (0, 0);
        for n in 0..each {
            let id = format!("{client}-{n}");
            let spent = if client.is_multiple_of(2) {
                retained(node.retain(balance, 1, &id).await)
            } else {
                recorded(&node.call(balance.customer, &id, Mode::Enforce).await)
            };
            if spent {
                got += 1;
            } else {
                refused += 1;
            }
        }
        (got, refused)
    };
    let all = join_all((0..CLIENTS).map(client)).await;
    all.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn retained(result: Result<Done, Failure>) -> bool {
    match result {
        Ok(done) => {
            assert!(!done.replayed);
            true
        }
        Err(Failure::Problem(problem)) if matches!(problem.kind, ProblemKind::Insufficient { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

fn recorded(receipt: &Receipt) -> bool {
    match receipt.status {
        Status::Accepted => true,
        Status::Refused => false,
        Status::Duplicate | Status::Invalid => panic!("{receipt:?}"),
    }
}

/// 32 clients want 320 credits; 200 are there.
async fn spend_all(nodes: &[Node]) {
    let balance = nodes[0].shop(200).await;
    assert_eq!(spend(nodes, balance, 10).await, (200, 120));
    let entries = nodes[0].entries(balance).await;
    assert_eq!(entries.len(), 201);
    assert!(entries.iter().all(|entry| entry.posting.available_after >= credits(0)));
    assert_eq!(nodes[0].balance(balance).await.account.settled, credits(0));
    nodes[0].assert_sound().await;
}

/// The same key from 32 clients: one takes, the others are told what it took, by a balance that is no older.
async fn one_key(nodes: &[Node]) {
    let balance = nodes[0].shop(100).await;
    for round in 0..5 {
        let key = format!("key-{round}");
        let asked = (0..CLIENTS).map(|client| nodes[client % nodes.len()].retain(balance, 3, &key));
        let done: Vec<Done> = join_all(asked).await.into_iter().map(|done| done.expect("it is covered")).collect();
        assert_eq!(done.iter().filter(|done| !done.replayed).count(), 1);
        let entries: HashSet<i64> = done.iter().map(|done| made(done).posting.sequence).collect();
        assert_eq!(entries.len(), 1);
        assert!(done.iter().all(|done| done.balance.account.sequence >= made(done).posting.sequence));
    }
    assert_eq!(nodes[0].balance(balance).await.account.settled, credits(85));
    assert_eq!(nodes[0].entries(balance).await.len(), 6);
    nodes[0].assert_sound().await;
}

/// The same event id from 32 clients: it is recorded once, though only one of them is covered.
async fn one_event(nodes: &[Node]) {
    let balance = nodes[0].shop(1).await;
    let customer: CustomerId = balance.customer;
    let sent = (0..CLIENTS).map(|client| nodes[client % nodes.len()].call(customer, "once", Mode::Enforce));
    let statuses: Vec<Status> = join_all(sent).await.into_iter().map(|receipt| receipt.status).collect();
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(Status::Accepted), count(Status::Duplicate)), (1, CLIENTS - 1));
    assert_eq!(nodes[0].entries(balance).await.len(), 2);
    nodes[0].assert_sound().await;
}

fn nodes(db: &TestDb, count: usize) -> Vec<Node> {
    let first = Node::on(db);
    let others = (1..count).map(|number| Node::at(db.url(), &format!("node{number}")));
    std::iter::once(first).chain(others).collect()
}

both!(l4_what_is_there_is_spent_to_the_last_credit_and_no_further, async |db| {
    spend_all(&nodes(db, 1)).await;
});

both!(l5_a_key_used_by_all_at_once_has_one_effect, async |db| {
    one_key(&nodes(db, 1)).await;
});

both!(l5_an_event_sent_by_all_at_once_is_recorded_once, async |db| {
    one_event(&nodes(db, 1)).await;
});

#[tokio::test]
async fn l4_two_nodes_spend_what_is_there_and_no_more() {
    spend_all(&nodes(&TestDb::postgres().await, 2)).await;
}

#[tokio::test]
async fn l4_eight_nodes_on_one_balance_all_get_an_answer() {
    spend_all(&nodes(&TestDb::postgres().await, 8)).await;
}

#[tokio::test]
async fn l5_a_key_used_on_two_nodes_at_once_has_one_effect() {
    one_key(&nodes(&TestDb::postgres().await, 2)).await;
}

#[tokio::test]
async fn l5_an_event_sent_to_two_nodes_at_once_is_recorded_once() {
    one_event(&nodes(&TestDb::postgres().await, 2)).await;
}

/// Events of many customers in one request, sent to two nodes in opposite orders: nobody waits for ever, nothing is lost.
#[tokio::test]
async fn requests_that_cross_each_other_are_all_recorded() {
    let db = TestDb::postgres().await;
    let nodes = nodes(&db, 2);
    let product = nodes[0].make_product("1").await;
    let mut balances = Vec::new();
    for number in 0..20 {
        let customer = nodes[0].make_customer(&format!("c{number}")).await;
        let done = nodes[0].open(customer, product, 1_000).await.expect("it can be opened");
        balances.push(done.balance.account.id);
    }
    let rounds = (0..6).map(|round| {
        let (node, balances) = (&nodes[round % 2], &balances);
        async move {
            let mut events: Vec<_> = balances
                .iter()
                .map(|balance| crate::support::node::call(balance.customer, &format!("round-{round}")))
                .collect();
            if round % 2 == 1 {
                events.reverse();
            }
            node.0.intake.ingest(events, Mode::Record).await.expect("the intake answers")
        }
    });
    for receipts in join_all(rounds).await {
        assert!(receipts.iter().all(|receipt| receipt.status == Status::Accepted), "{receipts:?}");
    }
    for balance in balances {
        assert_eq!(nodes[1].balance(balance).await.account.settled, credits(994));
    }
    nodes[0].assert_sound().await;
}
