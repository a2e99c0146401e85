//! Fair turns: waiting callers are served in turn, one piece of work each, so that a caller with much work delays none with
//! little. The work of one caller stays in its order.

use std::collections::{HashMap, VecDeque};

use super::job::Queued;
use crate::base::caller::CallerId;

/// How much a batch weighs at most while several callers send: each of them waits for the batch before its own.
const SHARED: usize = 500;
/// After how many batches of one caller alone the next may be long again.
const ALONE: u32 = 64;

/// Waiting work, by caller.
pub(super) struct Turns {
    waiting: HashMap<CallerId, VecDeque<Queued>>,
    /// Those who wait for something, in the order of their turns.
    order: VecDeque<CallerId>,
    /// The caller that was seen last.
    last: Option<CallerId>,
    /// The number of batches since another caller was seen.
    alone: u32,
}

impl Default for Turns {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), last: None, alone: ALONE }
    }
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn push(&mut self, queued: Queued) {
        let caller = queued.place.caller;
        let waiting = self.waiting.entry(caller).or_default();
        if waiting.is_empty() {
            self.order.push_back(caller);
        }
        waiting.push_back(queued);
    }

    /// Takes work until it weighs as much as this, or there is none; less while several callers send.
    pub(super) fn take(&mut self, most: usize) -> Vec<Queued> {
        // The program's own work is short, and comes all the time.
        for caller in self.order.iter().filter(|caller| **caller != CallerId::Program) {
            if self.last.replace(*caller).is_some_and(|last| last != *caller) {
                self.alone = 0;
            }
        }
        let most = if self.alone < ALONE { most.min(SHARED) } else { most };
        self.alone = self.alone.saturating_add(1);
        let (mut batch, mut weight) = (Vec::new(), 0_usize);
        while weight < most
            && let Some(caller) = self.order.pop_front()
        {
            let Some(waiting) = self.waiting.get_mut(&caller) else { continue };
            if let Some(next) = waiting.pop_front() {
                weight = weight.saturating_add(next.job.weight());
                batch.push(next);
            }
            if waiting.is_empty() {
                self.waiting.remove(&caller);
            } else {
                self.order.push_back(caller);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::job::{Job, Order};
    use super::super::room::Room;
    use super::*;
    use crate::base::ids::{ApiKeyId, BalanceId, CustomerId};

    fn caller(bits: u128) -> CallerId {
        CallerId::Key(ApiKeyId(uuid::Uuid::from_u128(bits)))
    }

    /// The piece of work that a caller sent as its so-and-so-manieth.
    fn sent(room: &Room, bits: u128, number: i32) -> Queued {
        let customer = CustomerId(uuid::Uuid::from_u128(9));
        let order = Order::PostDue { balance: BalanceId { customer, number } };
        let job = Job::Order { order, answer: oneshot::channel().0 };
        Queued { job, place: room.take(caller(bits), 1).unwrap() }
    }

    fn told(batch: &[Queued]) -> Vec<(CallerId, i32)> {
        let number = |queued: &Queued| match &queued.job {
            Job::Order { order: Order::PostDue { balance }, .. } => balance.number,
            _ => 0,
        };
        batch.iter().map(|queued| (queued.place.caller, number(queued))).collect()
    }

    #[test]
    fn callers_are_served_in_turn_and_each_in_its_own_order() {
        let (room, mut turns) = (Room::default(), Turns::default());
        for number in 1..=5 {
            turns.push(sent(&room, 1, number));
        }
        turns.push(sent(&room, 2, 1));
        turns.push(sent(&room, 3, 1));
        turns.push(sent(&room, 3, 2));
        let first = turns.take(4);
        assert_eq!(told(&first), [(caller(1), 1), (caller(2), 1), (caller(3), 1), (caller(1), 2)]);
        turns.push(sent(&room, 2, 2));
        let second = turns.take(100);
        assert_eq!(told(&second), [(caller(3), 2), (caller(1), 3), (caller(2), 2), (caller(1), 4), (caller(1), 5)]);
        assert!(turns.is_empty() && turns.waiting.is_empty());
    }

    #[test]
    fn batches_are_short_while_several_callers_send_and_long_again_later() {
        let (room, mut turns) = (Room::default(), Turns::default());
        let taken = |turns: &mut Turns, callers: &[u128]| {
            for _ in 0..1_000 {
                for bits in callers {
                    turns.push(sent(&room, *bits, 1));
                }
            }
            let batch = turns.take(4_000).len();
            while !turns.is_empty() {
                turns.take(usize::MAX);
            }
            batch
        };
        assert_eq!(taken(&mut turns, &[1]), 1_000, "a caller alone has long batches from the beginning");
        assert_eq!(taken(&mut turns, &[1, 2]), SHARED);
        assert_eq!(taken(&mut turns, &[1]), SHARED, "and the other may come back");
        for _ in 0..ALONE {
            turns.push(sent(&room, 1, 1));
            turns.take(4_000);
        }
        assert_eq!(taken(&mut turns, &[1]), 1_000);
    }
}
