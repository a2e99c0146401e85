//! What events would do now: the steps of a batch, up to where it would be written.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError};

use super::Intake;
use super::job::{IncomingEvent, Receipt, Status};
use super::work::Work;
use crate::base::ids::{CustomerId, EventKey};
use crate::base::time::Time;
use crate::catalog::snapshot::{Snapshot, load_snapshot};
use crate::catalog::store::catalog_version;
use crate::db::{Conn, DbError};
use crate::ledger::entry::Entry;
use crate::ledger::store;
use crate::metering::event::{Mode, NewEvent};
use crate::metering::model::RuleOutcome;
use crate::metering::store::find_known;

/// What one event would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How it would end.
    pub receipt: Receipt,
    /// What each rule says of it; nothing of one that is on record, or wrong in itself.
    pub outcomes: Vec<RuleOutcome>,
    /// The entries that it would make. What is due before them would be posted first, and is taken into account.
    pub entries: Vec<Arc<Entry>>,
}

impl Preview {
    /// Of an event that would do nothing.
    #[must_use]
    pub const fn of(receipt: Receipt) -> Self {
        Self { receipt, outcomes: Vec::new(), entries: Vec::new() }
    }
}

impl Intake {
    /// What these events would do if they were sent in at `now`, one behind the other; nothing is done.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn preview(&self, events: Vec<IncomingEvent>, mode: Mode, now: Time) -> Result<Vec<Preview>, DbError> {
        let names = self.names(&events).await?;
        let checked: Vec<_> = events
            .into_iter()
            .map(|event| event.whose.customer(&names).and_then(|customer| NewEvent::check(event.of(customer), now)))
            .collect();
        let mut snapshot = self.db.snapshot().await?;
        let work = self.load_for(&mut snapshot, checked.iter().flatten(), now).await;
        snapshot.rollback().await;
        let mut work = work?;
        let preview = |event: Result<NewEvent, _>| match event {
            Err(problem) => Ok(Preview::of(Receipt::invalid(problem))),
            Ok(event) => {
                let outcomes = work.outcomes(&event, mode);
                let receipt = work.record(&event, mode)?;
                let recorded = receipt.status == Status::Accepted;
                let entries = if recorded { work.made_by(event.key) } else { Vec::new() };
                Ok(Preview { receipt, outcomes, entries })
            }
        };
        checked.into_iter().map(preview).collect()
    }

    /// What a batch of these events would load.
    async fn load_for(
        &self,
        conn: &mut Conn,
        events: impl Iterator<Item = &NewEvent>,
        now: Time,
    ) -> Result<Work, DbError> {
        let keys: BTreeSet<EventKey> = events.map(|event| event.key).collect();
        let customers: HashSet<CustomerId> = keys.iter().map(|key| key.customer).collect();
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let mut work = Work::new(self.catalog(conn).await?, now);
        for customer in &customers {
            work.books.insert(*customer, Vec::new());
        }
        for balance in store::list_open_balances(conn, &customers).await? {
            work.books.entry(balance.account.id.customer).or_default().push(balance);
        }
        work.know_absent(conn).await?;
        work.know_events(find_known(conn, keys.into_iter()).await?);
        Ok(work)
    }

    async fn catalog(&self, conn: &mut Conn) -> Result<Arc<Snapshot>, DbError> {
        let known = self.shared.catalog.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if catalog_version(conn).await? == known.version {
            return Ok(known);
        }
        let current = Arc::new(load_snapshot(conn).await?);
        *self.shared.catalog.lock().unwrap_or_else(PoisonError::into_inner) = current.clone();
        Ok(current)
    }
}
