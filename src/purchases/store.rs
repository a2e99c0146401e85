//! What changes purchases, and what the steps need to read of them: SQL that is nobody else's.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel_async::RunQueryDsl;

use super::model::{Method, Provider, Purchase, Status};
use super::rows::PurchaseChange;
pub(super) use super::rows::PurchaseRow;
use crate::base::ids::{BalanceId, CustomerId, PurchaseId, PurchaseOptionId};
use crate::base::time::Time;
use crate::db::bulk::select_by_keys;
use crate::db::schema::{payment_methods, purchases};
use crate::db::types::{Deadline, Id};
use crate::db::{Conn, DbError, Txn, on};
use crate::ledger::entry::Origin;

/// What is to be written of purchases for one transaction, so that the table costs one statement.
#[derive(Debug, Default)]
pub struct Changes {
    purchases: BTreeMap<PurchaseId, Purchase>,
    methods: BTreeMap<CustomerId, Method>,
}

impl Changes {
    /// Remembers that a purchase is to be written as it stands.
    pub fn write(&mut self, purchase: &Purchase) {
        self.purchases.insert(purchase.id, purchase.clone());
    }

    /// Remembers how a customer can pay from now on.
    pub fn pay_by(&mut self, customer: CustomerId, method: &Method) {
        self.methods.insert(customer, method.clone());
    }

    /// How a customer can pay, where that is to be written.
    #[must_use]
    pub fn method(&self, customer: CustomerId) -> Option<&Method> {
        self.methods.get(&customer)
    }

    /// Writes all of it, in the order of its keys.
    ///
    /// # Errors
    /// Those of the database; [`DbError::Conflict`] and [`DbError::Duplicate`] when another transaction was first.
    pub async fn flush(self, conn: &mut Conn) -> Result<(), DbError> {
        let (new, known): (Vec<_>, Vec<_>) = self.purchases.values().partition(|known| known.revision == 0);
        PurchaseRow::insert_all(conn, new.into_iter().map(PurchaseRow::of).collect()).await?;
        PurchaseChange::update_all(conn, known.into_iter().map(PurchaseChange::of).collect()).await?;
        for (customer, method) in &self.methods {
            put_method(conn, *customer, method).await?;
        }
        Ok(())
    }
}

/// Those of the purchases that exist.
///
/// # Errors
/// Those of the database.
pub async fn find_purchases(conn: &mut Conn, ids: &[PurchaseId]) -> Result<Vec<Purchase>, DbError> {
    let wanted = ids.iter().map(|id| (id.balance.customer, id.balance.number, id.number)).collect();
    let rows = select_by_keys!(conn, PurchaseRow of purchases, wanted, {
        customer_id eq CustomerId as Id,
        balance eq i32 as Integer,
        number eq i32 as Integer,
    })?;
    rows.into_iter().map(PurchaseRow::purchase).collect()
}

/// Purchases of which the provider is to be asked by now, first those that were asked of least often: what has just been made
/// does not queue behind what has waited for long.
///
/// # Errors
/// Those of the database.
pub async fn list_due(conn: &mut Conn, now: Time, limit: i64) -> Result<Vec<Purchase>, DbError> {
    let rows: Vec<PurchaseRow> = on!(conn, |c| purchases::table
        .filter(purchases::looks_at.le(Deadline::of(Some(now))))
        .order((purchases::tries, purchases::looks_at))
        .limit(limit)
        .select(PurchaseRow::as_select())
        .load(c))?;
    rows.into_iter().map(PurchaseRow::purchase).collect()
}

/// The numbers of a balance's purchases that wait for their money, at most so many.
///
/// # Errors
/// Those of the database.
pub async fn list_waiting(conn: &mut Conn, balance: BalanceId, limit: i64) -> Result<Vec<i32>, DbError> {
    on!(conn, |c| purchases::table
        .filter(purchases::customer_id.eq(balance.customer))
        .filter(purchases::balance.eq(balance.number))
        // Spelled out, so that the index of those is used.
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("status = 0"))
        .limit(limit)
        .select(purchases::number)
        .load(c))
}

/// A customer's purchases of an option, each with its quantity; without auto top-ups and those that failed or were canceled.
///
/// # Errors
/// Those of the database.
pub async fn list_bought(
    conn: &mut Conn,
    customer: CustomerId,
    option: PurchaseOptionId,
) -> Result<Vec<(PurchaseId, i32)>, DbError> {
    let counted = [Status::Pending, Status::Paid, Status::Refunded].map(Status::number);
    let rows: Vec<(i32, i32, i32)> = on!(conn, |c| purchases::table
        .filter(purchases::customer_id.eq(customer))
        .filter(purchases::option_id.eq(option))
        .filter(purchases::status.eq_any(counted))
        .filter(purchases::origin.ne(Origin::AutoTopUp.number()))
        .select((purchases::balance, purchases::number, purchases::quantity))
        .load(c))?;
    let id = |balance, number| PurchaseId { balance: BalanceId { customer, number: balance }, number };
    Ok(rows.into_iter().map(|(balance, number, quantity)| (id(balance, number), quantity)).collect())
}

/// Takes it upon oneself to ask the provider of purchases: until then nobody else does. Answers those that nobody took before.
///
/// # Errors
/// Those of the database.
pub async fn claim(txn: &mut Txn, due: &[Purchase], until: Time) -> Result<Vec<Purchase>, DbError> {
    let mut mine = Vec::new();
    for purchase in due {
        let PurchaseId { balance: BalanceId { customer, number: balance }, number } = purchase.id;
        let as_read = purchases::table
            .filter(purchases::customer_id.eq(customer))
            .filter(purchases::balance.eq(balance))
            .filter(purchases::number.eq(number))
            .filter(purchases::looks_at.eq(Deadline::of(purchase.looks_at)));
        let changed =
            on!(txn, |c| diesel::update(as_read).set(purchases::looks_at.eq(Deadline::of(Some(until)))).execute(c))?;
        if changed == 1 {
            mine.push(purchase.clone());
        }
    }
    Ok(mine)
}

/// How customers can pay at the provider; those of whom nothing is known are left out.
///
/// # Errors
/// Those of the database.
pub async fn find_methods(conn: &mut Conn, customers: &[CustomerId]) -> Result<HashMap<CustomerId, Method>, DbError> {
    let rows: Vec<(CustomerId, String, Option<String>)> = on!(conn, |c| payment_methods::table
        .filter(payment_methods::customer_id.eq_any(customers))
        .filter(payment_methods::provider.eq(Provider::Stripe.number()))
        .select((payment_methods::customer_id, payment_methods::customer, payment_methods::method))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, customer, method)| (id, Method { customer, method })).collect())
}

async fn put_method(conn: &mut Conn, id: CustomerId, Method { customer, method }: &Method) -> Result<(), DbError> {
    let key = (payment_methods::customer_id, payment_methods::provider);
    let values = (payment_methods::customer.eq(customer), payment_methods::method.eq(method));
    let provider = payment_methods::provider.eq(Provider::Stripe.number());
    on!(conn, |c| diesel::insert_into(payment_methods::table)
        .values((payment_methods::customer_id.eq(id), provider, values))
        .on_conflict(key)
        .do_update()
        .set(values)
        .execute(c))
    .map(drop)
}
