//! Subscriptions to plans on the wire, and what they charge.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

pub mod charges;
pub mod mutations;

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use super::catalog::plan_items::ItemOptions;
use super::catalog::plans::product;
use super::catalog::{PlanVersion, Product};
use super::context::{Reach, read};
use super::customers::Customer;
use super::errors::failed;
use super::ids::id_argument;
use super::ledger::CreditBalance;
use super::ledger::balances::balances_of;
use super::paging::{List, PageArgs, Rows, connection};
use super::scalars::{DateTime, Json};
use crate::base::ids::{CustomerId, PlanId, SubscriptionId, SubscriptionItemId};
use crate::base::money::Currency;
use crate::base::time::Time;
use crate::catalog::plans::model::{ItemOptions as Options, PlanItem};
use crate::catalog::plans::options::merged;
use crate::subscriptions::input::ListSubscriptions;
use crate::subscriptions::model::{self, Phase};
use crate::subscriptions::reads::{self, ListCharges};
pub use charges::{Charge, find_charge};
use charges::{ChargeConnection, charge_page};

const SUBSCRIPTIONS: List = List::all("planSubscriptions");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A subscription, as it stands at the operation's instant.
#[derive(Clone)]
pub struct PlanSubscription(Arc<Shown>);

struct Shown {
    subscription: model::Subscription,
    at: Time,
}

impl PlanSubscription {
    /// A subscription as of `now`, whatever of that is on record yet.
    #[must_use]
    pub fn of(subscription: model::Subscription, now: Time) -> Self {
        Self(Arc::new(Shown { subscription: subscription.at(now), at: now }))
    }

    /// The subscription with this id; none when there is none.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: SubscriptionId) -> Result<Option<Self>> {
        let found = ctx.loaders().find(id).await?;
        Ok(found.map(|subscription| Self::of(Arc::unwrap_or_clone(subscription), ctx.now())))
    }

    /// The subscription with this id, which something else names.
    ///
    /// # Errors
    /// The top-level error of the database, also when it is not there.
    pub async fn get(ctx: &Context<'_>, id: SubscriptionId) -> Result<Self> {
        Ok(Self::of(Arc::unwrap_or_clone(ctx.loaders().get(id).await?), ctx.now()))
    }

    /// What it has of each product of its plan.
    async fn all_items(&self, ctx: &Context<'_>) -> Result<Vec<SubscriptionItem>> {
        let version = ctx.loaders().get(self.subscription().phase.version).await?;
        let next = match self.next_phase() {
            Some(phase) => Some((ctx.loaders().get(phase.version).await?, phase)),
            None => None,
        };
        let item = |item: &PlanItem| {
            let options = in_force(&self.subscription().phase, item);
            let set_in = |phase: &Phase| phase.set(item.product).map(Options::set).unwrap_or_default();
            let next = next.as_ref().and_then(|(version, phase)| {
                let (_, item) = version.item(item.product)?;
                Some(NextItem {
                    options: in_force(phase, item),
                    currency: version.content.currency,
                    set: set_in(phase),
                })
            });
            let differs = |next: &NextItem| next.options != options || next.currency != version.content.currency;
            SubscriptionItem(Arc::new(Item {
                id: SubscriptionItemId { subscription: self.subscription().id, product: item.product },
                set: set_in(&self.subscription().phase),
                next: next.filter(differs),
                options,
                plan: item.options.clone(),
                currency: version.content.currency,
            }))
        };
        Ok(version.content.items.iter().map(item).collect())
    }

    fn subscription(&self) -> &model::Subscription {
        &self.0.subscription
    }

    /// What holds from the next period on, where there is one.
    fn next_phase(&self) -> Option<&Phase> {
        let subscription = self.subscription();
        let goes_on = subscription.ends_at.is_none_or(|end| subscription.boundary() < end);
        subscription.next.as_ref().map(|next| &next.phase).filter(|_| goes_on)
    }
}

/// A customer's subscription to a plan, on the version that it started with until its plan is changed. Each period brings the
/// included credits and the charges of its items; what the subscription sets itself goes before the plan.
#[Object]
impl PlanSubscription {
    /// Its id: `"sub_…"`.
    pub async fn id(&self) -> ID {
        self.subscription().id.into()
    }

    /// Who subscribed.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Customer> {
        ctx.loaders().get(self.subscription().id.customer).await.map(Customer)
    }

    /// The version of the plan that it is on.
    async fn plan_version(&self, ctx: &Context<'_>) -> Result<PlanVersion> {
        ctx.loaders().get(self.subscription().phase.version).await.map(PlanVersion)
    }

    /// How it stands now.
    async fn status(&self) -> PlanSubscriptionStatus {
        self.subscription().status(self.0.at).into()
    }

    /// When its first period begins.
    async fn starts_at(&self) -> DateTime {
        self.subscription().starts_at.into()
    }

    /// The period under way; null before the first one and after the end.
    async fn current_period(&self) -> Option<Period> {
        self.subscription().current_period(self.0.at).map(Period::from)
    }

    /// What it has of each product of its plan.
    async fn items(&self, ctx: &Context<'_>) -> Result<Vec<SubscriptionItem>> {
        self.all_items(ctx).await
    }

    /// When it will end, or ended; null when nobody has cancelled it.
    async fn cancel_at(&self) -> Option<DateTime> {
        self.subscription().ends_at.map(DateTime)
    }

    /// When it ended; null while it has not.
    async fn ended_at(&self) -> Option<DateTime> {
        self.subscription().ends_at.filter(|end| *end <= self.0.at).map(DateTime)
    }

    /// The version that it will be on from the next period on; null when that is the one that it is on.
    async fn pending_plan_version(&self, ctx: &Context<'_>) -> Option<Result<PlanVersion>> {
        let version = self.next_phase()?.version;
        let pending = version != self.subscription().phase.version;
        if pending { Some(ctx.loaders().get(version).await.map(PlanVersion)) } else { None }
    }

    /// What its periods have cost, oldest first. Usage is charged in arrears, some minutes after its period has ended.
    async fn charges(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<ChargeConnection>> {
        let of = self.subscription().id;
        let wanted = async {
            let list = List::of("charges", of);
            let page = PageArgs { first, after, last, before }.request(&list)?;
            charge_page(ctx, &list, ListCharges { of: Some(of), from: None, until: None, page }).await
        };
        Some(wanted.await)
    }

    /// Your own data: a JSON object.
    fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.json(&self.subscription().metadata)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.subscription().created_at.into()
    }
}

fn in_force(phase: &Phase, item: &PlanItem) -> Options {
    phase.set(item.product).map_or_else(|| item.options.clone(), |own| merged(own, &item.options))
}

/// How a subscription stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Status")]
pub enum PlanSubscriptionStatus {
    /// Its start is yet to come; one that was cancelled will not begin.
    Scheduled,
    /// It runs, also when it was cancelled and its end is yet to come.
    Active,
    /// It has ended.
    Canceled,
}

/// A period of a subscription: from its start until just before its end.
#[derive(SimpleObject, Clone, Copy)]
pub struct Period {
    /// Its number within the subscription: 0, 1, 2 …
    pub index: i32,
    /// When it begins.
    pub start: DateTime,
    /// When it ends by the calendar. One that is ended at once by a change of plan ends earlier: with the next one's start.
    pub end: DateTime,
}

impl From<model::Period> for Period {
    fn from(period: model::Period) -> Self {
        Self { index: period.index, start: period.start.into(), end: period.end.into() }
    }
}

/// What a subscription has of one product.
#[derive(Clone)]
pub struct SubscriptionItem(Arc<Item>);

struct Item {
    id: SubscriptionItemId,
    set: Vec<&'static str>,
    options: Options,
    next: Option<NextItem>,
    plan: Options,
    currency: Currency,
}

/// What the item is from the next period on.
struct NextItem {
    options: Options,
    currency: Currency,
    set: Vec<&'static str>,
}

impl SubscriptionItem {
    /// The item with this id; none when there is none.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: SubscriptionItemId) -> Result<Option<Self>> {
        let Some(subscription) = PlanSubscription::find(ctx, id.subscription).await? else { return Ok(None) };
        Ok(subscription.all_items(ctx).await?.into_iter().find(|item| item.0.id == id))
    }
}

/// What a subscription has of one product.
#[Object]
impl SubscriptionItem {
    /// Its id: `"sbi_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The product.
    async fn product(&self, ctx: &Context<'_>) -> Result<Product> {
        product(ctx, self.0.id.product).await.map(Product::from)
    }

    /// In force: the plan's options with what the subscription sets itself on top.
    async fn options(&self, ctx: &Context<'_>) -> Result<ItemOptions> {
        ItemOptions::of(&product(ctx, self.0.id.product).await?, &self.0.options, self.0.currency)
    }

    /// From the next period on; null where nothing differs.
    async fn next_options(&self, ctx: &Context<'_>) -> Option<Result<ItemOptions>> {
        let NextItem { options, currency, .. } = self.0.next.as_ref()?;
        Some(match product(ctx, self.0.id.product).await {
            Ok(product) => ItemOptions::of(&product, options, *currency),
            Err(error) => Err(error),
        })
    }

    /// What the plan says, without what the subscription sets itself.
    async fn plan_options(&self, ctx: &Context<'_>) -> Result<ItemOptions> {
        ItemOptions::of(&product(ctx, self.0.id.product).await?, &self.0.plan, self.0.currency)
    }

    /// The names of the options in force that the subscription sets itself, such as `"includedCredits"`.
    async fn overrides(&self) -> Vec<&'static str> {
        self.0.set.clone()
    }

    /// The names of those of `nextOptions` that the subscription sets itself; empty while `nextOptions` is null.
    async fn next_overrides(&self) -> Vec<&'static str> {
        self.0.next.as_ref().map(|next| next.set.clone()).unwrap_or_default()
    }

    /// For a credit product: the customer's open balance of it; null where none is open.
    async fn balance(&self, ctx: &Context<'_>) -> Option<Result<CreditBalance>> {
        let SubscriptionItemId { subscription, product } = self.0.id;
        let of_product = |balance: &CreditBalance| balance.is_open_of(product);
        match balances_of(ctx, subscription.customer).await {
            Ok(balances) => balances.into_iter().find(of_product).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

connection!(
    PlanSubscriptionConnection,
    PlanSubscriptionEdge,
    PlanSubscription,
    "A page of subscriptions, newest first.",
    "A subscription in a page."
);
// --- Fields ------------------------------------------------------------------------------------------------------------

/// Which subscriptions are asked for.
pub(super) struct SubscriptionArgs {
    /// Only this customer's.
    pub(super) customer: Option<CustomerId>,
    /// Only those to this plan.
    pub(super) plan: Option<PlanId>,
    /// Only those that stand so.
    pub(super) status: Option<Vec<PlanSubscriptionStatus>>,
    /// Which page.
    pub(super) page: PageArgs,
}

/// A page of subscriptions.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for arguments that are none, or the database's.
pub(super) async fn subscriptions(
    ctx: &Context<'_>,
    list: &List,
    args: SubscriptionArgs,
) -> Result<PlanSubscriptionConnection> {
    let now = ctx.now();
    let wanted = ListSubscriptions {
        customer: args.customer,
        plan: args.plan,
        status: args.status.map(|status| status.into_iter().map(Into::into).collect()),
        page: args.page.request(list)?,
    };
    let page = reads::list_subscriptions(&mut read(ctx).await?, &wanted, now).await.map_err(|error| failed(&error))?;
    Ok(Rows::of(list, page, model::Subscription::age, |subscription| PlanSubscription::of(subscription, now)).into())
}

/// The queries of subscriptions.
#[derive(Default)]
pub struct SubscriptionQuery;

#[Object]
impl SubscriptionQuery {
    /// One subscription to a plan; null when there is none.
    async fn plan_subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id: `\"sub_…\"`.")] id: ID,
    ) -> Option<Result<PlanSubscription>> {
        let found = async { PlanSubscription::find(ctx, id_argument("id", &id)?).await };
        found.await.transpose()
    }

    /// Subscriptions of all customers, newest first.
    async fn plan_subscriptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that are to this plan now.")] plan_id: Option<ID>,
        #[graphql(desc = "Only those that stand so now; left out, all.")] status: Option<Vec<PlanSubscriptionStatus>>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<PlanSubscriptionConnection>> {
        let found = async {
            let plan = plan_id.map(|id| id_argument("planId", &id)).transpose()?;
            let page = PageArgs { first, after, last, before };
            subscriptions(ctx, &SUBSCRIPTIONS, SubscriptionArgs { customer: None, plan, status, page }).await
        };
        Some(found.await)
    }
}
