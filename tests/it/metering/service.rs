//! One event at a time, through a node's queue.

use scrip::base::credits::Credits;
use scrip::base::problem::ProblemKind;
use scrip::intake::{IncomingEvent, Status};
use scrip::ledger::model::EntryKind;
use scrip::metering::event::Mode;

use crate::support::db::both;
use crate::support::node::{Node, call, credits};

both!(entry_of_usage_names_its_event_and_how_its_credits_came_about, async |db| {
    let node = Node::on(db);
    let product = node.make_product("1.5").await;
    let customer = node.make_customer("acme").await;
    let id = node.open(customer, product, 10).await.expect("it can be opened").balance.account.id;
    let receipt = node.call(customer, "e1", Mode::Record).await;
    assert_eq!((receipt.status, receipt.changed.as_slice()), (Status::Accepted, [id].as_slice()));
    let entries = node.entries(id).await;
    let usage = entries.last().expect("it burns");
    assert_eq!(usage.posting.kind, EntryKind::Usage);
    assert_eq!((usage.note.event, usage.note.event.is_some()), (receipt.event, true));
    let rating = usage.note.rating.as_ref().expect("it is rated");
    assert_eq!((rating.quantity.as_str(), rating.credits_per_unit.as_str()), ("1", "1.5"));
    assert_eq!((rating.exact_credits.as_str(), rating.credits), ("1.5", Credits::from_micros(1_500_000)));
});

both!(event_that_several_products_count_burns_of_each_the_balance_of_its_own, async |db| {
    let node = Node::on(db);
    let one = node.make_product("1").await;
    let customer = node.make_customer("acme").await;
    let first = node.open(customer, one, 10).await.expect("it can be opened").balance.account.id;
    node.call(customer, "e1", Mode::Record).await;
    let meter = node.entries(first).await[1].note.rating.as_ref().expect("it is rated").meter;
    let three = node.product_of("more", meter, "3").await;
    let second = node.open(customer, three, 10).await.expect("it can be opened").balance.account.id;
    let receipt = node.call(customer, "e2", Mode::Record).await;
    assert_eq!(receipt.changed, [first, second]);
    let settled = async |id| node.balance(id).await.account.settled;
    assert_eq!((settled(first).await, settled(second).await), (credits(8), credits(7)));
});

both!(usage_that_a_broken_balance_does_not_take_is_not_recorded, async |db| {
    let node = Node::on(db);
    let product = node.make_product("1").await;
    let customer = node.make_customer("acme").await;
    node.open(customer, product, 10).await.expect("it can be opened");
    let set = async |settled: i64, held: i64| {
        db.tamper(&format!("UPDATE balances SET settled = {settled}, held = {held}, revision = revision + 1")).await;
    };
    set(i64::MIN + 1, 2).await;
    for mode in [Mode::Record, Mode::Enforce] {
        let failed = node.0.intake.ingest(vec![call(customer, "e1")], mode).await.expect_err("the books are broken");
        assert!(format!("{failed}").contains("does not take usage"), "{failed}");
    }
    set(10_000_000, 0).await;
    assert_eq!(node.call(customer, "e1", Mode::Record).await.status, Status::Accepted, "nothing was recorded before");
});

both!(enforced_event_without_a_balance_is_refused_when_a_rule_matches_and_accepted_when_none_does, async |db| {
    let node = Node::on(db);
    node.make_product("2").await;
    let customer = node.make_customer("acme").await;
    let refused = node.call(customer, "e1", Mode::Enforce).await;
    let problem = refused.problem.expect("it says why");
    let required = credits(2);
    let expected = ProblemKind::Insufficient { balance: None, available: Credits::ZERO, required, shortfall: required };
    assert_eq!((refused.status, problem.kind), (Status::Refused, expected));

    let other = IncomingEvent { event_type: "other".into(), ..call(customer, "e2") };
    let receipts = node.0.intake.ingest(vec![other], Mode::Enforce).await.expect("the intake answers");
    assert_eq!((receipts[0].status, &receipts[0].problem), (Status::Accepted, &None));
});
