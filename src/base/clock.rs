//! The clock: the one place that asks the machine for the time. Everybody else is handed a [`Time`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::time::Time;

/// Tells the time: the machine's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// Stands still until [`Clock::set`]; clones share it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `time`.
    #[must_use]
    pub fn at(time: Time) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(time.micros())))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::System => system_now(),
            Self::Manual(micros) => Time::from_micros(micros.load(Ordering::SeqCst)).unwrap_or(Time::MAX),
        }
    }

    /// Moves a manual clock; the machine's own does not move.
    pub fn set(&self, time: Time) {
        if let Self::Manual(micros) = self {
            micros.store(time.micros(), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
fn system_now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).ok().and_then(Time::from_micros).unwrap_or(Time::MAX)
}
