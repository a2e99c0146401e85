//! One transaction's work: the books as they change, what is known already, and what is to be written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::job::{Done, Job, Outcome, Receipt};
use crate::base::idempotency::Key;
use crate::base::ids::{BalanceId, CustomerId, EntryId, EventKey, PurchaseId, SubscriptionId};
use crate::base::problem::Problem;
use crate::base::time::Time;
use crate::catalog::snapshot::Snapshot;
use crate::customers::store::find_archived_at;
use crate::db::{Conn, DbError, Txn};
use crate::ledger::entry::Entry;
use crate::ledger::model::Balance;
use crate::ledger::service::{Changed, Writes};
use crate::ledger::store::{KeyRow, remove_unopened};
use crate::metering::event::{Mode, NewEvent};
use crate::metering::model::RuleOutcome;
use crate::metering::service::{Context, EventWrites, NotRecorded, outcomes, record};
use crate::metering::store::KnownEvent;
use crate::purchases;
use crate::purchases::model::{Provider, Purchase};
use crate::subscriptions::model::Subscription;
use crate::subscriptions::store::Changes;

/// What a key was first used for: the input, and what it made.
#[derive(Clone, Copy)]
pub(super) struct FirstUse {
    input: [u8; 16],
    pub(super) made: Made,
}

/// What a key made.
#[derive(Clone, Copy)]
pub(super) enum Made {
    Entry(EntryId),
    Subscription(SubscriptionId),
    Purchase(PurchaseId),
}

/// What was loaded, and what has become of it.
pub(super) struct Work {
    pub(super) catalog: Arc<Snapshot>,
    pub(super) now: Time,
    /// Open balances by customer, in order of their numbers.
    pub(super) books: HashMap<CustomerId, Vec<Balance>>,
    /// Balances that were asked for and are not open.
    pub(super) others: Vec<Balance>,
    /// Customers that are archived, or (false) not there at all.
    pub(super) absent: HashMap<CustomerId, bool>,
    /// Types of the events that were recorded.
    pub(super) recorded_types: HashSet<String>,
    /// Customers whose streams must look, though they got no entry.
    pub(super) look: BTreeSet<CustomerId>,
    pub(super) writes: Writes,
    /// Balances to be written, and whether their settings are.
    pub(super) changed: BTreeMap<BalanceId, bool>,
    /// Balances that were to open and will not.
    pub(super) removed: Vec<Balance>,
    /// Subscriptions of the customers of whose subscriptions something is asked, in order of their numbers.
    pub(super) subscriptions: HashMap<CustomerId, Vec<Subscription>>,
    pub(super) plan_changes: Changes,
    /// Purchases of which something is asked, or that were made.
    pub(super) purchases: BTreeMap<PurchaseId, Purchase>,
    pub(super) purchase_changes: purchases::store::Changes,
    /// Balances that are to buy if they can, though they did not change.
    pub(super) considered: BTreeSet<BalanceId>,
    /// Who takes the money of new purchases.
    pub(super) provider: Provider,
    events: EventWrites,
    known_events: HashMap<EventKey, (String, Vec<u8>)>,
    known_keys: HashMap<(CustomerId, i16, String), FirstUse>,
    entries: Vec<Arc<Entry>>,
}

impl Job {
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Events { events, .. } => events.len(),
            Self::Order { .. } | Self::Plan { .. } | Self::Purchase { .. } => 1,
        }
    }

    pub(super) fn opens(&self) -> bool {
        match self {
            Self::Order { order, .. } => matches!(order, super::Order::Open(_)),
            Self::Plan { order, .. } => order.opens(),
            Self::Events { .. } | Self::Purchase { .. } => false,
        }
    }

    /// The customer of whose subscriptions something is asked.
    pub(super) fn subscriber(&self) -> Option<CustomerId> {
        match self {
            Self::Plan { order, .. } => Some(order.customer()),
            Self::Order { .. } | Self::Events { .. } | Self::Purchase { .. } => None,
        }
    }

    /// The purchase of which something is asked.
    pub(super) fn purchase(&self) -> Option<PurchaseId> {
        match self {
            Self::Purchase { order, .. } => order.purchase(),
            Self::Order { .. } | Self::Events { .. } | Self::Plan { .. } => None,
        }
    }

    fn known(&self) -> &[(usize, NewEvent)] {
        match self {
            Self::Events { events, .. } => events,
            Self::Order { .. } | Self::Plan { .. } | Self::Purchase { .. } => &[],
        }
    }

    pub(super) fn customers(&self) -> impl Iterator<Item = CustomerId> {
        let ordered = match self {
            Self::Order { order, .. } => Some(order.customer()),
            Self::Purchase { order, .. } => Some(order.balance().customer),
            Self::Plan { .. } | Self::Events { .. } => self.subscriber(),
        };
        self.known().iter().map(|(_, event)| event.key.customer).chain(ordered)
    }

    pub(super) fn events(&self) -> impl Iterator<Item = EventKey> {
        self.known().iter().map(|(_, event)| event.key)
    }

    pub(super) fn balance(&self) -> Option<BalanceId> {
        match self {
            Self::Order { order, .. } => order.balance(),
            Self::Purchase { order, .. } => Some(order.balance()),
            Self::Plan { .. } | Self::Events { .. } => None,
        }
    }

    pub(super) fn key(&self) -> Option<(CustomerId, i16, String)> {
        let given = match self {
            Self::Order { order, .. } => order.key(),
            Self::Plan { order, .. } => order.key(),
            Self::Purchase { order, .. } => order.key(),
            Self::Events { .. } => None,
        };
        given.map(|(customer, key)| (customer, key.scope.number(), key.key.clone()))
    }
}

impl Work {
    pub(super) fn new(catalog: Arc<Snapshot>, now: Time) -> Self {
        Self {
            catalog,
            now,
            books: HashMap::new(),
            others: Vec::new(),
            absent: HashMap::new(),
            recorded_types: HashSet::new(),
            look: BTreeSet::new(),
            writes: Writes::default(),
            changed: BTreeMap::new(),
            removed: Vec::new(),
            subscriptions: HashMap::new(),
            plan_changes: Changes::default(),
            purchases: BTreeMap::new(),
            purchase_changes: purchases::store::Changes::default(),
            considered: BTreeSet::new(),
            provider: Provider::Manual,
            events: EventWrites::default(),
            known_events: HashMap::new(),
            known_keys: HashMap::new(),
            entries: Vec::new(),
        }
    }

    pub(super) fn has(&self, id: BalanceId) -> bool {
        self.find(id).is_some()
    }

    /// An open balance.
    pub(super) fn find(&self, id: BalanceId) -> Option<&Balance> {
        self.books.get(&id.customer)?.iter().find(|balance| balance.account.id == id)
    }

    pub(super) fn know_events(&mut self, known: Vec<KnownEvent>) {
        for KnownEvent { customer_id: customer, key, event_id, content_hash } in known {
            self.known_events.insert(EventKey { customer, key }, (event_id, content_hash));
        }
    }

    pub(super) fn know_keys(&mut self, known: Vec<KeyRow>) -> Result<(), DbError> {
        for row in known {
            let customer = row.customer_id;
            let balance = BalanceId { customer, number: row.balance };
            let made = match (row.subscription, row.purchase) {
                (Some(number), _) => Made::Subscription(SubscriptionId { customer, number }),
                (None, Some(number)) => Made::Purchase(balance.purchase(number)),
                (None, None) => Made::Entry(balance.entry(row.sequence)),
            };
            let corrupt =
                |bytes: Vec<u8>| DbError::Corrupt(format!("the hash of a key's input has {} bytes", bytes.len()));
            let first = FirstUse { input: row.input_hash.try_into().map_err(corrupt)?, made };
            self.known_keys.insert((customer, row.scope, row.key), first);
        }
        Ok(())
    }

    /// Records one event.
    ///
    /// # Errors
    /// [`DbError::Corrupt`] when a balance does not take what it must take.
    pub(super) fn record(&mut self, event: &NewEvent, mode: Mode) -> Result<Receipt, DbError> {
        if let Some((event_id, content)) = self.known_events.get(&event.key) {
            return Ok(known(event, event_id, content));
        }
        let customer = event.key.customer;
        if let Some(archived) = self.absent.get(&customer) {
            return Ok(Receipt::invalid(absent(customer, *archived)));
        }
        let Some(books) = self.books.get_mut(&customer) else {
            return Ok(Receipt::invalid(absent(customer, false)));
        };
        let context = Context { catalog: &self.catalog, now: self.now, mode };
        Ok(match record(event, context, books, (&mut self.writes, &mut self.events)) {
            Err(NotRecorded::Refused(problem)) => Receipt::refused(problem),
            Err(NotRecorded::Invalid(problem)) => Receipt::invalid(problem),
            Err(NotRecorded::Broken(balance, refusal)) => {
                return Err(DbError::Corrupt(format!("the balance {balance} does not take usage: {refusal}")));
            }
            Ok(entries) => {
                let mut changed: Vec<BalanceId> = entries.iter().map(|entry| entry.balance).collect();
                changed.dedup();
                self.known_events.insert(event.key, (event.event_id.clone(), event.content.to_vec()));
                if !self.recorded_types.contains(&event.event_type) {
                    self.recorded_types.insert(event.event_type.clone());
                }
                self.note_entries(entries);
                Receipt::accepted(event.key, changed)
            }
        })
    }

    /// What each rule says of an event that is about to be recorded; nothing where it cannot be.
    pub(super) fn outcomes(&self, event: &NewEvent, mode: Mode) -> Vec<RuleOutcome> {
        let known = self.known_events.contains_key(&event.key);
        let Some(books) = self.books.get(&event.key.customer).filter(|_| !known) else { return Vec::new() };
        outcomes(event, Context { catalog: &self.catalog, now: self.now, mode }, books)
    }

    /// The entries that the newest event made.
    pub(super) fn made_by(&self, event: EventKey) -> Vec<Arc<Entry>> {
        let since = |entry: &&Arc<Entry>| entry.note.event.is_none_or(|other| other == event);
        let made = self.entries.iter().rev().take_while(since).filter(|entry| entry.note.event.is_some());
        let mut made: Vec<Arc<Entry>> = made.cloned().collect();
        made.reverse();
        made
    }

    /// Takes note of customers that have no open balance: whether they are archived, or not there at all.
    pub(super) async fn know_absent(&mut self, conn: &mut Conn) -> Result<(), DbError> {
        // Who has an open balance is there and not archived; of the others that must be asked.
        let empty = self.books.iter().filter(|(_, books)| books.is_empty()).map(|(customer, _)| *customer);
        let empty: Vec<CustomerId> = empty.collect();
        let found = find_archived_at(conn, &empty).await?;
        let absent = |customer| match found.get(&customer) {
            Some(None) => None,
            Some(Some(_)) => Some((customer, true)),
            None => Some((customer, false)),
        };
        self.absent = empty.into_iter().filter_map(absent).collect();
        Ok(())
    }

    /// Remembers that entries were made, and that their balances are to be written.
    pub(super) fn note_entries(&mut self, entries: Vec<Arc<Entry>>) {
        for entry in &entries {
            self.changed.entry(entry.balance).or_insert(false);
        }
        self.entries.extend(entries);
    }

    /// What a key made before; a problem when it was with another input.
    pub(super) fn first_use(&self, customer: CustomerId, key: &Key) -> Result<Option<FirstUse>, Problem> {
        match self.known_keys.get(&(customer, key.scope.number(), key.key.clone())) {
            None => Ok(None),
            Some(first) if first.input == key.input => Ok(Some(*first)),
            Some(_) => Err(key.conflict()),
        }
    }

    /// The purchases that keys made.
    pub(super) fn purchases_of_keys(&self) -> impl Iterator<Item = PurchaseId> {
        self.known_keys.values().filter_map(|first| match first.made {
            Made::Purchase(id) => Some(id),
            Made::Entry(_) | Made::Subscription(_) => None,
        })
    }

    /// Remembers what a key did.
    pub(super) fn use_key(&mut self, made: Made, key: &Key) {
        let (customer, balance, sequence) = match made {
            Made::Entry(EntryId { balance, sequence }) => (balance.customer, balance.number, sequence),
            Made::Subscription(id) => (id.customer, 0, 0),
            Made::Purchase(id) => (id.balance.customer, id.balance.number, 0),
        };
        let scope = key.scope.number();
        self.known_keys.insert((customer, scope, key.key.clone()), FirstUse { input: key.input, made });
        self.writes.remember_key(KeyRow {
            customer_id: customer,
            scope,
            key: key.key.clone(),
            input_hash: key.input.to_vec(),
            balance,
            sequence,
            created_at: self.now,
            subscription: if let Made::Subscription(id) = made { Some(id.number) } else { None },
            purchase: if let Made::Purchase(id) = made { Some(id.number) } else { None },
        });
    }

    /// What an order came to.
    pub(super) fn done(&self, balance: Balance, entry: Option<Arc<Entry>>) -> Done {
        Done { balance, catalog: self.catalog.clone(), entry, replayed: false, first_sequence: None }
    }

    /// What an order came to that was carried out before.
    pub(super) fn replayed(&self, balance: Balance, first_sequence: Option<i64>) -> Done {
        Done { replayed: true, first_sequence, ..self.done(balance, None) }
    }

    /// Answers say how balances stand in the end, as they will be read from now on.
    pub(super) fn finish(&self, outcomes: &mut [Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Order(Ok(done)) => {
                    let id = done.balance.account.id;
                    if let Some(balance) = self.find(id) {
                        done.balance = balance.clone();
                    }
                }
                Outcome::Plan(Ok(changed)) => {
                    let id = changed.subscription.id;
                    let known = self.subscriptions.get(&id.customer).into_iter().flatten();
                    if let Some(subscription) = known.into_iter().find(|known| known.id == id) {
                        changed.subscription = subscription.clone();
                    }
                }
                Outcome::Purchase(Ok(bought)) => {
                    if let Some(balance) = self.find(bought.balance.account.id) {
                        bought.balance = balance.clone();
                    }
                    let id = bought.purchase.as_ref().map(|purchase| purchase.id);
                    if let Some(purchase) = id.and_then(|id| self.purchases.get(&id)) {
                        bought.purchase = Some(purchase.clone());
                    }
                }
                Outcome::Events(_) | Outcome::Order(Err(_)) | Outcome::Plan(Err(_)) | Outcome::Purchase(Err(_)) => {}
            }
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// Those of the database; `Conflict` and `Duplicate` when another node was first.
    pub(super) async fn flush(&mut self, txn: &mut Txn) -> Result<(), DbError> {
        let writes = std::mem::take(&mut self.writes);
        let events = std::mem::take(&mut self.events);
        let plan_changes = std::mem::take(&mut self.plan_changes);
        let purchase_changes = std::mem::take(&mut self.purchase_changes);
        remove_unopened(txn, &self.removed).await?;
        let changed: Vec<Changed<'_>> = self
            .changed
            .iter()
            .filter_map(|(id, settings)| self.find(*id).map(|balance| Changed { balance, settings: *settings }))
            .collect();
        writes.flush(txn, &changed).await?;
        plan_changes.flush(txn).await?;
        purchase_changes.flush(txn).await?;
        events.flush(txn).await
    }

    /// The books as the next batch will find them.
    pub(super) fn into_books(mut self) -> HashMap<CustomerId, Vec<Balance>> {
        for id in self.changed.keys() {
            let books = self.books.get_mut(&id.customer);
            if let Some(balance) = books.and_then(|books| books.iter_mut().find(|b| b.account.id == *id)) {
                balance.revision = balance.revision.saturating_add(1);
            }
        }
        for books in self.books.values_mut() {
            books.retain(|balance| balance.closed_at.is_none());
        }
        self.books
    }

    /// The entries that changed a state.
    pub(super) fn crossings(&self) -> Vec<EntryId> {
        self.entries.iter().filter(|entry| entry.announces().is_some()).map(|entry| entry.id()).collect()
    }

    /// Whose streams have something to hear.
    pub(super) fn told(&self) -> BTreeSet<CustomerId> {
        self.entries.iter().map(|entry| entry.balance.customer).chain(self.look.iter().copied()).collect()
    }

    pub(super) fn entries_by_customer(&self) -> BTreeMap<CustomerId, Vec<Arc<Entry>>> {
        let mut by_customer: BTreeMap<CustomerId, Vec<Arc<Entry>>> = BTreeMap::new();
        for entry in &self.entries {
            by_customer.entry(entry.balance.customer).or_default().push(entry.clone());
        }
        by_customer
    }
}

/// What is said of an event whose key is on record.
fn known(event: &NewEvent, event_id: &str, content: &[u8]) -> Receipt {
    if event_id == event.event_id {
        return Receipt::duplicate(event.key, content != event.content);
    }
    // Two ids of one customer with the same eight bytes of hash: with honest ids this does not happen in a lifetime.
    let message = "The id cannot be told from that of another event on record; use another one.";
    Receipt::invalid(Problem::invalid(&["id"], message))
}

fn absent(customer: CustomerId, archived: bool) -> Problem {
    if archived {
        Problem::state(&["customer"], "ARCHIVED", "The customer is archived and takes no more events.")
    } else {
        Problem::not_found(&["customer", "id"], "customer", customer.to_string())
    }
}
