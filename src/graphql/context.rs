//! What an operation has at hand: the program, who asks, its loaders, and the one instant that all of its reads share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, Request, Result};

use super::errors::failed;
use super::loaders::Loaders;
use super::scalars::Json;
use crate::access::model::Caller;
use crate::app::App;
use crate::base::ids::CustomerId;
use crate::base::json::CanonicalJson;
use crate::base::time::Time;
use crate::db::Conn;

/// One operation's instant and loaders, and who asks.
struct Operation {
    caller: Caller,
    stream: StreamPosition,
    now: AtomicI64,
    loaders: Loaders,
}

/// Gives a request what its operation needs. Every request gets it, whichever way it came in.
#[must_use]
pub fn request_data(request: Request, app: &App, caller: Caller, stream: StreamPosition) -> Request {
    let now = AtomicI64::new(app.clock.now().micros());
    request.data(Operation { caller, stream, now, loaders: Loaders::new(app) })
}

/// Where a stream goes on from, and where it has come to, for a transport that keeps count of that itself.
#[derive(Clone, Debug, Default)]
pub struct StreamPosition {
    /// Goes before what the field's arguments say.
    pub after: Option<String>,
    /// The cursor of the last message.
    pub reached: Arc<Mutex<Option<String>>>,
}

impl StreamPosition {
    /// The stream has come to this cursor.
    pub fn reach(&self, cursor: String) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }

    /// The cursor of the last message, once.
    #[must_use]
    pub fn take(&self) -> Option<String> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a resolver reaches through its context.
pub trait Reach {
    /// The running program.
    fn app(&self) -> &App;

    /// Rows by id or key, many at once.
    fn loaders(&self) -> &Loaders;

    /// Who asks.
    fn caller(&self) -> &Caller;

    /// Whether who asks may see what belongs to this customer. What they may not see is not there for them.
    fn may_see(&self, customer: CustomerId) -> bool {
        self.caller().only().is_none_or(|only| only == customer)
    }

    /// Data that is not for customers: to them it is an empty object.
    fn internal(&self, data: &CanonicalJson) -> Json {
        if self.caller().only().is_some() { (&CanonicalJson::empty_object()).into() } else { data.into() }
    }

    /// Where the operation's stream goes on from, and has come to.
    fn stream(&self) -> &StreamPosition;

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

    fn caller(&self) -> &Caller {
        &operation(self).caller
    }

    fn stream(&self) -> &StreamPosition {
        &operation(self).stream
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
