//! Rows of subscriptions and charges, and how they become shapes and back.

use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use serde::{Deserialize, Serialize};

use super::model::{Amount, Begun, Charge, Metered, Next, Period, Phase, Subscription};
use crate::base::ids::{ChargeId, CustomerId, MeterId, PlanId, ProductId, SubscriptionId};
use crate::base::json::CanonicalJson;
use crate::base::money::{Currency, Money};
use crate::base::settings::{Rate, Units};
use crate::base::time::Time;
use crate::catalog::model::Price;
use crate::db::DbError;
use crate::db::bulk::{bulk_insert, bulk_update};
use crate::db::schema::{charges, subscriptions};
use crate::db::types::{Deadline, Id, JsonText, Micros};

bulk_insert! {
    /// A subscription.
    pub(super) struct SubscriptionRow of subscriptions {
        customer_id: CustomerId as Id,
        number: i32 as Integer,
        revision: i64 as BigInt,
        plan_id: PlanId as Id,
        next_plan_id: Option<PlanId> as Nullable<Id>,
        next_at: Option<Time> as Nullable<Micros>,
        starts_at: Time as Micros,
        ends_at: Deadline as Micros,
        period: Option<i32> as Nullable<Integer>,
        period_start: Option<Time> as Nullable<Micros>,
        terms: JsonText as Text,
        due_at: Deadline as Micros,
        metadata: CanonicalJson as Text,
        created_at: Time as Micros,
    }
}

bulk_update! {
    /// What changes of a subscription.
    pub(super) struct SubscriptionChange of subscriptions {
        keys { customer_id: CustomerId as Id, number: i32 as Integer, }
        values {
            revision: i64 as BigInt,
            plan_id: PlanId as Id,
            next_plan_id: Option<PlanId> as Nullable<Id>,
            next_at: Option<Time> as Nullable<Micros>,
            ends_at: Deadline as Micros,
            period: Option<i32> as Nullable<Integer>,
            period_start: Option<Time> as Nullable<Micros>,
            terms: JsonText as Text,
            due_at: Deadline as Micros,
        }
    }
}

bulk_insert! {
    /// A charge.
    pub(super) struct ChargeRow of charges {
        customer_id: CustomerId as Id,
        subscription: i32 as Integer,
        period: i32 as Integer,
        item: i32 as Integer,
        product_id: ProductId as Id,
        period_start: Time as Micros,
        period_end: Time as Micros,
        description: String as Text,
        quantity: Option<String> as Nullable<Text>,
        amount_minor: Option<i64> as Nullable<BigInt>,
        currency: String as Text,
        meter_id: Option<MeterId> as Nullable<Id>,
        unit_price: Option<String> as Nullable<Text>,
        included: Option<String> as Nullable<Text>,
        created_at: Time as Micros,
    }
}

/// The phase in force and the one after it, as JSON.
#[derive(Serialize, Deserialize)]
struct Terms {
    now: Phase,
    next: Option<Next>,
}

fn corrupt(what: &str) -> DbError {
    DbError::Corrupt(what.to_owned())
}

fn terms(subscription: &Subscription) -> JsonText {
    JsonText::of(&Terms { now: subscription.phase.clone(), next: subscription.next.clone() })
}

impl SubscriptionRow {
    pub(super) fn of(subscription: &Subscription) -> Self {
        Self {
            customer_id: subscription.id.customer,
            number: subscription.id.number,
            revision: subscription.revision.saturating_add(1),
            plan_id: subscription.phase.plan,
            next_plan_id: subscription.next.as_ref().map(|next| next.phase.plan),
            next_at: subscription.next.as_ref().map(|next| next.at),
            starts_at: subscription.starts_at,
            ends_at: Deadline::of(subscription.ends_at),
            period: subscription.period.map(|period| period.index),
            period_start: subscription.period.map(|period| period.start),
            terms: terms(subscription),
            due_at: Deadline::of(subscription.due_at()),
            metadata: subscription.metadata.clone(),
            created_at: subscription.created_at,
        }
    }

    pub(super) fn subscription(self) -> Result<Subscription, DbError> {
        let Terms { now, next } = self.terms.read("a subscription's terms")?;
        let ends_at = self.ends_at.time();
        let begun = self.period.zip(self.period_start).map(|(index, start)| Begun { index, start });
        let mut subscription = Subscription {
            id: SubscriptionId { customer: self.customer_id, number: self.number },
            starts_at: self.starts_at,
            ends_at,
            period: begun,
            phase: now,
            next,
            settled: false,
            metadata: self.metadata,
            created_at: self.created_at,
            revision: self.revision,
        };
        // Nothing is due where an end is on record that was crossed, or where no period can be written any more.
        subscription.settled = self.due_at.time().is_none() && subscription.due_at().is_some();
        Ok(subscription)
    }
}

impl SubscriptionChange {
    pub(super) fn of(subscription: &Subscription) -> Self {
        let SubscriptionRow {
            customer_id,
            number,
            revision,
            plan_id,
            next_plan_id,
            next_at,
            ends_at,
            period,
            period_start,
            terms,
            due_at,
            ..
        } = SubscriptionRow::of(subscription);
        Self {
            customer_id,
            number,
            revision,
            plan_id,
            next_plan_id,
            next_at,
            ends_at,
            period,
            period_start,
            terms,
            due_at,
        }
    }
}

impl ChargeRow {
    pub(super) fn of(charge: &Charge) -> Self {
        let Charge { id, product, period, description, amount, created_at } = charge;
        let row = Self {
            customer_id: id.subscription.customer,
            subscription: id.subscription.number,
            period: id.period,
            item: id.item,
            product_id: *product,
            period_start: period.start,
            period_end: period.end,
            description: description.clone(),
            quantity: None,
            amount_minor: None,
            currency: String::new(),
            meter_id: None,
            unit_price: None,
            included: None,
            created_at: *created_at,
        };
        match amount {
            Amount::Known { quantity, amount } => Self {
                quantity: Some(quantity.clone()),
                amount_minor: Some(amount.minor),
                currency: amount.currency.code().to_owned(),
                ..row
            },
            Amount::ToBeMetered(terms) => Self {
                currency: terms.currency().code().to_owned(),
                meter_id: Some(terms.meter),
                unit_price: Some(terms.price.amount.text()),
                included: Some(terms.included.text()),
                ..row
            },
        }
    }

    pub(super) fn charge(self) -> Result<Charge, DbError> {
        let currency = Currency::stored(&self.currency).ok_or_else(|| corrupt("a charge's currency"))?;
        let amount = match (self.quantity, self.amount_minor, self.meter_id) {
            (Some(quantity), Some(minor), _) => Amount::Known { quantity, amount: Money { minor, currency } },
            (_, _, Some(meter)) => {
                let unit_price = self.unit_price.map(Rate::try_from);
                let rate = unit_price.and_then(Result::ok).ok_or_else(|| corrupt("a charge's unit price"))?;
                let included = self.included.map(Units::try_from);
                let included = included.and_then(Result::ok).ok_or_else(|| corrupt("a charge's included units"))?;
                Amount::ToBeMetered(Metered { meter, price: Price { amount: rate, currency }, included })
            }
            _ => return Err(corrupt("a charge's amount")),
        };
        let subscription = SubscriptionId { customer: self.customer_id, number: self.subscription };
        Ok(Charge {
            id: ChargeId { subscription, period: self.period, item: self.item },
            product: self.product_id,
            period: Period { index: self.period, start: self.period_start, end: self.period_end },
            description: self.description,
            amount,
            created_at: self.created_at,
        })
    }
}
