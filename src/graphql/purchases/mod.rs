//! Purchases on the wire, and how balances buy by themselves.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

pub mod auto_top_up;
pub mod mutations;

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result};

use super::catalog::PurchaseOption;
use super::context::{Reach, read};
use super::customers::Customer;
use super::errors::failed;
use super::ids::id_argument;
use super::ledger::enums::Origin;
use super::ledger::{CreditBalance, Grant};
use super::paging::{List, PageArgs, Rows, connection};
use super::scalars::{DateTime, Decimal, Money};
use crate::base::ids::{CustomerId, PurchaseId};
use crate::purchases::input::ListPurchases;
use crate::purchases::model::{self, Provider, Status};
use crate::purchases::reads;

const PURCHASES: List = List::all("purchases");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A purchase, as the domain has it.
#[derive(Clone)]
pub struct Purchase(pub Arc<model::Purchase>);

impl Purchase {
    /// The purchase with this id; none when there is none, or the caller may not see it.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: PurchaseId) -> Result<Option<Self>> {
        if !ctx.may_see(id.balance.customer) {
            return Ok(None);
        }
        Ok(ctx.loaders().find(id).await?.map(Self))
    }

    /// The purchase with this id, which something else names.
    ///
    /// # Errors
    /// The top-level error of the database, also when it is not there.
    pub async fn get(ctx: &Context<'_>, id: PurchaseId) -> Result<Self> {
        ctx.loaders().get(id).await.map(Self)
    }
}

/// What is in the way of a purchase, if something is, as the caller may know it.
fn trouble<'a>(ctx: &Context<'_>, purchase: &'a model::Purchase) -> Option<&'a str> {
    if ctx.caller().only().is_some() { purchase.told_customers() } else { purchase.failure.as_deref() }
}

/// Credits that a customer buys. It is `PENDING` until the money has come; then its credits are there, once.
#[Object]
impl Purchase {
    /// Its id: `"pur_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Who buys.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Customer> {
        ctx.loaders().get(self.0.id.balance.customer).await.map(Customer)
    }

    /// The balance that its credits are for, as it stands now.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.0.id.balance).await
    }

    /// What is bought; the customer sees it also when it is not shown in the portal.
    async fn option(&self, ctx: &Context<'_>) -> Result<PurchaseOption> {
        ctx.loaders().get(self.0.option).await.map(PurchaseOption)
    }

    /// How often the option is bought.
    async fn quantity(&self) -> i32 {
        self.0.quantity
    }

    /// How many credits that is.
    async fn credits(&self) -> Decimal {
        self.0.credits.into()
    }

    /// What all of it costs: the quantity times the option's price.
    async fn price(&self) -> Money {
        self.0.price.into()
    }

    /// How it stands.
    async fn status(&self) -> PurchaseStatus {
        self.0.status.into()
    }

    /// Who asked for it: the API, the customer in the portal, or the balance's auto top-up.
    async fn origin(&self) -> Origin {
        self.0.origin.into()
    }

    /// Who takes the money.
    async fn provider(&self) -> PaymentProvider {
        self.0.provider.into()
    }

    /// The provider's page to pay on. Null for `MANUAL`, for auto top-ups, while the provider cannot be reached
    /// (`failureReason` says so), and once the purchase is settled. A page that is not used in time makes it `FAILED`.
    async fn payment_url(&self) -> Option<&str> {
        self.0.payment_url.as_deref().filter(|_| self.0.is_pending())
    }

    /// What the provider calls the payment, or, until there is one, the page; for `MANUAL` what was said when it was paid.
    async fn provider_reference(&self) -> Option<&str> {
        self.0.known_as()
    }

    /// Why it is not paid, or why money that is to go back has not yet; null when nothing is in the way. What the provider says
    /// is for your keys; a portal session is told in general terms.
    fn failure_reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        ctx.prose(trouble(ctx, &self.0))
    }

    /// The grant that it made; null until it is paid.
    async fn grant(&self, ctx: &Context<'_>) -> Option<Result<Grant>> {
        let lot = self.0.lot?;
        Grant::find(ctx, self.0.id.balance.grant(lot)).await.transpose()
    }

    /// What went back to the customer, or is on its way; with `MANUAL`, what you are to give back. 0 when nothing is.
    async fn refunded(&self) -> Money {
        self.0.refunded.into()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When its money had come.
    async fn paid_at(&self) -> Option<DateTime> {
        self.0.paid_at.map(DateTime)
    }

    /// When it failed, was canceled or refunded.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }
}

/// How a purchase stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub enum PurchaseStatus {
    /// Its money is waited for.
    Pending,
    /// Its money has come, and its credits are there.
    Paid,
    /// There will be no money; `failureReason` says why.
    Failed,
    /// It was canceled before it was paid.
    Canceled,
    /// What was left of its credits was taken back, and the money for that goes back.
    Refunded,
}

/// Who takes the money of a purchase.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Provider")]
pub enum PaymentProvider {
    /// You do, and say so with `markPurchasePaid`.
    Manual,
    /// Stripe does, on a page of its own or by what the customer saved there.
    Stripe,
}

connection!(PurchaseConnection, PurchaseEdge, Purchase, "A page of purchases, newest first.", "A purchase in a page.");

/// What is asked for of a list of purchases.
pub struct PurchaseArgs {
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Only those that stand so.
    pub status: Option<Vec<PurchaseStatus>>,
    /// Which page.
    pub page: PageArgs,
}

/// A page of a list of purchases.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for a page that cannot be, or the database's.
pub async fn purchases(ctx: &Context<'_>, list: &List, args: PurchaseArgs) -> Result<PurchaseConnection> {
    let page = args.page.request(list)?;
    let status = args.status.map(|wanted| wanted.into_iter().map(Into::into).collect());
    let wanted = ListPurchases { customer: args.customer, status, page };
    let page = reads::list_purchases(&mut read(ctx).await?, &wanted).await.map_err(|error| failed(&error))?;
    Ok(Rows::of(list, page, model::Purchase::age, |purchase| Purchase(Arc::new(purchase))).into())
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The queries of purchases.
#[derive(Default)]
pub struct PurchaseQuery;

#[Object]
impl PurchaseQuery {
    /// One purchase; null when there is none.
    async fn purchase(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id: `\"pur_…\"`.")] id: ID,
    ) -> Option<Result<Purchase>> {
        let found = async { Purchase::find(ctx, id_argument("id", &id)?).await };
        found.await.transpose()
    }

    /// Purchases, newest first.
    async fn purchases(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that stand so now; left out, all.")] status: Option<Vec<PurchaseStatus>>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<PurchaseConnection>> {
        let page = PageArgs { first, after, last, before };
        Some(purchases(ctx, &PURCHASES, PurchaseArgs { customer: None, status, page }).await)
    }
}
