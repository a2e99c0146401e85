//! What a plan or a subscription has of one product: its options in force, and how they are given.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, OneofObject, Result, SimpleObject, Union};

use super::settings::{ConsumptionRuleInput, ExpirationInput, OverdraftInput, given_rules};
use super::{ConsumptionRule, Expiration, ExpirationPolicy, Overdraft, PurchaseOption};
use crate::base::decimal;
use crate::base::given::Given;
use crate::base::money::Currency;
use crate::base::settings::IncludedExpiration;
use crate::catalog::model;
use crate::catalog::plans::input::{GivenCredit, GivenOptions};
use crate::catalog::plans::model as plans;
use crate::catalog::plans::options::price_in_force;
use crate::catalog::settings::{Settings, layered};
use crate::graphql::context::Reach;
use crate::graphql::errors::missing;
use crate::graphql::ids::id_given;
use crate::graphql::loaders::OptionsOf;
use crate::graphql::patch::patch;
use crate::graphql::scalars::{Decimal, Money, MoneyInput};

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// The options of an item that are in force, by the kind of its product.
#[derive(Union, Clone)]
pub enum ItemOptions {
    /// Of credits.
    CreditOptions(CreditOptions),
    /// Of a flat fee.
    FlatFeeOptions(FlatFeeOptions),
    /// Of seats.
    SeatOptions(SeatOptions),
    /// Of usage.
    UsageOptions(UsageOptions),
}

/// Options of credits, and the product that they lie over.
#[derive(Clone)]
pub struct CreditOptions {
    product: Arc<model::CreditProduct>,
    set: Arc<plans::CreditOptions>,
}

impl CreditOptions {
    fn settings(&self) -> Settings<'_> {
        layered(&self.product, &[(&self.set.layer).into()])
    }
}

/// What an item has of credits: what each period brings, and the settings that the customer's balance inherits.
#[Object]
impl CreditOptions {
    /// Credits that are granted at the start of each period; `"0"` for none.
    async fn included_credits(&self) -> Decimal {
        self.set.included_credits.unwrap_or_default().into()
    }

    /// How included credits end: END_OF_PERIOD when nothing is said.
    async fn included_expiration(&self) -> Expiration {
        self.set.included_expiration.unwrap_or_default().into()
    }

    /// With END_OF_PERIOD: at most this many unused included credits live on for one more period; `"0"` is none.
    async fn rollover_limit(&self) -> Decimal {
        self.set.rollover_limit.unwrap_or_default().into()
    }

    /// How bought, topped-up and starting credits end that say nothing themselves: NEVER or AFTER_DAYS.
    async fn expiration(&self) -> Expiration {
        self.settings().expiration.into()
    }

    /// The balance is LOW when what is available is at or below this many credits; null never warns.
    async fn low_balance_threshold(&self) -> Option<Decimal> {
        self.settings().low_balance_threshold.map(Decimal::from)
    }

    /// What happens when usage exceeds what is available.
    async fn overdraft(&self) -> Overdraft {
        self.settings().overdraft.into()
    }

    /// Which usage burns credits, and how many for each unit of it.
    async fn consumption(&self) -> Vec<ConsumptionRule> {
        self.settings().consumption.iter().copied().map(ConsumptionRule).collect()
    }

    /// What the customer can buy: those of the product's options that are offered and not archived, by position.
    async fn purchase_options(&self, ctx: &Context<'_>) -> Result<Vec<PurchaseOption>> {
        offered(ctx, &self.settings(), &self.product).await
    }
}

/// The purchase options of a product that settings offer and that are not archived.
///
/// # Errors
/// The top-level error of the database.
pub async fn offered(
    ctx: &Context<'_>,
    settings: &Settings<'_>,
    product: &model::CreditProduct,
) -> Result<Vec<PurchaseOption>> {
    let options = ctx.loaders().find(OptionsOf(product.id)).await?.unwrap_or_default();
    let offered = |option: &Arc<model::PurchaseOption>| {
        option.archived_at.is_none() && settings.purchase_options.is_none_or(|offered| offered.contains(&option.id))
    };
    Ok(options.into_iter().filter(offered).map(PurchaseOption).collect())
}

impl From<IncludedExpiration> for Expiration {
    fn from(expiration: IncludedExpiration) -> Self {
        match expiration {
            IncludedExpiration::EndOfPeriod => Self { policy: ExpirationPolicy::EndOfPeriod, days: None },
            IncludedExpiration::Never => Self { policy: ExpirationPolicy::Never, days: None },
            IncludedExpiration::AfterDays(days) => Self { policy: ExpirationPolicy::AfterDays, days: Some(days) },
        }
    }
}

/// What an item has of a flat fee.
#[derive(SimpleObject, Clone)]
pub struct FlatFeeOptions {
    /// What each period costs, in advance.
    pub price: Money,
}

/// What an item has of seats.
#[derive(SimpleObject, Clone)]
pub struct SeatOptions {
    /// What a seat costs for each period, in advance.
    pub price: Money,
    /// How many seats.
    pub quantity: i32,
}

/// What an item has of usage.
#[derive(SimpleObject, Clone)]
pub struct UsageOptions {
    /// What a metered unit costs, in arrears.
    pub unit_price: Money,
    /// How many units of each period cost nothing.
    pub included_units: Decimal,
}

impl ItemOptions {
    /// Options of a product, in a plan of a currency.
    ///
    /// # Errors
    /// The top-level error of options that do not go with their product, which cannot be.
    pub fn of(product: &model::Product, set: &plans::ItemOptions, currency: Currency) -> Result<Self> {
        let price = |product: &model::PricedProduct| {
            price_in_force(set, product, currency).map(Money::from).ok_or_else(|| missing(&product.id))
        };
        match (product, set) {
            (model::Product::Credit(product), plans::ItemOptions::Credit(set)) => {
                Ok(CreditOptions { product: product.clone(), set: Arc::new(set.clone()) }.into())
            }
            (model::Product::Priced(product), plans::ItemOptions::FlatFee(_)) => {
                Ok(FlatFeeOptions { price: price(product)? }.into())
            }
            (model::Product::Priced(product), plans::ItemOptions::Seat(seats)) => {
                Ok(SeatOptions { price: price(product)?, quantity: seats.quantity.unwrap_or(1) }.into())
            }
            (model::Product::Priced(product), plans::ItemOptions::Usage(usage)) => {
                let included_units = Decimal::written(usage.included_units.unwrap_or_default().text());
                Ok(UsageOptions { unit_price: price(product)?, included_units }.into())
            }
            _ => Err(missing(&product.id())),
        }
    }
}

// --- Inputs ------------------------------------------------------------------------------------------------------------

/// Options of an item: exactly one field, that of the kind of its product. What is left out, or null, inherits: a plan from
/// the product, a subscription from its plan. In `overrideSubscriptionItem`, what is left out stays and null inherits again.
#[derive(OneofObject, Clone, Debug)]
pub enum ItemOptionsInput {
    /// Options of credits.
    Credit(CreditOptionsInput),
    /// Options of a flat fee.
    FlatFee(FlatFeeOptionsInput),
    /// Options of seats.
    Seat(SeatOptionsInput),
    /// Options of usage.
    Usage(UsageOptionsInput),
}

/// Options of credits. Example: `{includedCredits: "1000", rolloverLimit: "200", lowBalanceThreshold: "50"}`.
#[derive(InputObject, Clone, Debug)]
pub struct CreditOptionsInput {
    /// Granted at the start of each period: 0 to 1000000000000, at most 6 fraction digits; 0 when nothing is said.
    pub included_credits: MaybeUndefined<Given<decimal::Decimal>>,
    /// How included credits end; END_OF_PERIOD when nothing is said.
    pub included_expiration: MaybeUndefined<ExpirationInput>,
    /// How bought, topped-up and starting credits end: NEVER or AFTER_DAYS.
    pub expiration: MaybeUndefined<ExpirationInput>,
    /// At most this many unused included credits live on for one more period, where they end with theirs; 0 when nothing is
    /// said.
    pub rollover_limit: MaybeUndefined<Given<decimal::Decimal>>,
    /// The balance is LOW when what is available is at or below this many credits; 0 never warns.
    pub low_balance_threshold: MaybeUndefined<Given<decimal::Decimal>>,
    /// What happens when usage exceeds what is available, as a whole.
    pub overdraft: MaybeUndefined<OverdraftInput>,
    /// Which usage burns credits, as a whole: at most 100 rules, each meter once.
    pub consumption: MaybeUndefined<Vec<ConsumptionRuleInput>>,
    /// Which of the product's purchase options are offered, as a whole; none of them when it is empty.
    pub purchase_option_ids: MaybeUndefined<Vec<ID>>,
}

/// Options of a flat fee.
#[derive(InputObject, Clone, Debug)]
pub struct FlatFeeOptionsInput {
    /// What each period costs, in the plan's currency; the product's price when nothing is said.
    pub price: MaybeUndefined<MoneyInput>,
}

/// Options of seats.
#[derive(InputObject, Clone, Debug)]
pub struct SeatOptionsInput {
    /// What a seat costs for each period, in the plan's currency; the product's price when nothing is said.
    pub price: MaybeUndefined<MoneyInput>,
    /// How many seats: 0 to 1000000; 1 when nothing is said.
    pub quantity: MaybeUndefined<i32>,
}

/// Options of usage.
#[derive(InputObject, Clone, Debug)]
pub struct UsageOptionsInput {
    /// What a metered unit costs, in the plan's currency, at most 12 fraction digits; the product's price when nothing is
    /// said.
    pub unit_price: MaybeUndefined<MoneyInput>,
    /// How many units of each period cost nothing: 0 to 1000000000000, at most 12 fraction digits; 0 when nothing is said.
    pub included_units: MaybeUndefined<Given<decimal::Decimal>>,
}

/// Options as the catalog reads them.
#[must_use]
pub fn given_options(input: ItemOptionsInput) -> GivenOptions {
    match input {
        ItemOptionsInput::Credit(credit) => GivenOptions::Credit(Box::new(given_credit(credit))),
        ItemOptionsInput::FlatFee(fee) => GivenOptions::FlatFee(patch(fee.price, Into::into)),
        ItemOptionsInput::Seat(seat) => {
            GivenOptions::Seat(patch(seat.price, Into::into), patch(seat.quantity, |quantity| quantity))
        }
        ItemOptionsInput::Usage(usage) => {
            GivenOptions::Usage(patch(usage.unit_price, Into::into), patch(usage.included_units, |units| units))
        }
    }
}

fn given_credit(input: CreditOptionsInput) -> GivenCredit {
    GivenCredit {
        included_credits: patch(input.included_credits, |credits| credits),
        included_expiration: patch(input.included_expiration, Into::into),
        rollover_limit: patch(input.rollover_limit, |limit| limit),
        expiration: patch(input.expiration, Into::into),
        low_balance_threshold: patch(input.low_balance_threshold, |threshold| threshold),
        overdraft: patch(input.overdraft, Into::into),
        consumption: patch(input.consumption, given_rules),
        purchase_options: patch(input.purchase_option_ids, |ids| ids.iter().map(id_given).collect()),
    }
}
