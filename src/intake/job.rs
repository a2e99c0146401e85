//! What goes through the queue, and what comes back.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::room::Place;
use crate::base::credits::Credits;
use crate::base::fields;
use crate::base::idempotency::Key;
use crate::base::ids::{
    BalanceId, CustomerId, EntryId, EventKey, GrantId, HoldId, ProductId, PurchaseId, SubscriptionId,
};
use crate::base::json::CanonicalJson;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems};
use crate::base::settings::{Overdraft, Overrides};
use crate::base::text::MAX_REFERENCE;
use crate::base::time::Time;
use crate::catalog::snapshot::Snapshot;
use crate::db::{DbError, Failure};
use crate::ledger::command::Overrun;
use crate::ledger::entry::{Entry, Note, Origin};
use crate::ledger::model::Balance;
use crate::metering::event::{Mode, NewEvent, RawEvent};
use crate::purchases::input::{Ask, AutoTopUpChanges, NewPurchase};
use crate::purchases::model::Purchase;
use crate::subscriptions::input::{Ask as PlanAsk, NewSubscription};
use crate::subscriptions::model::Changed;

/// The receipts of some events of a request, by their place in it; or why there are none.
pub(super) type EventAnswer = Result<Vec<(usize, Receipt)>, DbError>;

/// One piece of work, and the room in the queue that it takes until it is done.
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) place: Place,
}

/// One piece of work.
pub(super) enum Job {
    Events { events: Vec<(usize, NewEvent)>, mode: Mode, answer: UnboundedSender<EventAnswer> },
    Order { order: Order, answer: oneshot::Sender<Result<Done, Failure>> },
    Plan { order: Box<PlanOrder>, answer: oneshot::Sender<Result<Changed, Failure>> },
    Purchase { order: Box<PurchaseOrder>, answer: oneshot::Sender<Result<Bought, Failure>> },
}

/// What a job came to; told once it is committed.
pub(super) enum Outcome {
    Events(Vec<(usize, Receipt)>),
    Order(Result<Box<Done>, Problems>),
    Plan(Result<Box<Changed>, Problems>),
    Purchase(Result<Box<Bought>, Problems>),
}

impl Queued {
    /// The events of one piece in two halves; `None` for what is not to be divided.
    pub(super) fn halve(&mut self) -> Option<Self> {
        let Job::Events { events, mode, answer } = &mut self.job else { return None };
        if events.len() < 2 {
            return None;
        }
        let half = events.split_off(events.len() / 2);
        let place = self.place.split(half.len());
        Some(Self { job: Job::Events { events: half, mode: *mode, answer: answer.clone() }, place })
    }
}

/// Whose event it is, as a caller says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// By id.
    Id(CustomerId),
    /// By the caller's own id.
    ExternalId(String),
}

/// An event as a caller sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncomingEvent {
    /// The caller's id of the event.
    pub id: String,
    /// Whose usage it is.
    pub whose: Whose,
    /// Its type.
    pub event_type: String,
    /// When the usage happened; now when absent.
    pub timestamp: Option<Time>,
    /// An object; empty when absent.
    pub properties: Option<Value>,
}

impl Whose {
    pub(super) fn customer(&self, names: &HashMap<String, CustomerId>) -> Result<CustomerId, Problem> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::ExternalId(name) => names.get(name).copied().ok_or_else(|| {
                let path = ["customer", "externalId"];
                let possible = fields::text(&path, name, MAX_REFERENCE);
                possible.err().unwrap_or_else(|| Problem::not_found(&path, "customer", name.clone()))
            }),
        }
    }
}

impl IncomingEvent {
    pub(super) fn of(self, customer: CustomerId) -> RawEvent {
        RawEvent {
            id: self.id,
            customer,
            event_type: self.event_type,
            timestamp: self.timestamp,
            properties: self.properties,
        }
    }
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// How it ended.
    pub status: Status,
    /// The recorded event: the earlier one for a duplicate.
    pub event: Option<EventKey>,
    /// A duplicate id whose content differs from the event on record.
    pub differs: bool,
    /// Why it was not recorded.
    pub problem: Option<Problem>,
    /// Balances that it changed.
    pub changed: Vec<BalanceId>,
}

/// How one event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Status {
    Accepted,
    Duplicate,
    Refused,
    Invalid,
}

impl Receipt {
    pub(super) fn accepted(event: EventKey, changed: Vec<BalanceId>) -> Self {
        Self { status: Status::Accepted, event: Some(event), differs: false, problem: None, changed }
    }

    pub(super) fn duplicate(event: EventKey, differs: bool) -> Self {
        Self { status: Status::Duplicate, event: Some(event), differs, problem: None, changed: Vec::new() }
    }

    pub(super) fn refused(problem: Problem) -> Self {
        Self { status: Status::Refused, event: None, differs: false, problem: Some(problem), changed: Vec::new() }
    }

    /// What becomes of an event that is wrong in itself.
    #[must_use]
    pub fn invalid(problem: Problem) -> Self {
        Self { status: Status::Invalid, ..Self::refused(problem) }
    }
}

/// What is asked of one balance.
#[derive(Clone, Debug)]
pub enum Order {
    /// A balance is opened.
    Open(NewBalance),
    /// Its own settings change.
    Update {
        /// Which one.
        balance: BalanceId,
        /// What changes.
        changes: BalanceChanges,
    },
    /// It ends, for good.
    Close {
        /// Which one.
        balance: BalanceId,
    },
    /// What time alone did is posted.
    PostDue {
        /// Which one.
        balance: BalanceId,
    },
    /// Credits move.
    Move {
        /// Which one.
        balance: BalanceId,
        /// How; a problem when the input cannot be taken. That is told only after the key was looked up: a repeat is
        /// answered as it was the first time, whatever the rules are by now.
        action: Result<Action, Problems>,
        /// What the caller said about it.
        given: Provenance,
    },
}

impl Order {
    pub(super) fn customer(&self) -> CustomerId {
        match self {
            Self::Open(new) => new.customer,
            Self::Update { balance, .. }
            | Self::Close { balance }
            | Self::PostDue { balance }
            | Self::Move { balance, .. } => balance.customer,
        }
    }

    /// The balance that it is about, where that is there already.
    pub(super) fn balance(&self) -> Option<BalanceId> {
        match self {
            Self::Open(_) => None,
            Self::Update { balance, .. }
            | Self::Close { balance }
            | Self::PostDue { balance }
            | Self::Move { balance, .. } => Some(*balance),
        }
    }

    /// The idempotency key that it came with.
    pub(super) fn key(&self) -> Option<(CustomerId, &Key)> {
        match self {
            Self::Move { balance, given, .. } => given.key.as_ref().map(|key| (balance.customer, key)),
            Self::Open(_) | Self::Update { .. } | Self::Close { .. } | Self::PostDue { .. } => None,
        }
    }
}

/// What is asked of one customer's subscriptions.
#[derive(Clone, Debug)]
pub enum PlanOrder {
    /// A subscription is made, once for each key.
    Create {
        /// Which one.
        new: NewSubscription,
        /// The key that makes a repeat harmless.
        key: Key,
    },
    /// Something is asked of one that is there.
    Change {
        /// Which one.
        id: SubscriptionId,
        /// What is asked.
        ask: PlanAsk,
    },
}

impl PlanOrder {
    pub(super) const fn customer(&self) -> CustomerId {
        match self {
            Self::Create { new, .. } => new.customer,
            Self::Change { id, .. } => id.customer,
        }
    }

    /// The idempotency key that it came with.
    pub(super) const fn key(&self) -> Option<(CustomerId, &Key)> {
        match self {
            Self::Create { new, key } => Some((new.customer, key)),
            Self::Change { .. } => None,
        }
    }

    /// Whether it may open a balance, or begin something with what the catalog has now.
    pub(super) const fn opens(&self) -> bool {
        !matches!(self, Self::Change { ask: PlanAsk::CatchUp, .. })
    }
}

/// What is asked of purchases for one balance.
#[derive(Clone, Debug)]
pub enum PurchaseOrder {
    /// One is made, once for each key.
    Create {
        /// For which balance.
        balance: BalanceId,
        /// Which one, or what is wrong with it: that is told to who did not use the key before.
        new: Result<NewPurchase, Problems>,
        /// Through which door.
        origin: Origin,
        /// The key that makes a repeat harmless.
        key: Key,
    },
    /// Something is asked of one that is there.
    Change {
        /// Which one.
        id: PurchaseId,
        /// What is asked.
        ask: Ask,
    },
    /// How a balance buys by itself.
    SetAutoTopUp {
        /// Which balance.
        balance: BalanceId,
        /// What changes.
        changes: AutoTopUpChanges,
    },
}

impl PurchaseOrder {
    /// The balance that it is about.
    pub(super) const fn balance(&self) -> BalanceId {
        match self {
            Self::Create { balance, .. } | Self::SetAutoTopUp { balance, .. } => *balance,
            Self::Change { id, .. } => id.balance,
        }
    }

    /// The purchase that it is about, where that is there already.
    pub(super) const fn purchase(&self) -> Option<PurchaseId> {
        match self {
            Self::Change { id, .. } => Some(*id),
            Self::Create { .. } | Self::SetAutoTopUp { .. } => None,
        }
    }

    /// The idempotency key that it came with.
    pub(super) const fn key(&self) -> Option<(CustomerId, &Key)> {
        match self {
            Self::Create { balance, key, .. } => Some((balance.customer, key)),
            Self::Change { .. } | Self::SetAutoTopUp { .. } => None,
        }
    }
}

/// What an order on purchases came to.
#[derive(Clone, Debug)]
pub struct Bought {
    /// The purchase as it stands; none when the order was about none.
    pub purchase: Option<Purchase>,
    /// The balance as it stands.
    pub balance: Balance,
    /// The catalog by which it was done.
    pub catalog: Arc<Snapshot>,
    /// Whether it was so already.
    pub replayed: bool,
}

/// A balance to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBalance {
    /// Whose.
    pub customer: CustomerId,
    /// Of which credits.
    pub product: ProductId,
    /// Settings of its own.
    pub own: Overrides,
    /// Credits to start with; none when 0.
    pub starting: Credits,
}

/// What changes of a balance's own settings; cleared inherits again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceChanges {
    /// What it is called.
    pub name: Patch<String>,
    /// Warn at or below this.
    pub low_balance_threshold: Patch<Credits>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Patch<Overdraft>,
}

/// How credits move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Credits come in by hand.
    TopUp(TopUp),
    /// Credits are burned by hand.
    Retain(Retention),
    /// A grant's terms change.
    Amend(Amendment),
    /// A grant ends.
    Void(GrantId),
    /// An entry is taken back.
    Reverse(TakeBack),
    /// Credits are set aside.
    Hold(NewHold),
    /// A hold lasts longer.
    Extend(Extension),
    /// Credits set aside are burned.
    Capture(Capture),
    /// Credits set aside are free again.
    Release(HoldId),
}

/// Credits that come in by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// How many.
    pub credits: Credits,
    /// 0 to 1000, the lower burns first.
    pub priority: i16,
    /// When they begin; now when absent.
    pub effective_at: Option<Time>,
    /// When they end; by the settings in force when absent.
    pub expires_at: Option<Time>,
}

/// Credits that are burned by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many.
    pub credits: Credits,
    /// When it happened; now when absent.
    pub occurred_at: Option<Time>,
}

/// New terms of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Which grant.
    pub grant: GrantId,
    /// Cleared: the default.
    pub priority: Patch<i16>,
    /// Cleared: it does not end.
    pub expires_at: Patch<Time>,
}

/// An entry to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeBack {
    /// Which one.
    pub entry: EntryId,
    /// How much of it; all that is left when absent.
    pub credits: Option<Credits>,
}

/// Credits to be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// How many.
    pub credits: Credits,
    /// For how long, in microseconds.
    pub ttl: i64,
}

/// A hold that is to last longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Which one.
    pub hold: HoldId,
    /// How long from now on at least, in microseconds.
    pub ttl: i64,
}

/// Credits set aside that are to be burned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Of which hold.
    pub hold: HoldId,
    /// How many; all of them when absent.
    pub credits: Option<Credits>,
    /// When that is more than was set aside.
    pub overrun: Overrun,
}

/// What a caller said beside the command itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Through which door.
    pub origin: Origin,
    /// Why, in words.
    pub reason: Option<String>,
    /// The caller's own data.
    pub metadata: Option<CanonicalJson>,
    /// The key that makes a repeat harmless.
    pub key: Option<Key>,
}

impl Provenance {
    pub(super) fn note(&self) -> Note {
        Note {
            reason: self.reason.clone(),
            metadata: self.metadata.clone(),
            idempotency_key: self.key.as_ref().map(|key| key.key.clone()),
            ..Note::of(self.origin)
        }
    }
}

/// What an order came to.
#[derive(Clone, Debug)]
pub struct Done {
    /// The balance as it stands now.
    pub balance: Balance,
    /// The catalog by which it was done.
    pub catalog: Arc<Snapshot>,
    /// The entry that the order asked for; the first one's for a repeat.
    pub entry: Option<Arc<Entry>>,
    /// True when this is an earlier result.
    pub replayed: bool,
    /// The sequence of the first entry of a repeat.
    pub(super) first_sequence: Option<i64>,
}
