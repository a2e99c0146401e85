//! Intake: the one queue of commands that move balances, with group commit.
//!
//! Invariants
//! 1. While a batch commits, the next gathers: at low load a command waits for nothing, at high load hundreds share one
//!    transaction. Commands of one caller on one customer apply in the order in which they arrived.
//! 2. Customers are divided between committers, so that two never wait for each other's rows. A committer keeps the
//!    books it worked with in memory and compares their revisions with the table in every transaction; a balance is
//!    written only where its revision is still the one that was read, else the batch runs again. A batch that was
//!    overtaken twice locks its balances first, so that it has its turn however many nodes there are.
//! 3. A refusal touches its own command alone. A batch that fails as a whole runs again in halves.
//! 4. Answers are made of what was written, after it was committed. When the database is away, or it is unknown whether
//!    a commit took place, all of the batch are told so at once; their retry finds the key or the event id.
//! 5. The queue is bounded, for each caller and for all: when it is full, or being drained, a command is refused at once.
//!    Callers are served in turn.
//!
//! Not here: what a command does to a balance (`ledger`), what an event burns (`metering`).

mod balances;
mod committer;
pub mod input;
mod job;
mod metrics;
mod moves;
mod preview;
mod purchases;
mod room;
mod subscriptions;
mod turns;
mod work;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::base::caller::CallerId;
use crate::base::clock::Clock;
use crate::base::ids::{BalanceId, CustomerId, SubscriptionId};
use crate::catalog::snapshot::Snapshot;
use crate::customers;
use crate::db::{Db, DbError, Failure};
use crate::ledger::feeds::Feeds;
use crate::ledger::store;
use crate::metering::event::{Mode, NewEvent};
use crate::purchases::model::Provider;
use crate::subscriptions::input::Ask;
use crate::subscriptions::model::Changed;

use committer::Committer;
pub use job::{
    Action, Amendment, BalanceChanges, Bought, Capture, Done, Extension, IncomingEvent, NewBalance, NewHold, Order,
    PlanOrder, Provenance, PurchaseOrder, Receipt, Retention, Status, TakeBack, TopUp, Whose,
};
use job::{EventAnswer, Job, Queued};
use metrics::Metrics;
pub use preview::Preview;
use room::{Place, Room};

/// How many events one piece of work has at most: a long request is cut up, so that it does not hold up the others.
const CHUNK: usize = 500;
/// How many external ids are remembered.
const NAMES: usize = 100_000;
/// How many committers work side by side on PostgreSQL; SQLite has one writer.
const COMMITTERS: usize = 2;

/// The queue, shared by everybody: a handle counts what it sends for one caller.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
    caller: CallerId,
    /// The database that it reads.
    db: Db,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

struct Shared {
    clock: Clock,
    committers: Vec<mpsc::UnboundedSender<Queued>>,
    room: Room,
    metrics: Metrics,
    names: Mutex<LruCache<String, CustomerId>>,
    /// As previews last saw it.
    catalog: Mutex<Arc<Snapshot>>,
}

impl Intake {
    /// Starts the committers; they end when the last handle is gone. `node` is what this process calls itself when it
    /// tells other nodes on the same database, and `provider` takes the money of new purchases.
    #[must_use]
    pub fn start(db: &Db, feeds: &Feeds, clock: &Clock, (node, provider): (&str, Provider)) -> Self {
        let count = if db.is_postgres() { COMMITTERS } else { 1 };
        let metrics = Metrics::default();
        let committers = (0..count)
            .map(|_| {
                let (sender, queue) = mpsc::unbounded_channel();
                let shared = (db.clone(), feeds.clone(), clock.clone());
                let committer = Committer::new(shared, (node.to_owned(), provider), metrics.clone());
                tokio::spawn(committer.run(queue));
                sender
            })
            .collect();
        let names = LruCache::new(std::num::NonZeroUsize::new(NAMES).unwrap_or(std::num::NonZeroUsize::MIN));
        let shared = Shared {
            clock: clock.clone(),
            committers,
            room: Room::default(),
            metrics,
            names: Mutex::new(names),
            catalog: Mutex::default(),
        };
        Self { shared: Arc::new(shared), caller: CallerId::Program, db: db.clone() }
    }

    /// A handle whose work is counted for this caller, and reads with this database.
    #[must_use]
    pub fn for_caller(&self, caller: CallerId, db: Db) -> Self {
        Self { shared: self.shared.clone(), caller, db }
    }

    /// Lets nothing more in, and waits until all that was let in is done.
    pub async fn drain(&self) {
        self.shared.room.close().await;
    }

    /// Lets a registry show what is counted of the queue.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
    }

    /// How many events and commands wait or are being worked on.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.room.waiting()
    }

    /// True if it refuses every caller, as it does once it was drained.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.room.is_full()
    }

    /// Sends events in; one receipt for each, in their order.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]; a retry with the same ids is safe.
    pub async fn ingest(&self, events: Vec<IncomingEvent>, mode: Mode) -> Result<Vec<Receipt>, DbError> {
        let names = self.names(&events).await?;
        let now = self.shared.clock.now();
        let mut receipts: Vec<Option<Receipt>> = vec![None; events.len()];
        let mut shares: Vec<Vec<(usize, NewEvent)>> = vec![Vec::new(); self.shared.committers.len()];
        for ((place, event), receipt) in events.into_iter().enumerate().zip(receipts.iter_mut()) {
            match event.whose.customer(&names).and_then(|customer| NewEvent::check(event.of(customer), now)) {
                Ok(event) => {
                    if let Some(share) = shares.get_mut(self.committer_of(event.key.customer)) {
                        share.push((place, event));
                    }
                }
                Err(problem) => *receipt = Some(Receipt::invalid(problem)),
            }
        }
        let mut answers = self.send_events(shares, mode)?;
        while let Some(answer) = answers.recv().await {
            for (place, given) in answer? {
                if let Some(receipt) = receipts.get_mut(place) {
                    *receipt = Some(given);
                }
            }
        }
        let missing = || DbError::unavailable("a committer ended without an answer");
        receipts.into_iter().map(|receipt| receipt.ok_or_else(missing)).collect()
    }

    /// Gives an order on one balance.
    ///
    /// # Errors
    /// A problem that the caller can act on, or the database's failure.
    pub async fn order(&self, order: Order) -> Result<Done, Failure> {
        let customer = order.customer();
        let (answer, given) = oneshot::channel();
        self.send(customer, self.place(1)?, Job::Order { order, answer })?;
        let done = given.await.map_err(DbError::unavailable)??;
        self.with_entry(done).await
    }

    /// Gives an order on a subscription.
    ///
    /// # Errors
    /// A problem that the caller can act on, or the database's failure.
    pub async fn subscribe(&self, mut order: PlanOrder) -> Result<Changed, Failure> {
        loop {
            let changed = self.step(order.clone()).await?;
            if !changed.unfinished {
                return Ok(changed);
            }
            // What was made is there, and catches up; what is to change is asked for again behind that.
            if matches!(order, PlanOrder::Create { .. }) {
                order = PlanOrder::Change { id: changed.subscription.id, ask: Ask::CatchUp };
            }
        }
    }

    /// Gives an order on purchases.
    ///
    /// # Errors
    /// A problem that the caller can act on, or the database's failure.
    pub async fn purchase(&self, order: PurchaseOrder) -> Result<Bought, Failure> {
        let (answer, given) = oneshot::channel();
        self.send(order.balance().customer, self.place(1)?, Job::Purchase { order: Box::new(order), answer })?;
        given.await.map_err(DbError::unavailable)?
    }

    /// One step of an order: it may be that there is more to catch up on first.
    async fn step(&self, order: PlanOrder) -> Result<Changed, Failure> {
        let customer = order.customer();
        let (answer, given) = oneshot::channel();
        self.send(customer, self.place(1)?, Job::Plan { order: Box::new(order), answer })?;
        given.await.map_err(DbError::unavailable)?
    }

    /// A repeated order names its first entry, which is read where it is not at hand.
    async fn with_entry(&self, mut done: Done) -> Result<Done, Failure> {
        if let (None, Some(sequence)) = (&done.entry, done.first_sequence) {
            let mut conn = self.db.read().await?;
            done.entry = store::find_entry(&mut conn, done.balance.account.id, sequence).await?.map(Arc::new);
        }
        Ok(done)
    }

    fn committer_of(&self, customer: CustomerId) -> usize {
        let random = customer
            .0
            .as_bytes()
            .iter()
            .rev()
            .take(8)
            .fold(0_usize, |sum, byte| sum.rotate_left(5) ^ usize::from(*byte));
        random.checked_rem(self.shared.committers.len()).unwrap_or_default()
    }

    fn send_events(
        &self,
        shares: Vec<Vec<(usize, NewEvent)>>,
        mode: Mode,
    ) -> Result<mpsc::UnboundedReceiver<EventAnswer>, DbError> {
        let (answer, given) = mpsc::unbounded_channel();
        // All of a request is let in, or nothing of it.
        let mut place = self.place(shares.iter().map(Vec::len).sum())?;
        for share in shares {
            let Some(customer) = share.first().map(|(_, event)| event.key.customer) else { continue };
            let mut rest = share.into_iter();
            loop {
                let events: Vec<(usize, NewEvent)> = rest.by_ref().take(CHUNK).collect();
                if events.is_empty() {
                    break;
                }
                let place = place.split(events.len());
                self.send(customer, place, Job::Events { events, mode, answer: answer.clone() })?;
            }
        }
        Ok(given)
    }

    /// Room in the queue for so many of this caller's events or commands.
    fn place(&self, weight: usize) -> Result<Place, DbError> {
        self.shared.room.take(self.caller, weight).ok_or_else(|| DbError::unavailable("the intake is full"))
    }

    fn send(&self, customer: CustomerId, place: Place, job: Job) -> Result<(), DbError> {
        let ended = || DbError::unavailable("a committer has ended");
        let committer = self.shared.committers.get(self.committer_of(customer)).ok_or_else(ended)?;
        committer.send(Queued { job, place }).map_err(|_| ended())
    }

    /// Whom the external ids among the events name: an external id never names another customer later, so that what was
    /// found once stays true.
    async fn names(&self, events: &[IncomingEvent]) -> Result<HashMap<String, CustomerId>, DbError> {
        let mut found = HashMap::new();
        let mut unknown: HashSet<&str> = HashSet::new();
        {
            let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                if let Whose::ExternalId(name) = &event.whose {
                    match names.get(name) {
                        Some(customer) => drop(found.insert(name.clone(), *customer)),
                        None => drop(unknown.insert(name)),
                    }
                }
            }
        }
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.into_iter().collect();
            let mut conn = self.db.read().await?;
            let resolved = customers::store::resolve(&mut conn, &unknown).await?;
            let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, customer) in resolved {
                names.put(name.clone(), customer);
                found.insert(name, customer);
            }
        }
        Ok(found)
    }

    /// Writes down what time has done to these subscriptions, one step each, and answers when that is done.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn catch_up(&self, subscriptions: Vec<SubscriptionId>) -> Result<(), DbError> {
        let order = |id| self.step(PlanOrder::Change { id, ask: Ask::CatchUp });
        for result in futures_util::future::join_all(subscriptions.into_iter().map(order)).await {
            if let Err(Failure::Db(error)) = result {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Posts what is due on these balances, and answers when that is done.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn post_due(&self, balances: Vec<BalanceId>) -> Result<(), DbError> {
        let orders = balances.into_iter().map(|balance| self.order(Order::PostDue { balance }));
        for result in futures_util::future::join_all(orders).await {
            match result {
                Err(Failure::Db(error)) => return Err(error),
                // A balance that was closed meanwhile has nothing due.
                Ok(_) | Err(Failure::Problems(_)) => {}
            }
        }
        Ok(())
    }
}
