//! What an operation has at hand: the program, its loaders, and the one instant that all of its reads share.

use std::sync::atomic::{AtomicI64, Ordering};

use async_graphql::{Context, Request, Result};

use super::errors::failed;
use super::loaders::Loaders;
use crate::app::App;
use crate::base::time::Time;
use crate::db::Conn;

/// One operation's instant and loaders.
struct Operation {
    now: AtomicI64,
    loaders: Loaders,
}

/// Gives a request what its operation needs. Every request gets it, whichever way it came in.
#[must_use]
pub fn request_data(request: Request, app: &App) -> Request {
    let now = AtomicI64::new(app.clock.now().micros());
    request.data(Operation { now, loaders: Loaders::new(app) })
}

/// What a resolver reaches through its context.
pub trait Reach {
    /// The running program.
    fn app(&self) -> &App;

    /// Rows by id or key, many at once.
    fn loaders(&self) -> &Loaders;

    /// The instant that all reads of the operation share.
    fn now(&self) -> Time;

    /// Moves the operation's instant to the present and forgets what was loaded, from now on: every mutation field calls
    /// this first, and a subscription before each message. Answers the new instant.
    fn refresh(&self) -> Time;
}

impl Reach for Context<'_> {
    fn app(&self) -> &App {
        self.data_unchecked::<App>()
    }

    fn loaders(&self) -> &Loaders {
        &operation(self).loaders
    }

    fn now(&self) -> Time {
        Time::from_micros(operation(self).now.load(Ordering::Relaxed)).unwrap_or(Time::MAX)
    }

    fn refresh(&self) -> Time {
        let now = self.app().clock.now();
        let operation = operation(self);
        operation.now.store(now.micros(), Ordering::Relaxed);
        operation.loaders.enable_all_cache(false);
        now
    }
}

/// [`request_data`] has put it there; a request without it is a fault of the program.
fn operation<'a>(ctx: &'a Context<'_>) -> &'a Operation {
    ctx.data_unchecked::<Operation>()
}

/// A connection to read with, for what no loader loads.
///
/// # Errors
/// The top-level error that says that the database is away.
pub async fn read(ctx: &Context<'_>) -> Result<Conn> {
    ctx.app().db.read().await.map_err(|error| failed(&error))
}
