//! Subscriptions to plans on the wire, and what they charge.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::catalog::plan_items::{ItemOptions, ItemOptionsInput, given_options};
use super::catalog::plans::product;
use super::catalog::{PlanVersion, Product};
use super::context::{Reach, read};
use super::customers::{Customer, customer_of};
use super::errors::{UserError, failed, payload};
use super::ids::{CustomerBy, id_argument, id_input};
use super::ledger::CreditBalance;
use super::ledger::balances::balances_of;
use super::paging::{List, PageArgs, Rows, connection};
use super::patch::try_patch;
use super::scalars::{DateTime, Decimal, Json, Money};
use crate::base::ids::{ChargeId, CustomerId, PlanId, ProductId, SubscriptionId, SubscriptionItemId};
use crate::base::money::Currency;
use crate::base::problem::{Problem, ProblemKind};
use crate::base::time::Time;
use crate::catalog::plans::model::{ItemOptions as Options, PlanItem};
use crate::catalog::plans::options::merged;
use crate::db::Failure;
use crate::intake::PlanOrder;
use crate::intake::input::{Words, keyed};
use crate::subscriptions::change::Changed;
use crate::subscriptions::charges::meter_usage;
use crate::subscriptions::input::{Ask, GivenOverride, ListSubscriptions, NewSubscription, Timing};
use crate::subscriptions::model::{self, Amount, Phase};
use crate::subscriptions::reads::{self, ListCharges};

const SUBSCRIPTIONS: List = List::all("planSubscriptions");
const CHARGES: List = List::all("charges");

/// How many charges of usage are metered at once for the answer of a mutation; the rest follows.
const METERED: i64 = 100;

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
        let version = ctx.loaders().get(self.subscription().phase.version).await?;
        let next = match self.next_phase() {
            Some(phase) => Some((ctx.loaders().get(phase.version).await?, phase)),
            None => None,
        };
        let item = |item: &PlanItem| {
            let options = in_force(&self.subscription().phase, item);
            let next = next.as_ref().and_then(|(version, phase)| {
                let (_, item) = version.item(item.product)?;
                Some((in_force(phase, item), version.content.currency))
            });
            SubscriptionItem(Arc::new(Item {
                id: SubscriptionItemId { subscription: self.subscription().id, product: item.product },
                set: self.subscription().phase.set(item.product).map(Options::set).unwrap_or_default(),
                next: next.filter(|(next, currency)| *next != options || *currency != version.content.currency),
                options,
                plan: item.options.clone(),
                currency: version.content.currency,
            }))
        };
        Ok(version.content.items.iter().map(item).collect())
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

    /// What its periods have cost, oldest first. Usage is charged in arrears, some moments after its period has ended.
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
    async fn metadata(&self) -> Json {
        (&self.subscription().metadata).into()
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.subscription().created_at.into()
    }
}

fn in_force(phase: &Phase, item: &PlanItem) -> Options {
    phase.set(item.product).map_or_else(|| item.options.clone(), |own| merged(own, &item.options))
}

async fn charge_page(ctx: &Context<'_>, list: &List, wanted: ListCharges) -> Result<ChargeConnection> {
    let page = reads::list_charges(&mut read(ctx).await?, &wanted).await.map_err(|error| failed(&error))?;
    Ok(Rows::of(list, page, model::Charge::age, |charge| Charge(Arc::new(charge))).into())
}

/// How a subscription stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Status")]
pub enum PlanSubscriptionStatus {
    /// Its first period is yet to begin.
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
    /// When it ends, which is when the next one begins.
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
    next: Option<(Options, Currency)>,
    plan: Options,
    currency: Currency,
}

/// What a subscription has of one product.
#[Object]
impl SubscriptionItem {
    /// Its id: `"sbi_…"`.
    async fn id(&self) -> ID {
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
        let (options, currency) = self.0.next.as_ref()?;
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

/// What a period of an item costs, as the domain has it.
#[derive(Clone)]
pub struct Charge(pub Arc<model::Charge>);

/// What a period of one item costs, for an invoicing system to collect: flat fees and seats in advance, usage in arrears. A
/// period of an item is charged once and never again, and what was charged stays.
#[Object]
impl Charge {
    /// Its id: `"chg_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The subscription.
    async fn subscription(&self, ctx: &Context<'_>) -> Result<PlanSubscription> {
        PlanSubscription::get(ctx, self.0.id.subscription).await
    }

    /// The product.
    async fn product(&self, ctx: &Context<'_>) -> Result<Product> {
        product(ctx, self.0.product).await.map(Product::from)
    }

    /// The period that it is for.
    async fn period(&self) -> Period {
        self.0.period.into()
    }

    /// For people, as it was when it was charged: `"Seats: 5 at 10.00 EUR"`.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// How many: 1 for a flat fee, seats, or metered units beyond those that are included.
    async fn quantity(&self) -> Decimal {
        match &self.0.amount {
            Amount::Known { quantity, .. } => Decimal::written(quantity.clone()),
            Amount::ToBeMetered(_) => Decimal::zero(),
        }
    }

    /// What that costs, rounded half away from zero to the currency's digits, once.
    async fn amount(&self) -> Money {
        match &self.0.amount {
            Amount::Known { amount, .. } => (*amount).into(),
            Amount::ToBeMetered(terms) => crate::base::money::Money { minor: 0, currency: terms.currency() }.into(),
        }
    }

    /// When it was written down, which may be later than its period says where a server was down, or a subscription began in
    /// the past.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

connection!(
    PlanSubscriptionConnection,
    PlanSubscriptionEdge,
    PlanSubscription,
    "A page of subscriptions, newest first.",
    "A subscription in a page."
);
connection!(ChargeConnection, ChargeEdge, Charge, "A page of charges, oldest first.", "A charge in a page.");

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// A subscription to be made.
#[derive(InputObject, Clone, Debug)]
pub struct CreatePlanSubscriptionInput {
    /// Who subscribes.
    pub customer: CustomerBy,
    /// To which plan: its latest version.
    pub plan_id: ID,
    /// When it starts: at most 10 years away; now, when it is left out. A start in the past grants and charges what the
    /// periods since would have, at most 1,000 of them.
    pub starts_at: Option<DateTime>,
    /// What the subscription sets itself, each product once.
    #[graphql(default)]
    pub overrides: Vec<SubscriptionItemOverrideInput>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
    /// What makes a repeat harmless: 1 to 255 characters, unique for each command of the customer. The same key with the
    /// same input answers the first result again.
    pub idempotency_key: String,
}

/// What a new subscription sets itself of one product.
#[derive(InputObject, Clone, Debug)]
pub struct SubscriptionItemOverrideInput {
    /// A product that the plan holds.
    pub product_id: ID,
    /// What it sets; what is left out inherits from the plan.
    pub options: ItemOptionsInput,
}

/// What a subscription sets itself of one product from now on. Threshold, overdraft, consumption and purchase options change
/// at once; everything else from the next period on.
#[derive(InputObject, Clone, Debug)]
pub struct OverrideSubscriptionItemInput {
    /// The subscription's id.
    pub subscription_id: ID,
    /// A product that its plan holds.
    pub product_id: ID,
    /// What changes: what is left out stays, null inherits from the plan again. Null for all of it inherits everything again.
    pub options: MaybeUndefined<ItemOptionsInput>,
}

/// A change of plan.
#[derive(InputObject, Clone, Debug)]
pub struct ChangeSubscriptionPlanInput {
    /// The subscription's id.
    pub subscription_id: ID,
    /// The plan, of which the latest version is taken.
    pub plan_id: ID,
    /// When it takes place.
    #[graphql(default_with = "ChangeTiming::PeriodEnd")]
    pub effective: ChangeTiming,
}

/// When a change takes place.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Timing")]
pub enum ChangeTiming {
    /// At once: the period ends now, what is unused of its included credits is void, usage so far is charged. Nothing rolls
    /// over, and nothing that was paid in advance comes back.
    Now,
    /// When the period ends.
    PeriodEnd,
}

/// A subscription to be cancelled.
#[derive(InputObject, Clone, Debug)]
pub struct CancelPlanSubscriptionInput {
    /// The subscription's id.
    pub subscription_id: ID,
    /// When it ends.
    #[graphql(default_with = "ChangeTiming::PeriodEnd")]
    pub effective: ChangeTiming,
}

/// A subscription that is to go on as it is.
#[derive(InputObject, Clone, Debug)]
pub struct ResumePlanSubscriptionInput {
    /// The subscription's id.
    pub subscription_id: ID,
}

/// What a mutation of a subscription answers.
#[derive(SimpleObject, Default)]
pub struct PlanSubscriptionPayload {
    /// The subscription as it stands now; null when nothing happened.
    pub subscription: Option<PlanSubscription>,
    /// True when this is an earlier result: of the same idempotency key, or of what was so already.
    pub replayed: bool,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(PlanSubscriptionPayload);

/// What was done, shown as of now; usage of a period that was ended is metered before.
async fn shown(ctx: &Context<'_>, outcome: Result<Changed, Failure>) -> Option<Result<PlanSubscriptionPayload>> {
    Some(match outcome {
        Ok(Changed { subscription, replayed }) => {
            let now = ctx.refresh();
            if let Err(error) = meter_usage(&ctx.app().db, now, Some(subscription.id), METERED).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "usage is metered later");
            }
            let subscription = Some(PlanSubscription::of(subscription, now));
            Ok(PlanSubscriptionPayload { subscription, replayed, errors: Vec::new() })
        }
        Err(Failure::Problem(problem)) => {
            Ok(PlanSubscriptionPayload { errors: vec![problem.into()], ..PlanSubscriptionPayload::default() })
        }
        Err(Failure::Db(error)) => Err(failed(&error)),
    })
}

/// Asks something of the subscription that an input names.
async fn ask(ctx: &Context<'_>, id: &ID, ask: Result<Ask, Problem>) -> Option<Result<PlanSubscriptionPayload>> {
    ctx.refresh();
    let outcome = async {
        let id: SubscriptionId = id_input(&["subscriptionId"], id)?;
        let order = PlanOrder::Change { id, ask: ask? };
        ctx.app().intake.subscribe(order).await.map_err(|failure| match failure {
            Failure::Problem(problem) => Failure::Problem(about_it(problem)),
            Failure::Db(error) => Failure::Db(error),
        })
    };
    shown(ctx, outcome.await).await
}

/// A problem that names no field is said of the subscription.
fn about_it(problem: Problem) -> Problem {
    let whole = matches!(problem.kind, ProblemKind::NotFound { .. } | ProblemKind::State { .. });
    if whole && problem.path.is_empty() { problem.within(&["subscriptionId"]) } else { problem }
}

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

    /// Charges of all subscriptions by when they were written down, oldest first: what an invoicing system collects. Usage is
    /// written down some moments after its period has ended.
    async fn charges(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what was written down then or later.")] from: DateTime,
        #[graphql(desc = "Only what was written down before that.")] until: DateTime,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<ChargeConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&CHARGES)?;
            charge_page(ctx, &CHARGES, ListCharges { of: None, from: Some(from.0), until: Some(until.0), page }).await
        };
        Some(found.await)
    }
}

/// The mutations of subscriptions.
#[derive(Default)]
pub struct SubscriptionMutation;

#[Object]
impl SubscriptionMutation {
    /// Subscribes a customer to a plan. For each of its credit products the customer's open balance joins, or one is opened.
    /// AlreadyExists names the subscription by which the customer has one of its credit products already.
    async fn create_plan_subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The subscription.")] input: CreatePlanSubscriptionInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        ctx.refresh();
        let outcome = async {
            let customer = customer_of(ctx, &input.customer).await?;
            let own = |(index, own): (usize, SubscriptionItemOverrideInput)| {
                let index = index.to_string();
                let product = id_input(&["overrides", &index, "productId"], &own.product_id)?;
                let options = given_options(own.options);
                let options = options.map_err(|problem| problem.within(&["overrides", &index, "options"]))?;
                Ok(GivenOverride { product, options })
            };
            let new = NewSubscription {
                customer,
                plan: id_input(&["planId"], &input.plan_id)?,
                starts_at: input.starts_at.map(|start| start.0),
                overrides: input.overrides.into_iter().enumerate().map(own).collect::<Result<_, Problem>>()?,
                metadata: input.metadata.map(|metadata| metadata.0),
            };
            let words = Words { reason: None, metadata: new.metadata.clone() };
            let key = keyed(&input.idempotency_key, "createPlanSubscription", (customer, new.fields()), &words)?;
            ctx.app().intake.subscribe(PlanOrder::Create { new, key }).await
        };
        shown(ctx, outcome.await).await
    }

    /// Sets options of one product for this subscription alone, or inherits them from the plan again. InvalidState
    /// `"CANCELED"` when the subscription has ended.
    async fn override_subscription_item(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: OverrideSubscriptionItemInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        let wanted = || {
            let product: ProductId = id_input(&["productId"], &input.product_id)?;
            let options = try_patch(input.options, given_options);
            Ok(Ask::Override { product, options: options.map_err(|problem| problem.within(&["options"]))? })
        };
        ask(ctx, &input.subscription_id, wanted()).await
    }

    /// Changes the plan, to its latest version: at once, when a new period begins that anchors the next ones, or with the
    /// next period. What the subscription sets itself goes on for the products that both plans hold. What is so already is
    /// answered as it is.
    async fn change_subscription_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: ChangeSubscriptionPlanInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        let plan = id_input(&["planId"], &input.plan_id);
        let wanted = plan.map(|plan| Ask::Change { plan, timing: input.effective.into() });
        ask(ctx, &input.subscription_id, wanted).await
    }

    /// Ends a subscription: at once, or when its period ends. What its balances inherit from it is gone at that instant. One
    /// that is yet to begin does not begin.
    async fn cancel_plan_subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and when.")] input: CancelPlanSubscriptionInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        ask(ctx, &input.subscription_id, Ok(Ask::Cancel { timing: input.effective.into() })).await
    }

    /// Takes a cancellation or a change of plan back that has not happened yet.
    async fn resume_plan_subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ResumePlanSubscriptionInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        ask(ctx, &input.subscription_id, Ok(Ask::Resume)).await
    }
}

/// The charge with this id, once it is known.
///
/// # Errors
/// The top-level error of the database.
pub async fn find_charge(ctx: &Context<'_>, id: ChargeId) -> Result<Option<Charge>> {
    let found = reads::find_charge(&mut read(ctx).await?, id).await.map_err(|error| failed(&error))?;
    Ok(found.map(|charge| Charge(Arc::new(charge))))
}
