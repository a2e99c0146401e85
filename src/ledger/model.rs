//! The shapes of the ledger.

use std::sync::Arc;

use super::plan::{PlanTerms, Renewal, Stretch};
use crate::base::buying::Buying;
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, ProductId};
use crate::base::money::Money;
use crate::base::settings::{Overdraft, Overrides};
use crate::base::time::Time;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What the first entry of a balance is chained to.
pub const FIRST_HASH: Hash = [0; 32];

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
    /// What a subscription says of it; also one that is yet to begin, or over.
    pub plan: Option<Arc<PlanTerms>>,
    /// The first instant at which a period brings something that is not posted yet.
    pub renews_at: Option<Time>,
    /// Grows by 1 with every write of the row; 0 is not written yet.
    pub revision: i64,
    /// The newest entry's hash.
    pub hash: Hash,
    /// What it carries of purchases, once there was one.
    pub buying: Option<Arc<Buying>>,
    /// When it is open from: in the future, a subscription opens it then, and until then it is not there.
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
        let (plan, renews_at, buying) = (None, None, None);
        let (revision, hash, closed_at) = (0, FIRST_HASH, None);
        Self { account, product, own, plan, renews_at, revision, hash, buying, created_at, updated_at, closed_at }
    }

    /// Whether it is open at an instant.
    #[must_use]
    pub fn is_open(&self, at: Time) -> bool {
        !self.account.closed && self.has_opened(at)
    }

    /// Whether it has been opened by an instant; one that a subscription opens later has not. Its time does not go back
    /// (L11): what was opened by another node's clock is open.
    #[must_use]
    pub fn has_opened(&self, at: Time) -> bool {
        self.created_at <= at.max(self.account.recorded_at)
    }

    /// What the subscription says that it belongs to at an instant. Its time does not go back (L11).
    #[must_use]
    pub fn stretch(&self, at: Time) -> Option<&Stretch> {
        self.plan.as_deref()?.at(at.max(self.account.recorded_at))
    }

    /// What periods bring up to an instant that is not posted yet, and when the next one brings something.
    #[must_use]
    pub fn renewals(&self, now: Time) -> (Vec<Renewal>, Option<Time>) {
        match &self.plan {
            Some(plan) if !self.account.closed => plan.renewals(self.renews_at, now),
            _ => (Vec::new(), None),
        }
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
    /// A period began: that of the subscription with this number.
    Renewal(i32),
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
