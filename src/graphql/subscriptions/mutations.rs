//! What is asked of subscriptions.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::PlanSubscription;
use crate::base::chain::chain;
use crate::base::given::Given;
use crate::base::ids::{CustomerId, ProductId, SubscriptionId};
use crate::base::problem::{Problem, Problems, all};
use crate::base::time::Time;
use crate::catalog::plans::options;
use crate::db::Failure;
use crate::graphql::catalog::plan_items::{ItemOptionsInput, given_options};
use crate::graphql::context::Reach;
use crate::graphql::customers::resolve_customer;
use crate::graphql::errors::{UserError, payload, refused};
use crate::graphql::ids::{CustomerBy, customer_input, id_given, id_input};
use crate::graphql::patch::patch;
use crate::graphql::scalars::Json;
use crate::intake::PlanOrder;
use crate::intake::input::{Words, keyed};
use crate::subscriptions::charges::meter_usage;
use crate::subscriptions::create;
use crate::subscriptions::input::{Ask, GivenOverride, NewSubscription, Timing};
use crate::subscriptions::model::Changed;

/// How many charges of usage are metered at once for the answer of a mutation; the rest follows.
const METERED: i64 = 100;

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
    pub starts_at: Option<Given<Time>>,
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
    /// A product that its plan holds, or the plan that it is about to change to.
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

/// What was done, shown as of now.
fn shown(ctx: &Context<'_>, outcome: Result<Changed, Failure>) -> Result<PlanSubscriptionPayload> {
    match outcome {
        Ok(Changed { subscription, replayed, .. }) => {
            let now = ctx.refresh();
            let subscription = Some(PlanSubscription::of(subscription, now));
            Ok(PlanSubscriptionPayload { subscription, replayed, errors: Vec::new() })
        }
        Err(failure) => refused(ctx, failure),
    }
}

/// Meters the usage of periods that a mutation ended, or that lie in the past of what it made: nobody waits for more of it.
async fn meter(ctx: &Context<'_>, outcome: &Result<Changed, Failure>) {
    let Ok(Changed { subscription, .. }) = outcome else { return };
    if let Err(error) = meter_usage(&ctx.app().db, &ctx.app().clock, Some(subscription.id), METERED).await {
        tracing::warn!(error = %chain(&error), "usage is metered later");
    }
}

/// Asks something of the subscription that an input names.
async fn ask(
    ctx: &Context<'_>,
    id: &ID,
    ask: Result<Ask, impl Into<Problems>>,
) -> Option<Result<PlanSubscriptionPayload>> {
    ctx.refresh();
    let ends = matches!(&ask, Ok(Ask::Cancel { timing: Timing::Now } | Ask::Change { timing: Timing::Now, .. }));
    let outcome = async {
        let (id, ask) = all((id_input::<SubscriptionId>(&["subscriptionId"], id), ask))?;
        let order = PlanOrder::Change { id, ask };
        ctx.intake().subscribe(order).await.map_err(|failure| failure.about("subscriptionId"))
    };
    let outcome = outcome.await;
    if ends {
        meter(ctx, &outcome).await;
    }
    Some(shown(ctx, outcome))
}

// --- Fields ------------------------------------------------------------------------------------------------------------

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
            let own = |own: SubscriptionItemOverrideInput| GivenOverride {
                product: id_given(&own.product_id),
                options: given_options(own.options),
            };
            let mut new = NewSubscription {
                customer: CustomerId(uuid::Uuid::nil()),
                plan: id_given(&input.plan_id),
                starts_at: input.starts_at,
                overrides: input.overrides.into_iter().map(own).collect(),
                metadata: input.metadata.map(|metadata| metadata.0),
            };
            let words = Words { reason: None, metadata: new.metadata.clone() };
            let key = |customer: String| {
                keyed(&input.idempotency_key, "createPlanSubscription", (customer, new.fields()), &words)
            };
            let named = match all((customer_input(&["customer"], &input.customer), key(String::new()))) {
                Ok((named, _)) => named,
                Err(problems) => return Err(problems.and(create::check(&new)).into()),
            };
            let customer = resolve_customer(ctx, named).await?;
            let key = key(customer.to_string())?;
            new.customer = customer;
            ctx.intake().subscribe(PlanOrder::Create { new, key }).await
        };
        let outcome = outcome.await;
        meter(ctx, &outcome).await;
        Some(shown(ctx, outcome))
    }

    /// Sets options of one product for this subscription alone, or inherits them from the plan again. InvalidState
    /// `"CANCELED"` when the subscription has ended.
    async fn override_subscription_item(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: OverrideSubscriptionItemInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        let options = patch(input.options, given_options).try_map(|given| {
            options::check(&given).map_err(|problems| problems.within(&["options"]))?;
            Ok::<_, Problems>(given)
        });
        let wanted = all((id_input::<ProductId>(&["productId"], &input.product_id), options));
        ask(ctx, &input.subscription_id, wanted.map(|(product, options)| Ask::Override { product, options })).await
    }

    /// Changes the plan, to its latest version: at once, when a new period begins that anchors the next ones, or with the
    /// next period; before the first period has begun, in place of the plan. The same plan again moves it to the latest
    /// version, or takes a change back that is pending. What the subscription sets itself goes on for the products that both
    /// plans hold. What is so already is answered as it is.
    async fn change_subscription_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: ChangeSubscriptionPlanInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        let plan = id_input(&["planId"], &input.plan_id);
        let wanted = plan.map(|plan| Ask::Change { plan, timing: input.effective.into() });
        ask(ctx, &input.subscription_id, wanted).await
    }

    /// Ends a subscription: at once, or when its period ends. What its balances inherit from it is gone at that instant, and so
    /// is a change of plan that was pending. One that is yet to begin does not begin, and can be taken back until then.
    async fn cancel_plan_subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and when.")] input: CancelPlanSubscriptionInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        ask(ctx, &input.subscription_id, Ok::<_, Problem>(Ask::Cancel { timing: input.effective.into() })).await
    }

    /// Takes a cancellation or a change of plan back that has not happened yet.
    async fn resume_plan_subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ResumePlanSubscriptionInput,
    ) -> Option<Result<PlanSubscriptionPayload>> {
        ask(ctx, &input.subscription_id, Ok::<_, Problem>(Ask::Resume)).await
    }
}
