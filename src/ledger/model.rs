//! The shapes of the ledger.

use super::entry::{FIRST_HASH, Hash};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, ProductId};
use crate::base::money::Money;
use crate::base::settings::{Overdraft, Overrides};
use crate::base::time::Time;

/// The priority of a lot for which nothing is said.
pub const DEFAULT_PRIORITY: i16 = 500;
/// The greatest priority number: burns last.
pub const MAX_PRIORITY: i16 = 1000;
/// Lots of one balance that are pending or not used up, at most, where a grant is not owed already.
pub const MAX_OPEN_LOTS: usize = 1_000;
/// Active holds of one balance, at most.
pub const MAX_HOLDS: usize = 1_000;

/// The books of one balance, as far as a command needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which balance.
    pub id: BalanceId,
    /// How many entries it has; the newest entry's sequence.
    pub sequence: i64,
    /// When the newest entry was recorded, or the balance created: time does not go back behind it (L11).
    pub recorded_at: Time,
    /// What the entries add up to.
    pub settled: Credits,
    /// What active holds set aside.
    pub held: Credits,
    /// What was spent beyond the lots, as a magnitude.
    pub debt: Credits,
    /// The state after the newest entry.
    pub state: BalanceState,
    /// Lots that are pending or have something left, in burning order (L7).
    pub lots: Vec<Lot>,
    /// Active holds, in order of creation.
    pub holds: Vec<Hold>,
    /// Whether it was closed, for good.
    pub closed: bool,
}

/// A balance as it is kept: its books, its own settings, and what writing it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Its books.
    pub account: Account,
    /// Whose credits it holds.
    pub product: ProductId,
    /// Settings of its own.
    pub own: Overrides,
    /// Grows by 1 with every write of the row; 0 is not written yet.
    pub revision: i64,
    /// The newest entry's hash.
    pub hash: Hash,
    /// When it was created.
    pub created_at: Time,
    /// When its settings were last changed.
    pub updated_at: Time,
    /// When it was closed.
    pub closed_at: Option<Time>,
}

impl Balance {
    /// A balance that was just opened, with nothing in it.
    #[must_use]
    pub fn open(id: BalanceId, product: ProductId, own: Overrides, now: Time) -> Self {
        let account = Account {
            id,
            sequence: 0,
            recorded_at: now,
            settled: Credits::ZERO,
            held: Credits::ZERO,
            debt: Credits::ZERO,
            state: BalanceState::Depleted,
            lots: Vec::new(),
            holds: Vec::new(),
            closed: false,
        };
        let (created_at, updated_at) = (now, now);
        Self { account, product, own, revision: 0, hash: FIRST_HASH, created_at, updated_at, closed_at: None }
    }
}

/// Credits that came in together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The sequence of the entry that made it.
    pub sequence: i64,
    /// Where it came from.
    pub source: GrantSource,
    /// How many credits came in.
    pub credits: Credits,
    /// 0 to 1000, the lower burns first.
    pub priority: i16,
    /// When it begins.
    pub effective_at: Time,
    /// When it ends; its last moment is just before.
    pub expires_at: Option<Time>,
    /// What was paid for all of it: free lots burn before paid ones.
    pub cost: Option<Money>,
    /// Whether its beginning has been posted.
    pub begun: bool,
    /// What is left of it, pinned or not; 0 before it begins.
    pub remaining: Credits,
    /// What active holds pin of it.
    pub held: Credits,
    /// How it ended. A lot that is over stays among the open ones while a hold pins some of it.
    pub ended: Option<Ended>,
}

/// How a lot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of it was burned.
    Depleted,
    /// Its time was over.
    Expired,
    /// It was taken back.
    Voided,
}

/// Credits set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The sequence of the entry that made it.
    pub sequence: i64,
    /// How many credits.
    pub credits: Credits,
    /// When it lapses.
    pub expires_at: Time,
    /// What it pins, by lot.
    pub pins: Vec<Pin>,
}

/// What a hold pins of one lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The lot's sequence.
    pub lot: i64,
    /// How many credits.
    pub credits: Credits,
}

/// What rules hold for a balance at the moment: handed in, never looked up here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Warn at or below this.
    pub threshold: Option<Credits>,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
}

/// The state of a balance by what is available (L15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum BalanceState {
    Active,
    Low,
    Depleted,
    Overdrawn,
    Closed,
}

/// Where a lot came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum GrantSource {
    StartingBalance,
    TopUp,
    Purchase,
    Allowance,
    Rollover,
    Reversal,
}

/// The state of a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum GrantState {
    Pending,
    Active,
    Depleted,
    Expired,
    Voided,
}

/// The state of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum HoldState {
    Active,
    Captured,
    Released,
    Lapsed,
}

/// What an entry records. An entry that makes a lot has the lot's source as its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum EntryKind {
    StartingBalance,
    TopUp,
    Purchase,
    Allowance,
    Rollover,
    Activation,
    Usage,
    Retention,
    Hold,
    Capture,
    Release,
    Expiration,
    Void,
    Refund,
    Reversal,
    Amendment,
}

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

/// What a period brings (L8): handed to the carrying of time, so that reads show it before it is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The instant at which the period begins.
    pub at: Time,
    /// Unused included credits that live on: a ROLLOVER lot of what expires of ALLOWANCE lots at `at`.
    pub rollover: Option<Rollover>,
    /// Included credits: an ALLOWANCE lot.
    pub allowance: Option<Allowance>,
}

/// Terms of a rollover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollover {
    /// At most so many credits.
    pub limit: Credits,
    /// When the lot ends.
    pub expires_at: Option<Time>,
}

/// Terms of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many credits; none when 0.
    pub credits: Credits,
    /// When the lot ends.
    pub expires_at: Option<Time>,
}

/// What the pure rules say of one entry; who caused it and its hash are added when it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Its number within the balance (L2).
    pub sequence: i64,
    /// What it records.
    pub kind: EntryKind,
    /// Why it was posted.
    pub cause: Cause,
    /// What it adds to settled.
    pub credits: Credits,
    /// What it adds to held.
    pub held_change: Credits,
    /// What policy did not let it take.
    pub uncovered: Credits,
    /// What was available after it.
    pub available_after: Credits,
    /// What was settled after it.
    pub settled_after: Credits,
    /// What was held after it.
    pub held_after: Credits,
    /// The state after it.
    pub state_after: BalanceState,
    /// The state before it; `None` for a balance's first entry. A difference is announced (L15).
    pub state_before: Option<BalanceState>,
    /// The net change of each lot, in the order first touched.
    pub allocations: Vec<Allocation>,
    /// The lot that it made, began, amended or ended.
    pub grant: Option<i64>,
    /// Of an entry that makes or amends a lot: its terms from then on.
    pub terms: Option<Terms>,
    /// The hold that it made or ended.
    pub hold: Option<i64>,
    /// The entry that it takes back.
    pub reverses: Option<i64>,
    /// When it happened.
    pub occurred_at: Time,
    /// When it was recorded.
    pub recorded_at: Time,
}

/// Why an entry was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The command asked for it.
    Command,
    /// Its time had come, or a hold that ended let a lot end that was over.
    Time,
    /// A period began.
    Renewal,
}

/// The net change of one lot by one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The lot's sequence.
    pub lot: i64,
    /// What it adds to the lot's remaining.
    pub credits: Credits,
    /// What it adds to the lot's held.
    pub held_change: Credits,
    /// The lot's remaining after it.
    pub remaining_after: Credits,
}

/// The terms of a lot, as an entry sets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many credits came in.
    pub credits: Credits,
    /// 0 to 1000, the lower burns first.
    pub priority: i16,
    /// When it begins.
    pub effective_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// What was paid for all of it.
    pub cost: Option<Money>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The account from now on.
    pub account: Account,
    /// The entries, in order; those that were due first.
    pub postings: Vec<Posting>,
    /// Every lot that was made, amended or ended, as it stands then; a later one replaces an earlier one.
    pub lots: Vec<Lot>,
}

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
    #[error("the grant is over")]
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
    #[error("only usage, retention and capture can be taken back")]
    NotReversible,
    /// A lot cannot end before it begins, or in the past.
    #[error("the expiry is not after the grant's beginning and after now")]
    ExpiryTooEarly,
}

impl From<crate::base::credits::Overflow> for Refusal {
    fn from(_: crate::base::credits::Overflow) -> Self {
        Self::BeyondBalance
    }
}
