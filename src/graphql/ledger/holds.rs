//! Holds on the wire: credits set aside for work that has begun, and what sets them aside, burns them and lets them go.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result};

use super::balances::CreditBalance;
use super::entries::LedgerEntry;
use super::payloads::{GivenKey, command, give, shown};
use crate::base::decimal;
use crate::base::given::Given;
use crate::base::ids::{BalanceId, HoldId};
use crate::base::problem::Problems;
use crate::db::Failure;
use crate::graphql::context::Reach;
use crate::graphql::errors::{Payload, UserError, missing};
use crate::graphql::ids::id_input;
use crate::graphql::paging::connection;
use crate::graphql::scalars::{DateTime, Decimal, Json};
use crate::intake::input::{CaptureHold, HoldCredits, Words, extend_hold};
use crate::intake::{Action, Capture, Done, Extension, Order};
use crate::ledger::store::HoldRecord;
use crate::ledger::{self, model};

// --- Holds -------------------------------------------------------------------------------------------------------------

/// How a hold stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::HoldState")]
pub enum HoldState {
    /// Its credits are set aside.
    Active,
    /// Credits were burned of it; the rest is free again.
    Captured,
    /// It was released: its credits are free again.
    Released,
    /// Its time was over: its credits are free again.
    Lapsed,
}

/// A hold as of the operation's instant.
#[derive(Clone)]
pub struct Hold(Arc<HoldRecord>);

impl Hold {
    /// A hold as of an instant.
    #[must_use]
    pub fn of(record: HoldRecord) -> Self {
        Self(Arc::new(record))
    }

    /// The hold with this id; none when there is none.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: HoldId) -> Result<Option<Self>> {
        let loaders = ctx.loaders();
        let (record, known) = futures_util::try_join!(loaders.find(id), loaders.find(id.balance))?;
        let (Some(record), Some(known)) = (record, known) else { return Ok(None) };
        let balance = CreditBalance::of(known, ctx.now());
        Ok(Some(Self::of(balance.view().hold(Arc::unwrap_or_clone(record)))))
    }

    /// The hold with this id, which an entry names.
    ///
    /// # Errors
    /// The top-level error of the database, also when it is not there.
    pub async fn get(ctx: &Context<'_>, id: HoldId) -> Result<Self> {
        Self::find(ctx, id).await?.ok_or_else(|| missing(&id))
    }
}

/// Credits set aside for work that has begun. What is set aside is not spent otherwise, does not expire and is not taken
/// back until the hold ends; a hold that was accepted can be captured in full, whatever happens meanwhile.
#[Object]
impl Hold {
    /// Its id: `"hld_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The balance whose credits it sets aside.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.0.id.balance).await
    }

    /// How it stands now; it lapses at `expiresAt` to the microsecond.
    async fn state(&self) -> HoldState {
        self.0.state.into()
    }

    /// How many credits it set aside.
    async fn credits(&self) -> Decimal {
        self.0.credits.into()
    }

    /// How many credits its capture burned; `"0"` before. More than `credits` only where the capture asked for more.
    async fn captured(&self) -> Decimal {
        self.0.captured.into()
    }

    /// When it lapses, or would have lapsed.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// Why, in the words of who asked for it.
    fn reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        ctx.prose(self.0.reason.as_deref())
    }

    /// Your own data: a JSON object.
    fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.internal(&self.0.metadata)
    }

    /// When credits were set aside.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was captured, released or lapsed; null while it is active.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }
}

connection!(HoldConnection, HoldEdge, Hold, "A page of holds, newest first.", "A hold in a page.");

// --- Inputs ------------------------------------------------------------------------------------------------------------

/// Credits to be set aside.
#[derive(InputObject, Clone, Debug)]
pub struct HoldCreditsInput {
    /// The balance's id.
    pub balance_id: ID,
    /// How many: more than 0, at most what is available, at most 6 fraction digits, such as `"300"`. Overdraft does not
    /// count.
    pub credits: Given<decimal::Decimal>,
    /// For how many seconds: 1 to 604800, which is a week. Then it lapses by itself.
    #[graphql(default = 900)]
    pub ttl_seconds: i32,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
    /// What makes a repeat harmless: 1 to 255 characters, unique for each command of the customer. The same key with the
    /// same input answers the first result again.
    pub idempotency_key: String,
}

/// A hold that is to last longer.
#[derive(InputObject, Clone, Debug)]
pub struct ExtendHoldInput {
    /// The hold's id.
    pub hold_id: ID,
    /// How many seconds it is to last from now on: 1 to 604800. It never gets shorter by this.
    pub ttl_seconds: i32,
}

/// Credits set aside that are to be burned.
#[derive(InputObject, Clone, Debug)]
pub struct CaptureHoldInput {
    /// The hold's id.
    pub hold_id: ID,
    /// How many; left out, all of them. What is not captured is free again; `"0"` releases the hold.
    pub credits: Option<Given<decimal::Decimal>>,
    /// What happens when that is more than was set aside.
    #[graphql(default_with = "HoldOverrun::Reject")]
    pub overrun: HoldOverrun,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
    /// What makes a repeat harmless: 1 to 255 characters, unique for each command of the customer. The same key with the
    /// same input answers the first result again.
    pub idempotency_key: String,
}

/// What happens when more is captured than was set aside.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "ledger::command::Overrun")]
pub enum HoldOverrun {
    /// It is refused, and the hold stays: LimitExceeded, with what is held as its limit.
    Reject,
    /// It also takes what is available above zero. What even that does not cover is the entry's `uncovered`.
    UpToAvailable,
    /// It also makes debt, as far as the balance's overdraft allows; InsufficientCredits beyond that.
    Overdraft,
}

/// Which hold to let go.
#[derive(InputObject, Clone, Debug)]
pub struct ReleaseHoldInput {
    /// The hold's id.
    pub hold_id: ID,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// What a mutation of a hold answers.
#[derive(Default)]
pub struct HoldPayload {
    hold: Option<HoldId>,
    balance: Option<CreditBalance>,
    entry: Option<LedgerEntry>,
    replayed: bool,
    errors: Vec<UserError>,
}

impl Payload for HoldPayload {
    fn refused(errors: Vec<UserError>) -> Self {
        Self { errors, ..Self::default() }
    }
}

/// What a mutation of a hold answers.
#[Object]
impl HoldPayload {
    /// The hold as it stands now; null when nothing happened.
    async fn hold(&self, ctx: &Context<'_>) -> Option<Result<Hold>> {
        Some(Hold::get(ctx, self.hold?).await)
    }

    /// Its balance as it stands now; null when nothing happened.
    async fn balance(&self) -> Option<CreditBalance> {
        self.balance.clone()
    }

    /// The entry that was written; the first one's for a repeat of an idempotency key. Null when there was nothing to write:
    /// a hold that is extended changes no credits, and one that had ended stays as it was.
    async fn entry(&self) -> Option<LedgerEntry> {
        self.entry.clone()
    }

    /// True when this is an earlier result: of the same idempotency key, or of a hold that had ended before it was to be
    /// released.
    async fn replayed(&self) -> bool {
        self.replayed
    }

    /// Why nothing happened; empty when it did.
    async fn errors(&self) -> Vec<UserError> {
        self.errors.clone()
    }
}

/// The answer of what was asked of a hold, or of what makes one.
fn held(ctx: &Context<'_>, hold: Option<HoldId>, outcome: Result<Done, Failure>) -> Result<HoldPayload> {
    shown(ctx, outcome, |balance, Done { entry, replayed, .. }| {
        let made = || entry.as_ref().and_then(|entry| Some(entry.balance.hold(entry.posting.hold?)));
        let (hold, balance) = (hold.or_else(made), Some(balance));
        HoldPayload { hold, balance, entry: entry.clone().map(LedgerEntry), replayed, errors: Vec::new() }
    })
}

/// Asks something of a hold.
async fn ask<C>(
    ctx: &Context<'_>,
    (hold, checked): (&ID, Result<C, Problems>),
    words: (&Words, Option<GivenKey<'_>>),
    action: impl FnOnce(HoldId, C) -> Action,
) -> Option<Result<HoldPayload>> {
    ctx.refresh();
    let mut about = None;
    let outcome = async {
        let (hold, action, given) = command(id_input::<HoldId>(&["holdId"], hold), checked, words, action)?;
        about = Some(hold);
        give(ctx, Order::Move { balance: hold.balance, action, given }, "holdId").await
    };
    let outcome = outcome.await;
    Some(held(ctx, about, outcome))
}

/// The mutations of holds.
#[derive(Default)]
pub struct HoldMutation;

#[Object]
impl HoldMutation {
    /// Sets credits aside before work begins, so that nothing else can spend them. InsufficientCredits when less is
    /// available; LimitExceeded when the balance has 1,000 active holds. Capture it when the work is done, or release it; if
    /// nobody does, it lapses.
    async fn hold_credits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credits.")] input: HoldCreditsInput,
    ) -> Option<Result<HoldPayload>> {
        ctx.refresh();
        let outcome = async {
            let hold = HoldCredits { credits: input.credits, ttl_seconds: input.ttl_seconds };
            let words = Words { reason: input.reason, metadata: input.metadata.map(|metadata| metadata.0) };
            let key = (input.idempotency_key.as_str(), "holdCredits", hold.fields());
            let balance = id_input::<BalanceId>(&["balanceId"], &input.balance_id);
            let (balance, action, given) = command(balance, hold.validate(), (&words, Some(key)), |_, action| action)?;
            give(ctx, Order::Move { balance, action, given }, "balanceId").await
        };
        Some(held(ctx, None, outcome.await))
    }

    /// Lets a hold last longer: at least `ttlSeconds` from now on. InvalidState when it has ended: `"CAPTURED"`,
    /// `"RELEASED"`, `"LAPSED"`.
    async fn extend_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which hold, and for how long.")] input: ExtendHoldInput,
    ) -> Option<Result<HoldPayload>> {
        let words = (&Words::default(), None);
        let extend = |hold, ttl| Action::Extend(Extension { hold, ttl });
        ask(ctx, (&input.hold_id, extend_hold(input.ttl_seconds)), words, extend).await
    }

    /// Burns credits that were set aside, as one CAPTURE entry; what is not captured is free again. InvalidState when the
    /// hold has ended: `"CAPTURED"` by another key, `"RELEASED"`, `"LAPSED"`.
    async fn capture_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which hold, and how much of it.")] input: CaptureHoldInput,
    ) -> Option<Result<HoldPayload>> {
        let capture = CaptureHold { credits: input.credits, overrun: input.overrun.into() };
        let words = Words { reason: input.reason, metadata: input.metadata.map(|metadata| metadata.0) };
        let key = (input.idempotency_key.as_str(), "captureHold", capture.fields());
        let overrun = capture.overrun;
        let burn = |hold, credits| Action::Capture(Capture { hold, credits, overrun });
        ask(ctx, (&input.hold_id, capture.validate()), (&words, Some(key)), burn).await
    }

    /// Lets credits go that were set aside. A hold that has ended, however it did, is answered as it is.
    async fn release_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which hold.")] input: ReleaseHoldInput,
    ) -> Option<Result<HoldPayload>> {
        let words = Words { reason: input.reason, metadata: None };
        ask(ctx, (&input.hold_id, Ok(())), (&words, None), |hold, ()| Action::Release(hold)).await
    }
}
