//! Purchase options: what credits cost.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::{ArchiveInput, CreditProduct};
use crate::base::decimal;
use crate::base::given::Given;
use crate::base::idempotency::Key;
use crate::base::ids::PurchaseOptionId;
use crate::base::problem::{Problems, all};
use crate::catalog::input::{NewPurchaseOption, PurchaseOptionChanges};
use crate::catalog::{model, option_rules, service};
use crate::graphql::context::Reach;
use crate::graphql::errors::{UserError, answer, payload};
use crate::graphql::ids::{id_given, id_input};
use crate::graphql::patch::patch;
use crate::graphql::scalars::{DateTime, Decimal, Money, MoneyInput};

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// An option, as the domain has it.
#[derive(Clone)]
pub struct PurchaseOption(pub Arc<model::PurchaseOption>);

/// A bundle that customers can buy: a number of credits for one price. Its product, credits and price never change; make a
/// new option and archive the old one.
#[Object]
impl PurchaseOption {
    /// Its id: `"opt_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The product whose credits it sells.
    async fn product(&self, ctx: &Context<'_>) -> Result<CreditProduct> {
        ctx.loaders().get(self.0.product).await.map(CreditProduct)
    }

    /// For people: `"1,000 credits"`.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How many credits one purchase of it brings.
    async fn credits(&self) -> Decimal {
        self.0.credits.into()
    }

    /// For all of its credits.
    async fn price(&self) -> Money {
        self.0.price.into()
    }

    /// The price of one credit in the price's currency, at most 6 fraction digits, rounded half away from zero: `"0.025"`
    /// for 25 euros and 1,000 credits.
    async fn price_per_credit(&self) -> Decimal {
        Decimal::written(option_rules::price_per_credit(self.0.price, self.0.credits))
    }

    /// How many packs of it a customer may buy, all balances together; null is without limit, and one where it costs nothing.
    async fn per_customer(&self) -> Option<i32> {
        self.0.per_customer
    }

    /// True if customers see it in the portal. A free option is shown there only if `perCustomer` is set.
    async fn show_in_portal(&self) -> bool {
        self.0.show_in_portal
    }

    /// Where it stands among its product's options; the lower comes first, the older where that is equal.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was archived; null while it can be bought.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// A purchase option to be made: a new one each time.
#[derive(InputObject, Clone, Debug)]
pub struct CreatePurchaseOptionInput {
    /// The product whose credits it sells, which is not archived.
    pub product_id: ID,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// How many credits: more than 0, at most 1000000000000, at most 6 fraction digits.
    pub credits: Given<decimal::Decimal>,
    /// For all of them; 0 gives them away, once to each customer unless `perCustomer` says how often.
    pub price: MoneyInput,
    /// Whether customers see it in the portal.
    #[graphql(default = true)]
    pub show_in_portal: bool,
    /// Where it stands among the product's options; the lower comes first.
    #[graphql(default = 0)]
    pub position: i32,
    /// How many packs of it a customer may buy, all balances together: at least 1. What balances buy by themselves is not
    /// counted.
    pub per_customer: Option<i32>,
    /// What makes a repeat harmless: 1 to 255 characters, unique among the keys of all customers and purchase options that
    /// are made. The same key with the same input answers the same option, as it stands now.
    pub idempotency_key: Option<String>,
}

/// What changes about a purchase option: how it is shown, never what it sells.
#[derive(InputObject, Clone, Debug)]
pub struct UpdatePurchaseOptionInput {
    /// The option's id.
    pub id: ID,
    /// For people: 1 to 200 characters. It cannot be null.
    pub name: MaybeUndefined<String>,
    /// Whether customers see it in the portal; null is true again.
    pub show_in_portal: MaybeUndefined<bool>,
    /// Where it stands among the product's options; null is 0 again.
    pub position: MaybeUndefined<i32>,
    /// How many packs of it a customer may buy: at least 1; null is without limit, and one where it costs nothing.
    pub per_customer: MaybeUndefined<i32>,
}

/// What a mutation of a purchase option answers.
#[derive(SimpleObject, Default)]
pub struct PurchaseOptionPayload {
    /// The option as it is now; null when nothing happened.
    pub purchase_option: Option<PurchaseOption>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(PurchaseOptionPayload);

impl From<model::PurchaseOption> for PurchaseOptionPayload {
    fn from(option: model::PurchaseOption) -> Self {
        Self { purchase_option: Some(PurchaseOption(Arc::new(option))), errors: Vec::new() }
    }
}

fn given(input: CreatePurchaseOptionInput) -> NewPurchaseOption {
    NewPurchaseOption {
        product: id_given(&input.product_id),
        name: input.name,
        credits: input.credits,
        price: input.price.into(),
        show_in_portal: input.show_in_portal,
        position: input.position,
        per_customer: input.per_customer,
    }
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The mutations of purchase options.
#[derive(Default)]
pub struct OptionMutation;

#[Object]
impl OptionMutation {
    /// Makes a purchase option, once per idempotency key; without a key a new one each time.
    async fn create_purchase_option(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The option.")] input: CreatePurchaseOptionInput,
    ) -> Option<Result<PurchaseOptionPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let outcome = async {
            let key = input.idempotency_key.clone();
            let new = given(input);
            let key = Key::of_creation(key.as_deref(), "createPurchaseOption", new.fields());
            let check = || option_rules::created(PurchaseOptionId(uuid::Uuid::nil()), now, &new);
            let key = key.map_err(|problem| Problems::from(problem).and(check()))?;
            db.write(async |txn| service::create_purchase_option(txn, (ids, now), &new, key.as_ref()).await).await
        };
        answer(ctx, outcome.await, PurchaseOptionPayload::from)
    }

    /// Changes how a purchase option is shown.
    async fn update_purchase_option(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: UpdatePurchaseOptionInput,
    ) -> Option<Result<PurchaseOptionPayload>> {
        ctx.refresh();
        let db = &ctx.app().db;
        let changes = PurchaseOptionChanges {
            name: patch(input.name, |name| name),
            show_in_portal: patch(input.show_in_portal, |shown| shown),
            position: patch(input.position, |position| position),
            per_customer: patch(input.per_customer, |most| most),
        };
        let outcome = async {
            let (id, ()) = all((id_input(&["id"], &input.id), option_rules::check(&changes)))?;
            db.write(async |txn| service::update_purchase_option(txn, id, &changes).await).await
        };
        answer(ctx, outcome.await, PurchaseOptionPayload::from)
    }

    /// Archives a purchase option: nobody can buy it any more; what was bought by it stays.
    async fn archive_purchase_option(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which option.")] input: ArchiveInput,
    ) -> Option<Result<PurchaseOptionPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let outcome = async {
            let id = id_input(&["id"], &input.id)?;
            db.write(async |txn| service::archive_purchase_option(txn, now, id).await).await
        };
        answer(ctx, outcome.await, PurchaseOptionPayload::from)
    }
}
