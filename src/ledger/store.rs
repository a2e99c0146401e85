//! The ledger's SQL, and nobody else's.
//!
//! Every statement on a customer's rows is led by the customer, so that it finds its shard. What is asked for by exact
//! pairs of keys is narrowed in the database by each key alone and then here by the pair: a customer has few balances.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, SmallInt, Text};
use diesel_async::RunQueryDsl;

use super::entry::Entry;
use super::model::Balance;
use super::rows::{BalanceRow, EntryRow, HoldRow, LotRow, RevisionRow};
pub use super::rows::{HoldRecord, KeyRow, LotRecord};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, EntryId, HoldId, ProductId};
use crate::base::time::Time;
use crate::db::bulk::select_by_keys;
use crate::db::schema::{balances, entries, holds, idempotency_keys, lots, reversals};
use crate::db::types::{Deadline, Id};
use crate::db::{Conn, DbError, Txn, on};

/// The open balances of customers and the revision of each: what tells whether a copy is still true.
///
/// # Errors
/// Those of the database.
pub async fn list_revisions(conn: &mut Conn, customers: &[CustomerId]) -> Result<Vec<(BalanceId, i64)>, DbError> {
    let wanted = customers.iter().map(|customer| (*customer,)).collect();
    let rows = select_by_keys!(conn, RevisionRow of balances, wanted, {
        customer_id eq CustomerId as Id,
    })?;
    let open = rows.into_iter().filter(|row| row.closed_at.is_none());
    Ok(open.map(|row| (BalanceId { customer: row.customer_id, number: row.number }, row.revision)).collect())
}

/// The open balances of customers, by customer and number.
///
/// # Errors
/// Those of the database.
pub async fn list_open_balances(conn: &mut Conn, customers: &[CustomerId]) -> Result<Vec<Balance>, DbError> {
    let wanted = customers.iter().map(|customer| (*customer,)).collect();
    let mut rows = select_by_keys!(conn, BalanceRow of balances, wanted, {
        customer_id eq CustomerId as Id,
    })?;
    rows.retain(|row| row.closed_at.is_none());
    rows.sort_by_key(|row| (row.customer_id, row.number));
    rows.into_iter().map(BalanceRow::into_balance).collect()
}

/// Keeps everybody else from writing the open balances of customers until the transaction ends. What is read from then
/// on stays true; on SQLite it does anyway.
///
/// # Errors
/// Those of the database.
pub async fn lock_open_balances(txn: &mut Txn, customers: &[CustomerId]) -> Result<(), DbError> {
    let open = balances::table.filter(balances::customer_id.eq_any(customers)).filter(balances::closed_at.is_null());
    on!(txn, |c| diesel::update(open).set(balances::revision.eq(balances::revision)).execute(c)).map(drop)
}

/// All balances of customers, closed ones too, by customer and number.
///
/// # Errors
/// Those of the database.
pub async fn list_balances_of(conn: &mut Conn, customers: &[CustomerId]) -> Result<Vec<Balance>, DbError> {
    let rows: Vec<BalanceRow> = on!(conn, |c| balances::table
        .filter(balances::customer_id.eq_any(customers))
        .order((balances::customer_id, balances::number))
        .select(BalanceRow::as_select())
        .load(c))?;
    rows.into_iter().map(BalanceRow::into_balance).collect()
}

/// Those of the balances that exist.
///
/// # Errors
/// Those of the database.
pub async fn find_balances(conn: &mut Conn, ids: &[BalanceId]) -> Result<Vec<Balance>, DbError> {
    let wanted: HashSet<BalanceId> = ids.iter().copied().collect();
    let customers: HashSet<CustomerId> = ids.iter().map(|id| id.customer).collect();
    let numbers: HashSet<i32> = ids.iter().map(|id| id.number).collect();
    let rows: Vec<BalanceRow> = on!(conn, |c| balances::table
        .filter(balances::customer_id.eq_any(&customers))
        .filter(balances::number.eq_any(&numbers))
        .select(BalanceRow::as_select())
        .load(c))?;
    rows.into_iter()
        .filter(|row| wanted.contains(&BalanceId { customer: row.customer_id, number: row.number }))
        .map(BalanceRow::into_balance)
        .collect()
}

/// Takes balances out that were to open later and will not: nothing was ever written to them.
///
/// # Errors
/// Those of the database; [`DbError::Conflict`] when one is not there as it was read.
pub async fn remove_unopened(txn: &mut Txn, unopened: &[Balance]) -> Result<(), DbError> {
    for balance in unopened {
        let id = balance.account.id;
        let row = balances::table
            .filter(balances::customer_id.eq(id.customer))
            .filter(balances::number.eq(id.number))
            .filter(balances::revision.eq(balance.revision));
        if on!(txn, |c| diesel::delete(row).execute(c))? != 1 {
            return Err(DbError::overtaken());
        }
    }
    Ok(())
}

/// Whether a product has an open balance anywhere.
///
/// # Errors
/// Those of the database.
pub async fn product_has_open_balance(conn: &mut Conn, product: ProductId) -> Result<bool, DbError> {
    on!(conn, |c| diesel::select(diesel::dsl::exists(
        balances::table.filter(balances::product_id.eq(product)).filter(balances::closed_at.is_null())
    ))
    .get_result(c))
}

/// Balances that time alone has changed by now, the longest overdue first.
///
/// # Errors
/// Those of the database.
pub async fn list_due(conn: &mut Conn, now: Time, limit: i64) -> Result<Vec<BalanceId>, DbError> {
    let rows: Vec<(CustomerId, i32)> = on!(conn, |c| balances::table
        .filter(balances::next_change_at.le(Deadline::of(Some(now))))
        .order(balances::next_change_at)
        .limit(limit)
        .select((balances::customer_id, balances::number))
        .load(c))?;
    Ok(rows.into_iter().map(|(customer, number)| BalanceId { customer, number }).collect())
}

/// What the keys did that have been used before, of (customer, scope, key).
///
/// # Errors
/// Those of the database.
pub async fn find_keys(conn: &mut Conn, wanted: &[(CustomerId, i16, String)]) -> Result<Vec<KeyRow>, DbError> {
    select_by_keys!(conn, KeyRow of idempotency_keys, wanted.to_vec(), {
        customer_id eq CustomerId as Id,
        scope eq i16 as SmallInt,
        key eq String as Text,
    })
}

/// One entry of a balance.
///
/// # Errors
/// Those of the database.
pub async fn find_entry(conn: &mut Conn, balance: BalanceId, sequence: i64) -> Result<Option<Entry>, DbError> {
    Ok(list_entries_after(conn, balance, sequence.saturating_sub(1), 1)
        .await?
        .pop()
        .filter(|entry| entry.posting.sequence == sequence))
}

/// Entries of a balance behind a sequence, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_entries_after(
    conn: &mut Conn,
    balance: BalanceId,
    after: i64,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    let rows: Vec<EntryRow> = on!(conn, |c| entries::table
        .filter(entries::customer_id.eq(balance.customer))
        .filter(entries::balance.eq(balance.number))
        .filter(entries::sequence.gt(after))
        .order(entries::sequence)
        .limit(limit)
        .select(EntryRow::as_select())
        .load(c))?;
    rows.into_iter().map(EntryRow::into_entry).collect()
}

/// Entries that changed a state, recorded from then on, and when; in the order in which they are announced.
///
/// # Errors
/// Those of the database.
pub async fn list_announced(conn: &mut Conn, from: Time) -> Result<Vec<(EntryId, Time)>, DbError> {
    let rows: Vec<(CustomerId, i32, i64, Time)> = on!(conn, |c| entries::table
        .filter(entries::state_before.is_not_null())
        .filter(entries::recorded_at.ge(from))
        .order((entries::recorded_at, entries::customer_id, entries::balance, entries::sequence))
        .select((entries::customer_id, entries::balance, entries::sequence, entries::recorded_at))
        .load(c))?;
    let named = |(customer, number, sequence, at)| (BalanceId { customer, number }.entry(sequence), at);
    Ok(rows.into_iter().map(named).collect())
}

/// Lots of one balance by their sequences.
///
/// # Errors
/// Those of the database.
pub async fn find_lots(conn: &mut Conn, balance: BalanceId, sequences: &[i64]) -> Result<Vec<LotRecord>, DbError> {
    let rows: Vec<LotRow> = on!(conn, |c| lots::table
        .filter(lots::customer_id.eq(balance.customer))
        .filter(lots::balance.eq(balance.number))
        .filter(lots::sequence.eq_any(sequences))
        .select(LotRow::as_select())
        .load(c))?;
    rows.into_iter().map(LotRow::into_record).collect()
}

/// Those of the holds that exist, as they are on record, in no order.
///
/// # Errors
/// Those of the database.
pub async fn find_holds(conn: &mut Conn, ids: &[HoldId]) -> Result<Vec<HoldRecord>, DbError> {
    let wanted = ids.iter().map(|id| (id.balance.customer, id.balance.number, id.sequence)).collect();
    let rows = select_by_keys!(conn, HoldRow of holds, wanted, {
        customer_id eq CustomerId as Id,
        balance eq i32 as Integer,
        sequence eq i64 as BigInt,
    })?;
    rows.into_iter().map(HoldRow::into_record).collect()
}

/// How much of an entry was given back by earlier reversals.
///
/// # Errors
/// Those of the database.
pub async fn list_reversals(conn: &mut Conn, balance: BalanceId, entry: i64) -> Result<Vec<(i64, Credits)>, DbError> {
    on!(conn, |c| reversals::table
        .filter(reversals::customer_id.eq(balance.customer))
        .filter(reversals::balance.eq(balance.number))
        .filter(reversals::entry.eq(entry))
        .order(reversals::sequence)
        .select((reversals::sequence, reversals::credits))
        .load(c))
}
