//! The ledger's names.

use async_graphql::Enum;

use crate::ledger::{entry, model};

/// How a balance stands, by what is available.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::BalanceState")]
pub enum BalanceState {
    /// There is more than the threshold of a low balance.
    Active,
    /// There is something, and no more than the threshold of a low balance.
    Low,
    /// There is nothing.
    Depleted,
    /// It is below zero, which only overdraft allows.
    Overdrawn,
    /// It was closed, for good.
    Closed,
}

/// Where a grant came from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::GrantSource")]
pub enum GrantSource {
    /// What the balance was opened with.
    StartingBalance,
    /// Credits that came in by hand.
    TopUp,
    /// Credits that were bought.
    Purchase,
    /// What a plan includes for one period.
    Allowance,
    /// What was left of an allowance, for one more period.
    Rollover,
    /// What came back from a reversal after the debt that it was for had been paid.
    Reversal,
}

/// How a grant stands. The first that is true counts: VOIDED, PENDING, DEPLETED, EXPIRED, else ACTIVE.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::GrantState")]
pub enum GrantState {
    /// Its `effectiveAt` lies ahead.
    Pending,
    /// It can burn.
    Active,
    /// All of it was burned.
    Depleted,
    /// Its time is over. What a hold pins of it is there until the hold ends.
    Expired,
    /// It was taken back. What a hold pins of it is there until the hold ends.
    Voided,
}

/// What an entry records. An entry that makes a grant has the grant's source as its kind.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::EntryKind")]
pub enum LedgerEntryKind {
    /// The balance was opened with credits.
    StartingBalance,
    /// Credits came in by hand.
    TopUp,
    /// Credits were bought.
    Purchase,
    /// A plan's included credits came in for a period.
    Allowance,
    /// Unused included credits live on for one more period; the EXPIRATION of all that was unused stands before it.
    Rollover,
    /// A grant began whose `effectiveAt` had lain ahead.
    Activation,
    /// A usage event burned credits.
    Usage,
    /// Credits were deducted by hand.
    Retention,
    /// Credits were set aside.
    Hold,
    /// Credits that were set aside were burned.
    Capture,
    /// Credits that were set aside are free again: the hold was released, or lapsed.
    Release,
    /// A grant's time was over, and what was free of it went.
    Expiration,
    /// A grant was taken back, without money.
    Void,
    /// A grant was taken back, and the money for it returned.
    Refund,
    /// An earlier deduction was taken back, wholly or in part.
    Reversal,
    /// A grant's priority or expiry was changed; 0 credits.
    Amendment,
}

/// Through which door an entry came.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entry::Origin")]
pub enum Origin {
    /// A program, or a person, with an API key.
    Api,
    /// The customer, in the portal.
    Portal,
    /// A usage event.
    Event,
    /// A plan's period.
    Subscription,
    /// A top-up that the balance itself asked for.
    AutoTopUp,
    /// Time alone: what began, ended or lapsed.
    System,
}
