//! The pure heart of the ledger: (account, policy, command, now) → entries and the new account, or a refusal.

use super::model::{Account, Applied, Command, Policy, Refusal, Renewal};
use crate::base::time::Time;

/// Applies one command; what is due by `now` is posted before it (L8).
///
/// # Errors
/// A [`Refusal`]; nothing happened then.
pub fn apply(_: &Account, _: &Policy, _: &Command, _: Time, _: &[Renewal]) -> Result<Applied, Refusal> {
    Err(Refusal::Closed)
}
