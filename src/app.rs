//! What the wire is handed: everything that was built at the front door, and nothing that reads the environment.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::clock::Clock;
use crate::base::ids::Ids;
use crate::db::Db;
use crate::intake::Intake;
use crate::ledger::feeds::Feeds;

/// The running program, shared by every request.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub db: Db,
    /// The queue of commands that move balances.
    pub intake: Intake,
    /// Who waits for what.
    pub feeds: Feeds,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: Ids,
    /// Cancelled when the program is told to stop: sockets then send their clients away, to come back to another.
    pub stop: CancellationToken,
    /// The sockets that are open.
    pub sockets: TaskTracker,
}

impl App {
    /// Builds it over a migrated database. `node` is what this process calls itself towards others on the database.
    #[must_use]
    pub fn new(db: Db, clock: Clock, ids: Ids, node: &str) -> Self {
        let feeds = Feeds::default();
        let intake = Intake::start(&db, &feeds, &clock, node);
        Self { db, intake, feeds, clock, ids, stop: CancellationToken::new(), sockets: TaskTracker::new() }
    }
}
