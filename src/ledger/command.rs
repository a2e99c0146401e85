//! What can be asked of one balance.

use super::model::{EntryKind, GrantSource, Lot, Pin};
pub use super::plan::{Allowance, Renewal, Rollover};
use crate::base::credits::Credits;
use crate::base::money::Money;
use crate::base::time::Time;

/// What a command asks of one balance. Amounts are magnitudes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Credits come in.
    Grant(NewGrant),
    /// Credits are burned.
    Spend(Spend),
    /// Credits are set aside until an instant.
    Hold {
        /// How many, more than 0.
        credits: Credits,
        /// When the hold lapses.
        expires_at: Time,
    },
    /// A hold lasts until that instant, if that is later than now set.
    Extend {
        /// The hold's sequence.
        hold: i64,
        /// When it lapses.
        expires_at: Time,
    },
    /// Credits set aside are burned; what is not captured is released.
    Capture {
        /// The hold's sequence.
        hold: i64,
        /// How many; all of it when absent; 0 is a release.
        credits: Option<Credits>,
        /// When more is captured than was held.
        overrun: Overrun,
    },
    /// Credits set aside are free again.
    Release {
        /// The hold's sequence.
        hold: i64,
    },
    /// An entry is taken back, wholly or in part.
    Reverse(Reversal),
    /// A lot ends.
    Void {
        /// The lot's sequence.
        lot: i64,
        /// With money or without.
        kind: VoidKind,
    },
    /// A lot's priority or expiry changes.
    Amend {
        /// The lot's sequence.
        lot: i64,
        /// The priority from now on.
        priority: i16,
        /// The expiry from now on.
        expires_at: Option<Time>,
    },
    /// The balance ends, for good.
    Close,
}

/// Credits that come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// Where they come from.
    pub source: GrantSource,
    /// How many, more than 0.
    pub credits: Credits,
    /// 0 to 1000, the lower burns first.
    pub priority: i16,
    /// When the lot begins; absent or in the past: now.
    pub effective_at: Option<Time>,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// What was paid for all of it.
    pub cost: Option<Money>,
}

/// Credits that are burned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// By usage or by hand.
    pub kind: SpendKind,
    /// How many, more than 0.
    pub credits: Credits,
    /// What happens when that is not covered.
    pub cover: Cover,
    /// When it happened; now when absent.
    pub occurred_at: Option<Time>,
}

/// Who burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendKind {
    /// A usage event.
    Usage,
    /// A person or program, by hand.
    Retention,
}

/// What a spend does when it is not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// All or nothing: it is refused.
    Whole,
    /// As far as policy allows; the rest is uncovered (L10).
    AsFarAsAllowed,
}

/// What a capture does when it is for more than was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// It is refused.
    Reject,
    /// It also takes what is available above zero; the rest is uncovered.
    UpToAvailable,
    /// It also makes debt, down to the floor; beyond that it is refused.
    Overdraft,
}

/// How a lot is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidKind {
    /// Without money.
    Void,
    /// With money; not while a hold pins any of it.
    Refund,
}

/// An entry to take back, as it stands on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// The entry's sequence.
    pub entry: i64,
    /// What it is.
    pub kind: EntryKind,
    /// What it took, as a magnitude.
    pub taken: Credits,
    /// What it took from each lot, as magnitudes, in its order.
    pub lots: Vec<Pin>,
    /// The debt that it made.
    pub debt: Credits,
    /// What earlier reversals gave back of it.
    pub reversed: Credits,
    /// How much to give back; all that is left when absent.
    pub credits: Option<Credits>,
    /// Those of its lots that are not open any more, as they stand on record.
    pub closed_lots: Vec<Lot>,
}
