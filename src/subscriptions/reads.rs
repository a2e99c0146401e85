//! Reads of subscriptions and charges for people: SQL that is nobody else's.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::input::ListSubscriptions;
use super::model::{Charge, Status, Subscription};
use super::store::{ChargeRow, SubscriptionRow};
use crate::base::ids::{ChargeId, CustomerId, SubscriptionId};
use crate::base::page::{Age, Page, PageRequest};
use crate::base::time::Time;
use crate::db::schema::{charges, subscriptions};
use crate::db::types::Deadline;
use crate::db::{Conn, DbError, on};

impl Subscription {
    /// Where it stands among all subscriptions.
    #[must_use]
    pub const fn age(&self) -> Age<SubscriptionId> {
        Age { created_at: self.created_at, id: self.id }
    }
}

impl Charge {
    /// Where it stands among all charges.
    #[must_use]
    pub const fn age(&self) -> Age<ChargeId> {
        Age { created_at: self.created_at, id: self.id }
    }
}

/// Those of the subscriptions that exist.
///
/// # Errors
/// Those of the database.
pub async fn find_subscriptions(conn: &mut Conn, ids: &[SubscriptionId]) -> Result<Vec<Subscription>, DbError> {
    let customers: Vec<CustomerId> = ids.iter().map(|id| id.customer).collect();
    let numbers: Vec<i32> = ids.iter().map(|id| id.number).collect();
    let rows: Vec<SubscriptionRow> = on!(conn, |c| subscriptions::table
        .filter(subscriptions::customer_id.eq_any(&customers))
        .filter(subscriptions::number.eq_any(&numbers))
        .select(SubscriptionRow::as_select())
        .load(c))?;
    let found = rows.into_iter().map(SubscriptionRow::subscription).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter(|subscription| ids.contains(&subscription.id)).collect())
}

/// Rows on one side of a place. The bound on the time alone lets the index begin there.
macro_rules! beside {
    ($place:expr, $is:ident, $at_least:ident) => {{
        let Age { created_at, id: SubscriptionId { customer, number } } = *$place;
        let by_number = subscriptions::customer_id.eq(customer).and(subscriptions::number.$is(number));
        let by_id = subscriptions::customer_id.$is(customer).or(by_number);
        subscriptions::created_at.$at_least(created_at).and(subscriptions::created_at.$is(created_at).or(by_id))
    }};
}

/// A page of subscriptions as they stand at `now`, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_subscriptions(
    conn: &mut Conn,
    list: &ListSubscriptions,
    now: Time,
) -> Result<Page<Subscription>, DbError> {
    let wanted = |status| list.status.as_ref().is_none_or(|wanted| wanted.contains(&status));
    let (scheduled, active, canceled) = (wanted(Status::Scheduled), wanted(Status::Active), wanted(Status::Canceled));
    let at = Deadline::of(Some(now));
    let rows: Vec<SubscriptionRow> = on!(conn, |c, B| {
        let mut query = subscriptions::table.select(SubscriptionRow::as_select()).into_boxed::<B>();
        if let Some(customer) = list.customer {
            query = query.filter(subscriptions::customer_id.eq(customer));
        }
        if let Some(plan) = list.plan {
            let still = subscriptions::next_at.is_null().or(subscriptions::next_at.gt(now));
            let stays = subscriptions::plan_id.eq(plan).and(still);
            let changed = subscriptions::next_plan_id.eq(plan).and(subscriptions::next_at.le(now));
            query = query.filter(stays.or(changed));
        }
        if !canceled {
            query = query.filter(subscriptions::ends_at.gt(at));
        }
        if !scheduled {
            query = query.filter(subscriptions::starts_at.le(now).or(subscriptions::ends_at.le(at)));
        }
        if !active {
            query = query.filter(subscriptions::starts_at.gt(now).or(subscriptions::ends_at.le(at)));
        }
        if let Some(place) = &list.page.after {
            query = query.filter(beside!(place, lt, le));
        }
        if let Some(place) = &list.page.before {
            query = query.filter(beside!(place, gt, ge));
        }
        query = if list.page.is_backward() {
            query.order((
                subscriptions::created_at.asc(),
                subscriptions::customer_id.asc(),
                subscriptions::number.asc(),
            ))
        } else {
            query.order((
                subscriptions::created_at.desc(),
                subscriptions::customer_id.desc(),
                subscriptions::number.desc(),
            ))
        };
        query.limit(list.page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(SubscriptionRow::subscription).collect::<Result<_, _>>()?;
    Ok(Page::of(&list.page, found))
}

/// A page of charges.
#[derive(Clone, Debug)]
pub struct ListCharges {
    /// Only this subscription's.
    pub of: Option<SubscriptionId>,
    /// Only what was written then or later.
    pub from: Option<Time>,
    /// Only what was written before that.
    pub until: Option<Time>,
    /// Which page.
    pub page: PageRequest<Age<ChargeId>>,
}

/// Charges on one side of a place.
macro_rules! charges_beside {
    ($place:expr, $is:ident, $at_least:ident) => {{
        let Age { created_at, id: ChargeId { subscription, period, item } } = *$place;
        let by_item = charges::period.eq(period).and(charges::item.$is(item));
        let by_period = charges::period.$is(period).or(by_item);
        let by_number = charges::subscription
            .$is(subscription.number)
            .or(charges::subscription.eq(subscription.number).and(by_period));
        let by_id = charges::customer_id
            .$is(subscription.customer)
            .or(charges::customer_id.eq(subscription.customer).and(by_number));
        charges::created_at.$at_least(created_at).and(charges::created_at.$is(created_at).or(by_id))
    }};
}

/// A page of charges that are known, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_charges(conn: &mut Conn, list: &ListCharges) -> Result<Page<Charge>, DbError> {
    let rows: Vec<ChargeRow> = on!(conn, |c, B| {
        let known = charges::table.filter(charges::amount_minor.is_not_null());
        let mut query = known.select(ChargeRow::as_select()).into_boxed::<B>();
        if let Some(SubscriptionId { customer, number }) = list.of {
            query = query.filter(charges::customer_id.eq(customer)).filter(charges::subscription.eq(number));
        }
        if let Some(from) = list.from {
            query = query.filter(charges::created_at.ge(from));
        }
        if let Some(until) = list.until {
            query = query.filter(charges::created_at.lt(until));
        }
        if let Some(place) = &list.page.after {
            query = query.filter(charges_beside!(place, gt, ge));
        }
        if let Some(place) = &list.page.before {
            query = query.filter(charges_beside!(place, lt, le));
        }
        query = if list.page.is_backward() {
            query.order((
                charges::created_at.desc(),
                charges::customer_id.desc(),
                charges::subscription.desc(),
                charges::period.desc(),
                charges::item.desc(),
            ))
        } else {
            query.order((
                charges::created_at.asc(),
                charges::customer_id.asc(),
                charges::subscription.asc(),
                charges::period.asc(),
                charges::item.asc(),
            ))
        };
        query.limit(list.page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(ChargeRow::charge).collect::<Result<_, _>>()?;
    Ok(Page::of(&list.page, found))
}

/// One charge, once it is known.
///
/// # Errors
/// Those of the database.
pub async fn find_charge(conn: &mut Conn, id: ChargeId) -> Result<Option<Charge>, DbError> {
    let SubscriptionId { customer, number } = id.subscription;
    let mut rows: Vec<ChargeRow> = on!(conn, |c| charges::table
        .find((customer, number, id.period, id.item))
        .filter(charges::amount_minor.is_not_null())
        .select(ChargeRow::as_select())
        .load(c))?;
    rows.pop().map(ChargeRow::charge).transpose()
}
