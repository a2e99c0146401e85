//! What a caller can act on: why a command did nothing, and where in its input.
//!
//! Every room says so in this one shape; one exhaustive match on the wire turns it into the API's errors.

use super::credits::Credits;
use super::ids::{BalanceId, PurchaseId};

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing is wrong.
    pub kind: ProblemKind,
    /// A full sentence: what happened, and what to do about it.
    pub message: String,
    /// Where in the input, outermost first; empty when it is not about one field.
    pub path: Vec<String>,
}

/// What kind of thing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A value that cannot be taken.
    Invalid,
    /// There is no such thing.
    NotFound {
        /// What was looked for, as the caller named it.
        id: String,
    },
    /// It is there already.
    Exists {
        /// The id of what is there.
        existing: String,
    },
    /// Something stands in the way.
    State {
        /// What it is: "ARCHIVED", "CLOSED", …
        state: &'static str,
    },
    /// The credits do not suffice.
    Insufficient {
        /// The balance that does not cover it; none when the customer has no open balance that could.
        balance: Option<BalanceId>,
        /// What was available when it was refused.
        available: Credits,
        /// What was asked for.
        required: Credits,
        /// What must come in first.
        shortfall: Credits,
    },
    /// The idempotency key was used with another input.
    KeyConflict {
        /// The key.
        key: String,
    },
    /// Money could not be moved.
    Payment {
        /// The purchase that it is about.
        purchase: PurchaseId,
    },
    /// A bound was met.
    Limit {
        /// The bound, as a decimal.
        limit: String,
    },
}

impl ProblemKind {
    /// Its stable code in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "INVALID_INPUT",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Exists { .. } => "ALREADY_EXISTS",
            Self::State { .. } => "INVALID_STATE",
            Self::Insufficient { .. } => "INSUFFICIENT_CREDITS",
            Self::KeyConflict { .. } => "IDEMPOTENCY_CONFLICT",
            Self::Payment { .. } => "PAYMENT_FAILED",
            Self::Limit { .. } => "LIMIT_EXCEEDED",
        }
    }
}

impl Problem {
    /// A value that cannot be taken.
    #[must_use]
    pub fn invalid(path: &[&str], message: impl Into<String>) -> Self {
        Self::of(ProblemKind::Invalid, path, message)
    }

    /// There is no such thing: `what` is its name.
    #[must_use]
    pub fn not_found(path: &[&str], what: &str, id: impl Into<String>) -> Self {
        let id = id.into();
        let named = if path.last() == Some(&"externalId") { "the external id" } else { "the id" };
        let message = format!("There is no {what} with {named} \"{id}\".");
        Self::of(ProblemKind::NotFound { id }, path, message)
    }

    /// Something stands in the way.
    #[must_use]
    pub fn state(path: &[&str], state: &'static str, message: impl Into<String>) -> Self {
        Self::of(ProblemKind::State { state }, path, message)
    }

    /// It is there already.
    #[must_use]
    pub fn exists(path: &[&str], existing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(ProblemKind::Exists { existing: existing.into() }, path, message)
    }

    /// A bound was met.
    #[must_use]
    pub fn limit(path: &[&str], limit: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(ProblemKind::Limit { limit: limit.into() }, path, message)
    }

    /// Any kind of problem.
    #[must_use]
    pub fn of(kind: ProblemKind, path: &[&str], message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), path: path.iter().map(|&step| step.to_owned()).collect() }
    }

    /// The same problem, further inside an input.
    #[must_use]
    pub fn within(mut self, outer: &[&str]) -> Self {
        self.path.splice(0..0, outer.iter().map(|&step| step.to_owned()));
        self
    }
}
