//! Open connections, and the one that is closed when there are too many: the oldest idle one whose caller is not known.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// How many connections of one address may be open whose caller is not known. A proxy has one address for all, and its
/// connections are known by the first request with a key.
const UNKNOWN: usize = 256;

/// The connections of one server; clones are the same.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    most: usize,
    open: AtomicUsize,
    /// Those that were ended to make room, and those that were not let in.
    ended: AtomicU64,
    unknown: Mutex<Unknown>,
}

/// Connections whose caller is not known, the oldest first.
#[derive(Default)]
struct Unknown {
    next: u64,
    of: BTreeMap<u64, Arc<State>>,
    by_address: HashMap<IpAddr, usize>,
}

struct State {
    address: IpAddr,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// True once a request has come.
    began: AtomicBool,
    end: CancellationToken,
}

/// One open connection.
pub(super) struct Peer {
    connections: Connections,
    number: u64,
    state: Arc<State>,
}

/// A request that is being answered on a connection.
pub(super) struct Busy(Arc<Peer>);

impl Connections {
    /// None yet, and so many at most.
    pub(super) fn new(most: usize) -> Self {
        let unknown = Mutex::default();
        Self(Arc::new(Shared { most, open: AtomicUsize::new(0), ended: AtomicU64::new(0), unknown }))
    }

    fn unknown(&self) -> MutexGuard<'_, Unknown> {
        self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a new connection in. Where there are as many as there may be, the oldest goes that has nothing to do and is not
    /// known; without such a one, the new one is not let in.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Arc<Peer>> {
        let mut unknown = self.unknown();
        let is_full = self.0.open.load(Ordering::Relaxed) >= self.0.most;
        let of_address = unknown.by_address.get(&address).copied().unwrap_or_default();
        if is_full || of_address >= UNKNOWN {
            self.0.ended.fetch_add(1, Ordering::Relaxed);
            let is_meant = |state: &State| is_full || state.address == address;
            let idle = |state: &State| state.busy.load(Ordering::Relaxed) == 0 && is_meant(state);
            let oldest = unknown.of.iter().find(|(_, state)| idle(state)).map(|(number, _)| *number)?;
            if let Some(state) = unknown.remove(oldest) {
                state.end.cancel();
            }
        }
        let state = Arc::new(State {
            address,
            busy: AtomicUsize::new(0),
            began: AtomicBool::new(false),
            end: CancellationToken::new(),
        });
        let number = unknown.add(state.clone());
        self.0.open.fetch_add(1, Ordering::Relaxed);
        drop(unknown);
        Some(Arc::new(Peer { connections: self.clone(), number, state }))
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// How many were ended to make room, or not let in.
    pub(super) fn ended(&self) -> u64 {
        self.0.ended.load(Ordering::Relaxed)
    }
}

impl Unknown {
    fn add(&mut self, state: Arc<State>) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let count = self.by_address.entry(state.address).or_default();
        *count = count.saturating_add(1);
        self.of.insert(number, state);
        number
    }

    fn remove(&mut self, number: u64) -> Option<Arc<State>> {
        let state = self.of.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&state.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_address.remove(&state.address);
            }
        }
        Some(state)
    }
}

impl Peer {
    /// Its caller is known from now on.
    pub(super) fn is_known(&self) {
        drop(self.connections.unknown().remove(self.number));
    }

    /// It has a request to answer, until this is dropped.
    pub(super) fn answers(self: &Arc<Self>) -> Busy {
        self.state.began.store(true, Ordering::Relaxed);
        self.state.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// True once a request has come.
    pub(super) fn has_begun(&self) -> bool {
        self.state.began.load(Ordering::Relaxed)
    }

    /// Returns when it has to go.
    pub(super) async fn ended(&self) {
        self.state.end.cancelled().await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.is_known();
        self.connections.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    fn has_ended(peer: &Peer) -> bool {
        peer.state.end.is_cancelled()
    }

    #[test]
    fn when_there_are_too_many_the_oldest_goes_that_is_idle_and_not_known() {
        let connections = Connections::new(4);
        let peers: Vec<_> = (1..=4).map(|last| connections.admit(address(last)).unwrap()).collect();
        peers[0].is_known();
        let busy = peers[1].answers();
        let fifth = connections.admit(address(5)).unwrap();
        assert_eq!(peers.iter().map(|peer| has_ended(peer)).collect::<Vec<_>>(), [false, false, true, false]);
        fifth.is_known();
        peers[3].is_known();
        assert!(connections.admit(address(6)).is_none(), "whoever is known or has something to do stays");
        drop(busy);
        assert!(connections.admit(address(6)).is_some() && has_ended(&peers[1]));
        assert_eq!(connections.ended(), 3);
        drop((peers, fifth));
        assert_eq!(connections.open(), 0);
        assert!(connections.unknown().of.is_empty() && connections.unknown().by_address.is_empty());
    }

    #[test]
    fn unknown_connections_of_one_address_make_room_among_themselves() {
        let connections = Connections::new(usize::MAX);
        let other = connections.admit(address(9)).unwrap();
        let mut peers: Vec<_> = (0..UNKNOWN).map(|_| connections.admit(address(1)).unwrap()).collect();
        peers.push(connections.admit(address(1)).unwrap());
        assert!(has_ended(&peers[0]) && !has_ended(&peers[1]) && !has_ended(&other));
        assert_eq!(connections.unknown().by_address[&address(1)], UNKNOWN);
    }
}
