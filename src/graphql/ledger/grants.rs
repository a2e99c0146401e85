//! Grants on the wire: lots of credits that came in together.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use super::balances::CreditBalance;
use super::enums::{GrantSource, GrantState};
use crate::base::ids::{GrantId, SubscriptionId};
use crate::graphql::context::{Reach, read};
use crate::graphql::errors::{failed, missing};
use crate::graphql::loaders::KnownBalance;
use crate::graphql::paging::connection;
use crate::graphql::purchases::Purchase;
use crate::graphql::scalars::{DateTime, Decimal, Json, Money};
use crate::graphql::subscriptions::PlanSubscription;
use crate::ledger::store;
use crate::ledger::view::GrantView;

/// A grant as of the operation's instant.
#[derive(Clone)]
pub struct Grant(pub Arc<GrantView>);

impl Grant {
    /// The grant with this id; none when there is none.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: GrantId) -> Result<Option<Self>> {
        let loaders = ctx.loaders();
        let (record, known) = futures_util::try_join!(loaders.find(id), loaders.find(id.balance))?;
        let Some(mut known) = known else { return Ok(None) };
        let Some(record) = record else {
            // A period may have brought it since the newest entry.
            let balance = CreditBalance::of(known, ctx.now());
            let brought = balance.view().brought().find(|grant| grant.record.id() == id);
            return Ok(brought.map(|grant| Self(Arc::new(grant))));
        };
        if known.balance.account.sequence < id.sequence {
            // The balance was read before the grant came in; what is left of it stands in the balance of now.
            let again = store::find_balances(&mut read(ctx).await?, &[id.balance]).await;
            let balance = again.map_err(|error| failed(&error))?.pop().ok_or_else(|| missing(&id.balance))?;
            known = KnownBalance { balance: Arc::new(balance), ..known };
        }
        let record = Arc::unwrap_or_clone(record);
        Ok(Some(Self(Arc::new(CreditBalance::of(known, ctx.now()).view().grant(record)))))
    }

    /// The grant with this id, which an entry names.
    ///
    /// # Errors
    /// The top-level error of the database, also when it is not there.
    pub async fn get(ctx: &Context<'_>, id: GrantId) -> Result<Self> {
        Self::find(ctx, id).await?.ok_or_else(|| missing(&id))
    }
}

/// Credits that came in together, with terms of their own. Deductions burn a balance's grants by priority (the lowest
/// number first), then the earliest expiry, then free before paid, then the oldest.
#[Object]
impl Grant {
    /// Its id: `"grt_…"`.
    pub async fn id(&self) -> ID {
        self.0.record.id().into()
    }

    /// The balance that it came into.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.0.record.balance).await
    }

    /// Where it came from.
    async fn source(&self) -> GrantSource {
        self.0.record.lot.source.into()
    }

    /// How it stands now; what begins or ends by time alone does so to the microsecond.
    async fn state(&self) -> GrantState {
        self.0.state.into()
    }

    /// How many credits came in, or will come in at `effectiveAt`.
    async fn credits(&self) -> Decimal {
        self.0.record.lot.credits.into()
    }

    /// What is left of it, set aside by holds or not; `"0"` before it begins.
    async fn remaining(&self) -> Decimal {
        self.0.record.lot.remaining.into()
    }

    /// What holds set aside of it.
    async fn held(&self) -> Decimal {
        self.0.record.lot.held.into()
    }

    /// 0 to 1000, by default 500; the lower burns first.
    async fn priority(&self) -> i32 {
        self.0.record.lot.priority.into()
    }

    /// When it begins.
    async fn effective_at(&self) -> DateTime {
        self.0.record.lot.effective_at.into()
    }

    /// When it ends: its last moment is just before this. Null when it does not.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.record.lot.expires_at.map(DateTime)
    }

    /// What the customer paid for all of it; null when nothing was paid.
    async fn cost(&self) -> Option<Money> {
        self.0.record.lot.cost.map(Money::from)
    }

    /// The purchase that it was paid for by; null when it was not bought.
    async fn purchase(&self, ctx: &Context<'_>) -> Option<Result<Purchase>> {
        let record = &self.0.record;
        Some(Purchase::get(ctx, record.balance.purchase(record.purchase?)).await)
    }

    /// The subscription whose period brought it; null when none did.
    async fn subscription(&self, ctx: &Context<'_>) -> Option<Result<PlanSubscription>> {
        let record = &self.0.record;
        let id = SubscriptionId { customer: record.balance.customer, number: record.subscription? };
        Some(PlanSubscription::get(ctx, id).await)
    }

    /// Why it came in, in the words of who brought it.
    fn reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        ctx.prose(self.0.record.reason.as_deref())
    }

    /// Your own data: a JSON object.
    fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.internal(&self.0.record.metadata)
    }

    /// When its entry was written.
    async fn created_at(&self) -> DateTime {
        self.0.record.created_at.into()
    }
}

connection!(
    GrantConnection,
    GrantEdge,
    Grant,
    "A page of grants, in the order in which they burn.",
    "A grant in a page."
);
