//! Products: what is sold. Those of credits are here, those that money is paid for in [`super::priced`].
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Interface, MaybeUndefined, Object, Result, SimpleObject};

use super::priced::{FlatFeeProduct, SeatProduct, UsageProduct};
use super::settings::{ConsumptionRuleInput, ExpirationInput, OverdraftInput, given_rules};
use super::{ArchiveInput, ConsumptionRule, Expiration, Overdraft, PurchaseOption};
use crate::base::decimal;
use crate::base::given::Given;
use crate::base::ids::ProductId;
use crate::base::problem::all;
use crate::catalog::input::{CreditProductChanges, ListProducts, NewCreditProduct, ProductChanges};
use crate::catalog::product_rules::DEFAULT_UNIT;
use crate::catalog::{model, priced_rules, product_rules, service, store};
use crate::graphql::context::{Reach, read};
use crate::graphql::errors::{UserError, answer, failed, payload};
use crate::graphql::ids::{KeyBy, id_argument, id_input};
use crate::graphql::loaders::{OfAnyKind, OptionsOf, ProductKey};
use crate::graphql::paging::{List, PageArgs, Rows, connection};
use crate::graphql::patch::patch;
use crate::graphql::scalars::{DateTime, Decimal, Json};

const PRODUCTS: List = List::all("products");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// What kind of thing a product sells.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::ProductKind")]
pub enum ProductKind {
    /// Credits, which usage burns.
    Credit,
    /// A fixed fee for each period.
    FlatFee,
    /// A fee for each seat and period.
    Seat,
    /// A fee for each metered unit.
    Usage,
}

/// What is sold. Every product is a Node as well.
#[expect(clippy::duplicated_attributes, reason = "several fields have the same type")]
#[derive(Interface, Clone)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Its id: `\"prd_…\"`."),
    field(name = "key", ty = "String", desc = "Your own key for it, unique among products and never changed."),
    field(name = "kind", ty = "ProductKind", desc = "What kind of thing it sells, which says its type."),
    field(name = "name", ty = "String", desc = "For people."),
    field(name = "description", ty = "Option<String>", desc = "For people, longer; null when nothing was said."),
    field(name = "metadata", ty = "Json", desc = "Your own data: a JSON object."),
    field(name = "created_at", ty = "DateTime", desc = "When it was created."),
    field(name = "updated_at", ty = "DateTime", desc = "When it was last changed."),
    field(name = "archived_at", ty = "Option<DateTime>", desc = "When it was archived; null while it can be used.")
)]
pub enum Product {
    /// Credits.
    CreditProduct(CreditProduct),
    /// A fixed fee for each period.
    FlatFeeProduct(FlatFeeProduct),
    /// A fee for each seat and period.
    SeatProduct(SeatProduct),
    /// A fee for each metered unit.
    UsageProduct(UsageProduct),
}

impl From<model::Product> for Product {
    fn from(product: model::Product) -> Self {
        match product {
            model::Product::Credit(product) => CreditProduct(product).into(),
            model::Product::Priced(product) => match product.kind {
                model::PricedKind::FlatFee => FlatFeeProduct(product).into(),
                model::PricedKind::Seat => SeatProduct(product).into(),
                model::PricedKind::Usage { meter } => UsageProduct { product, meter }.into(),
            },
        }
    }
}

/// A credit product, as the domain has it.
#[derive(Clone)]
pub struct CreditProduct(pub Arc<model::CreditProduct>);

/// A product whose purchase is credits: what one is called, which usage burns how many, and how they end. Customers hold
/// them in credit balances; a balance, or a plan, can set some of these settings for itself.
#[Object]
impl CreditProduct {
    /// Its id: `"prd_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Your own key for it, unique among products of all kinds and never changed, such as `"ai_credits"`.
    async fn key(&self) -> String {
        self.0.key.clone()
    }

    /// Always `CREDIT`.
    async fn kind(&self) -> ProductKind {
        ProductKind::Credit
    }

    /// For people.
    async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// For people, longer; null when nothing was said.
    #[expect(clippy::unused_async, reason = "the interface of products awaits it")]
    async fn description(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(ctx.prose(self.0.description.as_deref())?.map(str::to_owned))
    }

    /// Your own data: a JSON object.
    #[expect(clippy::unused_async, reason = "the interface of products awaits it")]
    async fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.internal(&self.0.metadata)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// When it was archived; null while it can be used.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }

    /// What one credit is called to customers: `"credit"`, `"token"`, `"minute"`.
    async fn unit_name(&self) -> &str {
        &self.0.unit_name
    }

    /// Which usage burns credits, and how many for each unit of it; in the order in which an event's entries are written.
    async fn consumption(&self) -> Vec<ConsumptionRule> {
        self.0.consumption.iter().copied().map(ConsumptionRule).collect()
    }

    /// A balance is LOW when what is available is at or below this many credits; null never warns.
    async fn low_balance_threshold(&self) -> Option<Decimal> {
        self.0.low_balance_threshold.map(Decimal::from)
    }

    /// What happens when usage exceeds what is available.
    async fn overdraft(&self) -> Overdraft {
        self.0.overdraft.into()
    }

    /// How bought, topped-up and starting credits end that say nothing themselves.
    async fn expiration(&self) -> Expiration {
        self.0.expiration.into()
    }

    /// What its credits cost: the options that are not archived, by position.
    async fn purchase_options(&self, ctx: &Context<'_>) -> Result<Vec<PurchaseOption>> {
        let options = ctx.loaders().find(OptionsOf(self.0.id)).await?.unwrap_or_default();
        let of_all = ctx.caller().only().is_none();
        let shown = options.into_iter().filter(|it| it.archived_at.is_none() && (of_all || it.is_in_portal()));
        Ok(shown.map(PurchaseOption).collect())
    }
}

connection!(ProductConnection, ProductEdge, Product, "A page of products, by key.", "A product in a page.");

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// A credit product to be made. Its key never changes.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCreditProductInput {
    /// Your own key for it, unique among products of all kinds, archived ones included: 1 to 100 characters of `a-z`,
    /// `0-9`, `_`, `-` and `.`, beginning with a letter or digit.
    pub key: String,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// For people, longer: at most 2,000 characters.
    pub description: Option<String>,
    /// What one credit is called to customers: 1 to 200 characters.
    #[graphql(default_with = "DEFAULT_UNIT.to_owned()")]
    pub unit_name: String,
    /// Which usage burns credits: at most 100 rules, each meter once.
    #[graphql(default)]
    pub consumption: Vec<ConsumptionRuleInput>,
    /// A balance is LOW when what is available is at or below this many credits; left out, it never warns.
    pub low_balance_threshold: Option<Given<decimal::Decimal>>,
    /// What happens when usage exceeds what is available; left out, DENY.
    pub overdraft: Option<OverdraftInput>,
    /// How bought, topped-up and starting credits end: NEVER, which it is when left out, or AFTER_DAYS.
    pub expiration: Option<ExpirationInput>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
}

/// What changes about a credit product. Balances that inherit what changes follow at once; entries that were written stay.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCreditProductInput {
    /// The product's id.
    pub id: ID,
    /// For people: 1 to 200 characters. It cannot be null.
    pub name: MaybeUndefined<String>,
    /// For people, longer: at most 2,000 characters; null clears it.
    pub description: MaybeUndefined<String>,
    /// What one credit is called to customers: 1 to 200 characters; null is `"credit"`.
    pub unit_name: MaybeUndefined<String>,
    /// Which usage burns credits, replaced as a whole: at most 100 rules, each meter once; null is none.
    pub consumption: MaybeUndefined<Vec<ConsumptionRuleInput>>,
    /// A balance is LOW when what is available is at or below this many credits; null never warns.
    pub low_balance_threshold: MaybeUndefined<Given<decimal::Decimal>>,
    /// What happens when usage exceeds what is available, replaced as a whole; null is DENY.
    pub overdraft: MaybeUndefined<OverdraftInput>,
    /// How bought, topped-up and starting credits end from now on, replaced as a whole; null is NEVER.
    pub expiration: MaybeUndefined<ExpirationInput>,
    /// Your own data, replaced as a whole; null is `{}`.
    pub metadata: MaybeUndefined<Json>,
}

/// What changes about a product of any kind.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateProductInput {
    /// The product's id.
    pub id: ID,
    /// For people: 1 to 200 characters. It cannot be null.
    pub name: MaybeUndefined<String>,
    /// For people, longer: at most 2,000 characters; null clears it.
    pub description: MaybeUndefined<String>,
    /// Your own data, replaced as a whole: a JSON object of at most 16 KiB; null is `{}`.
    pub metadata: MaybeUndefined<Json>,
}

/// What a mutation of a credit product answers.
#[derive(SimpleObject, Default)]
pub struct CreditProductPayload {
    /// The product as it is now; null when nothing happened.
    pub product: Option<CreditProduct>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}

/// What a mutation of a product of any kind answers.
#[derive(SimpleObject, Default)]
pub struct ProductPayload {
    /// The product as it is now; null when nothing happened.
    pub product: Option<Product>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(CreditProductPayload, ProductPayload);

impl From<model::CreditProduct> for CreditProductPayload {
    fn from(product: model::CreditProduct) -> Self {
        Self { product: Some(CreditProduct(Arc::new(product))), errors: Vec::new() }
    }
}

impl From<model::Product> for ProductPayload {
    fn from(product: model::Product) -> Self {
        Self { product: Some(product.into()), errors: Vec::new() }
    }
}

fn given(input: CreateCreditProductInput) -> NewCreditProduct {
    NewCreditProduct {
        key: input.key,
        name: input.name,
        description: input.description,
        unit_name: input.unit_name,
        consumption: given_rules(input.consumption),
        low_balance_threshold: input.low_balance_threshold,
        overdraft: input.overdraft.map(Into::into),
        expiration: input.expiration.map(Into::into),
        metadata: input.metadata.map(|metadata| metadata.0),
    }
}

fn given_changes(input: UpdateCreditProductInput) -> CreditProductChanges {
    CreditProductChanges {
        name: patch(input.name, |name| name),
        description: patch(input.description, |description| description),
        unit_name: patch(input.unit_name, |unit| unit),
        consumption: patch(input.consumption, given_rules),
        low_balance_threshold: patch(input.low_balance_threshold, |threshold| threshold),
        overdraft: patch(input.overdraft, Into::into),
        expiration: patch(input.expiration, Into::into),
        metadata: patch(input.metadata, |metadata| metadata.0),
    }
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The product of any kind that an argument of a query names, if there is one.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for what is no product's id, or the database's.
pub async fn find_product(ctx: &Context<'_>, argument: &str, by: &KeyBy) -> Result<Option<model::Product>> {
    match by {
        KeyBy::Id(id) => ctx.loaders().find(OfAnyKind(id_argument(&format!("{argument}.id"), id)?)).await,
        KeyBy::Key(key) => ctx.loaders().find(ProductKey(key.clone())).await,
    }
}

/// The queries of products.
#[derive(Default)]
pub struct ProductQuery;

#[Object]
impl ProductQuery {
    /// One product, archived or not; null when there is none.
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which: by id or by key.")] by: KeyBy,
    ) -> Option<Result<Product>> {
        let found = find_product(ctx, "by", &by).await;
        found.map(|found| found.map(Product::from)).transpose()
    }

    /// Products, by key.
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of these kinds; left out, of all.")] kind: Option<Vec<ProductKind>>,
        #[graphql(desc = "Archived ones too.", default = false)] include_archived: bool,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<ProductConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&PRODUCTS)?;
            let kinds = kind.map(|kinds| kinds.into_iter().map(Into::into).collect());
            let list = ListProducts { page, include_archived, kinds };
            let page = store::list_products(&mut read(ctx).await?, &list).await.map_err(|error| failed(&error))?;
            Ok(Rows::of(&PRODUCTS, page, |product: &model::Product| product.key().to_owned(), Product::from).into())
        };
        Some(found.await)
    }
}

/// The mutations of products.
#[derive(Default)]
pub struct ProductMutation;

#[Object]
impl ProductMutation {
    /// Makes a credit product. AlreadyExists names the product that has the key.
    async fn create_credit_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: CreateCreditProductInput,
    ) -> Option<Result<CreditProductPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let new = given(input);
        let outcome = db.write(async |txn| service::create_credit_product(txn, ids, now, &new).await).await;
        answer(ctx, outcome, CreditProductPayload::from)
    }

    /// Changes a credit product. Balances that inherit what changes follow at once; entries that were written stay.
    async fn update_credit_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: UpdateCreditProductInput,
    ) -> Option<Result<CreditProductPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let outcome = async {
            let id = id_input(&["id"], &input.id);
            let changes = given_changes(input);
            let (id, ()) = all((id, product_rules::check(&changes)))?;
            db.write(async |txn| service::update_credit_product(txn, now, id, &changes).await).await
        };
        answer(ctx, outcome.await, CreditProductPayload::from)
    }

    /// Changes the name, description or metadata of a product of any kind.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: UpdateProductInput,
    ) -> Option<Result<ProductPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let changes = ProductChanges {
            name: patch(input.name, |name| name),
            description: patch(input.description, |description| description),
            metadata: patch(input.metadata, |metadata| metadata.0),
        };
        let outcome = async {
            let (id, ()) = all((id_input(&["id"], &input.id), priced_rules::check(&changes)))?;
            db.write(async |txn| service::update_product(txn, now, id, &changes).await).await
        };
        answer(ctx, outcome.await, ProductPayload::from)
    }

    /// Archives a product of any kind: it can be read and not sold any more, and its key stays taken. InvalidState
    /// `"IN_USE"` while customers have open balances of it, or the latest version of a plan has an item of it.
    async fn archive_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which product.")] input: ArchiveInput,
    ) -> Option<Result<ProductPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let outcome = async {
            let id: ProductId = id_input(&["id"], &input.id)?;
            db.write(async |txn| {
                store::lock_catalog(txn).await?;
                let open_balances = crate::ledger::store::product_has_open_balance(txn, id).await?;
                service::archive_product(txn, now, id, open_balances).await
            })
            .await
        };
        answer(ctx, outcome.await, ProductPayload::from)
    }
}
