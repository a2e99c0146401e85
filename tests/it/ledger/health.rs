//! Audits straight from the tables.

use scrip::ledger::health::{self, Extent, MAX_PROBLEMS, Place};

use crate::support::db::both;
use crate::support::node::Node;

both!(audit_checks_what_stands_before_an_entry_that_cannot_be_read_and_ends_there, async |db| {
    let node = Node::on(db);
    let id = node.shop(10).await;
    node.retain(id, 1, "k").await.expect("there is enough");
    db.tamper("UPDATE entries SET allocations = 'no JSON' WHERE sequence = 2").await;
    let report = health::audit_one(db, id, None).await.expect("it can be audited");
    let told: Vec<String> = report.findings.iter().map(|finding| format!("{finding:?}")).collect();
    assert!(told.iter().any(|told| told.contains("cannot be read")), "{told:?}");
    assert_eq!(report.end, None);
});

// Beyond the first checkpoint, which stands behind the 256th entry.
both!(audit_in_parts_finds_what_a_whole_one_finds, async |db| {
    let node = Node::on(db);
    let id = node.shop(1_000).await;
    for n in 0..280 {
        node.retain(id, 1, &n.to_string()).await.expect("there is enough");
    }
    for sequence in [2, 150, 270] {
        db.tamper(&format!("UPDATE entries SET available_after = available_after + 1 WHERE sequence = {sequence}"))
            .await;
    }
    let whole = health::audit(db, None, Extent::balances(10)).await.expect("it can be audited");
    assert_eq!((whole.balances, whole.entries, &whole.end), (1, 281, &None));
    assert!(whole.findings.len() > 3, "{whole:?}");
    for entries in [30, 100, 281] {
        let extent = Extent { balances: 10, entries };
        let (mut findings, mut read, mut place) = (vec![], vec![], None);
        loop {
            let part = health::audit(db, place, extent).await.expect("it can be audited");
            findings.extend(part.findings);
            read.push(part.entries);
            place = part.end;
            if place.is_none() {
                break;
            }
        }
        assert_eq!(findings, whole.findings, "{entries} at a time");
        assert_eq!(read.iter().sum::<u64>(), 281);
        assert!(read.iter().all(|part| *part <= entries), "{read:?}");
    }
});

both!(audit_that_has_found_enough_ends_and_says_where, async |db| {
    let node = Node::on(db);
    let id = node.shop(1_000).await;
    for n in 0..60 {
        node.retain(id, 1, &n.to_string()).await.expect("there is enough");
    }
    let other = node.make_customer("other").await;
    node.open(other, node.balance(id).await.product, 1).await.expect("it can be opened");
    db.tamper_all("UPDATE entries SET available_after = available_after + 1, settled_after = settled_after - 1").await;
    let report = health::audit(db, None, Extent::balances(10)).await.expect("it can be audited");
    assert_eq!(report.findings.len(), MAX_PROBLEMS);
    assert_eq!((report.balances, report.end), (1, Some(Place { balance: id, within: None })));
});
