//! Room in the queue, by caller. Whoever is alone may have all of it; whoever comes then still has room for one request of the
//! greatest length, so that one caller's events never keep out another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::base::caller::CallerId;

/// How many events and commands wait at most, as far as callers have more than their own.
pub(super) const CAPACITY: usize = 50_000;
/// How many of each caller's may wait, however many of others do.
const OWN: usize = 10_000;
/// How many wait at most, whoever's they are.
const MOST: usize = 4 * CAPACITY;

/// The room of one queue; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<Shared>);

#[derive(Default)]
struct Shared {
    taken: Mutex<Taken>,
    emptied: Notify,
}

#[derive(Default)]
struct Taken {
    is_closed: bool,
    all: usize,
    by: HashMap<CallerId, usize>,
}

/// Room for so many events and commands of a caller, until it is dropped.
pub(super) struct Place {
    room: Room,
    pub(super) caller: CallerId,
    weight: usize,
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for so many; `None` when there is none, or the queue is closed.
    pub(super) fn take(&self, caller: CallerId, weight: usize) -> Option<Place> {
        let mut taken = self.taken();
        let all = taken.all.saturating_add(weight);
        let own = taken.by.get(&caller).copied().unwrap_or_default().saturating_add(weight);
        if taken.is_closed || all > MOST || (all > CAPACITY && own > OWN) {
            return None;
        }
        taken.all = all;
        taken.by.insert(caller, own);
        Some(Place { room: self.clone(), caller, weight })
    }

    /// How many wait or are being worked on.
    pub(super) fn waiting(&self) -> usize {
        self.taken().all
    }

    /// True if there is no room for any caller.
    pub(super) fn is_full(&self) -> bool {
        let taken = self.taken();
        taken.is_closed || taken.all >= MOST
    }

    /// Lets nothing more in, and returns when all that was let in is gone.
    pub(super) async fn close(&self) {
        self.taken().is_closed = true;
        loop {
            let emptied = self.0.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            // From here on no notice is missed.
            emptied.as_mut().enable();
            if self.taken().all == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Place {
    /// Takes a part of it.
    pub(super) fn split(&mut self, weight: usize) -> Self {
        let weight = weight.min(self.weight);
        self.weight = self.weight.saturating_sub(weight);
        Self { room: self.room.clone(), caller: self.caller, weight }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all = taken.all.saturating_sub(self.weight);
        if let Some(own) = taken.by.get_mut(&self.caller) {
            *own = own.saturating_sub(self.weight);
            if *own == 0 {
                taken.by.remove(&self.caller);
            }
        }
        if taken.all == 0 {
            self.room.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{ApiKeyId, CustomerId};

    const ONE: CallerId = CallerId::Key(ApiKeyId(uuid::Uuid::from_u128(1)));
    const OTHER: CallerId = CallerId::Key(ApiKeyId(uuid::Uuid::from_u128(2)));

    #[test]
    fn a_caller_that_is_alone_may_have_all_and_another_has_room_for_a_request_then() {
        let room = Room::default();
        let all = room.take(ONE, CAPACITY).unwrap();
        assert!(room.take(ONE, 1).is_none() && !room.is_full());
        let own = room.take(OTHER, OWN).unwrap();
        assert!(room.take(OTHER, 1).is_none(), "no more than that");
        drop(own);
        assert!(room.take(OTHER, OWN + 1).is_none() && room.take(OTHER, OWN).is_some());
        drop(all);
        assert_eq!(room.waiting(), 0);
        assert!(room.taken().by.is_empty(), "whoever has nothing there is not remembered");
    }

    #[test]
    fn the_queue_is_bounded_however_many_callers_there_are() {
        let room = Room::default();
        let customer = |bits| CallerId::Customer(CustomerId(uuid::Uuid::from_u128(bits)));
        let places: Vec<_> = (0..100).map_while(|bits| room.take(customer(bits), OWN)).collect();
        assert_eq!((places.len() * OWN, room.waiting(), room.is_full()), (MOST, MOST, true));
    }

    #[test]
    fn parts_of_a_place_are_given_back_one_by_one() {
        let room = Room::default();
        let mut whole = room.take(ONE, 10).unwrap();
        let part = whole.split(4);
        drop(whole);
        assert_eq!(room.waiting(), 4);
        drop(part);
        assert_eq!(room.waiting(), 0);
    }

    #[tokio::test]
    async fn a_closed_queue_lets_nothing_in_and_is_closed_when_all_are_gone() {
        let room = Room::default();
        let place = room.take(ONE, 3).unwrap();
        let mut closed = Box::pin(room.close());
        assert!(futures_util::poll!(&mut closed).is_pending());
        assert!(room.take(OTHER, 1).is_none() && room.is_full());
        drop(place);
        closed.await;
    }
}
