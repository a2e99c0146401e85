//! The ledger's refusals, as callers are told of them.

use super::model::{GrantState, MAX_HOLDS, MAX_OPEN_LOTS, Refusal};
use crate::base::credits::Credits;
use crate::base::ids::BalanceId;
use crate::base::problem::{Problem, ProblemKind};

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
            Self::TooManyLots => says(limit(MAX_OPEN_LOTS.to_string()), &[]),
            Self::TooManyHolds => says(limit(MAX_HOLDS.to_string()), &[]),
            Self::BeyondBalance => says(limit(Credits::MAX_BALANCE.to_string()), &["credits"]),
            Self::BeyondHold { held } => says(limit(held.to_string()), &["credits"]),
            Self::BeyondEntry { left } => says(limit(left.to_string()), &["credits"]),
            Self::Closed => says(state("CLOSED"), &[]),
            Self::NotEmpty => says(state("NOT_EMPTY"), &[]),
            Self::GrantOver(over) => says(state(over.name()), &[]),
            Self::GrantPinned => says(state("HELD"), &[]),
            Self::NoSuchHold => says(state("ENDED"), &[]),
            Self::NotReversible => says(state("NOT_REVERSIBLE"), &[]),
            Self::NoSuchGrant => says(ProblemKind::NotFound { id: balance.to_string() }, &[]),
            Self::ExpiryTooEarly => says(ProblemKind::Invalid, &["expiresAt"]),
        }
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
