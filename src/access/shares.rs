//! Limits on what one caller holds at once: sockets, streams and database reads. A seat is taken before the socket or stream is
//! made, and given back when it is dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::model::Caller;
use crate::base::caller::CallerId;

/// How many KiB of one caller's bodies are worked on at once. A longer body is worked on alone.
const BODIES: u32 = 2 * 1_024;
/// How many callers are remembered before those that hold nothing are forgotten.
const FORGET: usize = 1_024;

/// How much may be held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// WebSockets.
    pub sockets: usize,
    /// Streams, over WebSockets and as server-sent events.
    pub streams: usize,
}

/// How much may be held at once, by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By each key.
    pub key: Holdings,
    /// By all portal sessions of a customer.
    pub portal: Holdings,
    /// By all callers.
    pub all: Holdings,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key: Holdings { sockets: 10_000, streams: 10_000 },
            portal: Holdings { sockets: 20, streams: 100 },
            all: Holdings { sockets: 20_000, streams: 50_000 },
        }
    }
}

/// Why there is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The caller holds as many as it may.
    Own(usize),
    /// All callers together do.
    All,
}

/// Something that may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A WebSocket.
    Socket,
    /// A stream.
    Stream,
}

/// Counts of each kind.
#[derive(Debug, Default)]
struct Count {
    sockets: AtomicUsize,
    streams: AtomicUsize,
}

impl Count {
    const fn of(&self, held: Held) -> &AtomicUsize {
        match held {
            Held::Socket => &self.sockets,
            Held::Stream => &self.streams,
        }
    }

    fn take(&self, held: Held, most: usize) -> bool {
        let one_more = |count: usize| (count < most).then(|| count.saturating_add(1));
        self.of(held).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn give_back(&self, held: Held) {
        self.of(held).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Holdings {
    const fn most(self, held: Held) -> usize {
        match held {
            Held::Socket => self.sockets,
            Held::Stream => self.streams,
        }
    }
}

/// One caller's counts and limits.
#[derive(Debug)]
pub struct Share {
    count: Count,
    limits: Holdings,
    /// Connections to read with.
    readers: Arc<Semaphore>,
    /// KiB of bodies that are being worked on.
    bodies: Semaphore,
    all: Arc<All>,
}

/// The counts and limits of all callers together.
#[derive(Debug)]
struct All {
    count: Count,
    limits: Holdings,
}

impl Share {
    /// A place for one more, until it is dropped.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn take(self: &Arc<Self>, held: Held) -> Result<Seat, NoRoom> {
        let most = self.limits.most(held);
        if !self.count.take(held, most) {
            return Err(NoRoom::Own(most));
        }
        if !self.all.count.take(held, self.all.limits.most(held)) {
            self.count.give_back(held);
            return Err(NoRoom::All);
        }
        Ok(Seat { share: self.clone(), held })
    }

    /// Waits until there is room for a body of this many bytes among those of the caller that are worked on.
    pub async fn room_for_body(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let size = u32::try_from(bytes / 1_024).unwrap_or(u32::MAX).clamp(1, BODIES);
        self.bodies.acquire_many(size).await.ok()
    }

    /// The turns of this caller to read.
    #[must_use]
    pub const fn readers(&self) -> &Arc<Semaphore> {
        &self.readers
    }
}

/// A place that is held until this is dropped.
#[derive(Debug)]
pub struct Seat {
    share: Arc<Share>,
    held: Held,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.share.count.give_back(self.held);
        self.share.all.count.give_back(self.held);
    }
}

/// The shares of all callers in this process.
#[derive(Debug)]
pub struct Shares {
    limits: Limits,
    readers: usize,
    all: Arc<All>,
    of: Mutex<HashMap<CallerId, Weak<Share>>>,
}

impl Shares {
    /// Shares of these limits; each caller has at most so many connections to read with.
    #[must_use]
    pub fn new(limits: Limits, readers: usize) -> Self {
        let all = All { count: Count::default(), limits: limits.all };
        Self { limits, readers, all: Arc::new(all), of: Mutex::default() }
    }

    /// The share of a caller, which is one while any of it is held.
    #[must_use]
    pub fn of(&self, caller: &Caller) -> Arc<Share> {
        let id = caller.id();
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = of.get(&id).and_then(Weak::upgrade) {
            return share;
        }
        if of.len() >= FORGET && of.len() == of.capacity() {
            of.retain(|_, share| share.strong_count() > 0);
        }
        let limits = if matches!(id, CallerId::Customer(_)) { self.limits.portal } else { self.limits.key };
        let readers = Arc::new(Semaphore::new(self.readers));
        let bodies = Semaphore::new(usize::try_from(BODIES).unwrap_or(usize::MAX));
        let share = Arc::new(Share { count: Count::default(), limits, readers, bodies, all: self.all.clone() });
        of.insert(id, Arc::downgrade(&share));
        share
    }

    /// How many are held by all callers.
    #[must_use]
    pub fn held(&self, held: Held) -> usize {
        self.all.count.of(held).load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::model::PortalSession;
    use crate::base::ids::CustomerId;
    use crate::base::time::Time;

    const LIMITS: Limits = Limits {
        key: Holdings { sockets: 3, streams: 3 },
        portal: Holdings { sockets: 1, streams: 2 },
        all: Holdings { sockets: 10, streams: 3 },
    };

    fn portal(bits: u128, expires_at: Time) -> Caller {
        Caller::Portal(PortalSession {
            customer: CustomerId(uuid::Uuid::from_u128(bits)),
            began_at: Time::MIN,
            expires_at,
        })
    }

    #[test]
    fn all_sessions_of_a_customer_share_what_the_customer_may_hold() {
        let shares = Shares::new(LIMITS, 1);
        let (one, other) = (shares.of(&portal(1, Time::MAX)), shares.of(&portal(1, Time::from_micros(0).unwrap())));
        let held = [one.take(Held::Stream).unwrap(), other.take(Held::Stream).unwrap()];
        assert_eq!(one.take(Held::Stream).unwrap_err(), NoRoom::Own(2));
        assert!(one.take(Held::Socket).is_ok(), "each kind by itself");
        drop(held);
        assert!(one.take(Held::Stream).is_ok(), "what is dropped is given back");
        assert_eq!((shares.held(Held::Stream), shares.held(Held::Socket)), (0, 0));
    }

    #[test]
    fn callers_together_hold_no_more_than_all_may() {
        let shares = Shares::new(LIMITS, 1);
        let callers = [portal(1, Time::MAX), portal(2, Time::MAX), Caller::Local];
        let [first, second, local] = callers.map(|caller| shares.of(&caller));
        let held = [first.take(Held::Stream), first.take(Held::Stream), second.take(Held::Stream)];
        assert_eq!(local.take(Held::Stream).unwrap_err(), NoRoom::All);
        assert_eq!(local.count.streams.load(Ordering::Relaxed), 0, "and nothing is counted for it");
        drop(held);
        assert!(local.take(Held::Stream).is_ok());
    }

    #[tokio::test]
    async fn bodies_of_a_caller_wait_for_each_other_once_they_are_long() {
        let shares = Shares::new(LIMITS, 1);
        let (one, other) = (shares.of(&Caller::Local), shares.of(&portal(1, Time::MAX)));
        let long = one.room_for_body(16 * 1_024 * 1_024).await;
        assert!(futures_util::poll!(Box::pin(one.room_for_body(1))).is_pending(), "a longest body is worked on alone");
        assert!(other.room_for_body(1).await.is_some(), "others do not wait for it");
        drop(long);
        let _several = [one.room_for_body(1_000_000).await, one.room_for_body(1_000_000).await];
        assert!(futures_util::poll!(Box::pin(one.room_for_body(1_000_000))).is_pending());
    }

    #[test]
    fn share_is_kept_while_something_of_it_is_held_and_forgotten_then() {
        let shares = Shares::new(LIMITS, 1);
        let held: Vec<_> = (0..10).map(|bits| shares.of(&portal(bits, Time::MAX)).take(Held::Socket)).collect();
        assert!(held.iter().all(Result::is_ok));
        for bits in 10..20_000 {
            drop(shares.of(&portal(bits, Time::MAX)));
        }
        assert!(shares.of.lock().unwrap().capacity() < 4 * FORGET, "those that hold nothing take no room");
        assert_eq!(shares.of(&portal(1, Time::MAX)).take(Held::Socket).unwrap_err(), NoRoom::Own(1));
    }
}
