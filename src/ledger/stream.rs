//! Streams of a ledger: every entry once, in order, without gaps.
//!
//! A stream listens first, reads what lies behind its position, tells once that it is up to date, and then waits for
//! hints. The table is the truth: news that follow the position directly are passed on as they came, anything else
//! makes it read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::entry::Entry;
use super::feeds::{Feeds, News};
use super::model::Balance;
use super::store;
use crate::base::ids::{BalanceId, CustomerId};
use crate::db::{Db, DbError};
use crate::feed::{Hint, Listener};

/// How many entries a stream reads at a time.
const CHUNK: i64 = 200;

/// Where a stream of all balances of a customer stands: the sequence reached of each balance, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(pub BTreeMap<i32, i64>);

impl Positions {
    fn of(&self, number: i32) -> i64 {
        self.0.get(&number).copied().unwrap_or_default()
    }
}

/// All entries of some balances of one customer.
pub struct EntryStream {
    db: Db,
    customer: CustomerId,
    /// One balance, or all of them.
    only: Option<i32>,
    listener: Listener<News>,
    positions: Positions,
    waiting: VecDeque<Arc<Entry>>,
    must_read: bool,
    told: bool,
    /// How the balances stood where a stream without a position began: its first message.
    first: Option<Vec<Balance>>,
}

/// One message of a stream of entries.
#[derive(Clone, Debug)]
pub enum Message {
    /// An entry.
    Entry(Arc<Entry>),
    /// The listener is up to date; how its balances stand.
    UpToDate(Vec<Balance>),
}

impl EntryStream {
    /// Streams one balance, or all of a customer's. `after` is where a listener stopped before; without it the stream
    /// begins with what happens from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(
        db: &Db,
        feeds: &Feeds,
        (customer, only): (CustomerId, Option<i32>),
        after: Option<Positions>,
    ) -> Result<Self, DbError> {
        let listener = feeds.entries.listen(customer);
        let mut stream = Self {
            db: db.clone(),
            customer,
            only,
            listener,
            positions: Positions::default(),
            waiting: VecDeque::new(),
            must_read: true,
            told: false,
            first: None,
        };
        if let Some(positions) = after {
            stream.positions = positions;
        } else {
            let balances = stream.balances().await?;
            let reached = balances.iter().map(|balance| (balance.account.id.number, balance.account.sequence));
            stream.positions = Positions(reached.collect());
            stream.first = Some(balances);
        }
        Ok(stream)
    }

    /// Where the stream stands after the last message.
    #[must_use]
    pub const fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The next message; `None` when nothing can come any more, since its one balance was closed.
    ///
    /// # Errors
    /// Those of the database; the stream goes on where it stands when asked again.
    pub async fn next(&mut self) -> Result<Option<Message>, DbError> {
        if let Some(balances) = self.first.take() {
            self.told = true;
            return Ok(Some(Message::UpToDate(balances)));
        }
        loop {
            if let Some(entry) = self.take_waiting() {
                return Ok(Some(Message::Entry(entry)));
            }
            if self.must_read {
                let balances = self.balances().await?;
                if self.read(&balances).await? {
                    continue;
                }
                self.must_read = false;
                let over = self.only.is_some() && balances.iter().all(|balance| balance.closed_at.is_some());
                if !self.told {
                    self.told = true;
                    self.must_read = over;
                    return Ok(Some(Message::UpToDate(balances)));
                }
                if over {
                    return Ok(None);
                }
            }
            match self.listener.hear().await {
                Hint::News(news) => {
                    let only = self.only;
                    let wanted = |entry: &&Arc<Entry>| only.is_none_or(|number| number == entry.balance.number);
                    self.waiting.extend(news.iter().filter(wanted).cloned());
                }
                Hint::Look => self.must_read = true,
            }
        }
    }

    /// The next waiting entry that follows its balance's position; a gap means that some must be read first.
    fn take_waiting(&mut self) -> Option<Arc<Entry>> {
        while let Some(entry) = self.waiting.pop_front() {
            let (number, sequence) = (entry.balance.number, entry.posting.sequence);
            let reached = self.positions.of(number);
            if sequence == reached.saturating_add(1) {
                self.positions.0.insert(number, sequence);
                return Some(entry);
            }
            if sequence > reached {
                self.waiting.clear();
                self.must_read = true;
            }
        }
        None
    }

    async fn balances(&self) -> Result<Vec<Balance>, DbError> {
        let mut conn = self.db.read().await?;
        match self.only {
            Some(number) => store::find_balances(&mut conn, &[BalanceId { customer: self.customer, number }]).await,
            None => store::list_balances_of(&mut conn, &[self.customer]).await,
        }
    }

    /// Reads entries of the first balance that has some behind its position; answers whether there were any.
    async fn read(&mut self, balances: &[Balance]) -> Result<bool, DbError> {
        for balance in balances {
            let id = balance.account.id;
            let reached = self.positions.of(id.number);
            if balance.account.sequence > reached {
                let mut conn = self.db.read().await?;
                let entries = store::list_entries_after(&mut conn, id, reached, CHUNK).await?;
                self.waiting.extend(entries.into_iter().map(Arc::new));
                return Ok(!self.waiting.is_empty());
            }
        }
        Ok(false)
    }
}
