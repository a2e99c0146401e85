//! Random commands through the real store: what is written is what the pure ledger said, whether each command has a
//! transaction of its own or several share one, and the books agree in the end.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use scrip::base::credits::Credits;
use scrip::base::decimal;
use scrip::base::ids::{BalanceId, CustomerId, ProductId};
use scrip::base::settings::Overrides;
use scrip::base::time::{DAY, Time};
use scrip::ledger::command::{Command, Renewal, Reversal};
use scrip::ledger::consumption::{self, TimeBucket};
use scrip::ledger::entry::{Entry, Note, Origin};
use scrip::ledger::error::Refusal;
use scrip::ledger::history::read_past;
use scrip::ledger::lookup::reversal;
use scrip::ledger::model::{Account, Applied, Balance, BalanceState, EntryKind, GrantSource, Lot, Policy};
use scrip::ledger::service::{Changed, Terms, Writes, post, post_due};
use scrip::ledger::{health, rules, store};

use crate::ledger::model::Model;
use crate::ledger::script::{Call, Order, Player, Script, Step, beginning, scripts};
use crate::support::db::TestDb;
use crate::support::node::Node;

/// How many scripts are played on each database, of 67 commands on the average; PROPTEST_CASES raises it.
const CASES: u32 = 160;
/// The tests that share these scripts: one would be the longest of the quick tests.
const SHARES: u32 = 2;

#[expect(clippy::disallowed_methods, reason = "who runs the tests says how many")]
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

/// A script, and how many of its steps share a transaction, time after time.
fn plays() -> impl Strategy<Value = (Script, Vec<usize>)> {
    (scripts(100), vec(1_usize..=8, 1..=6))
}

/// One balance, in the store and beside it.
struct Played {
    /// What the pure ledger says.
    account: Account,
    /// What goes through the store.
    balance: Balance,
    /// What steps are chosen by.
    model: Model,
    player: Player,
    entries: Vec<Arc<Entry>>,
    /// Of the newest call: the time, and which periods were known.
    known: (Time, Vec<Renewal>),
    seen: Vec<Seen>,
}

/// What a read said at an instant.
struct Seen {
    at: Time,
    sequence: i64,
    /// By the numbers of their subscriptions.
    known: Vec<i32>,
    sums: (Credits, Credits),
    /// Remaining and held of each lot, in burning order; those that periods bring are told apart by where they came from.
    lots: Vec<(GrantSource, Time, Credits, Credits)>,
}

impl Seen {
    fn lots(lots: &[Lot]) -> Vec<(GrantSource, Time, Credits, Credits)> {
        let left = lots.iter().filter(|lot| !lot.remaining.is_zero());
        left.map(|lot| (lot.source, lot.effective_at, lot.remaining, lot.held)).collect()
    }
}

impl Played {
    fn new(id: BalanceId, product: ProductId, script: &Script) -> Self {
        let balance = Balance::open(id, product, Overrides::default(), beginning());
        let model = Model::new(id, beginning());
        let (account, player) = (balance.account.clone(), Player::new(script));
        let (entries, known, seen) = (Vec::new(), (beginning(), Vec::new()), Vec::new());
        Self { account, balance, model, player, entries, known, seen }
    }

    /// Does one step by the service and by the rules; both say the same. False when the model does not follow, and so
    /// cannot choose the next step.
    fn step(&mut self, step: &Step, writes: &mut Writes) -> bool {
        let call = self.player.call(step, &self.model);
        let Call { policy, now, renewals, order } = &call;
        let renewals = renewals.clone();
        self.known = (*now, renewals.clone());
        let terms = Terms { policy: *policy, renewals, renews_at: None, now: *now, until: *now };
        let renewals = &terms.renewals;
        let note = Note::of(Origin::Api);
        let (posted, applied, model): (_, Result<Applied, Refusal>, _) = match order {
            Order::Read => return true,
            Order::Carry => (
                post_due(&mut self.balance, &terms, writes),
                rules::carry(&self.account, policy, *now, renewals),
                Ok(self.model.carry(policy, *now, renewals)),
            ),
            Order::Apply(command) => (
                post(&mut self.balance, &terms, (command, &note), writes),
                rules::apply(&self.account, policy, command, *now, renewals),
                self.model.apply(policy, command, *now, renewals),
            ),
        };
        match (posted, applied) {
            (Ok(posted), Ok(applied)) => {
                assert_eq!(posted.iter().map(|entry| entry.posting.clone()).collect::<Vec<_>>(), applied.postings);
                self.entries.extend(posted);
                self.account = applied.account;
                if self.account.closed {
                    self.balance.closed_at.get_or_insert(*now);
                }
                let Ok(model) = model else { return false };
                self.model = model;
                self.player.done(&self.model);
                if matches!(order, Order::Apply(Command::Extend { .. })) {
                    // Where the clock went back, what was read later than now is not what there is: the hold had lapsed then.
                    let now = (*now).max(self.account.recorded_at);
                    self.seen.retain(|seen| seen.at <= now);
                }
                true
            }
            (Err(refused), Err(expected)) => {
                assert_eq!(refused, expected);
                model.is_err()
            }
            (posted, applied) => panic!("{call:?}: {posted:?} where {applied:?} was expected"),
        }
    }

    /// The reversal that a step asks for.
    fn next_reversal(&self, step: &Step) -> Option<Reversal> {
        match self.player.clone().call(step, &self.model).order {
            Order::Apply(Command::Reverse(reversal)) => Some(reversal),
            _ => None,
        }
    }

    /// What is looked up of an entry that is to be taken back is what the model knows of it, written already or not.
    async fn looks_up(&self, db: &TestDb, writes: &Writes, expected: &Reversal) {
        let mut conn = db.read().await.expect("it can be read");
        let entry = (&self.balance, expected.entry);
        let found = reversal(&mut conn, writes, entry, expected.credits).await.expect("it can be read");
        let mut found = found.expect("it is there");
        found.closed_lots.sort_by_key(|lot| lot.sequence);
        // Of a lot that is over, nothing is left; how it began is not asked any more.
        let over = |lot: &Lot| Lot { begun: true, ..*lot };
        let closed_lots = expected.closed_lots.iter().map(over).collect();
        assert_eq!(found, Reversal { closed_lots, ..expected.clone() });
    }

    /// Somebody reads, where the clock does not stand before the newest entry, and remembers what he was told.
    fn look(&mut self) {
        let (at, renewals) = &self.known;
        if *at < self.account.recorded_at || self.account.closed {
            return;
        }
        let posted = |renewal: &&Renewal| renewal.at > self.account.recorded_at || self.is_not_posted(renewal);
        let unposted: Vec<Renewal> = renewals.iter().filter(posted).copied().collect();
        let carried = rules::carry(&self.account, &Policy::default(), *at, &unposted).expect("time is not refused");
        self.seen.push(Seen {
            at: *at,
            sequence: self.account.sequence,
            known: renewals.iter().map(|renewal| renewal.subscription).collect(),
            sums: (carried.account.settled, carried.account.held),
            lots: Seen::lots(&carried.account.lots),
        });
    }

    fn is_not_posted(&self, renewal: &Renewal) -> bool {
        self.player.every_renewal().iter().any(|waiting| waiting.subscription == renewal.subscription)
    }

    /// Writes what was done, and goes on from what is read back.
    async fn write(&mut self, db: &TestDb, writes: Writes) {
        let mut txn = db.begin().await.expect("it can be written");
        let changed = Changed { balance: &self.balance, settings: true };
        writes.flush(&mut txn, &[changed]).await.expect("it can be written");
        txn.commit().await.expect("it can be committed");
        let mut conn = db.read().await.expect("it can be read");
        let id = self.account.id;
        let read = store::find_balances(&mut conn, &[id]).await.expect("it can be read").pop().expect("it is there");
        let state = if self.account.closed { BalanceState::Closed } else { self.account.state };
        assert_eq!(read.account, Account { state, ..self.account.clone() });
        assert_eq!((read.hash, read.revision), (self.balance.hash, self.balance.revision + 1));
        // A closed balance's own last state is not kept.
        let account = Account { state: self.account.state, ..read.account.clone() };
        self.balance = Balance { account, ..read };
    }
}

impl Played {
    /// Whatever a read said at an instant is what history says of that instant.
    async fn remembers(&self, db: &TestDb) {
        let mut conn = db.read().await.expect("it can be read");
        let balance = store::find_balances(&mut conn, &[self.account.id]).await.expect("it can be read").remove(0);
        // Each of the last, and of the others some.
        let every = (self.seen.len() / 12).max(1);
        for seen in self.seen.iter().rev().step_by(every) {
            let by_then = self.entries.iter().filter(|entry| entry.posting.recorded_at <= seen.at).count();
            if i64::try_from(by_then).ok() != Some(seen.sequence) {
                // The clock went back, and more was recorded at an instant that had been before.
                continue;
            }
            let past = read_past(&mut conn, &balance, seen.at).await.expect("it can be read");
            let asked: Vec<i32> = past.subscriptions().collect();
            let was_there = |number: i32| {
                assert!(asked.contains(&number), "readers look up the subscriptions that are named: {asked:?}");
                seen.known.contains(&number)
            };
            let books = past.books(was_there).expect("the books are right");
            assert_eq!(books.last_sequence, seen.sequence);
            assert_eq!((books.settled, books.held), seen.sums, "at {}", seen.at);
            let lots: Vec<Lot> = books.lots.iter().map(|(_, lot)| *lot).collect();
            assert_eq!(Seen::lots(&lots), seen.lots, "at {}", seen.at);
            for (id, lot) in &books.lots {
                let made =
                    self.entries.iter().find(|entry| entry.posting.sequence == id.sequence).expect("it is there");
                assert_eq!(made.posting.terms.map(|terms| terms.effective_at), Some(lot.effective_at), "{id}");
            }
        }
    }

    /// What was burned is told by its buckets, to the last credit.
    async fn adds_up(&self, db: &TestDb) {
        let spends = |entry: &&Arc<Entry>| {
            matches!(entry.posting.kind, EntryKind::Usage | EntryKind::Retention | EntryKind::Capture)
        };
        let times = || self.entries.iter().filter(spends).map(|entry| entry.posting.occurred_at);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        let until = last.plus_micros(1).expect("in range");
        let mut buckets = consumption::buckets(first, until, TimeBucket::Hour).expect("scripts are short");
        let mut conn = db.read().await.expect("it can be read");
        let id = (self.account.id, self.account.sequence);
        consumption::fill(&mut conn, id, &mut buckets).await.expect("they can be read");
        for bucket in buckets {
            let within = |at: Time| bucket.from <= at && at < bucket.until;
            let taken = self.entries.iter().filter(spends).filter(|entry| within(entry.posting.occurred_at));
            let expected: i128 = taken
                .map(|entry| {
                    let sequence = Some(entry.posting.sequence);
                    let back = self.entries.iter().filter(|other| other.posting.reverses == sequence);
                    let back: i128 = back.map(|other| i128::from(other.posting.credits.micros())).sum();
                    -i128::from(entry.posting.credits.micros()) - back
                })
                .sum();
            assert_eq!(bucket.credits(), decimal::text(expected, Credits::SCALE));
        }
    }

    /// Posts all that is yet to come, so that nothing of what was read is known to readers alone.
    fn finish(&mut self, writes: &mut Writes) {
        if self.account.closed {
            return;
        }
        let now = self.known.0.plus_micros(DAY).expect("scripts are short");
        let renewals: Vec<Renewal> = self.known.1.iter().filter(|it| self.is_not_posted(it)).copied().collect();
        let terms = Terms { policy: Policy::default(), renewals, renews_at: None, now, until: now };
        let posted = post_due(&mut self.balance, &terms, writes).expect("time is not refused");
        self.account = self.balance.account.clone();
        self.entries.extend(posted);
    }
}

async fn play(db: &TestDb, (id, product): (BalanceId, ProductId), script: &Script, shares: &[usize]) {
    let mut played = Played::new(id, product, script);
    let mut steps = script.steps.iter().peekable();
    let mut follows = true;
    for share in shares.iter().cycle() {
        let mut writes = Writes::default();
        for step in steps.by_ref().take(*share) {
            if let Some(reversal) = played.next_reversal(step).filter(|_| follows) {
                played.looks_up(db, &writes, &reversal).await;
            }
            follows = follows && played.step(step, &mut writes);
        }
        played.write(db, writes).await;
        played.look();
        if !follows || steps.peek().is_none() {
            break;
        }
    }
    let mut writes = Writes::default();
    played.finish(&mut writes);
    played.write(db, writes).await;
    let mut conn = db.read().await.expect("it can be read");
    let entries = store::list_entries_after(&mut conn, id, 0, 1_000_000).await.expect("they can be read");
    assert_eq!(entries, played.entries.iter().map(|entry| on_record(entry)).collect::<Vec<_>>());
    played.remembers(db).await;
    played.adds_up(db).await;
    let report = health::audit_one(db, id, None).await.expect("it can be audited");
    assert_eq!((report.findings, report.balances), (vec![], 1));
}

/// An entry as it is read back: the state before it is kept only where the entry changed it.
fn on_record(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    entry.posting.state_before = entry.posting.state_before.filter(|before| *before != entry.posting.state_after);
    entry
}

/// Plays one share of the scripts on one database, each on a customer of its own.
fn play_share(share: u8, make: impl AsyncFn() -> TestDb) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (db, node, product) = runtime.block_on(async {
        let db = make().await;
        let node = Node::on(&db);
        let product = node.make_product("1").await;
        (db, node, product)
    });
    let config = ProptestConfig { cases: cases() / SHARES, failure_persistence: None, ..ProptestConfig::default() };
    let played = std::cell::Cell::new(0);
    // The same scripts each time, unless somebody asks for more.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[share; 32]);
    let is_usual = config.cases == CASES / SHARES;
    let mut runner = if is_usual { TestRunner::new_with_rng(config, rng) } else { TestRunner::new(config) };
    runner
        .run(&plays(), |(script, shares)| {
            played.set(played.get() + 1);
            runtime.block_on(async {
                let customer: CustomerId = node.make_customer(&format!("c{}", played.get())).await;
                play(&db, (BalanceId { customer, number: 1 }, product), &script, &shares).await;
            });
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // The pools' tasks end with their runtime.
    drop((node, db));
}

mod property_random_commands_are_read_back_as_the_ledger_said {
    use super::{TestDb, play_share};

    #[test]
    fn first_half_on_sqlite() {
        play_share(1, TestDb::sqlite);
    }

    #[test]
    fn second_half_on_sqlite() {
        play_share(2, TestDb::sqlite);
    }

    #[test]
    fn first_half_on_postgres() {
        play_share(1, TestDb::postgres);
    }

    #[test]
    fn second_half_on_postgres() {
        play_share(2, TestDb::postgres);
    }
}
