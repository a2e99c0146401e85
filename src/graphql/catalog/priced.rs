//! Products that money is paid for: a flat fee, seats, usage.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result};

use super::Meter;
use super::products::{ProductKind, ProductPayload};
use crate::base::ids::MeterId;
use crate::catalog::input::{GivenKind, GivenPrice, NewPricedProduct};
use crate::catalog::{model, service};
use crate::db::Failure;
use crate::graphql::context::Reach;
use crate::graphql::errors::answer;
use crate::graphql::ids::id_given;
use crate::graphql::scalars::{Currency, DateTime, Decimal, Json, Money, MoneyInput};

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A fixed fee for each period, as the domain has it.
#[derive(Clone)]
pub struct FlatFeeProduct(pub Arc<model::PricedProduct>);

/// A fee for each seat and period, as the domain has it.
#[derive(Clone)]
pub struct SeatProduct(pub Arc<model::PricedProduct>);

/// A fee for each metered unit, as the domain has it.
#[derive(Clone)]
pub struct UsageProduct {
    /// The product.
    pub product: Arc<model::PricedProduct>,
    /// Its meter.
    pub meter: MeterId,
}

impl FlatFeeProduct {
    fn product(&self) -> &model::PricedProduct {
        &self.0
    }
}

impl SeatProduct {
    fn product(&self) -> &model::PricedProduct {
        &self.0
    }
}

impl UsageProduct {
    fn product(&self) -> &model::PricedProduct {
        &self.product
    }
}

impl From<model::Price> for Money {
    fn from(price: model::Price) -> Self {
        Self { amount: Decimal::written(price.text()), currency: Currency(price.currency) }
    }
}

impl From<MoneyInput> for GivenPrice {
    fn from(given: MoneyInput) -> Self {
        Self { amount: given.amount, currency: given.currency }
    }
}

/// Writes the object of a priced product: the fields of all products, and its own.
macro_rules! priced_object {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $kind_doc:literal, { $($own:tt)* }) => {
        $(#[$doc])*
        #[Object]
        impl $name {
            /// Its id: `"prd_…"`.
            pub(crate) async fn id(&self) -> ID {
                self.product().id.into()
            }

            /// Your own key for it, unique among products of all kinds and never changed.
            pub(super) async fn key(&self) -> String {
                self.product().key.clone()
            }

            #[doc = $kind_doc]
            pub(super) async fn kind(&self) -> ProductKind {
                ProductKind::$kind
            }

            /// For people.
            pub(super) async fn name(&self) -> String {
                self.product().name.clone()
            }

            /// For people, longer; null when nothing was said.
            pub(super) async fn description(&self, ctx: &Context<'_>) -> Result<Option<String>> {
                Ok(ctx.prose(self.product().description.as_deref())?.map(str::to_owned))
            }

            /// Your own data: a JSON object.
            pub(super) async fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
                ctx.json(&self.product().metadata)
            }

            /// When it was created.
            pub(super) async fn created_at(&self) -> DateTime {
                self.product().created_at.into()
            }

            /// When it was last changed.
            pub(super) async fn updated_at(&self) -> DateTime {
                self.product().updated_at.into()
            }

            /// When it was archived; null while it can be used.
            pub(super) async fn archived_at(&self) -> Option<DateTime> {
                self.product().archived_at.map(DateTime)
            }

            $($own)*
        }
    };
}

priced_object!(
    /// A fixed fee that each period of a subscription costs, in advance.
    FlatFeeProduct, FlatFee, "Always `FLAT_FEE`.", {
        /// What a period costs, in each currency in which it is sold. Prices never change: a new product, or the options of
        /// a plan or subscription, have new ones.
        async fn prices(&self) -> Vec<Money> {
            self.product().prices.iter().copied().map(Money::from).collect()
        }
    }
);

priced_object!(
    /// Seats: each costs something for each period of a subscription, in advance. How many a subscription has is among its
    /// options.
    SeatProduct, Seat, "Always `SEAT`.", {
        /// What a seat costs for a period, in each currency in which it is sold.
        async fn prices(&self) -> Vec<Money> {
            self.product().prices.iter().copied().map(Money::from).collect()
        }
    }
);

priced_object!(
    /// Usage that money is paid for: what a meter measured in a period beyond what is included, in arrears.
    UsageProduct, Usage, "Always `USAGE`.", {
        /// What measures it.
        async fn meter(&self, ctx: &Context<'_>) -> Result<Meter> {
            ctx.loaders().get(self.meter).await.map(Meter)
        }

        /// What a metered unit costs, in each currency in which it is sold: at most 12 fraction digits, such as `"0.0004"`.
        async fn unit_prices(&self) -> Vec<Money> {
            self.product().prices.iter().copied().map(Money::from).collect()
        }
    }
);

// --- Inputs ------------------------------------------------------------------------------------------------------------

/// A flat fee to be made. Its key and its prices never change.
#[derive(InputObject, Clone, Debug)]
pub struct CreateFlatFeeProductInput {
    /// Your own key for it, unique among products of all kinds, archived ones included: 1 to 100 characters of `a-z`,
    /// `0-9`, `_`, `-` and `.`, beginning with a letter or digit.
    pub key: String,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// For people, longer: at most 2,000 characters.
    pub description: Option<String>,
    /// What a period costs: at least one price, each currency once.
    pub prices: Vec<MoneyInput>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
}

/// Seats to be sold. Key and prices never change.
#[derive(InputObject, Clone, Debug)]
pub struct CreateSeatProductInput {
    /// Your own key for it, unique among products of all kinds, archived ones included: 1 to 100 characters of `a-z`,
    /// `0-9`, `_`, `-` and `.`, beginning with a letter or digit.
    pub key: String,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// For people, longer: at most 2,000 characters.
    pub description: Option<String>,
    /// What a seat costs for a period: at least one price, each currency once.
    pub prices: Vec<MoneyInput>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
}

/// Usage to be sold for money. Key, meter and prices never change.
#[derive(InputObject, Clone, Debug)]
pub struct CreateUsageProductInput {
    /// Your own key for it, unique among products of all kinds, archived ones included: 1 to 100 characters of `a-z`,
    /// `0-9`, `_`, `-` and `.`, beginning with a letter or digit.
    pub key: String,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// For people, longer: at most 2,000 characters.
    pub description: Option<String>,
    /// What measures it: a meter that is not archived.
    pub meter_id: ID,
    /// What a metered unit costs, at most 12 fraction digits: at least one price, each currency once.
    pub unit_prices: Vec<MoneyInput>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
}

impl From<CreateFlatFeeProductInput> for NewPricedProduct {
    fn from(input: CreateFlatFeeProductInput) -> Self {
        Self {
            key: input.key,
            kind: GivenKind::FlatFee,
            name: input.name,
            description: input.description,
            prices: input.prices.into_iter().map(GivenPrice::from).collect(),
            metadata: input.metadata.map(|metadata| metadata.0),
        }
    }
}

impl From<CreateSeatProductInput> for NewPricedProduct {
    fn from(input: CreateSeatProductInput) -> Self {
        Self {
            key: input.key,
            kind: GivenKind::Seat,
            name: input.name,
            description: input.description,
            prices: input.prices.into_iter().map(GivenPrice::from).collect(),
            metadata: input.metadata.map(|metadata| metadata.0),
        }
    }
}

impl From<CreateUsageProductInput> for NewPricedProduct {
    fn from(input: CreateUsageProductInput) -> Self {
        Self {
            key: input.key,
            kind: GivenKind::Usage(id_given(&input.meter_id)),
            name: input.name,
            description: input.description,
            prices: input.unit_prices.into_iter().map(GivenPrice::from).collect(),
            metadata: input.metadata.map(|metadata| metadata.0),
        }
    }
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// Makes a priced product and answers it.
async fn create(ctx: &Context<'_>, new: NewPricedProduct) -> Option<Result<ProductPayload>> {
    let now = ctx.refresh();
    let (db, ids) = (&ctx.app().db, &ctx.app().ids);
    let outcome = async {
        let made = db.write(async |txn| service::create_priced_product(txn, ids, now, &new).await).await?;
        Ok::<_, Failure>(model::Product::Priced(Arc::new(made)))
    };
    answer(ctx, outcome.await, ProductPayload::from)
}

/// The mutations that make products that money is paid for.
#[derive(Default)]
pub struct PricedMutation;

#[Object]
impl PricedMutation {
    /// Makes a flat fee. AlreadyExists names the product that has the key.
    async fn create_flat_fee_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: CreateFlatFeeProductInput,
    ) -> Option<Result<ProductPayload>> {
        create(ctx, input.into()).await
    }

    /// Makes a product of seats. AlreadyExists names the product that has the key.
    async fn create_seat_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: CreateSeatProductInput,
    ) -> Option<Result<ProductPayload>> {
        create(ctx, input.into()).await
    }

    /// Makes a product of usage. AlreadyExists names the product that has the key.
    async fn create_usage_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: CreateUsageProductInput,
    ) -> Option<Result<ProductPayload>> {
        create(ctx, input.into()).await
    }
}
