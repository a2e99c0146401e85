//! Rows of purchases, and how they become shapes and back.

use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};

use super::model::{Provider, Purchase, Status};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, PurchaseOptionId};
use crate::base::money::{Currency, Money};
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::{bulk_insert, bulk_update};
use crate::db::schema::purchases;
use crate::db::types::{Deadline, Id, JsonText, Micros};
use crate::ledger::entry::Origin;

bulk_insert! {
    /// A purchase.
    pub(super) struct PurchaseRow of purchases {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        number: i32 as Integer,
        revision: i64 as BigInt,
        option_id: PurchaseOptionId as Id,
        quantity: i32 as Integer,
        credits: Credits as BigInt,
        price_minor: i64 as BigInt,
        currency: String as Text,
        status: i16 as SmallInt,
        origin: i16 as SmallInt,
        provider: i16 as SmallInt,
        pays_by: Option<JsonText> as Nullable<Text>,
        page: Option<JsonText> as Nullable<Text>,
        payment_url: Option<String> as Nullable<Text>,
        reference: Option<String> as Nullable<Text>,
        payment: Option<String> as Nullable<Text>,
        failure: Option<String> as Nullable<Text>,
        lot: Option<i64> as Nullable<BigInt>,
        refunded_minor: i64 as BigInt,
        created_at: Time as Micros,
        paid_at: Option<Time> as Nullable<Micros>,
        ended_at: Option<Time> as Nullable<Micros>,
        looks_at: Deadline as Micros,
        tries: i32 as Integer,
    }
}

bulk_update! {
    /// What changes of a purchase.
    pub(super) struct PurchaseChange of purchases {
        keys { customer_id: CustomerId as Id, balance: i32 as Integer, number: i32 as Integer, }
        values {
            revision: i64 as BigInt,
            status: i16 as SmallInt,
            page: Option<JsonText> as Nullable<Text>,
            payment_url: Option<String> as Nullable<Text>,
            reference: Option<String> as Nullable<Text>,
            payment: Option<String> as Nullable<Text>,
            failure: Option<String> as Nullable<Text>,
            lot: Option<i64> as Nullable<BigInt>,
            refunded_minor: i64 as BigInt,
            paid_at: Option<Time> as Nullable<Micros>,
            ended_at: Option<Time> as Nullable<Micros>,
            looks_at: Deadline as Micros,
            tries: i32 as Integer,
        }
    }
}

impl Status {
    pub(super) const fn number(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Paid => 1,
            Self::Failed => 2,
            Self::Canceled => 3,
            Self::Refunded => 4,
        }
    }

    fn from_number(number: i16) -> Result<Self, DbError> {
        let all = [Self::Pending, Self::Paid, Self::Failed, Self::Canceled, Self::Refunded];
        all.into_iter().find(|status| status.number() == number).ok_or_else(|| corrupt("status"))
    }
}

impl Provider {
    pub(super) const fn number(self) -> i16 {
        match self {
            Self::Manual => 0,
            Self::Stripe => 1,
        }
    }

    fn from_number(number: i16) -> Result<Self, DbError> {
        [Self::Manual, Self::Stripe].into_iter().find(|one| one.number() == number).ok_or_else(|| corrupt("provider"))
    }
}

fn corrupt(what: &str) -> DbError {
    DbError::Corrupt(format!("a purchase's {what}"))
}

impl PurchaseRow {
    pub(super) fn of(purchase: &Purchase) -> Self {
        let Purchase { id, price, .. } = purchase;
        Self {
            customer_id: id.balance.customer,
            balance: id.balance.number,
            number: id.number,
            revision: purchase.revision.saturating_add(1),
            option_id: purchase.option,
            quantity: purchase.quantity,
            credits: purchase.credits,
            price_minor: price.minor,
            currency: price.currency.code().to_owned(),
            status: purchase.status.number(),
            origin: purchase.origin.number(),
            provider: purchase.provider.number(),
            pays_by: purchase.pays_by.as_ref().map(JsonText::of),
            page: purchase.page.as_ref().map(JsonText::of),
            payment_url: purchase.payment_url.clone(),
            reference: purchase.reference.clone(),
            payment: purchase.payment.clone(),
            failure: purchase.failure.clone(),
            lot: purchase.lot,
            refunded_minor: purchase.refunded.minor,
            created_at: purchase.created_at,
            paid_at: purchase.paid_at,
            ended_at: purchase.ended_at,
            looks_at: Deadline::of(purchase.looks_at),
            tries: purchase.tries,
        }
    }

    pub(super) fn purchase(self) -> Result<Purchase, DbError> {
        let currency = Currency::stored(&self.currency).ok_or_else(|| corrupt("currency"))?;
        let balance = BalanceId { customer: self.customer_id, number: self.balance };
        let pays_by = self.pays_by.as_ref().map(|text| text.read("a purchase's way of payment")).transpose()?;
        let page = self.page.as_ref().map(|text| text.read("a purchase's page")).transpose()?;
        Ok(Purchase {
            id: balance.purchase(self.number),
            option: self.option_id,
            quantity: self.quantity,
            credits: self.credits,
            price: Money { minor: self.price_minor, currency },
            status: Status::from_number(self.status)?,
            origin: Origin::from_number(self.origin)?,
            provider: Provider::from_number(self.provider)?,
            pays_by,
            page,
            payment_url: self.payment_url,
            reference: self.reference,
            payment: self.payment,
            failure: self.failure,
            lot: self.lot,
            refunded: Money { minor: self.refunded_minor, currency },
            created_at: self.created_at,
            paid_at: self.paid_at,
            ended_at: self.ended_at,
            looks_at: self.looks_at.time(),
            tries: self.tries,
            revision: self.revision,
        })
    }
}

impl PurchaseChange {
    pub(super) fn of(purchase: &Purchase) -> Self {
        let row = PurchaseRow::of(purchase);
        Self {
            customer_id: row.customer_id,
            balance: row.balance,
            number: row.number,
            revision: row.revision,
            status: row.status,
            page: row.page,
            payment_url: row.payment_url,
            reference: row.reference,
            payment: row.payment,
            failure: row.failure,
            lot: row.lot,
            refunded_minor: row.refunded_minor,
            paid_at: row.paid_at,
            ended_at: row.ended_at,
            looks_at: row.looks_at,
            tries: row.tries,
        }
    }
}
