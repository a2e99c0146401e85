//! The catalog's rows: how its shapes lie in its tables.

use diesel::prelude::*;

use super::meter_rules::filter_text;
use super::model::{
    Aggregation, ConsumptionRule, CreditProduct, Expiration, Meter, Price, PricedKind, PricedProduct, ProductKind,
    PurchaseOption,
};
use crate::base::credits::Credits;
use crate::base::ids::{MeterId, ProductId, PurchaseOptionId};
use crate::base::json::CanonicalJson;
use crate::base::money::{Currency, Money};
use crate::base::settings::{Overdraft, Rate, Weight};
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::bulk_insert;
use crate::db::schema::{consumption_rules, credit_products, meters, product_prices, products, purchase_options};
use crate::db::types::Id;

impl ProductKind {
    /// Its number in the database.
    pub(super) const fn number(self) -> i16 {
        match self {
            Self::Credit => 0,
            Self::FlatFee => 1,
            Self::Seat => 2,
            Self::Usage => 3,
        }
    }
}

pub(super) fn corrupt(what: &str) -> DbError {
    DbError::Corrupt(what.to_owned())
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = meters, treat_none_as_null = true)]
pub(super) struct MeterRow {
    id: MeterId,
    key: String,
    name: String,
    event_type: String,
    property: Option<String>,
    filter: CanonicalJson,
    created_at: Time,
    updated_at: Time,
    archived_at: Option<Time>,
}

impl MeterRow {
    pub(super) fn of(meter: &Meter) -> Result<Self, DbError> {
        let property = match &meter.aggregation {
            Aggregation::Count => None,
            Aggregation::Sum { property } => Some(property.clone()),
        };
        Ok(Self {
            id: meter.id,
            key: meter.key.clone(),
            name: meter.name.clone(),
            event_type: meter.event_type.clone(),
            property,
            filter: filter_text(&meter.filter).map_err(|()| corrupt("a meter's filter is no JSON"))?,
            created_at: meter.created_at,
            updated_at: meter.updated_at,
            archived_at: meter.archived_at,
        })
    }

    pub(super) fn meter(self) -> Result<Meter, DbError> {
        Ok(Meter {
            id: self.id,
            key: self.key,
            name: self.name,
            event_type: self.event_type,
            aggregation: self.property.map_or(Aggregation::Count, |property| Aggregation::Sum { property }),
            filter: serde_json::from_str(self.filter.as_str()).map_err(|_| corrupt("a meter's filter"))?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            archived_at: self.archived_at,
        })
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = products, treat_none_as_null = true)]
pub(super) struct ProductRow {
    pub(super) id: ProductId,
    key: String,
    pub(super) kind: i16,
    name: String,
    description: Option<String>,
    metadata: CanonicalJson,
    created_at: Time,
    updated_at: Time,
    archived_at: Option<Time>,
}

impl ProductRow {
    pub(super) fn of(product: &CreditProduct) -> Self {
        Self {
            id: product.id,
            key: product.key.clone(),
            kind: ProductKind::Credit.number(),
            name: product.name.clone(),
            description: product.description.clone(),
            metadata: product.metadata.clone(),
            created_at: product.created_at,
            updated_at: product.updated_at,
            archived_at: product.archived_at,
        }
    }
}

impl ProductRow {
    pub(super) fn of_priced(product: &PricedProduct) -> Self {
        Self {
            id: product.id,
            key: product.key.clone(),
            kind: product.kind.kind().number(),
            name: product.name.clone(),
            description: product.description.clone(),
            metadata: product.metadata.clone(),
            created_at: product.created_at,
            updated_at: product.updated_at,
            archived_at: product.archived_at,
        }
    }

    /// The product of which this row, its prices and its meter tell.
    pub(super) fn priced(self, prices: Vec<Price>, meter: Option<MeterId>) -> Result<PricedProduct, DbError> {
        let kind = match (self.kind, meter) {
            (1, None) => PricedKind::FlatFee,
            (2, None) => PricedKind::Seat,
            (3, Some(meter)) => PricedKind::Usage { meter },
            (kind, _) => return Err(corrupt(&format!("a product's kind {kind}"))),
        };
        Ok(PricedProduct {
            id: self.id,
            key: self.key,
            kind,
            name: self.name,
            description: self.description,
            metadata: self.metadata,
            prices,
            created_at: self.created_at,
            updated_at: self.updated_at,
            archived_at: self.archived_at,
        })
    }
}

bulk_insert! {
    /// A price of a product.
    pub(super) struct PriceRow of product_prices {
        /// The product.
        product_id: ProductId as Id,
        /// Its place, from 0.
        position: i32 as diesel::sql_types::Integer,
        /// ISO 4217.
        currency: String as diesel::sql_types::Text,
        /// The decimal.
        amount: String as diesel::sql_types::Text,
    }
}

impl PriceRow {
    pub(super) fn of(product: &PricedProduct) -> Vec<Self> {
        let row = |(position, price): (i32, &Price)| Self {
            product_id: product.id,
            position,
            currency: price.currency.code().to_owned(),
            amount: price.amount.text(),
        };
        (0_i32..).zip(&product.prices).map(row).collect()
    }

    pub(super) fn price(&self) -> Result<Price, DbError> {
        let amount = Rate::try_from(self.amount.clone()).map_err(|_| corrupt("a product's price"))?;
        let currency = Currency::stored(&self.currency).ok_or_else(|| corrupt("the currency of a product's price"))?;
        Ok(Price { amount, currency })
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = credit_products, primary_key(product_id), treat_none_as_null = true)]
pub(super) struct CreditRow {
    pub(super) product_id: ProductId,
    unit_name: String,
    low_balance_threshold: Option<Credits>,
    overdraft_allowed: bool,
    overdraft_limit: Option<Credits>,
    expires_after_days: Option<i32>,
}

impl CreditRow {
    pub(super) fn of(product: &CreditProduct) -> Self {
        let (overdraft_allowed, overdraft_limit) = match product.overdraft {
            Overdraft::Deny => (false, None),
            Overdraft::Allow { limit } => (true, limit),
        };
        let expires_after_days = match product.expiration {
            Expiration::Never => None,
            Expiration::AfterDays(days) => Some(days),
        };
        Self {
            product_id: product.id,
            unit_name: product.unit_name.clone(),
            low_balance_threshold: product.low_balance_threshold,
            overdraft_allowed,
            overdraft_limit,
            expires_after_days,
        }
    }

    /// The product that these rows make.
    pub(super) fn product(self, row: ProductRow, consumption: Vec<ConsumptionRule>) -> CreditProduct {
        CreditProduct {
            id: row.id,
            key: row.key,
            name: row.name,
            description: row.description,
            metadata: row.metadata,
            unit_name: self.unit_name,
            consumption,
            low_balance_threshold: self.low_balance_threshold,
            overdraft: if self.overdraft_allowed {
                Overdraft::Allow { limit: self.overdraft_limit }
            } else {
                Overdraft::Deny
            },
            expiration: self.expires_after_days.map_or(Expiration::Never, Expiration::AfterDays),
            created_at: row.created_at,
            updated_at: row.updated_at,
            archived_at: row.archived_at,
        }
    }
}

bulk_insert! {
    /// A rule of a product.
    pub(super) struct RuleRow of consumption_rules {
        /// The product.
        product_id: ProductId as Id,
        /// Its place, from 0.
        position: i32 as diesel::sql_types::Integer,
        /// The meter.
        meter_id: MeterId as Id,
        /// The weight, as a decimal.
        credits_per_unit: String as diesel::sql_types::Text,
    }
}

impl RuleRow {
    pub(super) fn of(product: &CreditProduct) -> Vec<Self> {
        (0_i32..)
            .zip(&product.consumption)
            .map(|(position, rule)| Self {
                product_id: product.id,
                position,
                meter_id: rule.meter,
                credits_per_unit: rule.credits_per_unit.text(),
            })
            .collect()
    }

    pub(super) fn rule(&self) -> Result<ConsumptionRule, DbError> {
        let weight = Weight::try_from(self.credits_per_unit.clone());
        let credits_per_unit = weight.map_err(|_| corrupt("a rule's credits for each unit"))?;
        Ok(ConsumptionRule { meter: self.meter_id, credits_per_unit })
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = purchase_options, treat_none_as_null = true)]
pub(super) struct OptionRow {
    id: PurchaseOptionId,
    product_id: ProductId,
    name: String,
    credits: Credits,
    price_minor: i64,
    currency: String,
    show_in_portal: bool,
    position: i32,
    per_customer: Option<i32>,
    created_at: Time,
    archived_at: Option<Time>,
}

impl OptionRow {
    pub(super) fn of(option: &PurchaseOption) -> Self {
        Self {
            id: option.id,
            product_id: option.product,
            name: option.name.clone(),
            credits: option.credits,
            price_minor: option.price.minor,
            currency: option.price.currency.code().to_owned(),
            show_in_portal: option.show_in_portal,
            position: option.position,
            per_customer: option.per_customer,
            created_at: option.created_at,
            archived_at: option.archived_at,
        }
    }

    pub(super) fn option(self) -> Result<PurchaseOption, DbError> {
        let currency = Currency::stored(&self.currency).ok_or_else(|| corrupt("a purchase option's currency"))?;
        Ok(PurchaseOption {
            id: self.id,
            product: self.product_id,
            name: self.name,
            credits: self.credits,
            price: Money { minor: self.price_minor, currency },
            show_in_portal: self.show_in_portal,
            position: self.position,
            per_customer: self.per_customer,
            created_at: self.created_at,
            archived_at: self.archived_at,
        })
    }
}
