//! Proof: books that agree are healthy, and whatever is changed in the tables behind the ledger's back is named, with the
//! balance, the entry and the rule.

use scrip::base::credits::Credits;
use scrip::base::ids::{BalanceId, MeterId};
use scrip::base::settings::{Overdraft, Overrides};
use scrip::base::time::{SECOND, Time};
use scrip::ledger::command::{Command, Cover, NewGrant, Overrun, Reversal, Spend, SpendKind, VoidKind};
use scrip::ledger::entry::{Note, Origin, Rating};
use scrip::ledger::health::{Extent, Finding, MAX_PROBLEMS, Place, audit, audit_one};
use scrip::ledger::lookup::reversal;
use scrip::ledger::model::{Balance, GrantSource, Policy};
use scrip::ledger::service::{Changed, Terms, Writes, post};
use scrip::ledger::store::KeyRow;

use crate::support::db::{TestDb, both};
use crate::support::node::{Node, credits, noon};

/// That many seconds after noon.
fn at(seconds: i64) -> Time {
    noon().plus_micros(seconds * SECOND).expect("in range")
}

fn grant(whole: i64, effective: Option<i64>, expires: Option<i64>) -> Command {
    Command::Grant(NewGrant {
        source: GrantSource::TopUp,
        credits: credits(whole),
        priority: 500,
        effective_at: effective.map(at),
        expires_at: expires.map(at),
        cost: None,
    })
}

fn spend(kind: SpendKind, whole: i64) -> Command {
    Command::Spend(Spend { kind, credits: credits(whole), cover: Cover::AsFarAsAllowed, occurred_at: None })
}

fn usage(whole: i64) -> Note {
    let rating = Rating {
        meter: MeterId(uuid::Uuid::from_u128(9)),
        quantity: (whole * 2).to_string(),
        credits_per_unit: "0.5".to_owned(),
        exact_credits: whole.to_string(),
        credits: credits(whole),
    };
    Note { rating: Some(rating), ..Note::of(Origin::Event) }
}

/// One balance on record.
struct Ledger<'a> {
    db: &'a TestDb,
    balance: Balance,
    /// All of it goes to the database at once.
    writes: Writes,
}

impl Ledger<'_> {
    fn does(&mut self, second: i64, command: &Command, note: &Note) {
        let policy = Policy { threshold: Some(credits(2)), overdraft: Overdraft::Deny };
        let terms = Terms::of(&self.balance, policy, at(second));
        let id = self.balance.account.id;
        let entries = post(&mut self.balance, &terms, (command, note), &mut self.writes).expect("it can be done");
        if let (Some(key), Some(entry)) = (&note.idempotency_key, entries.last()) {
            self.writes.remember_key(KeyRow {
                customer_id: id.customer,
                scope: 0,
                key: key.clone(),
                input_hash: vec![7; 16],
                balance: id.number,
                sequence: entry.posting.sequence,
                created_at: at(second),
                subscription: None,
                purchase: None,
            });
        }
    }

    async fn write(self) -> Balance {
        let mut txn = self.db.begin().await.expect("it can be written");
        let changed = Changed { balance: &self.balance, settings: false };
        self.writes.flush(&mut txn, &[changed]).await.expect("it can be written");
        txn.commit().await.expect("it can be committed");
        self.balance
    }

    async fn reverses(&mut self, second: i64, entry: i64, back: i64) {
        let mut conn = self.db.read().await.expect("it can be read");
        let found = reversal(&mut conn, &self.writes, (&self.balance, entry), Some(credits(back))).await;
        drop(conn);
        let reversal: Reversal = found.expect("it can be read").expect("it is there");
        self.does(second, &Command::Reverse(reversal), &Note::of(Origin::Api));
    }
}

/// A balance with a life of its own: what there is of each kind of entry.
///
/// 1 top-up of 10 until 60, 2 top-up of 20, 3 top-up of 5 from 100 on, 4 usage of 4, 5 hold of 8 of both, 6 hold of 3,
/// 7 capture of 5 of the first, 8 what was free of lot 1 expires, 9 retention of 2, 10 reversal of 3 of the usage, 11 which
/// expires at once, 12 amendment of lot 2, 13 lot 3 begins, 14 top-up of 7, 15 which is voided, 16 usage of 30, of which not
/// all is covered, 17 hold 6 lapses, 18 top-up of 40, 19 hold of 6, 20 usage of 1.
async fn live(db: &TestDb, id: BalanceId, product: scrip::base::ids::ProductId) -> Balance {
    let mut ledger =
        Ledger { db, balance: Balance::open(id, product, Overrides::default(), noon()), writes: Writes::default() };
    let plain = Note::of(Origin::Api);
    let said = Note { reason: Some("a gift".to_owned()), ..plain.clone() };
    ledger.does(0, &grant(10, None, Some(60)), &said);
    ledger.does(1, &grant(20, None, None), &plain);
    ledger.does(2, &grant(5, Some(100), None), &plain);
    ledger.does(3, &spend(SpendKind::Usage, 4), &usage(4));
    ledger.does(4, &Command::Hold { credits: credits(8), expires_at: at(500) }, &said);
    ledger.does(5, &Command::Hold { credits: credits(3), expires_at: at(300) }, &plain);
    let capture = Command::Capture { hold: 5, credits: Some(credits(5)), overrun: Overrun::Reject };
    ledger.does(70, &capture, &plain);
    let keyed = Note { idempotency_key: Some(format!("k{}", id.number)), ..plain.clone() };
    let retain = Spend { kind: SpendKind::Retention, credits: credits(2), cover: Cover::Whole, occurred_at: None };
    ledger.does(71, &Command::Spend(retain), &keyed);
    ledger.reverses(72, 4, 3).await;
    ledger.does(73, &Command::Amend { lot: 2, priority: 100, expires_at: Some(at(900)) }, &plain);
    ledger.does(110, &grant(7, None, None), &plain);
    ledger.does(111, &Command::Void { lot: 14, kind: VoidKind::Void }, &plain);
    ledger.does(112, &spend(SpendKind::Usage, 30), &usage(30));
    ledger.does(400, &grant(40, None, None), &plain);
    ledger.does(401, &Command::Hold { credits: credits(6), expires_at: at(800) }, &plain);
    ledger.does(402, &spend(SpendKind::Usage, 1), &usage(1));
    ledger.write().await
}

/// What is changed of a balance, at which entry that is told, and by which rules.
const TAMPERED: &[(&str, Option<i64>, &[&str])] = &[
    ("UPDATE balances SET sequence = sequence + 1 WHERE number = #", None, &["L2"]),
    ("DELETE FROM entries WHERE sequence = 9 AND balance = #", Some(10), &["L2", "L3", "L12"]),
    ("DELETE FROM entries WHERE sequence = 20 AND balance = #", None, &["L2", "L3", "L12"]),
    ("UPDATE balances SET settled = settled + 1 WHERE number = #", None, &["L3"]),
    ("UPDATE balances SET held = held - 1 WHERE number = #", None, &["L3"]),
    ("UPDATE balances SET debt = 1 WHERE number = #", None, &["L3"]),
    ("UPDATE entries SET credits = credits - 1 WHERE sequence = 9 AND balance = #", Some(9), &["L3", "L12"]),
    (
        "UPDATE entries SET settled_after = settled_after - 1 WHERE sequence = 9 AND balance = #",
        Some(9),
        &["L3", "L12"],
    ),
    ("UPDATE entries SET held_after = held_after - 1 WHERE sequence = 9 AND balance = #", Some(9), &["L3", "L12"]),
    ("UPDATE entries SET available_after = 0 WHERE sequence = 9 AND balance = #", Some(9), &["L3", "L12"]),
    (
        "UPDATE entries SET allocations = '[[2,-2000000,0,15000000]]' WHERE sequence = 9 AND balance = #",
        Some(9),
        &["L3"],
    ),
    ("UPDATE entries SET allocations = '[]' WHERE sequence = 9 AND balance = #", Some(9), &["L3", "L12"]),
    ("UPDATE balances SET lots = REPLACE(lots, ',39000000,', ',39000001,') WHERE number = #", None, &["L3"]),
    ("DELETE FROM lots WHERE sequence = 2 AND balance = #", Some(2), &["L3"]),
    ("DELETE FROM lots WHERE sequence = 14 AND balance = #", Some(14), &["L3"]),
    ("UPDATE lots SET credits = credits + 1 WHERE sequence = 14 AND balance = #", Some(14), &["L3"]),
    ("UPDATE lots SET ended = 0 WHERE sequence = 14 AND balance = #", Some(14), &["L3"]),
    ("UPDATE lots SET ended = NULL WHERE sequence = 1 AND balance = #", Some(1), &["L3"]),
    ("UPDATE lots SET priority = 500 WHERE sequence = 2 AND balance = #", None, &["L3"]),
    ("UPDATE lots SET priority = 7 WHERE sequence = 18 AND balance = #", None, &["L3"]),
    ("UPDATE lots SET ended = 1 WHERE sequence = 18 AND balance = #", None, &["L3"]),
    ("UPDATE lots SET sequence = 77 WHERE sequence = 18 AND balance = #", Some(77), &["L3"]),
    ("UPDATE checkpoints SET lots = '[]' WHERE sequence = 11 AND balance = #", Some(11), &["L3"]),
    ("UPDATE checkpoints SET sequence = 99 WHERE sequence = 11 AND balance = #", Some(99), &["L3"]),
    ("DELETE FROM checkpoints WHERE sequence = 11 AND balance = #", Some(10), &["L3"]),
    (
        "UPDATE checkpoints SET recorded_at = (SELECT recorded_at FROM entries WHERE sequence = 9 AND balance = #) WHERE balance = #",
        Some(11),
        &["L3"],
    ),
    ("UPDATE lots SET paid = NOT paid WHERE sequence = 18 AND balance = #", None, &["L3"]),
    ("UPDATE idempotency_keys SET key = 'stray' WHERE key = 'k#'", Some(9), &["L5"]),
    ("UPDATE holds SET expires_at = created_at WHERE sequence = 6 AND balance = #", Some(17), &["L9"]),
    ("UPDATE holds SET expires_at = created_at WHERE sequence = 5 AND balance = #", Some(7), &["L9"]),
    ("UPDATE holds SET captured = 1 WHERE sequence = 19 AND balance = #", None, &["L9"]),
    ("DELETE FROM idempotency_keys WHERE key = 'k#'", Some(9), &["L5"]),
    ("UPDATE idempotency_keys SET sequence = 4 WHERE key = 'k#'", Some(9), &["L5"]),
    (
        "UPDATE entries SET rating = REPLACE(rating, '\"8\"', '\"9\"') WHERE sequence = 4 AND balance = #",
        Some(4),
        &["L6", "L12"],
    ),
    (
        "UPDATE entries SET rating = REPLACE(rating, '30000000', '31000000') WHERE sequence = 16 AND balance = #",
        Some(16),
        &["L6", "L10", "L12"],
    ),
    (
        "UPDATE entries SET allocations = '[[2,-1000000,0,3000000]]' WHERE sequence = 4 AND balance = #",
        Some(4),
        &["L3", "L7"],
    ),
    ("UPDATE entries SET occurred_at = recorded_at WHERE sequence = 13 AND balance = #", Some(13), &["L8", "L12"]),
    ("UPDATE entries SET kind = 11 WHERE sequence = 9 AND balance = #", Some(9), &["L8", "L12"]),
    ("UPDATE balances SET next_change_at = recorded_at WHERE number = #", None, &["L8"]),
    ("UPDATE balances SET renews_at = recorded_at WHERE number = #", None, &["L8"]),
    ("UPDATE entries SET held_change = held_change + 1 WHERE sequence = 5 AND balance = #", Some(5), &["L9", "L12"]),
    ("UPDATE entries SET hold = 6 WHERE sequence = 7 AND balance = #", Some(7), &["L9", "L12"]),
    ("UPDATE entries SET hold = 6 WHERE sequence = 5 AND balance = #", Some(5), &["L9", "L12"]),
    ("UPDATE entries SET credits = -1 WHERE sequence = 5 AND balance = #", Some(5), &["L9", "L12"]),
    ("UPDATE entries SET held_change = 1 WHERE sequence = 9 AND balance = #", Some(9), &["L9", "L12"]),
    (
        "UPDATE entries SET allocations = '[[2,-2000000,1,15000000]]' WHERE sequence = 9 AND balance = #",
        Some(9),
        &["L9", "L12"],
    ),
    ("UPDATE entries SET held_change = held_change - 1 WHERE sequence = 17 AND balance = #", Some(17), &["L9", "L12"]),
    ("UPDATE entries SET allocations = '[]' WHERE sequence = 17 AND balance = #", Some(17), &["L9", "L12"]),
    ("DELETE FROM holds WHERE sequence = 6 AND balance = #", Some(6), &["L9"]),
    ("UPDATE holds SET sequence = 88 WHERE sequence = 6 AND balance = #", Some(88), &["L9"]),
    ("UPDATE holds SET credits = credits + 1 WHERE sequence = 6 AND balance = #", Some(6), &["L12"]),
    ("UPDATE holds SET state = 2 WHERE sequence = 6 AND balance = #", Some(17), &["L9"]),
    ("UPDATE holds SET captured = captured + 1 WHERE sequence = 5 AND balance = #", Some(7), &["L9"]),
    ("UPDATE holds SET state = 3 WHERE sequence = 19 AND balance = #", None, &["L9"]),
    ("UPDATE holds SET expires_at = created_at WHERE sequence = 19 AND balance = #", None, &["L9"]),
    ("UPDATE balances SET holds = '[]' WHERE number = #", None, &["L8", "L9"]),
    ("UPDATE balances SET holds = REPLACE(holds, '[18,', '[2,') WHERE number = #", None, &["L9"]),
    ("UPDATE entries SET uncovered = uncovered + 1 WHERE sequence = 16 AND balance = #", Some(16), &["L10", "L12"]),
    ("UPDATE entries SET uncovered = 1 WHERE sequence = 9 AND balance = #", Some(9), &["L10", "L12"]),
    (
        "UPDATE entries SET recorded_at = (SELECT recorded_at FROM entries WHERE sequence = 18 AND balance = #) \
         WHERE sequence = 13 AND balance = #",
        Some(14),
        &["L11"],
    ),
    ("UPDATE balances SET recorded_at = updated_at WHERE number = #", None, &["L11"]),
    ("UPDATE entries SET reason = 'another' WHERE sequence = 9 AND balance = #", Some(9), &["L12"]),
    ("UPDATE entries SET metadata = '{\"a\":1}' WHERE sequence = 9 AND balance = #", Some(9), &["L12"]),
    (
        "UPDATE entries SET hash = (SELECT hash FROM entries WHERE sequence = 1 AND balance = #) WHERE sequence = 9 AND balance = #",
        Some(9),
        &["L12"],
    ),
    (
        "UPDATE balances SET hash = (SELECT hash FROM entries WHERE sequence = 1 AND balance = #) WHERE number = #",
        None,
        &["L12"],
    ),
    ("UPDATE lots SET reason = 'another' WHERE sequence = 1 AND balance = #", Some(1), &["L12"]),
    ("UPDATE holds SET reason = 'another' WHERE sequence = 5 AND balance = #", Some(5), &["L12"]),
    ("DELETE FROM reversals WHERE balance = #", Some(10), &["L13"]),
    ("UPDATE reversals SET credits = credits + 2000000 WHERE balance = #", Some(4), &["L13"]),
    ("UPDATE reversals SET sequence = 66 WHERE balance = #", Some(66), &["L13"]),
    ("UPDATE entries SET lot = 8 WHERE sequence = 15 AND balance = #", Some(15), &["L14", "L12"]),
    ("UPDATE entries SET state_after = 1 WHERE sequence = 16 AND balance = #", Some(16), &["L15", "L12"]),
    ("UPDATE entries SET state_before = NULL WHERE sequence = 16 AND balance = #", Some(16), &["L15"]),
    ("UPDATE balances SET state = 1 WHERE number = #", None, &["L15"]),
    ("UPDATE entries SET kind = 99 WHERE sequence = 9 AND balance = #", None, &["L12"]),
    ("UPDATE balances SET lots = 'nonsense' WHERE number = #", None, &["L12"]),
];

/// What was found, as entry and rule.
fn found(findings: &[Finding]) -> Vec<(Option<i64>, &'static str)> {
    findings.iter().map(|finding| (finding.sequence, finding.rule)).collect()
}

both!(whatever_is_changed_in_the_tables_is_named_with_its_entry_and_rule, async |db| {
    let node = Node::on(db);
    let product = node.make_product("1").await;
    let mut wrong = Vec::new();
    for (number, (statement, entry, rules)) in (1..).zip(TAMPERED) {
        let customer = node.make_customer(&format!("c{number}")).await;
        let id = BalanceId { customer, number };
        let balance = live(db, id, product).await;
        assert_eq!((balance.account.sequence, balance.account.settled), (20, Credits::from_micros(42_000_000)));
        let healthy = audit_one(db, id, None).await.expect("it can be audited");
        assert_eq!((healthy.findings, healthy.entries), (vec![], 20));
        db.tamper(&statement.replace('#', &number.to_string())).await;
        let report = audit_one(db, id, None).await.expect("it can be audited");
        let told = found(&report.findings);
        assert!(report.findings.iter().all(|finding| finding.balance == id));
        if !rules.iter().all(|rule| told.iter().any(|(_, told)| told == rule))
            || !told.iter().any(|(told, rule)| told == entry && rules.contains(rule))
        {
            wrong.push(format!("{statement}: {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});

both!(an_audit_that_stops_inside_a_balance_goes_on_there_and_finds_the_same, async |db| {
    let node = Node::on(db);
    let product = node.make_product("1").await;
    // An audit that goes on trusts the checkpoint before, which was compared.
    let pages =
        TAMPERED.iter().filter(|(statement, _, rules)| !rules.contains(&"L12") && !statement.contains("checkpoints"));
    let mut ids = Vec::new();
    for (number, (statement, ..)) in (1..).zip(pages.step_by(6)) {
        let customer = node.make_customer(&format!("c{number}")).await;
        live(db, BalanceId { customer, number }, product).await;
        db.tamper(&statement.replace('#', &number.to_string())).await;
        ids.push(BalanceId { customer, number });
    }
    let whole = audit(db, None, Extent { balances: 100, entries: 50_000 }).await.expect("it can be audited").findings;
    for entries in [1, 2, 3, 5, 8, 10, 13, 20, 21] {
        let (mut place, mut findings, mut read) = (None, Vec::new(), 0);
        loop {
            let report = audit(db, place, Extent { balances: 100, entries }).await.expect("it can be audited");
            findings.extend(report.findings);
            read += report.entries;
            place = report.end;
            if place.is_none() {
                break;
            }
        }
        let sorted = |mut findings: Vec<Finding>| {
            findings.sort_by_key(|it| (it.balance, it.sequence, it.rule, it.detail.clone()));
            findings
        };
        assert_eq!(read, 20 * u64::try_from(ids.len()).expect("few"));
        assert_eq!(sorted(findings), sorted(whole.clone()), "{entries} at a time");
    }
});

both!(an_audit_that_stops_before_a_grant_is_brought_back_finds_nothing_wrong_with_it, async |db| {
    let node = Node::on(db);
    let product = node.make_product("1").await;
    let customer = node.make_customer("c1").await;
    let id = BalanceId { customer, number: 1 };
    let balance = Balance::open(id, product, Overrides::default(), noon());
    let mut ledger = Ledger { db, balance, writes: Writes::default() };
    ledger.does(0, &grant(10, None, None), &Note::of(Origin::Api));
    ledger.does(1, &spend(SpendKind::Usage, 10), &usage(10));
    ledger.does(2, &grant(5, None, None), &Note::of(Origin::Api));
    ledger.reverses(3, 2, 4).await;
    let balance = ledger.write().await;
    assert_eq!(balance.account.lots.iter().map(|lot| lot.sequence).collect::<Vec<_>>(), [1, 3], "it is open again");
    for entries in 1..=4 {
        let mut place = None;
        loop {
            let report = audit(db, place, Extent { balances: 100, entries }).await.expect("it can be audited");
            assert_eq!(report.findings, [], "{entries} at a time");
            place = report.end;
            if place.is_none() {
                break;
            }
        }
    }
});

both!(audit_checks_what_stands_before_an_entry_that_cannot_be_read_and_ends_there, async |db| {
    let node = Node::on(db);
    let id = node.shop(10).await;
    node.retain(id, 1, "k").await.expect("there is enough");
    db.tamper("UPDATE entries SET allocations = 'no JSON' WHERE sequence = 2").await;
    let report = audit_one(db, id, None).await.expect("it can be audited");
    let told: Vec<String> = report.findings.iter().map(|finding| format!("{finding:?}")).collect();
    assert!(told.iter().any(|told| told.contains("cannot be read")), "{told:?}");
    assert_eq!(report.end, None);
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
    let report = audit(db, None, Extent::balances(10)).await.expect("it can be audited");
    assert_eq!(report.findings.len(), MAX_PROBLEMS);
    assert_eq!((report.balances, report.end), (1, Some(Place { balance: id, within: None })));
});
