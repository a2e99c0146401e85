//! Nodes in this very process, and a small shop on their database: one product whose credits every "call" burns.

use std::sync::Arc;

use scrip::app::{App, Settings};
use scrip::base::clock::Clock;
use scrip::base::credits::Credits;
use scrip::base::decimal::Decimal;
use scrip::base::idempotency::{Key, Scope};
use scrip::base::ids::{BalanceId, CustomerId, Ids, MeterId, ProductId};
use scrip::base::settings::Overrides;
use scrip::base::time::{SECOND, Time};
use scrip::catalog::input::{AggregationKind, GivenRule, NewCreditProduct, NewMeter};
use scrip::customers::input::NewCustomer;
use scrip::db::{Db, DbUrl, Failure};
use scrip::intake::{Action, Done, IncomingEvent, NewBalance, Order, Provenance, Receipt, Retention, TopUp, Whose};
use scrip::ledger::entry::{Entry, Origin};
use scrip::ledger::health::{self, Extent};
use scrip::ledger::model::Balance;
use scrip::ledger::store;
use scrip::metering::event::Mode;
use scrip::{catalog, customers};

use super::db::TestDb;

/// The node trusts its own machine.
pub(crate) fn trusting() -> Settings {
    Settings { trusts_loopback: true, ..Settings::default() }
}

/// When it is, in tests whose clock stands still.
pub(crate) fn noon() -> Time {
    Time::from_micros(1_767_268_800 * SECOND).expect("it can be written")
}

pub(crate) fn credits(whole: i64) -> Credits {
    Credits::from_micros(whole * 1_000_000)
}

/// One node of a server.
#[derive(Clone)]
pub(crate) struct Node(pub(crate) App);

impl Node {
    /// The first node on a test's database.
    pub(crate) fn on(db: &TestDb) -> Self {
        Self(App::new(Db::clone(db), (Clock::at(noon()), Ids::seeded(7)), "first", trusting()))
    }

    /// Another node, with connections of its own.
    pub(crate) fn at(url: &DbUrl, name: &str) -> Self {
        let db = Db::connect(url).expect("its pools can be opened");
        // Ids that no other node makes: seeded by the name.
        let seed = name.bytes().fold(1_000, |seed, byte| seed * 31 + u64::from(byte));
        Self(App::new(db, (Clock::at(noon()), Ids::seeded(seed)), name, trusting()))
    }

    /// A meter for events of the type "call", and a product of which each burns that many credits.
    pub(crate) async fn make_product(&self, weight: &str) -> ProductId {
        let app = &self.0;
        let new = NewMeter {
            key: "calls".into(),
            name: "Calls".into(),
            event_type: "call".into(),
            aggregation: AggregationKind::Count,
            property: None,
            filter: vec![],
        };
        let made = app.db.write(async |txn| catalog::service::create_meter(txn, &app.ids, noon(), &new).await).await;
        self.product_of("credits", made.expect("a meter can be made").id, weight).await
    }

    /// A product of which each unit of a meter burns that many credits.
    pub(crate) async fn product_of(&self, key: &str, meter: MeterId, weight: &str) -> ProductId {
        let app = &self.0;
        let rule = GivenRule { meter: meter.into(), credits_per_unit: Decimal::new(weight).expect("a weight").into() };
        let new = NewCreditProduct {
            key: key.into(),
            name: "Credits".into(),
            description: None,
            unit_name: "credit".into(),
            consumption: vec![rule],
            low_balance_threshold: None,
            overdraft: None,
            expiration: None,
            metadata: None,
        };
        let write =
            app.db.write(async |txn| catalog::service::create_credit_product(txn, &app.ids, noon(), &new).await);
        write.await.expect("a product can be made").id
    }

    pub(crate) async fn make_customer(&self, name: &str) -> CustomerId {
        let app = &self.0;
        let new = NewCustomer {
            external_id: Some(name.into()),
            name: name.into(),
            email: None,
            currency: None,
            metadata: None,
        };
        let made = app
            .db
            .write(async |txn| customers::service::create_customer(txn, (&app.ids, noon()), &new, None).await)
            .await;
        made.expect("a customer can be made").id
    }

    /// Opens a balance.
    pub(crate) async fn open(&self, customer: CustomerId, product: ProductId, starting: i64) -> Result<Done, Failure> {
        let own = Overrides::default();
        let new = NewBalance { customer, product, own, starting: credits(starting) };
        self.0.intake.order(Order::Open(new)).await
    }

    /// A product of one credit a call, a customer "acme", and its balance with that many credits.
    pub(crate) async fn shop(&self, starting: i64) -> BalanceId {
        let product = self.make_product("1").await;
        let customer = self.make_customer("acme").await;
        self.open(customer, product, starting).await.expect("a balance can be opened").balance.account.id
    }

    pub(crate) async fn retain(&self, balance: BalanceId, whole: i64, key: &str) -> Result<Done, Failure> {
        let retention = Retention { credits: credits(whole), occurred_at: None };
        self.moves(balance, Action::Retain(retention), key).await
    }

    pub(crate) async fn top_up(&self, balance: BalanceId, whole: i64, key: &str) -> Result<Done, Failure> {
        let top_up = TopUp { credits: credits(whole), priority: 500, effective_at: None, expires_at: None };
        self.moves(balance, Action::TopUp(top_up), key).await
    }

    pub(crate) async fn moves(&self, balance: BalanceId, action: Action, key: &str) -> Result<Done, Failure> {
        let key = Key::of(Scope::Api, key.into(), &format!("{balance} {action:?}"));
        let given = Provenance { origin: Origin::Api, reason: None, metadata: None, key: Some(key) };
        self.0.intake.order(Order::Move { balance, action: Ok(action), given }).await
    }

    pub(crate) async fn close(&self, balance: BalanceId) -> Result<Done, Failure> {
        self.0.intake.order(Order::Close { balance }).await
    }

    /// Sends one call in.
    pub(crate) async fn call(&self, customer: CustomerId, id: &str, mode: Mode) -> Receipt {
        let receipts = self.0.intake.ingest(vec![call(customer, id)], mode).await.expect("the intake answers");
        receipts.into_iter().next().expect("one event, one receipt")
    }

    pub(crate) async fn balance(&self, id: BalanceId) -> Balance {
        let mut conn = self.0.db.read().await.expect("the database answers");
        store::find_balances(&mut conn, &[id]).await.expect("it can be read").pop().expect("it is there")
    }

    /// All entries of a balance; their sequences are 1, 2, 3 …
    pub(crate) async fn entries(&self, id: BalanceId) -> Vec<Entry> {
        let mut conn = self.0.db.read().await.expect("the database answers");
        let entries = store::list_entries_after(&mut conn, id, 0, 1_000_000).await.expect("they can be read");
        let sequences: Vec<i64> = entries.iter().map(|entry| entry.posting.sequence).collect();
        let expected: Vec<i64> = (1..).take(entries.len()).collect();
        assert_eq!(sequences, expected, "L2");
        entries
    }

    /// The audit finds nothing in any balance.
    pub(crate) async fn assert_sound(&self) {
        let mut place = None;
        loop {
            let report = health::audit(&self.0.db, place, Extent::balances(health::MAX_BALANCES))
                .await
                .expect("it can be audited");
            assert_eq!(report.findings, []);
            place = report.end;
            if place.is_none() {
                return;
            }
        }
    }
}

/// A call that a customer made.
pub(crate) fn call(customer: CustomerId, id: &str) -> IncomingEvent {
    let whose = Whose::Id(customer);
    IncomingEvent { id: id.into(), whose, event_type: "call".into(), timestamp: None, properties: None }
}

/// The one entry that an order made.
pub(crate) fn made(done: &Done) -> &Arc<Entry> {
    done.entry.as_ref().expect("the order has an entry")
}
