//! Many at once, on one node and on several: what is there is spent and no more (L4), each key and id once (L5).

use std::collections::HashSet;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scrip::base::ids::{BalanceId, CustomerId, HoldId};
use scrip::base::problem::ProblemKind;
use scrip::base::time::{DAY, SECOND};
use scrip::db::Failure;
use scrip::intake::{Action, Capture, Done, Extension, NewHold, Receipt, Retention, Status, TopUp};
use scrip::ledger::command::Overrun;
use scrip::ledger::entry::Entry;
use scrip::ledger::model::EntryKind;
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
        Err(Failure::Problems(problems)) if matches!(problems.as_slice()[0].kind, ProblemKind::Insufficient { .. }) => {
            false
        }
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

/// What one client was told: what it burned, in millionths, and the hold that it still has.
#[derive(Default)]
struct Told {
    burned: i64,
    held: Option<HoldId>,
}

/// One client sets credits aside, burns them, lets them go, extends, and spends beside, while the clock goes on and lots that
/// somebody brings are soon over. Every refusal is one of those that there can be.
async fn work(node: &Node, balance: BalanceId, client: usize) -> Told {
    let mut random = StdRng::seed_from_u64(u64::try_from(client).expect("few"));
    let mut told = Told::default();
    for step in 0..20 {
        let clock = &node.0.clock;
        clock.set(clock.now().plus_micros(random.random_range(0..SECOND / 10)).expect("in range"));
        let (key, amount) = (format!("{client}-{step}"), random.random_range(1..=5));
        let ttl = random.random_range(1..=3) * SECOND;
        let action = match (random.random_range(0..10), told.held) {
            (0..=1, _) => Action::TopUp(TopUp {
                credits: credits(amount * 3),
                priority: 500,
                effective_at: None,
                expires_at: clock.now().plus_micros(ttl),
            }),
            (2..=3, _) => Action::Retain(Retention { credits: credits(amount), occurred_at: None }),
            (4..=6, Some(hold)) => {
                let overrun = if amount > 3 { Overrun::UpToAvailable } else { Overrun::Reject };
                Action::Capture(Capture { hold, credits: Some(credits(amount)), overrun })
            }
            (7, Some(hold)) => Action::Release(hold),
            (_, Some(hold)) => Action::Extend(Extension { hold, ttl }),
            (_, None) => Action::Hold(NewHold { credits: credits(amount), ttl }),
        };
        match node.moves(balance, action.clone(), &key).await {
            Ok(done) => {
                let burned = done.entry.as_ref().map_or(0, |entry| -entry.posting.credits.micros());
                match action {
                    Action::Retain(_) => told.burned += burned,
                    Action::Capture(_) => (told.burned, told.held) = (told.burned + burned, None),
                    Action::Release(_) => told.held = None,
                    Action::Hold(_) => {
                        let entry = made(&done);
                        told.held = entry.posting.hold.map(|hold| balance.hold(hold));
                    }
                    _ => {}
                }
            }
            Err(Failure::Problems(problems)) => match &problems.as_slice()[0].kind {
                // It has lapsed meanwhile.
                ProblemKind::State { state: "LAPSED" } => told.held = None,
                ProblemKind::Insufficient { .. } | ProblemKind::Limit { .. } => {}
                // The clock went on before the lot came in.
                ProblemKind::Invalid if problems.as_slice()[0].path == ["expiresAt"] => {}
                other => panic!("{other:?} of {action:?}"),
            },
            Err(Failure::Db(error)) => panic!("{error}"),
        }
    }
    told
}

/// 32 clients at work on one balance: nothing is spent that is not there, and no hold is left when its time is over.
async fn work_together(nodes: &[Node]) {
    let balance = nodes[0].shop(200).await;
    let clients = (0..CLIENTS).map(|client| work(&nodes[client % nodes.len()], balance, client));
    let told = join_all(clients).await;
    let entries = nodes[0].entries(balance).await;
    assert!(entries.iter().all(|entry| entry.posting.available_after >= credits(0)), "L4");
    let spends = |entry: &&Entry| matches!(entry.posting.kind, EntryKind::Retention | EntryKind::Capture);
    let burned: i64 = entries.iter().filter(spends).map(|entry| -entry.posting.credits.micros()).sum();
    assert_eq!(burned, told.iter().map(|told| told.burned).sum::<i64>(), "what clients were told");
    assert!(entries.iter().any(|entry| entry.posting.kind == EntryKind::Expiration), "lots expired meanwhile");
    nodes[0].assert_sound().await;
    for node in nodes {
        node.0.clock.set(node.0.clock.now().plus_micros(DAY).expect("in range"));
    }
    nodes[0].0.intake.post_due(vec![balance]).await.expect("the intake answers");
    let after = nodes[0].balance(balance).await.account;
    assert_eq!((after.held, after.holds.len()), (credits(0), 0), "no hold is left");
    let (held, freed) =
        nodes[0].entries(balance).await.iter().fold((0, 0), |(held, freed), entry| match entry.posting.kind {
            EntryKind::Hold => (held + 1, freed),
            EntryKind::Capture | EntryKind::Release => (held, freed + 1),
            _ => (held, freed),
        });
    assert_eq!(held, freed, "each hold ended once");
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

both!(l9_holds_captures_releases_and_spends_of_32_clients_share_what_is_there, async |db| {
    work_together(&nodes(db, 1)).await;
});

/// Several nodes on one database, which only PostgreSQL allows.
mod postgres {
    use super::*;

    #[tokio::test]
    async fn l9_two_nodes_share_what_is_there() {
        work_together(&nodes(&TestDb::postgres().await, 2)).await;
    }

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
}
