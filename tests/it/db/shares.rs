//! Connections to read with: each caller has its turns, and whoever must answer has connections of its own.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use crate::support::db::both;

both!(a_caller_that_reads_as_much_as_it_may_keeps_nobody_from_reading, async |db| {
    let caller = || db.for_caller(Arc::new(Semaphore::new(db.turns())));
    let (greedy, other) = (caller(), caller());
    let mut held = Vec::new();
    for _ in 0..db.turns() {
        held.push(greedy.read().await.expect("it may read"));
    }
    assert!(greedy.read().now_or_never().is_none(), "its next read waits for its turn");
    for _ in 0..db.turns() {
        held.push(other.read().await.expect("it may read"));
    }
    for handle in [db.for_streams(), (**db).clone()] {
        handle.read().await.expect("streams and the program have connections of their own");
    }
    db.begin().await.expect("and so has who writes").rollback().await;
    held.clear();
    greedy.read().await.expect("it is its turn again");
});
