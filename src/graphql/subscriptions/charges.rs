//! What subscriptions charge.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use super::{Period, PlanSubscription};
use crate::base::ids::ChargeId;
use crate::base::money;
use crate::graphql::catalog::Product;
use crate::graphql::catalog::plans::product;
use crate::graphql::context::{Reach, read};
use crate::graphql::errors::failed;
use crate::graphql::paging::{List, PageArgs, Rows, connection};
use crate::graphql::scalars::{DateTime, Decimal, Money};
use crate::subscriptions::model::{self, Amount};
use crate::subscriptions::reads::{self, ListCharges};

const CHARGES: List = List::all("charges");

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

    /// The period that it is for. What is charged in advance keeps the end that the period had then; usage of a period that
    /// was ended at once has the end that it came to.
    async fn period(&self) -> Period {
        self.0.period.into()
    }

    /// For people, as it was when it was charged: `"Seats: 5 at 10.00 EUR"`.
    fn description(&self, ctx: &Context<'_>) -> Result<&str> {
        ctx.weigh(self.0.description.len())?;
        Ok(&self.0.description)
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
            Amount::ToBeMetered(terms) => money::Money { minor: 0, currency: terms.currency() }.into(),
        }
    }

    /// When it was written down, which may be later than its period says where a server was down, or a subscription began in
    /// the past.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

connection!(ChargeConnection, ChargeEdge, Charge, "A page of charges, oldest first.", "A charge in a page.");

// --- Fields ------------------------------------------------------------------------------------------------------------

/// A page of charges.
///
/// # Errors
/// The top-level error of the database.
pub(super) async fn charge_page(ctx: &Context<'_>, list: &List, wanted: ListCharges) -> Result<ChargeConnection> {
    let page = reads::list_charges(&mut read(ctx).await?, &wanted).await.map_err(|error| failed(&error))?;
    Ok(Rows::of(list, page, model::Charge::age, |charge| Charge(Arc::new(charge))).into())
}

/// The queries of charges.
#[derive(Default)]
pub struct ChargeQuery;

#[Object]
impl ChargeQuery {
    /// Charges of all subscriptions by when they were written down, oldest first: what an invoicing system collects. Usage is
    /// written down some minutes after its period has ended.
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

/// The charge with this id, once it is known.
///
/// # Errors
/// The top-level error of the database.
pub async fn find_charge(ctx: &Context<'_>, id: ChargeId) -> Result<Option<Charge>> {
    let found = reads::find_charge(&mut read(ctx).await?, id).await.map_err(|error| failed(&error))?;
    Ok(found.map(|charge| Charge(Arc::new(charge))))
}
