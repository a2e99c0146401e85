//! What the wire is handed: everything that was built at the front door, and nothing that reads the environment.

pub mod cashier;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::budget::{Buckets, Budget};
use crate::access::keyring::Keyring;
use crate::access::shares::{Limits, Shares};
use crate::base::clock::Clock;
use crate::base::ids::Ids;
use crate::db::Db;
use crate::intake::Intake;
use crate::ledger::feeds::Feeds;
use crate::purchases::model::Provider;
use crate::purchases::stripe::Stripe;
use cashier::Cashier;

/// How long clients have for what they have to do.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To begin: until the head of a connection's first request is there.
    pub first: Duration,
    /// To send the head of a request, or the next request on a connection.
    pub head: Duration,
    /// To take some of what they are sent; then the connection is cut.
    pub write: Duration,
    /// From a request's head until its answer begins, its body's arrival included.
    pub request: Duration,
    /// An operation that answers once.
    pub operation: Duration,
    /// To say hello on a socket.
    pub init: Duration,
    /// Between two pings on a socket; who has said nothing in between is gone.
    pub ping: Duration,
    /// To take a message on a socket.
    pub send: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            head: Duration::from_secs(30),
            write: Duration::from_secs(15),
            request: Duration::from_mins(1),
            operation: Duration::from_secs(30),
            init: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            send: Duration::from_secs(10),
        }
    }
}

/// How the program is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether who shows no key is let in as an administrator. Then only loopback's names are answered.
    pub trusts_loopback: bool,
    /// The pages' origins from which browsers may call, such as `https://app.example.com`; this server's own is one.
    pub allowed_origins: Vec<String>,
    /// How much each key may ask.
    pub key_budget: Budget,
    /// How much each customer may ask through portal sessions.
    pub portal_budget: Budget,
    /// How much callers may hold at once.
    pub limits: Limits,
    /// How many connections are open at most.
    pub connections: usize,
    /// Who takes the money of purchases; people, by hand, when absent.
    pub stripe: Option<Stripe>,
    /// How long clients have.
    pub timeouts: Timeouts,
}

impl Settings {
    /// Who takes the money of new purchases.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        if self.stripe.is_some() { Provider::Stripe } else { Provider::Manual }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusts_loopback: false,
            allowed_origins: Vec::new(),
            key_budget: Budget { burst: 1_000_000, per_second: 200_000 },
            portal_budget: Budget { burst: 50_000, per_second: 500 },
            limits: Limits::default(),
            connections: 10_000,
            stripe: None,
            timeouts: Timeouts::default(),
        }
    }
}

/// The running program, shared by every request.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What the running program is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The queue of commands that move balances.
    pub intake: Intake,
    /// Who asks the payment provider.
    pub cashier: Cashier,
    /// Who waits for what.
    pub feeds: Feeds,
    /// Who is let in.
    pub keyring: Keyring,
    /// How much each of them may ask.
    pub buckets: Buckets,
    /// How much each of them holds.
    pub shares: Shares,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: Ids,
    /// How it is set up.
    pub settings: Settings,
    /// Cancelled when the program is told to stop: streams then send their clients away, to come back to another.
    pub stop: CancellationToken,
    /// The sockets that are open.
    pub sockets: TaskTracker,
}

impl App {
    /// Builds it over a migrated database. `node` is what this process calls itself towards others on the database.
    #[must_use]
    pub fn new(db: Db, (clock, ids): (Clock, Ids), node: &str, settings: Settings) -> Self {
        let feeds = Feeds::default();
        let intake = Intake::start(&db, &feeds, &clock, (node, settings.provider()));
        let hands = (db.clone(), intake.clone(), clock.clone());
        Self(Arc::new(Parts {
            cashier: Cashier::new(hands, settings.stripe.clone(), settings.allowed_origins.clone()),
            keyring: Keyring::new(&db, &clock, &ids),
            buckets: Buckets::new(settings.key_budget, settings.portal_budget),
            shares: Shares::new(settings.limits, db.turns()),
            settings,
            db,
            intake,
            feeds,
            clock,
            ids,
            stop: CancellationToken::new(),
            sockets: TaskTracker::new(),
        }))
    }
}
