//! A committer: takes what waits, runs it as one transaction, answers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use lru::LruCache;
use tokio::sync::mpsc::UnboundedReceiver;

use super::job::{Job, Outcome, Queued};
use super::metrics::Metrics;
use super::turns::Turns;
use super::work::Work;
use crate::base::chain::chain;
use crate::base::clock::Clock;
use crate::base::ids::{BalanceId, CustomerId, EventKey, PurchaseId};
use crate::catalog::snapshot::{Snapshot, load_snapshot};
use crate::catalog::store::{catalog_version, pin_catalog};
use crate::db::listen::notify;
use crate::db::{Db, DbError, Failure, Txn};
use crate::feed::Hint;
use crate::ledger::entry::Entry;
use crate::ledger::feeds::{self, Feeds};
use crate::ledger::model::Balance;
use crate::ledger::store;
use crate::metering::event::NewEvent;
use crate::metering::store::{find_known, insert_types};
use crate::purchases::model::Provider;
use crate::purchases::store::find_purchases;
use crate::subscriptions::store::list_of_customers;

/// How many events and orders share a transaction at most. Many: where customers are many, the pages of their indexes are
/// what a transaction costs, and the more events meet on one, the less.
const BATCH: usize = 4_000;
/// How often a batch runs that others are in the way of, and how often of that without locking what it is about to read.
const ATTEMPTS: u32 = 20;
const HOPEFUL_ATTEMPTS: u32 = 2;
/// How long a transaction may take before the database counts as away.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many customers' books are kept in memory.
const KEPT: usize = 50_000;

/// One committer and the books it keeps.
pub(super) struct Committer {
    db: Db,
    feeds: Feeds,
    clock: Clock,
    node: String,
    catalog: Arc<Snapshot>,
    books: LruCache<CustomerId, Vec<Balance>>,
    types: HashSet<String>,
    metrics: Metrics,
    provider: Provider,
}

/// Why a transaction came to nothing.
enum Failed {
    /// Another node was first: the same again.
    Conflict,
    /// The database is away, or nobody knows.
    Away(DbError),
    /// It cannot be done.
    Fault(DbError),
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::Away(error),
            DbError::Conflict(_) | DbError::Duplicate(_) => Self::Conflict,
            DbError::Query(_) | DbError::Failed(_) | DbError::Corrupt(_) => Self::Fault(error),
        }
    }
}

impl Committer {
    /// One that works as this node, counted with the others; `provider` takes the money of new purchases.
    pub(super) fn new(
        (db, feeds, clock): (Db, Feeds, Clock),
        (node, provider): (String, Provider),
        metrics: Metrics,
    ) -> Self {
        let books = LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN));
        Self { db, feeds, clock, node, catalog: Arc::default(), books, types: HashSet::new(), metrics, provider }
    }

    /// Works until the queue is closed and empty.
    pub(super) async fn run(mut self, mut queue: UnboundedReceiver<Queued>) {
        let mut turns = Turns::default();
        loop {
            if turns.is_empty() {
                let Some(first) = queue.recv().await else { return };
                turns.push(first);
            }
            while let Ok(next) = queue.try_recv() {
                turns.push(next);
            }
            let batch = turns.take(BATCH);
            // Whoever waits for an answer of a batch that panicked hears that there is none; the others go on.
            if AssertUnwindSafe(self.commit_all(batch)).catch_unwind().await.is_err() {
                tracing::error!("a batch panicked; the books in memory are forgotten");
                self.books.clear();
            }
        }
    }

    /// Commits a batch, in halves where it fails as a whole, and answers everybody.
    async fn commit_all(&mut self, batch: Vec<Queued>) {
        let mut rest = vec![batch];
        while let Some(mut batch) = rest.pop() {
            match self.commit(&batch).await {
                Ok(outcomes) => answer(batch, outcomes),
                Err(Failed::Away(error)) => {
                    tracing::warn!(error = %chain(&error), "the database is away");
                    let error = Arc::new(error);
                    refuse(batch, || DbError::unavailable(error.clone()));
                }
                Err(failed) => match (halve(&mut batch), failed) {
                    (Some(half), _) => {
                        // The first half goes first: commands apply in the order in which they arrived.
                        rest.push(half);
                        rest.push(batch);
                    }
                    (None, Failed::Fault(error)) => {
                        let error = Arc::new(error);
                        refuse(batch, || DbError::Failed(error.clone()));
                    }
                    (None, _) => {
                        tracing::error!("a command was always in conflict with what is there");
                        refuse(batch, || DbError::unavailable("other nodes were always first"));
                    }
                },
            }
        }
    }

    async fn commit(&mut self, batch: &[Queued]) -> Result<Vec<Outcome>, Failed> {
        let weight = batch.iter().fold(0_usize, |sum, queued| sum.saturating_add(queued.job.weight()));
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let tried = tokio::time::timeout(PATIENCE, self.attempt(batch, attempt)).await;
            let outcome = match &tried {
                Ok(Ok(_)) => "committed",
                Ok(Err(Failed::Conflict)) => "conflict",
                Ok(Err(_)) | Err(_) => "failed",
            };
            self.metrics.ended(outcome, weight, began.elapsed());
            match tried.unwrap_or_else(|_| Err(Failed::Away(DbError::unavailable("a transaction took too long")))) {
                Err(Failed::Conflict) if attempt < ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    /// One transaction. The books that it touches are taken out of memory, and come back when it is committed.
    async fn attempt(&mut self, batch: &[Queued], attempt: u32) -> Result<Vec<Outcome>, Failed> {
        let mut txn = self.db.begin().await?;
        if attempt > HOPEFUL_ATTEMPTS {
            // Who only hopes to be first can lose for ever against many; rows are handed out in turn.
            let customers: BTreeSet<CustomerId> = batch.iter().flat_map(|queued| queued.job.customers()).collect();
            let customers: Vec<CustomerId> = customers.into_iter().collect();
            store::lock_open_balances(&mut txn, &customers).await?;
        }
        match self.apply(&mut txn, batch).await {
            Ok((outcomes, work)) => {
                txn.commit().await?;
                self.tell(&work);
                self.keep(work);
                Ok(outcomes)
            }
            Err(failed) => {
                txn.rollback().await;
                Err(failed)
            }
        }
    }

    async fn apply(&mut self, txn: &mut Txn, batch: &[Queued]) -> Result<(Vec<Outcome>, Work), Failed> {
        self.refresh_catalog(txn, batch).await?;
        let mut work = self.load(txn, batch).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for Queued { job, .. } in batch {
            outcomes.push(match job {
                Job::Events { events, mode, .. } => {
                    let record = |(place, event): &(usize, NewEvent)| Ok((*place, work.record(event, *mode)?));
                    Outcome::Events(events.iter().map(record).collect::<Result<_, DbError>>()?)
                }
                Job::Order { order, .. } => match work.order(txn, order).await {
                    Ok(done) => Outcome::Order(Ok(Box::new(done))),
                    Err(Failure::Problems(problems)) => Outcome::Order(Err(problems)),
                    Err(Failure::Db(error)) => return Err(error.into()),
                },
                Job::Purchase { order, .. } => match work.purchase_order(txn, order).await {
                    Ok(bought) => Outcome::Purchase(Ok(Box::new(bought))),
                    Err(Failure::Problems(problems)) => Outcome::Purchase(Err(problems)),
                    Err(Failure::Db(error)) => return Err(error.into()),
                },
                Job::Plan { order, .. } => match work.plan_order(txn, order).await {
                    Ok(changed) => Outcome::Plan(Ok(Box::new(changed))),
                    Err(Failure::Problems(problems)) => Outcome::Plan(Err(problems)),
                    Err(Failure::Db(error)) => return Err(error.into()),
                },
            });
        }
        work.top_up(txn).await?;
        work.finish(&mut outcomes);
        work.flush(txn).await?;
        work.recorded_types.retain(|name| !self.types.contains(name));
        insert_types(txn, work.recorded_types.iter().cloned()).await?;
        if self.db.is_postgres()
            && let Some(notice) = self.notice(&work)
        {
            notify(txn, &notice).await?;
        }
        Ok((outcomes, work))
    }

    /// Compares the catalog with the table; opening a balance must not race with archiving its product.
    async fn refresh_catalog(&mut self, txn: &mut Txn, batch: &[Queued]) -> Result<(), Failed> {
        let version = if batch.iter().any(|queued| queued.job.opens()) {
            pin_catalog(txn).await?
        } else {
            catalog_version(txn).await?
        };
        if version != self.catalog.version {
            self.catalog = Arc::new(load_snapshot(txn).await?);
        }
        Ok(())
    }

    /// Loads what the batch needs, all of it before anything is decided.
    async fn load(&mut self, txn: &mut Txn, batch: &[Queued]) -> Result<Work, Failed> {
        let mut work = Work::new(self.catalog.clone(), self.clock.now());
        work.provider = self.provider;
        let customers: HashSet<CustomerId> = batch.iter().flat_map(|queued| queued.job.customers()).collect();
        self.load_books(txn, &mut work, customers).await?;
        let ordered = batch.iter().filter_map(|queued| queued.job.balance());
        let others: Vec<BalanceId> = ordered.filter(|id| !work.has(*id)).collect();
        if !others.is_empty() {
            work.others = store::find_balances(txn, &others).await?;
            if work.others.iter().any(|balance| balance.closed_at.is_none()) {
                // Another node opened it after the books were loaded.
                return Err(Failed::Conflict);
            }
        }
        let subscribers: BTreeSet<CustomerId> = batch.iter().filter_map(|queued| queued.job.subscriber()).collect();
        let subscribers: Vec<CustomerId> = subscribers.into_iter().collect();
        for subscription in list_of_customers(txn, &subscribers).await? {
            work.subscriptions.entry(subscription.id.customer).or_default().push(subscription);
        }
        let keys: Vec<_> = batch.iter().filter_map(|queued| queued.job.key()).collect();
        work.know_keys(store::find_keys(txn, &keys).await?)?;
        let asked = batch.iter().filter_map(|queued| queued.job.purchase()).chain(work.purchases_of_keys());
        let asked: BTreeSet<PurchaseId> = asked.collect();
        let asked: Vec<PurchaseId> = asked.into_iter().collect();
        for purchase in find_purchases(txn, &asked).await? {
            work.purchases.insert(purchase.id, purchase);
        }
        // In order, so that neighbours in the index are asked for one behind the other.
        let events: BTreeSet<EventKey> = batch.iter().flat_map(|queued| queued.job.events()).collect();
        work.know_events(find_known(txn, events.into_iter()).await?);
        Ok(work)
    }

    /// Takes the books from memory where they are still those of the table, and from the table where not.
    async fn load_books(
        &mut self,
        txn: &mut Txn,
        work: &mut Work,
        customers: HashSet<CustomerId>,
    ) -> Result<(), Failed> {
        let mut kept: HashMap<CustomerId, Vec<Balance>> = HashMap::new();
        let mut missing = Vec::new();
        for customer in customers {
            match self.books.pop(&customer) {
                Some(books) => drop(kept.insert(customer, books)),
                None => missing.push(customer),
            }
        }
        let known: Vec<CustomerId> = kept.keys().copied().collect();
        let mut current: HashMap<CustomerId, Vec<(BalanceId, i64)>> = HashMap::new();
        for (balance, revision) in store::list_revisions(txn, &known).await? {
            current.entry(balance.customer).or_default().push((balance, revision));
        }
        for (customer, books) in kept {
            let now = current.get(&customer).map_or(&[][..], Vec::as_slice);
            let same = |balance: &Balance| now.contains(&(balance.account.id, balance.revision));
            if books.len() == now.len() && books.iter().all(same) {
                work.books.insert(customer, books);
            } else {
                missing.push(customer);
            }
        }
        for customer in &missing {
            work.books.insert(*customer, Vec::new());
        }
        for balance in store::list_open_balances(txn, &missing).await? {
            work.books.entry(balance.account.id.customer).or_default().push(balance);
        }
        Ok(work.know_absent(txn).await?)
    }

    /// What all nodes are told: whose balances moved, and what changed a state.
    fn notice(&self, work: &Work) -> Option<String> {
        let customers = work.told();
        (!customers.is_empty()).then(|| feeds::notice(&self.node, &customers, &work.crossings()))
    }

    /// Tells who listens here.
    fn tell(&self, work: &Work) {
        for (customer, entries) in work.entries_by_customer() {
            let entries: Arc<[Arc<Entry>]> = Arc::from(entries);
            self.feeds.entries.tell(&customer, Hint::News(entries));
        }
        for customer in &work.look {
            self.feeds.entries.tell(customer, Hint::Look);
        }
        // Where nodes share a database, all are told of these by the notice, in the order of the commits.
        if !self.db.is_postgres() {
            let crossings = work.crossings();
            if !crossings.is_empty() {
                self.feeds.states.tell(&(), Hint::News(crossings.into()));
            }
        }
    }

    /// Keeps what was written for the next batch.
    fn keep(&mut self, mut work: Work) {
        self.types.extend(std::mem::take(&mut work.recorded_types));
        for (customer, books) in work.into_books() {
            self.books.put(customer, books);
        }
    }
}

fn answer(batch: Vec<Queued>, outcomes: Vec<Outcome>) {
    for (Queued { job, place }, outcome) in batch.into_iter().zip(outcomes) {
        // Whoever has an answer finds the room that it took free again.
        drop(place);
        // Who does not wait for the answer any more does not get it.
        match (job, outcome) {
            (Job::Events { answer, .. }, Outcome::Events(receipts)) => drop(answer.send(Ok(receipts))),
            (Job::Order { answer, .. }, Outcome::Order(done)) => {
                drop(answer.send(done.map(|done| *done).map_err(Failure::Problems)));
            }
            (Job::Plan { answer, .. }, Outcome::Plan(changed)) => {
                drop(answer.send(changed.map(|changed| *changed).map_err(Failure::Problems)));
            }
            (Job::Purchase { answer, .. }, Outcome::Purchase(bought)) => {
                drop(answer.send(bought.map(|bought| *bought).map_err(Failure::Problems)));
            }
            (Job::Events { .. } | Job::Order { .. } | Job::Plan { .. } | Job::Purchase { .. }, _) => {}
        }
    }
}

/// The second half of a batch, which keeps the first; `None` when there is one command left.
fn halve(batch: &mut Vec<Queued>) -> Option<Vec<Queued>> {
    match batch.as_mut_slice() {
        [one] => Some(vec![one.halve()?]),
        many => {
            let half = many.len() / 2;
            Some(batch.split_off(half))
        }
    }
}

fn refuse(batch: Vec<Queued>, error: impl Fn() -> DbError) {
    for Queued { job, place } in batch {
        drop(place);
        match job {
            Job::Events { answer, .. } => drop(answer.send(Err(error()))),
            Job::Order { answer, .. } => drop(answer.send(Err(Failure::Db(error())))),
            Job::Plan { answer, .. } => drop(answer.send(Err(Failure::Db(error())))),
            Job::Purchase { answer, .. } => drop(answer.send(Err(Failure::Db(error())))),
        }
    }
}
