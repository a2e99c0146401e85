//! Why the ledger refuses a command, and how callers are told of it.

use super::model::{GrantState, HoldState, MAX_HOLDS, MAX_OPEN_LOTS};
use crate::base::credits::{Credits, Overflow};
use crate::base::ids::BalanceId;
use crate::base::problem::{Problem, ProblemKind};

/// Why a command was refused. Nothing happened then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Policy does not let it take that much (L4, L9).
    #[error("{required} credits are required and {available} are available")]
    Insufficient {
        /// What was available.
        available: Credits,
        /// What was asked for.
        required: Credits,
        /// What must come in first.
        shortfall: Credits,
    },
    /// The balance has as many open lots as it may have.
    #[error("the balance has {MAX_OPEN_LOTS} grants that are pending or not used up, which is as many as it may have")]
    TooManyLots,
    /// The balance has as many active holds as it may have.
    #[error("the balance has {MAX_HOLDS} active holds, which is as many as it may have")]
    TooManyHolds,
    /// Settled or held would leave ±9 × 10^12.
    #[error("the balance would hold more than 9000000000000 credits")]
    BeyondBalance,
    /// More is captured than was held, under REJECT.
    #[error("more is captured than the {held} credits that are held")]
    BeyondHold {
        /// What is held.
        held: Credits,
    },
    /// More is given back than is left of the entry.
    #[error("more is given back than the {left} credits that are left of the entry")]
    BeyondEntry {
        /// What is left of it.
        left: Credits,
    },
    /// The balance is closed.
    #[error("the balance is closed")]
    Closed,
    /// The balance cannot be closed while there is something in it.
    #[error("the balance holds credits, debt, a pending grant or an active hold; it can be closed when it is empty")]
    NotEmpty,
    /// The lot is over.
    #[error("the grant is over: it is {}", .0.name())]
    GrantOver(GrantState),
    /// A hold pins some of the lot.
    #[error("a hold pins some of the grant")]
    GrantPinned,
    /// There is no such lot among those that are open.
    #[error("there is no such open grant")]
    NoSuchGrant,
    /// There is no such hold among the active ones.
    #[error("there is no such active hold")]
    NoSuchHold,
    /// Only usage, retention and capture can be taken back.
    #[error("only usage, retentions and captures can be taken back, with what they burned")]
    NotReversible,
    /// A lot cannot end before it begins, or in the past.
    #[error("the expiry must be later than now and than the grant's beginning")]
    ExpiryTooEarly,
}

impl From<Overflow> for Refusal {
    fn from(_: Overflow) -> Self {
        Self::BeyondBalance
    }
}

impl Refusal {
    /// What a caller is told who asked this of that balance.
    #[must_use]
    pub fn problem(self, balance: BalanceId) -> Problem {
        let says = |kind, path: &[&str]| Problem::of(kind, path, sentence(&self.to_string()));
        let state = |state| ProblemKind::State { state };
        let limit = |limit: String| ProblemKind::Limit { limit };
        match self {
            Self::Insufficient { available, required, shortfall } => {
                let balance = Some(balance);
                says(ProblemKind::Insufficient { balance, available, required, shortfall }, &["credits"])
            }
            Self::TooManyLots => says(limit(MAX_OPEN_LOTS.to_string()), &["balanceId"]),
            Self::TooManyHolds => says(limit(MAX_HOLDS.to_string()), &["balanceId"]),
            Self::BeyondBalance => says(limit(Credits::MAX_BALANCE.to_string()), &["credits"]),
            Self::BeyondHold { held } => says(limit(held.to_string()), &["credits"]),
            Self::BeyondEntry { left } if left.is_zero() => {
                let message = "Nothing is left of the entry that could be given back.";
                Problem::limit(&["credits"], left.to_string(), message)
            }
            Self::BeyondEntry { left } => says(limit(left.to_string()), &["credits"]),
            Self::Closed => says(state("CLOSED"), &[]),
            Self::NotEmpty => says(state("NOT_EMPTY"), &[]),
            Self::GrantOver(over) => says(state(over.name()), &[]),
            Self::GrantPinned => says(state("HELD"), &[]),
            Self::NoSuchHold => says(state("ENDED"), &[]),
            Self::NotReversible => says(state("NOT_REVERSIBLE"), &[]),
            Self::NoSuchGrant => says(ProblemKind::NotFound { id: balance.to_string() }, &[]),
            Self::ExpiryTooEarly => expiry_too_early(),
        }
    }
}

/// The problem of an expiry that has passed, or that comes before its grant begins.
#[must_use]
pub fn expiry_too_early() -> Problem {
    Problem::invalid(&["expiresAt"], sentence(&Refusal::ExpiryTooEarly.to_string()))
}

impl HoldState {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Captured => "CAPTURED",
            Self::Released => "RELEASED",
            Self::Lapsed => "LAPSED",
        }
    }

    /// What a caller is told who wants something of a hold that has ended.
    #[must_use]
    pub fn problem(self) -> Problem {
        let message = match self {
            Self::Active => "The hold is active.",
            Self::Captured => "The hold was captured already.",
            Self::Released => "The hold was released; set credits aside anew.",
            Self::Lapsed => "The hold has lapsed: its time was over before it was captured. Set credits aside anew.",
        };
        Problem::state(&[], self.name(), message)
    }
}

impl GrantState {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Depleted => "DEPLETED",
            Self::Expired => "EXPIRED",
            Self::Voided => "VOIDED",
        }
    }
}

/// A clause as a sentence of its own.
fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
