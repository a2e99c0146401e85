//! The books of a balance at any instant: entries recorded up to it, and what time alone had done by then (L8), posted or
//! not. What a read said at that instant is what is said of it ever after.
//!
//! What time had done is computed by the rules that computed it then. What periods brought is taken from the entries that
//! were posted for them later, or else from the balance's plan, of those subscriptions that were there by then: one that is
//! made with a start in the past brings its credits to the present, not to the past.

use std::collections::BTreeMap;

use super::model::{Balance, Cause, EntryKind, GrantSource, Lot, Policy};
use super::plan::{Allowance, Renewal, Rollover};
use super::records::{self, Checkpoint};
use super::replay::Replay;
use super::rules::carry;
use super::store;
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, GrantId};
use crate::base::time::Time;
use crate::db::{Conn, DbError};

/// How many entries are read at a time; checkpoints lie closer together but for what is posted at one go.
const CHUNK: i64 = 300;

/// What is on record of a balance up to an instant, and what periods brought between the last entry and it.
#[derive(Clone, Debug)]
pub struct Past {
    balance: BalanceId,
    at: Time,
    replay: Replay,
    closed: bool,
    /// In order of time.
    brought: BTreeMap<(Time, i32), Brought>,
}

/// What a period brought that was posted behind the instant, or is not posted yet.
#[derive(Clone, Debug)]
struct Brought {
    renewal: Renewal,
    /// The entry that posted the rollover.
    rollover: Option<i64>,
    /// The entry that posted the allowance.
    allowance: Option<i64>,
}

impl Brought {
    const fn not_posted(renewal: Renewal) -> Self {
        Self { renewal, rollover: None, allowance: None }
    }
}

/// The books at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// The newest entry that had been recorded.
    pub last_sequence: i64,
    /// What the ledger added up to.
    pub settled: Credits,
    /// What holds had set aside.
    pub held: Credits,
    /// What could be spent.
    pub available: Credits,
    /// The lots with something left, in burning order, by the ids that they have.
    pub lots: Vec<(GrantId, Lot)>,
}

/// Reads what there is to know of a balance at an instant, not before it was opened and not in the future.
///
/// # Errors
/// Those of the database.
pub async fn read_past(conn: &mut Conn, balance: &Balance, at: Time) -> Result<Past, DbError> {
    let (id, newest) = (balance.account.id, balance.account.sequence);
    let checkpoint = records::find_checkpoint(conn, id, at, newest).await?;
    let mut past = Past {
        balance: id,
        at,
        replay: Replay::new(balance.created_at),
        closed: balance.closed_at.is_some_and(|closed| closed <= at),
        brought: BTreeMap::new(),
    };
    let mut next = checkpoint.sequence.max(1);
    let mut begin = Some(checkpoint).filter(|checkpoint| checkpoint.sequence > 0);
    let mut stopped = false;
    while next <= newest && !stopped {
        let entries = records::list_entries_between(conn, id, (next, next.saturating_add(CHUNK).min(newest))).await?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            next = entry.posting.sequence.saturating_add(1);
            if begin.is_none() && entry.posting.recorded_at <= at {
                // No reversal comes between a checkpoint and an instant, unless a checkpoint was lost.
                let over: Vec<i64> = past.replay.reopened_by(entry).collect();
                for lot in records::find_over(conn, id, &over).await? {
                    past.replay.lots.insert(lot.sequence, lot);
                }
            }
            stopped = past.take(begin.take(), entry)?;
            if stopped {
                break;
            }
        }
    }
    if !stopped {
        past.expect(balance);
    }
    past.set_lapses(conn).await?;
    Ok(past)
}

impl Past {
    /// Goes on behind an entry; answers whether nothing behind it has anything to say of the instant.
    fn take(&mut self, begin: Option<Checkpoint>, entry: &super::entry::Entry) -> Result<bool, DbError> {
        if let Some(checkpoint) = begin {
            self.replay = Replay::behind(checkpoint, entry);
            return Ok(false);
        }
        let posting = &entry.posting;
        if posting.recorded_at <= self.at {
            self.replay.take(entry).map_err(|error| DbError::Corrupt(error.to_string()))?;
            return Ok(false);
        }
        // What was due by then is posted first of all that comes behind it.
        if posting.cause == Cause::Command || posting.occurred_at > self.at {
            return Ok(true);
        }
        if let (Cause::Renewal(subscription), Some(terms)) = (posting.cause, posting.terms) {
            let (credits, expires_at) = (terms.credits, terms.expires_at);
            let brought = self.brought_at(posting.occurred_at, subscription);
            if posting.kind == EntryKind::Rollover {
                brought.renewal.rollover = Some(Rollover { limit: credits, since: 0, expires_at });
                brought.rollover = Some(posting.sequence);
            } else {
                brought.renewal.allowance = Some(Allowance { credits, expires_at });
                brought.allowance = Some(posting.sequence);
            }
        }
        Ok(false)
    }

    fn brought_at(&mut self, at: Time, subscription: i32) -> &mut Brought {
        let renewal = Renewal { at, subscription, rollover: None, allowance: None };
        self.brought.entry((at, subscription)).or_insert_with(|| Brought::not_posted(renewal))
    }

    /// What is not posted yet stands in the balance's plan.
    fn expect(&mut self, balance: &Balance) {
        for renewal in balance.renewals(self.at).0 {
            self.brought.insert((renewal.at, renewal.subscription), Brought::not_posted(renewal));
        }
    }

    /// A hold that was extended says so in its row alone. One that had lapsed by the instant was not extended any more, so
    /// that the last word on it holds for every instant.
    async fn set_lapses(&mut self, conn: &mut Conn) -> Result<(), DbError> {
        if self.replay.holds.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = self.replay.holds.keys().map(|sequence| self.balance.hold(*sequence)).collect();
        for record in store::find_holds(conn, &ids).await? {
            if let Some(hold) = self.replay.holds.get_mut(&record.id.sequence) {
                hold.expires_at = record.expires_at;
            }
        }
        Ok(())
    }

    /// The subscriptions, by their numbers, of which must be known whether they were there by the instant.
    pub fn subscriptions(&self) -> impl Iterator<Item = i32> {
        self.brought.keys().map(|(_, subscription)| *subscription)
    }

    /// The books at the instant; `was_there` says which subscriptions there were.
    ///
    /// # Errors
    /// [`DbError::Corrupt`], which books that are right never give.
    pub fn books(&self, was_there: impl Fn(i32) -> bool) -> Result<Books, DbError> {
        let corrupt = |error: &dyn std::fmt::Display| DbError::Corrupt(error.to_string());
        let account = self.replay.account(self.balance, self.closed).map_err(|error| corrupt(&error))?;
        let known = self.brought.values().map(|brought| brought.renewal);
        let renewals: Vec<Renewal> = known.filter(|renewal| was_there(renewal.subscription)).collect();
        let carried = carry(&account, &Policy::default(), self.at, &renewals).map_err(|error| corrupt(&error))?;
        let account = carried.account;
        let left = account.lots.iter().filter(|lot| !lot.remaining.is_zero());
        Ok(Books {
            last_sequence: self.replay.sequence,
            settled: account.settled,
            held: account.held,
            available: account.available().map_err(|error| corrupt(&error))?,
            lots: left.map(|lot| (self.balance.grant(self.number(lot)), *lot)).collect(),
        })
    }

    /// The number of a lot: of one that a period brought behind the last entry, the one that it was posted under.
    fn number(&self, lot: &Lot) -> i64 {
        if lot.sequence <= self.replay.sequence {
            return lot.sequence;
        }
        let posted = |brought: &Brought| match lot.source {
            GrantSource::Rollover => brought.rollover,
            _ => brought.allowance,
        };
        let mut began = self.brought.values().filter(|brought| brought.renewal.at == lot.effective_at);
        began.find_map(posted).unwrap_or(lot.sequence)
    }
}
