//! What an operation has at hand: the program, who asks, its loaders, and the one instant that all of its reads share.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, Request, Result};

use super::errors::{failed, too_long};
use super::loaders::Loaders;
use super::scalars::Json;
use crate::access::model::Caller;
use crate::access::shares::Share;
use crate::app::App;
use crate::base::ids::CustomerId;
use crate::base::json::CanonicalJson;
use crate::base::time::Time;
use crate::db::{Conn, Db};
use crate::intake::Intake;

/// The most bytes of one answer.
pub const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// One operation's instant and loaders, and who asks.
struct Operation {
    caller: Caller,
    /// The caller's share, which is kept while any of its operations runs.
    _share: Arc<Share>,
    /// The database, read in the caller's turns.
    db: Db,
    /// Counts what it sends for its caller.
    intake: Intake,
    /// Bytes of long texts in its answer so far.
    long: AtomicUsize,
    stream: StreamPosition,
    now: AtomicI64,
    loaders: Loaders,
}

/// Gives a request what its operation needs. Every request gets it, whichever way it came in.
#[must_use]
pub fn request_data(request: Request, app: &App, caller: Caller, stream: StreamPosition) -> Request {
    let now = AtomicI64::new(app.clock.now().micros());
    let share = app.shares.of(&caller);
    let db = app.db.for_caller(share.readers().clone());
    let intake = app.intake.for_caller(caller.id(), db.clone());
    let loaders = Loaders::new(db.clone());
    request.data(Operation { caller, _share: share, db, intake, long: AtomicUsize::new(0), stream, now, loaders })
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

    /// The database, read in the caller's turns.
    fn db(&self) -> &Db;

    /// The queue of commands.
    fn intake(&self) -> &Intake;

    /// Takes points out of the caller's bucket for work that was not known before it was done.
    fn charge(&self, points: usize);

    /// Counts a text that may be long before it becomes part of the answer.
    ///
    /// # Errors
    /// The answer would be longer than [`MAX_ANSWER`].
    fn weigh(&self, bytes: usize) -> Result<()>;

    /// Whether who asks may see what belongs to this customer. What they may not see is not there for them.
    fn may_see(&self, customer: CustomerId) -> bool {
        self.caller().only().is_none_or(|only| only == customer)
    }

    /// Data that is not for customers: to them it is an empty object.
    ///
    /// # Errors
    /// Those of [`Reach::weigh`].
    fn internal(&self, data: &CanonicalJson) -> Result<Json> {
        if self.caller().only().is_some() { Ok((&CanonicalJson::empty_object()).into()) } else { self.json(data) }
    }

    /// JSON that may be long.
    ///
    /// # Errors
    /// Those of [`Reach::weigh`].
    fn json(&self, data: &CanonicalJson) -> Result<Json> {
        self.weigh(data.as_str().len())?;
        Ok(data.into())
    }

    /// A text that may be long.
    ///
    /// # Errors
    /// Those of [`Reach::weigh`].
    fn prose<'t>(&self, text: Option<&'t str>) -> Result<Option<&'t str>> {
        self.weigh(text.map_or(0, str::len))?;
        Ok(text)
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

    fn db(&self) -> &Db {
        &operation(self).db
    }

    fn intake(&self) -> &Intake {
        &operation(self).intake
    }

    fn charge(&self, points: usize) {
        let points = u64::try_from(points).unwrap_or(u64::MAX);
        self.app().buckets.charge(self.caller().id(), points, self.app().clock.now());
    }

    fn weigh(&self, bytes: usize) -> Result<()> {
        let before = operation(self).long.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > MAX_ANSWER { Err(too_long()) } else { Ok(()) }
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
        operation.long.store(0, Ordering::Relaxed);
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
    ctx.db().read().await.map_err(|error| failed(&error))
}
