//! Prices of bytes and values, in points of a caller's budget, on top of the cost of the operation.

use axum::http::HeaderMap;

use super::request::content_length;
use crate::access::budget::Wait;
use crate::access::model::Caller;
use crate::app::App;

/// How many bytes of a body, a message or an answer are a point.
const BYTES: usize = 4 * 1024;
/// How many values of a body are a point.
const VALUES: usize = 50;

/// The price of this many bytes.
pub(super) fn of_bytes(bytes: usize) -> u64 {
    u64::try_from(bytes / BYTES).unwrap_or(u64::MAX)
}

/// The price of this many JSON values.
pub(super) fn of_values(values: usize) -> u64 {
    u64::try_from(values / VALUES).unwrap_or(u64::MAX)
}

/// A body that is paid for before it is read, by the length that its head says; by the greatest where it says none.
pub(super) struct Prepaid {
    length: usize,
}

impl Prepaid {
    /// Pays for a body of at most so many bytes.
    ///
    /// # Errors
    /// How long to wait when there is too little in the caller's bucket.
    pub(super) fn pay((app, caller): (&App, &Caller), headers: &HeaderMap, most: usize) -> Result<Self, Wait> {
        let length = content_length(headers).unwrap_or(most).min(most);
        app.buckets.take(caller.id(), of_bytes(length), app.clock.now())?;
        Ok(Self { length })
    }

    /// The bytes that were paid for.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Gives back what a body of this many bytes did not need.
    pub(super) fn settle(self, (app, caller): (&App, &Caller), length: usize) {
        let unused = of_bytes(self.length).saturating_sub(of_bytes(length));
        app.buckets.give_back(caller.id(), unused, app.clock.now());
    }
}
