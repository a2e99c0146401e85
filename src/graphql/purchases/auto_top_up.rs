//! How a balance buys by itself, on the wire.

use async_graphql::{Context, Enum, Object, Result};

use super::trouble;
use crate::base::buying;
use crate::graphql::catalog::PurchaseOption;
use crate::graphql::context::Reach;
use crate::graphql::loaders::MethodOf;
use crate::graphql::scalars::Decimal;
use crate::ledger::view::View;
use crate::purchases::auto_top_up::{Circumstances, Decision, Status};
use crate::purchases::rules::{Buyer, awaited};
use crate::purchases::service::circumstances;

/// How a balance buys by itself, and how that stands.
#[derive(Clone)]
pub struct AutoTopUp {
    auto: buying::AutoTopUp,
    decision: Decision,
}

impl AutoTopUp {
    /// That of a balance; none where it was never set.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn of(ctx: &Context<'_>, view: &View) -> Result<Option<Self>> {
        let balance = &view.balance;
        let Some(mut auto) = balance.buying.as_deref().and_then(|buying| buying.auto.clone()) else { return Ok(None) };
        if let (Some(failed), Some(_)) = (&mut auto.failed, ctx.caller().only()) {
            // What the provider says is for operators.
            "A payment failed".clone_into(&mut failed.reason);
        }
        let id = view.account.id.customer;
        let customer = ctx.loaders().get(id).await?;
        let method = ctx.loaders().find(MethodOf(id)).await?;
        let catalog = ctx.loaders().catalog().await?;
        let buyer = Buyer { currency: customer.currency, method, ..Buyer::default() };
        let world = circumstances(&catalog, balance, (&buyer, ctx.app().settings.provider()), view.at);
        let awaits = match auto.waits_for {
            Some(number) => ctx.loaders().find(view.account.id.purchase(number)).await?,
            None => None,
        };
        let trouble = awaits.and_then(|purchase| trouble(ctx, &purchase).map(str::to_owned));
        let world = Circumstances { trouble, ..world };
        let decision = auto.decide(view.available(), awaited(balance), &world);
        Ok(Some(Self { auto, decision }))
    }
}

/// How a balance buys more credits by itself: when a change leaves `available` at or below the threshold, one purchase closes
/// the gap to the target. What is already on order counts as if it were there, and there are never two at once.
#[Object]
impl AutoTopUp {
    /// Whether it is switched on.
    async fn enabled(&self) -> bool {
        self.auto.enabled
    }

    /// It buys when `available` is at or below this, in credits: `"200"`.
    async fn threshold(&self) -> Decimal {
        self.auto.threshold.into()
    }

    /// What it buys; the customer sees it also when it is not shown in the portal.
    async fn option(&self, ctx: &Context<'_>) -> Result<PurchaseOption> {
        ctx.loaders().get(self.auto.option).await.map(PurchaseOption)
    }

    /// It buys as many packs at once as it takes to get to at least this, in credits, but no more than 1000; null buys one.
    async fn target(&self) -> Option<Decimal> {
        self.auto.target.map(Decimal::from)
    }

    /// At most this many purchases in 24 hours; those that failed or were canceled do not count.
    async fn daily_limit(&self) -> i32 {
        self.auto.daily_limit
    }

    /// How it stands.
    async fn status(&self) -> AutoTopUpStatus {
        match &self.decision {
            Decision::Enough | Decision::Buy(_) => AutoTopUpStatus::Idle,
            Decision::Blocked { status, .. } => (*status).into(),
        }
    }

    /// Why it does not buy now, as a full sentence; null while there is enough.
    async fn blocked_reason(&self) -> Option<&str> {
        match &self.decision {
            Decision::Enough => None,
            Decision::Buy(_) => Some("It is about to buy: with the balance's next change, or within the hour."),
            Decision::Blocked { reason, .. } => Some(reason),
        }
    }
}

/// How an auto top-up stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub enum AutoTopUpStatus {
    /// There is enough, or it is about to buy.
    Idle,
    /// A purchase waits for its money, whose credits count as if they were there.
    PendingPayment,
    /// It has bought as often in 24 hours as it may.
    DailyLimitReached,
    /// A payment failed or was canceled: it waits 1 hour, then 4, then 24, and then stops until it is set again.
    PaymentFailed,
    /// The customer has no way of payment on record; with `STRIPE`, one is saved with the first purchase that he pays on a page.
    NoPaymentMethod,
    /// It is switched off, or its option cannot be bought any more.
    Disabled,
}
