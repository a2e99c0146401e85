//! Plans: what customers subscribe to, in published versions.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::ArchiveInput;
use super::plan_items::{ItemOptions, ItemOptionsInput, given_options};
use super::products::Product;
use crate::base::given::Given;
use crate::base::ids::PlanItemId;
use crate::base::money;
use crate::base::period;
use crate::base::problem::all;
use crate::catalog::plans::input::{GivenItem, ListPlans, ListVersions, NewContent, NewPlan, PlanChanges};
use crate::catalog::plans::{model, service, store};
use crate::graphql::context::{Reach, read};
use crate::graphql::errors::missing;
use crate::graphql::errors::{UserError, answer, failed, payload};
use crate::graphql::ids::{KeyBy, id_argument, id_given, id_input};
use crate::graphql::loaders::{LatestOf, OfAnyKind, PlanKey};
use crate::graphql::paging::{List, PageArgs, Rows, connection};
use crate::graphql::patch::patch;
use crate::graphql::scalars::{Currency, DateTime};

const PLANS: List = List::all("plans");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A plan, as the domain has it.
#[derive(Clone)]
pub struct Plan(pub Arc<model::Plan>);

/// What customers subscribe to: credits, flat fees, seats and usage together, for a period. What a plan offers stands in its
/// published versions, which never change: a running subscription stays on the version that it started with.
#[Object]
impl Plan {
    /// Its id: `"pln_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Your own key for it, unique among plans and never changed, such as `"pro"`.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// For people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// For people, longer; null when nothing was said.
    fn description(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        ctx.prose(self.0.description.as_deref())
    }

    /// The version that new subscriptions are to.
    async fn latest_version(&self, ctx: &Context<'_>) -> Result<PlanVersion> {
        let found = ctx.loaders().find(LatestOf(self.0.id)).await?;
        found.map(PlanVersion).ok_or_else(|| missing(&self.0.id))
    }

    /// Its versions, the newest first.
    async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<PlanVersionConnection>> {
        let found = async {
            let list = List::of("planVersions", self.0.id);
            let page = PageArgs { first, after, last, before }.request(&list)?;
            let wanted = ListVersions { plan: self.0.id, page };
            let page = store::list_versions(&mut read(ctx).await?, &wanted).await.map_err(|error| failed(&error))?;
            Ok(Rows::of(&list, page, |version| version.version, |version| PlanVersion(Arc::new(version))).into())
        };
        Some(found.await)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was archived; null while it can be subscribed to.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// A version of a plan, as the domain has it.
#[derive(Clone)]
pub struct PlanVersion(pub Arc<model::PlanVersion>);

/// A published version of a plan. What it sets never changes; what it leaves out follows the product.
#[Object]
impl PlanVersion {
    /// Its id: `"plv_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The plan.
    async fn plan(&self, ctx: &Context<'_>) -> Result<Plan> {
        ctx.loaders().get(self.0.plan).await.map(Plan)
    }

    /// Its number within the plan: 1, 2, 3 …
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// How long a period lasts, by the calendar.
    async fn interval(&self) -> BillingInterval {
        self.0.content.interval.into()
    }

    /// The currency of its prices.
    async fn currency(&self) -> Currency {
        Currency(self.0.content.currency)
    }

    /// What it is made of, each product once.
    async fn items(&self) -> Vec<PlanItem> {
        PlanItem::all_of(&self.0).collect()
    }

    /// When it was published.
    async fn published_at(&self) -> DateTime {
        self.0.published_at.into()
    }
}

/// How long a period lasts, by the calendar in UTC. A day that a month does not have is its last one, and comes back with
/// the next month that has it: 31 January, 28 February, 31 March.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "period::Interval")]
pub enum BillingInterval {
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

/// What a plan has of one product.
#[derive(Clone)]
pub struct PlanItem {
    id: PlanItemId,
    currency: money::Currency,
    item: model::PlanItem,
}

impl PlanItem {
    fn all_of(version: &model::PlanVersion) -> impl Iterator<Item = Self> {
        (0_i32..).zip(&version.content.items).map(|(place, item)| Self {
            id: PlanItemId { version: version.id, item: place },
            currency: version.content.currency,
            item: item.clone(),
        })
    }

    /// The item with this id; none when there is none.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: PlanItemId) -> Result<Option<Self>> {
        let version = ctx.loaders().find(id.version).await?;
        Ok(version.and_then(|version| Self::all_of(&version).find(|item| item.id == id)))
    }
}

/// What a plan has of one product.
#[Object]
impl PlanItem {
    /// Its id: `"pli_…"`.
    pub async fn id(&self) -> ID {
        self.id.into()
    }

    /// The product.
    async fn product(&self, ctx: &Context<'_>) -> Result<Product> {
        product(ctx, self.item.product).await.map(Product::from)
    }

    /// In force: what the version sets on top of what the product says now.
    async fn options(&self, ctx: &Context<'_>) -> Result<ItemOptions> {
        ItemOptions::of(&product(ctx, self.item.product).await?, &self.item.options, self.currency)
    }

    /// The names of the options that the version itself sets, such as `"includedCredits"`.
    async fn overrides(&self) -> Vec<&'static str> {
        self.item.options.set()
    }
}

/// The product of an item.
///
/// # Errors
/// The top-level error of the database, also when it is not there.
pub async fn product(ctx: &Context<'_>, id: crate::base::ids::ProductId) -> Result<crate::catalog::model::Product> {
    ctx.loaders().find(OfAnyKind(id)).await?.ok_or_else(|| missing(&id))
}

connection!(PlanConnection, PlanEdge, Plan, "A page of plans, by key.", "A plan in a page.");
connection!(
    PlanVersionConnection,
    PlanVersionEdge,
    PlanVersion,
    "A page of a plan's versions, the newest first.",
    "A version of a plan in a page."
);

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// What a plan is to have of one product.
#[derive(InputObject, Clone, Debug)]
pub struct PlanItemInput {
    /// The product, which is not archived; a plan has each product once.
    pub product_id: ID,
    /// What the plan sets; left out, all of it follows the product.
    pub options: Option<ItemOptionsInput>,
}

/// A plan to be made, with its first version.
#[derive(InputObject, Clone, Debug)]
pub struct CreatePlanInput {
    /// Your own key for it, unique among plans, archived ones included: 1 to 100 characters of `a-z`, `0-9`, `_`, `-` and
    /// `.`, beginning with a letter or digit.
    pub key: String,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// For people, longer: at most 2,000 characters.
    pub description: Option<String>,
    /// How long a period lasts.
    pub interval: BillingInterval,
    /// The currency of its prices: each flat fee, seat and usage needs a price in it.
    pub currency: Given<money::Currency>,
    /// What it is made of: 1 to 100 items.
    pub items: Vec<PlanItemInput>,
}

/// What changes about a plan itself. What it offers changes by `publishPlanVersion`.
#[derive(InputObject, Clone, Debug)]
pub struct UpdatePlanInput {
    /// The plan's id.
    pub id: ID,
    /// For people: 1 to 200 characters. It cannot be null.
    pub name: MaybeUndefined<String>,
    /// For people, longer: at most 2,000 characters; null clears it.
    pub description: MaybeUndefined<String>,
}

/// A version of a plan to be published.
#[derive(InputObject, Clone, Debug)]
pub struct PublishPlanVersionInput {
    /// The plan's id.
    pub plan_id: ID,
    /// How long a period lasts.
    pub interval: BillingInterval,
    /// The currency of its prices: each flat fee, seat and usage needs a price in it.
    pub currency: Given<money::Currency>,
    /// What it is made of: 1 to 100 items.
    pub items: Vec<PlanItemInput>,
}

/// What a mutation of a plan answers.
#[derive(SimpleObject, Default)]
pub struct PlanPayload {
    /// The plan as it is now; null when nothing happened.
    pub plan: Option<Plan>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(PlanPayload);

impl From<model::Plan> for PlanPayload {
    fn from(plan: model::Plan) -> Self {
        Self { plan: Some(Plan(Arc::new(plan))), errors: Vec::new() }
    }
}

fn content(interval: BillingInterval, currency: Given<money::Currency>, items: Vec<PlanItemInput>) -> NewContent {
    let item = |item: PlanItemInput| GivenItem {
        product: id_given(&item.product_id),
        options: item.options.map(given_options),
    };
    NewContent { interval: interval.into(), currency, items: items.into_iter().map(item).collect() }
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The queries of plans.
#[derive(Default)]
pub struct PlanQuery;

#[Object]
impl PlanQuery {
    /// One plan, archived or not; null when there is none.
    async fn plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which: by id or by key.")] by: KeyBy,
    ) -> Option<Result<Plan>> {
        let found = async {
            match &by {
                KeyBy::Id(id) => ctx.loaders().find::<crate::base::ids::PlanId>(id_argument("by.id", id)?).await,
                KeyBy::Key(key) => ctx.loaders().find(PlanKey(key.clone())).await,
            }
        };
        found.await.map(|found| found.map(Plan)).transpose()
    }

    /// Plans, by key.
    async fn plans(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Archived ones too.", default = false)] include_archived: bool,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<PlanConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&PLANS)?;
            let list = ListPlans { page, include_archived };
            let page = store::list_plans(&mut read(ctx).await?, &list).await.map_err(|error| failed(&error))?;
            Ok(Rows::of(&PLANS, page, |plan| plan.key.clone(), |plan| Plan(Arc::new(plan))).into())
        };
        Some(found.await)
    }
}

/// The mutations of plans.
#[derive(Default)]
pub struct PlanMutation;

#[Object]
impl PlanMutation {
    /// Makes a plan with its first version, which is checked as a whole. AlreadyExists names the plan that has the key.
    async fn create_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plan.")] input: CreatePlanInput,
    ) -> Option<Result<PlanPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let outcome = async {
            let content = content(input.interval, input.currency, input.items);
            let new = NewPlan { key: input.key, name: input.name, description: input.description, content };
            db.write(async |txn| service::create_plan(txn, ids, now, &new).await).await
        };
        answer(ctx, outcome.await, PlanPayload::from)
    }

    /// Changes what a plan is called.
    async fn update_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: UpdatePlanInput,
    ) -> Option<Result<PlanPayload>> {
        ctx.refresh();
        let db = &ctx.app().db;
        let changes = PlanChanges {
            name: patch(input.name, |name| name),
            description: patch(input.description, |description| description),
        };
        let outcome = async {
            let (id, ()) = all((id_input(&["id"], &input.id), service::check_changes(&changes)))?;
            db.write(async |txn| service::update_plan(txn, id, &changes).await).await
        };
        answer(ctx, outcome.await, PlanPayload::from)
    }

    /// Publishes a version of a plan, checked as a whole: new subscriptions are to it, running ones stay on theirs. What the
    /// latest version says already makes no new one.
    async fn publish_plan_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The version.")] input: PublishPlanVersionInput,
    ) -> Option<Result<PlanPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let outcome = async {
            let content = content(input.interval, input.currency, input.items);
            let (id, ()) = all((id_input(&["planId"], &input.plan_id), service::check_content(&content)))?;
            db.write(async |txn| service::publish_version(txn, ids, now, (id, &content)).await).await
        };
        answer(ctx, outcome.await, PlanPayload::from)
    }

    /// Archives a plan: nobody can subscribe to it any more. Running subscriptions to it go on.
    async fn archive_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which plan.")] input: ArchiveInput,
    ) -> Option<Result<PlanPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let outcome = async {
            let id = id_input(&["id"], &input.id)?;
            db.write(async |txn| service::archive_plan(txn, now, id).await).await
        };
        answer(ctx, outcome.await, PlanPayload::from)
    }
}
