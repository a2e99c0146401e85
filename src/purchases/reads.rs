//! Reads of purchases for people: SQL that is nobody else's.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::input::ListPurchases;
use super::model::{Purchase, Status};
use super::store::PurchaseRow;
use crate::base::ids::PurchaseId;
use crate::base::page::{Age, Page};
use crate::db::schema::purchases;
use crate::db::{Conn, DbError, on};

impl Purchase {
    /// Where it stands among all purchases.
    #[must_use]
    pub const fn age(&self) -> Age<PurchaseId> {
        Age { created_at: self.created_at, id: self.id }
    }
}

/// Rows on one side of a place. The bound on the time alone lets the index begin there.
macro_rules! beside {
    ($place:expr, $is:ident, $at_least:ident) => {{
        let Age { created_at, id: PurchaseId { balance, number } } = *$place;
        let by_number = purchases::balance.eq(balance.number).and(purchases::number.$is(number));
        let by_balance = purchases::balance.$is(balance.number).or(by_number);
        let by_id = purchases::customer_id
            .$is(balance.customer)
            .or(purchases::customer_id.eq(balance.customer).and(by_balance));
        purchases::created_at.$at_least(created_at).and(purchases::created_at.$is(created_at).or(by_id))
    }};
}

/// A page of purchases, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_purchases(conn: &mut Conn, list: &ListPurchases) -> Result<Page<Purchase>, DbError> {
    let rows: Vec<PurchaseRow> = on!(conn, |c, B| {
        let mut query = purchases::table.select(PurchaseRow::as_select()).into_boxed::<B>();
        if let Some(customer) = list.customer {
            query = query.filter(purchases::customer_id.eq(customer));
        }
        if let Some(wanted) = &list.status {
            let numbers: Vec<i16> = wanted.iter().copied().map(Status::number).collect();
            query = query.filter(purchases::status.eq_any(numbers));
        }
        if let Some(place) = &list.page.after {
            query = query.filter(beside!(place, lt, le));
        }
        if let Some(place) = &list.page.before {
            query = query.filter(beside!(place, gt, ge));
        }
        query = if list.page.is_backward() {
            query.order((
                purchases::created_at.asc(),
                purchases::customer_id.asc(),
                purchases::balance.asc(),
                purchases::number.asc(),
            ))
        } else {
            query.order((
                purchases::created_at.desc(),
                purchases::customer_id.desc(),
                purchases::balance.desc(),
                purchases::number.desc(),
            ))
        };
        query.limit(list.page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(PurchaseRow::purchase).collect::<Result<_, _>>()?;
    Ok(Page::of(&list.page, found))
}
