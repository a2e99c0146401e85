//! The stream of state changes, anywhere (L15): live only, each crossing once, in order within a balance.
//!
//! News name the entries. In case some were lost, a look finds what was announced lately: `recordedAt` is by the clock
//! of the node that wrote the entry, and a commit becomes visible after it, so it looks back further than both differ.

use std::collections::{HashMap, VecDeque};

use super::entry::Entry;
use super::feeds::{Crossings, Feeds};
use super::{reads, store};
use crate::base::clock::Clock;
use crate::base::ids::{BalanceId, EntryId};
use crate::base::time::{SECOND, Time};
use crate::db::{Db, DbError};
use crate::feed::{Hint, Listener};

/// How far a look goes back: longer than a transaction may take, and than clocks are apart.
const OVERLAP: i64 = 120 * SECOND;
/// How many entries are read at a time.
const CHUNK: usize = 200;

/// Entries that changed the state of their balance.
pub struct CrossingStream {
    db: Db,
    clock: Clock,
    listener: Listener<Crossings>,
    /// What was recorded from then on is found by a look: so long before the last one.
    from: Time,
    /// When the last look was.
    looked: Time,
    /// The newest entry told of each balance, and when it was recorded; kept as long as a look would find it.
    told: HashMap<BalanceId, (i64, Time)>,
    named: VecDeque<EntryId>,
    waiting: VecDeque<Entry>,
}

impl CrossingStream {
    /// Streams what becomes visible from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(db: &Db, feeds: &Feeds, clock: &Clock) -> Result<Self, DbError> {
        let mut stream = Self {
            db: db.clone(),
            clock: clock.clone(),
            listener: feeds.states.listen(()),
            from: before(clock.now()),
            looked: clock.now(),
            told: HashMap::new(),
            named: VecDeque::new(),
            waiting: VecDeque::new(),
        };
        // What is there already was told to others.
        for (entry, recorded_at) in stream.look().await? {
            stream.told.insert(entry.balance, (entry.sequence, recorded_at));
        }
        Ok(stream)
    }

    /// The next entry that changed a state.
    ///
    /// # Errors
    /// Those of the database; the stream goes on where it stands when asked again.
    pub async fn next(&mut self) -> Result<Entry, DbError> {
        loop {
            while let Some(entry) = self.waiting.pop_front() {
                if !self.was_told(entry.id()) {
                    self.told.insert(entry.balance, (entry.posting.sequence, entry.posting.recorded_at));
                    return Ok(entry);
                }
            }
            if !self.named.is_empty() {
                self.read().await?;
                continue;
            }
            match self.listener.hear().await {
                Hint::News(crossings) => self.named.extend(crossings.iter().copied()),
                Hint::Look => {
                    let mut found = self.look().await?;
                    found.retain(|(entry, _)| !self.was_told(*entry));
                    self.named.extend(found.into_iter().map(|(entry, _)| entry));
                }
            }
        }
    }

    fn was_told(&self, entry: EntryId) -> bool {
        self.told.get(&entry.balance).is_some_and(|(told, _)| entry.sequence <= *told)
    }

    /// What was announced since the last look, however long ago that was, and a while before it; in order. A clock that is
    /// put back does not bring back what is behind the stream.
    async fn look(&mut self) -> Result<Vec<(EntryId, Time)>, DbError> {
        let now = self.clock.now();
        let from = self.from.max(before(self.looked));
        let found = store::list_announced(&mut self.db.read().await?, from).await?;
        (self.from, self.looked) = (from, now);
        self.told.retain(|_, (_, recorded_at)| *recorded_at >= from);
        Ok(found)
    }

    /// Reads the next of the entries that were named, in the order in which they were.
    async fn read(&mut self) -> Result<(), DbError> {
        let ids: Vec<EntryId> = self.named.iter().take(CHUNK).copied().collect();
        let found = reads::find_entries(&mut self.db.read().await?, &ids).await?;
        let mut found: HashMap<EntryId, Entry> = found.into_iter().map(|entry| (entry.id(), entry)).collect();
        self.waiting.extend(ids.iter().filter_map(|id| found.remove(id)));
        self.named.drain(..ids.len());
        Ok(())
    }
}

fn before(instant: Time) -> Time {
    instant.plus_micros(OVERLAP.saturating_neg()).unwrap_or(instant)
}
