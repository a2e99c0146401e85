//! Entries on the wire: the ledger itself.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::balances::CreditBalance;
use super::enums::{BalanceState, LedgerEntryKind, Origin};
use super::grants::Grant;
use super::holds::Hold;
use crate::base::ids::BalanceId;
use crate::base::json::CanonicalJson;
use crate::graphql::catalog::Meter;
use crate::graphql::context::Reach;
use crate::graphql::loaders::ReversalsOf;
use crate::graphql::metering::UsageEvent;
use crate::graphql::paging::connection;
use crate::graphql::purchases::Purchase;
use crate::graphql::scalars::{BigInt, DateTime, Decimal, Json, Money};
use crate::graphql::subscriptions::PlanSubscription;
use crate::ledger::{entry, model};

/// An entry, as the domain has it.
#[derive(Clone)]
pub struct LedgerEntry(pub Arc<entry::Entry>);

/// One change of a balance: never altered, never deleted. What corrects it is an entry of its own. The entries of one
/// balance are numbered 1, 2, 3 … without gaps, and each is chained to the one before by its hash.
#[Object]
impl LedgerEntry {
    /// Its id: `"ent_…"`.
    pub async fn id(&self) -> ID {
        self.0.id().into()
    }

    /// The balance that it changed.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.0.balance).await
    }

    /// Its number within the balance: 1, 2, 3 … without gaps.
    async fn sequence(&self) -> BigInt {
        self.0.posting.sequence.into()
    }

    /// What it records.
    async fn kind(&self) -> LedgerEntryKind {
        self.0.posting.kind.into()
    }

    /// Credits that it adds to `settled`; negative for a deduction, such as `"-4.8"`.
    async fn credits(&self) -> Decimal {
        self.0.posting.credits.into()
    }

    /// Credits that it adds to `held`; negative where they are free again or burned.
    async fn held_change(&self) -> Decimal {
        self.0.posting.held_change.into()
    }

    /// Credits of a usage event, or of a capture, that policy did not let it take: a magnitude.
    async fn uncovered(&self) -> Decimal {
        self.0.posting.uncovered.into()
    }

    /// What could be spent right after it.
    async fn available_after(&self) -> Decimal {
        self.0.posting.available_after.into()
    }

    /// What the entries up to it add up to.
    async fn settled_after(&self) -> Decimal {
        self.0.posting.settled_after.into()
    }

    /// What was set aside right after it.
    async fn held_after(&self) -> Decimal {
        self.0.posting.held_after.into()
    }

    /// The balance's state right after it, by the threshold that was in force when it was written.
    async fn state_after(&self) -> BalanceState {
        self.0.posting.state_after.into()
    }

    /// Which grants gained, lost, were set aside or freed: one item a grant, in the order first touched.
    async fn allocations(&self) -> Vec<GrantAllocation> {
        GrantAllocation::of(&self.0)
    }

    /// For usage: how the credits came about. Null for everything else.
    async fn rating(&self) -> Option<Rating> {
        Rating::of(&self.0)
    }

    /// Through which door it came.
    async fn origin(&self) -> Origin {
        self.0.note.origin.into()
    }

    /// For usage: the event that burned. Null for everything else.
    async fn event(&self, ctx: &Context<'_>) -> Option<Result<UsageEvent>> {
        let key = self.0.note.event?;
        Some(ctx.loaders().get(key).await.map(UsageEvent))
    }

    /// The grant that it made, began, amended or ended; null where several may move: see `allocations`.
    async fn grant(&self, ctx: &Context<'_>) -> Option<Result<Grant>> {
        let sequence = self.0.posting.grant?;
        Some(Grant::get(ctx, self.0.balance.grant(sequence)).await)
    }

    /// The grant's terms from this entry on, where it made or amended one.
    async fn terms(&self) -> Option<GrantTerms> {
        self.0.posting.terms.map(GrantTerms::from)
    }

    /// The hold that it made or ended: of HOLD, CAPTURE and RELEASE. Null for everything else.
    async fn hold(&self, ctx: &Context<'_>) -> Option<Result<Hold>> {
        let sequence = self.0.posting.hold?;
        Some(Hold::get(ctx, self.0.balance.hold(sequence)).await)
    }

    /// The purchase that caused it, by being paid or refunded; null for all others.
    async fn purchase(&self, ctx: &Context<'_>) -> Option<Result<Purchase>> {
        Some(Purchase::get(ctx, self.0.purchase()?).await)
    }

    /// The subscription that caused it: of what a period brings (ALLOWANCE, ROLLOVER) and of what ends with one that is ended
    /// at once (VOID). Null for everything else: credits end by their own time.
    async fn subscription(&self, ctx: &Context<'_>) -> Option<Result<PlanSubscription>> {
        let id = self.0.subscription()?;
        Some(PlanSubscription::get(ctx, id).await)
    }

    /// For a reversal: the entry that it takes back.
    async fn reverses(&self, ctx: &Context<'_>) -> Option<Result<LedgerEntry>> {
        let sequence = self.0.posting.reverses?;
        Some(ctx.loaders().get(self.0.balance.entry(sequence)).await.map(LedgerEntry))
    }

    /// The reversals that took it back, wholly or in part, the oldest first; at most 100.
    async fn reversed_by(&self, ctx: &Context<'_>) -> Result<Vec<LedgerEntry>> {
        let reversible = matches!(
            self.0.posting.kind,
            model::EntryKind::Usage | model::EntryKind::Retention | model::EntryKind::Capture
        );
        if !reversible {
            return Ok(Vec::new());
        }
        let reversals = ctx.loaders().find(ReversalsOf(self.0.id())).await?.unwrap_or_default();
        Ok(reversals.into_iter().map(LedgerEntry).collect())
    }

    /// Why, in the words of who asked for it.
    fn reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        ctx.prose(self.0.note.reason.as_deref())
    }

    /// Your own data: a JSON object.
    fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.internal(self.0.note.metadata.as_ref().unwrap_or(&CanonicalJson::empty_object()))
    }

    /// The idempotency key that the command came with.
    async fn idempotency_key(&self, ctx: &Context<'_>) -> Option<&str> {
        self.0.note.idempotency_key.as_deref().filter(|_| ctx.caller().only().is_none())
    }

    /// When it happened: the time of the event, the instant of an expiry.
    async fn occurred_at(&self) -> DateTime {
        self.0.posting.occurred_at.into()
    }

    /// When it was written. Within a balance this never goes back.
    async fn recorded_at(&self) -> DateTime {
        self.0.posting.recorded_at.into()
    }

    /// SHA-256 over the hash of the entry before and this entry, as 64 hexadecimal digits.
    async fn hash(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0.hash)
    }
}

connection!(
    LedgerEntryConnection,
    LedgerEntryEdge,
    LedgerEntry,
    "A page of a balance's entries, newest first.",
    "An entry in a page."
);

/// What an entry changed of one grant.
#[derive(Clone, Copy)]
pub struct GrantAllocation {
    balance: BalanceId,
    allocation: model::Allocation,
}

impl GrantAllocation {
    /// Those of an entry, in its order.
    #[must_use]
    pub fn of(entry: &entry::Entry) -> Vec<Self> {
        let balance = entry.balance;
        entry.posting.allocations.iter().map(|allocation| Self { balance, allocation: *allocation }).collect()
    }
}

/// What an entry changed of one grant.
#[Object]
impl GrantAllocation {
    /// The grant.
    async fn grant(&self, ctx: &Context<'_>) -> Result<Grant> {
        Grant::get(ctx, self.balance.grant(self.allocation.lot)).await
    }

    /// Credits that it adds to the grant's `remaining`; negative for what was burned.
    async fn credits(&self) -> Decimal {
        self.allocation.credits.into()
    }

    /// Credits that it adds to the grant's `held`.
    async fn held_change(&self) -> Decimal {
        self.allocation.held_change.into()
    }
}

/// A grant's terms as an entry sets them.
#[derive(SimpleObject, Clone)]
pub struct GrantTerms {
    /// How many credits came in, or will.
    pub credits: Decimal,
    /// 0 to 1000; the lower burns first.
    pub priority: i32,
    /// When it begins.
    pub effective_at: DateTime,
    /// When it ends; null when it does not.
    pub expires_at: Option<DateTime>,
    /// What the customer paid for all of it; null when nothing was paid.
    pub cost: Option<Money>,
}

impl From<model::Terms> for GrantTerms {
    fn from(terms: model::Terms) -> Self {
        Self {
            credits: terms.credits.into(),
            priority: terms.priority.into(),
            effective_at: terms.effective_at.into(),
            expires_at: terms.expires_at.map(DateTime),
            cost: terms.cost.map(Money::from),
        }
    }
}

/// A rating, as the domain has it.
#[derive(Clone)]
pub struct Rating(entry::Rating);

impl Rating {
    /// That of an entry.
    #[must_use]
    pub fn of(entry: &entry::Entry) -> Option<Self> {
        entry.note.rating.clone().map(Self)
    }
}

/// How the credits of a usage entry came about: `quantity` × `creditsPerUnit` = `exactCredits`, rounded to `credits`.
#[Object]
impl Rating {
    /// What turned the event into a quantity.
    async fn meter(&self, ctx: &Context<'_>) -> Result<Meter> {
        ctx.loaders().get(self.0.meter).await.map(Meter)
    }

    /// What the meter read in the event, at most 12 fraction digits.
    async fn quantity(&self) -> Decimal {
        Decimal::written(self.0.quantity.clone())
    }

    /// Credits for each unit, as the rule said at the time.
    async fn credits_per_unit(&self) -> Decimal {
        Decimal::written(self.0.credits_per_unit.clone())
    }

    /// The product of both, at most 24 fraction digits.
    async fn exact_credits(&self) -> Decimal {
        Decimal::written(self.0.exact_credits.clone())
    }

    /// The same, rounded half away from zero to 6 fraction digits: what was to be burned, uncovered credits included.
    async fn credits(&self) -> Decimal {
        self.0.credits.into()
    }
}
