//! What changes subscriptions and charges, and what the steps need to read of them: SQL that is nobody else's.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::model::{Amount, Charge, Subscription};
use super::rows::SubscriptionChange;
pub(super) use super::rows::{ChargeRow, SubscriptionRow};
use crate::base::ids::{CustomerId, MeterId, PlanVersionId, SubscriptionId};
use crate::base::time::Time;
use crate::db::schema::{charges, subscriptions};
use crate::db::types::Deadline;
use crate::db::{Conn, DbError, Txn, on};

/// What is to be written of subscriptions and charges for one transaction, so that each table costs one statement.
#[derive(Debug, Default)]
pub struct Changes {
    subscriptions: Vec<Subscription>,
    charges: Vec<Charge>,
}

impl Changes {
    /// Remembers that a subscription is to be written as it stands.
    pub fn write(&mut self, subscription: &Subscription) {
        self.subscriptions.retain(|known| known.id != subscription.id);
        self.subscriptions.push(subscription.clone());
    }

    /// Remembers charges.
    pub fn charge(&mut self, charges: Vec<Charge>) {
        self.charges.extend(charges);
    }

    /// Writes all of it, each table in the order of its key.
    ///
    /// # Errors
    /// Those of the database; [`DbError::Conflict`] and [`DbError::Duplicate`] when another transaction was first.
    pub async fn flush(mut self, conn: &mut Conn) -> Result<(), DbError> {
        self.subscriptions.sort_by_key(|subscription| subscription.id);
        self.charges.sort_by_key(|charge| charge.id);
        let (new, known): (Vec<_>, Vec<_>) = self.subscriptions.iter().partition(|known| known.revision == 0);
        SubscriptionRow::insert_all(conn, new.into_iter().map(SubscriptionRow::of).collect()).await?;
        SubscriptionChange::update_all(conn, known.into_iter().map(SubscriptionChange::of).collect()).await?;
        ChargeRow::insert_all(conn, self.charges.iter().map(ChargeRow::of).collect()).await
    }
}

/// All subscriptions of customers, in order of their numbers.
///
/// # Errors
/// Those of the database.
pub async fn list_of_customers(conn: &mut Conn, customers: &[CustomerId]) -> Result<Vec<Subscription>, DbError> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<SubscriptionRow> = on!(conn, |c| subscriptions::table
        .filter(subscriptions::customer_id.eq_any(customers))
        .order((subscriptions::customer_id, subscriptions::number))
        .select(SubscriptionRow::as_select())
        .load(c))?;
    rows.into_iter().map(SubscriptionRow::subscription).collect()
}

/// Subscriptions of which something is to be written down by now, the longest overdue first.
///
/// # Errors
/// Those of the database.
pub async fn list_due(conn: &mut Conn, now: Time, limit: i64) -> Result<Vec<SubscriptionId>, DbError> {
    let rows: Vec<(CustomerId, i32)> = on!(conn, |c| subscriptions::table
        .filter(subscriptions::due_at.le(Deadline::of(Some(now))))
        .order(subscriptions::due_at)
        .limit(limit)
        .select((subscriptions::customer_id, subscriptions::number))
        .load(c))?;
    Ok(rows.into_iter().map(|(customer, number)| SubscriptionId { customer, number }).collect())
}

/// Whether a subscription that has not ended burns by a meter: by what it sets itself, or by a version of a plan. All of
/// them are looked at: meters are rarely archived.
///
/// # Errors
/// Those of the database.
pub async fn meter_is_used(
    conn: &mut Conn,
    meter: MeterId,
    versions: &[PlanVersionId],
    now: Time,
) -> Result<bool, DbError> {
    let named = versions.iter().map(ToString::to_string).chain([meter.to_string()]);
    for name in named {
        let running = subscriptions::table
            .filter(subscriptions::ends_at.gt(Deadline::of(Some(now))))
            .filter(subscriptions::terms.like(format!("%\"{name}\"%")));
        if on!(conn, |c| diesel::select(diesel::dsl::exists(running)).get_result::<bool>(c))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Charges of usage that wait to be metered since then or longer, the oldest first; of one subscription, or of all.
///
/// # Errors
/// Those of the database.
pub async fn list_to_be_metered(
    conn: &mut Conn,
    of: Option<SubscriptionId>,
    since: Time,
    limit: i64,
) -> Result<Vec<Charge>, DbError> {
    let rows: Vec<ChargeRow> = on!(conn, |c, B| {
        let waiting = charges::table.filter(charges::amount_minor.is_null()).filter(charges::created_at.le(since));
        let mut query = waiting.select(ChargeRow::as_select()).into_boxed::<B>();
        if let Some(SubscriptionId { customer, number }) = of {
            query = query.filter(charges::customer_id.eq(customer)).filter(charges::subscription.eq(number));
        }
        query.order(charges::created_at).limit(limit).load(c)
    })?;
    rows.into_iter().map(ChargeRow::charge).collect()
}

/// Writes what a charge comes to, where nobody was first.
///
/// # Errors
/// Those of the database.
pub async fn write_metered(txn: &mut Txn, charge: &Charge) -> Result<(), DbError> {
    let Amount::Known { quantity, amount } = &charge.amount else { return Ok(()) };
    let id = charge.id;
    let waiting = charges::table
        .filter(charges::customer_id.eq(id.subscription.customer))
        .filter(charges::subscription.eq(id.subscription.number))
        .filter(charges::period.eq(id.period))
        .filter(charges::item.eq(id.item))
        .filter(charges::amount_minor.is_null());
    on!(txn, |c| diesel::update(waiting)
        .set((
            charges::quantity.eq(Some(quantity)),
            charges::amount_minor.eq(Some(amount.minor)),
            charges::description.eq(&charge.description),
            charges::created_at.eq(charge.created_at),
        ))
        .execute(c))
    .map(drop)
}
