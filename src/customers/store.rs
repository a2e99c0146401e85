//! The customers' tables, and nobody else's.
//!
//! Reads answer archived customers too, unless they say otherwise. No statement joins the two tables: they are sharded
//! by different values.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

use super::input::ListCustomers;
use super::model::Customer;
use super::rules::Search;
use crate::base::ids::CustomerId;
use crate::base::json::CanonicalJson;
use crate::base::money::Currency;
use crate::base::page::Page;
use crate::base::text::{self, MAX_REFERENCE};
use crate::base::time::Time;
use crate::db::bulk::bulk_insert;
use crate::db::schema::{customer_external_ids, customer_words, customers};
use crate::db::types::Id;
use crate::db::{Conn, DbError, Failure, Txn, on};

#[derive(Queryable, Selectable)]
#[diesel(table_name = customers)]
struct CustomerRow {
    id: CustomerId,
    external_id: Option<String>,
    name: String,
    email: Option<String>,
    currency: Option<String>,
    metadata: CanonicalJson,
    created_at: Time,
    updated_at: Time,
    archived_at: Option<Time>,
}

impl CustomerRow {
    fn customer(self) -> Result<Customer, DbError> {
        let currency = |code: String| {
            Currency::stored(&code).ok_or_else(|| DbError::Corrupt(format!("a customer's currency {code}")))
        };
        Ok(Customer {
            id: self.id,
            external_id: self.external_id,
            name: self.name,
            email: self.email,
            currency: self.currency.map(currency).transpose()?,
            metadata: self.metadata,
            created_at: self.created_at,
            updated_at: self.updated_at,
            archived_at: self.archived_at,
        })
    }
}

bulk_insert! {
    /// A word by whose beginning a search finds a customer.
    struct WordRow of customer_words {
        customer_id: CustomerId as Id,
        word: String as Text,
    }
}

/// What is written of a customer: all but the number of its newest balance.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = customers, treat_none_as_null = true)]
struct WrittenRow {
    id: CustomerId,
    external_id: Option<String>,
    name: String,
    email: Option<String>,
    currency: Option<String>,
    metadata: CanonicalJson,
    created_at: Time,
    updated_at: Time,
    archived_at: Option<Time>,
}

impl WrittenRow {
    fn of(customer: &Customer) -> Self {
        Self {
            id: customer.id,
            external_id: customer.external_id.clone(),
            name: customer.name.clone(),
            email: customer.email.clone(),
            currency: customer.currency.map(|currency| currency.code().to_owned()),
            metadata: customer.metadata.clone(),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
            archived_at: customer.archived_at,
        }
    }
}

// --- Writes ------------------------------------------------------------------------------------------------------------

/// Adds a customer without balances.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_customer(txn: &mut Txn, customer: &Customer) -> Result<(), DbError> {
    let row = WrittenRow::of(customer);
    on!(txn, |c| diesel::insert_into(customers::table).values((&row, customers::last_balance.eq(0))).execute(c))?;
    insert_words(txn, customer).await
}

/// Writes a customer as it is now.
///
/// # Errors
/// Those of the database.
pub(super) async fn update_customer(txn: &mut Txn, customer: &Customer) -> Result<(), DbError> {
    let row = WrittenRow::of(customer);
    on!(txn, |c| diesel::update(customers::table.find(customer.id)).set(&row).execute(c))?;
    let words = customer_words::table.filter(customer_words::customer_id.eq(customer.id));
    on!(txn, |c| diesel::delete(words).execute(c))?;
    insert_words(txn, customer).await
}

async fn insert_words(txn: &mut Txn, customer: &Customer) -> Result<(), DbError> {
    let row = |word| WordRow { customer_id: customer.id, word };
    WordRow::insert_all(txn, customer.searchable_words().into_iter().map(row).collect()).await
}

/// Reads a customer and keeps everybody else from changing it, or giving it a balance, until the transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn lock_customer(txn: &mut Txn, id: CustomerId) -> Result<Option<Customer>, DbError> {
    let mut rows: Vec<CustomerRow> = on!(txn, |c| diesel::update(customers::table.find(id))
        .set(customers::last_balance.eq(customers::last_balance))
        .returning(CustomerRow::as_returning())
        .get_results(c))?;
    rows.pop().map(CustomerRow::customer).transpose()
}

/// Counts a new balance of a customer that is not archived and answers its number; `None` when there is no such customer.
///
/// # Errors
/// Those of the database.
#[expect(clippy::arithmetic_side_effects, reason = "the database adds, and says so when it cannot")]
pub(super) async fn number_balance(txn: &mut Txn, id: CustomerId) -> Result<Option<i32>, DbError> {
    let open = customers::table.filter(customers::id.eq(id)).filter(customers::archived_at.is_null());
    let mut numbers: Vec<i32> = on!(txn, |c| diesel::update(open)
        .set(customers::last_balance.eq(customers::last_balance + 1))
        .returning(customers::last_balance)
        .get_results(c))?;
    Ok(numbers.pop())
}

/// Lets an external id name a customer, unless it names one already; answers whom it names.
///
/// # Errors
/// Those of the database.
pub(super) async fn claim_external_id(
    txn: &mut Txn,
    external_id: &str,
    customer: CustomerId,
) -> Result<CustomerId, DbError> {
    let row = (customer_external_ids::external_id.eq(external_id), customer_external_ids::customer_id.eq(customer));
    let new = on!(txn, |c| diesel::insert_into(customer_external_ids::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    if new == 1 {
        return Ok(customer);
    }
    resolve(txn, &[external_id])
        .await?
        .remove(external_id)
        .ok_or_else(|| DbError::Corrupt(format!("the external id {external_id} is taken and names nobody")))
}

// --- Reads -------------------------------------------------------------------------------------------------------------

/// The customers with these ids, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find_customers(conn: &mut Conn, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Customer>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<CustomerRow> =
        on!(conn, |c| customers::table.filter(customers::id.eq_any(ids)).select(CustomerRow::as_select()).load(c))?;
    rows.into_iter().map(|row| row.customer().map(|customer| (customer.id, customer))).collect()
}

/// The customer with this id.
///
/// # Errors
/// Those of the database.
pub async fn find_customer(conn: &mut Conn, id: CustomerId) -> Result<Option<Customer>, DbError> {
    Ok(find_customers(conn, &[id]).await?.remove(&id))
}

/// Whom these external ids name, former ones too, in one statement; what names nobody is not among the answers.
///
/// # Errors
/// Those of the database.
pub async fn resolve(conn: &mut Conn, external_ids: &[&str]) -> Result<HashMap<String, CustomerId>, DbError> {
    // What cannot be an external id names nobody, and PostgreSQL would not even take it.
    let possible: Vec<&str> =
        external_ids.iter().copied().filter(|external| text::check(external, MAX_REFERENCE).is_ok()).collect();
    if possible.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, CustomerId)> = on!(conn, |c| customer_external_ids::table
        .filter(customer_external_ids::external_id.eq_any(&possible))
        .select((customer_external_ids::external_id, customer_external_ids::customer_id))
        .load(c))?;
    Ok(rows.into_iter().collect())
}

/// The customers that these external ids name, former ones too, in two statements.
///
/// # Errors
/// Those of the database.
pub async fn find_by_external_ids(
    conn: &mut Conn,
    external_ids: &[&str],
) -> Result<HashMap<String, Customer>, DbError> {
    let named = resolve(conn, external_ids).await?;
    let ids: Vec<CustomerId> = named.values().copied().collect();
    let found = find_customers(conn, &ids).await?;
    Ok(named.into_iter().filter_map(|(external, id)| Some((external, found.get(&id)?.clone()))).collect())
}

/// True if a customer has this external id, now or formerly.
///
/// # Errors
/// Those of the database.
pub async fn is_named(conn: &mut Conn, customer: CustomerId, external_id: &str) -> Result<bool, DbError> {
    let named = customer_external_ids::table
        .filter(customer_external_ids::external_id.eq(external_id))
        .filter(customer_external_ids::customer_id.eq(customer));
    let found: i64 = on!(conn, |c| named.count().get_result(c))?;
    Ok(found > 0)
}

/// When these customers were archived, in one statement: `None` is not at all; who does not exist is not among the
/// answers.
///
/// # Errors
/// Those of the database.
pub async fn find_archived_at(
    conn: &mut Conn,
    ids: &[CustomerId],
) -> Result<HashMap<CustomerId, Option<Time>>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(CustomerId, Option<Time>)> = on!(conn, |c| customers::table
        .filter(customers::id.eq_any(ids))
        .select((customers::id, customers::archived_at))
        .load(c))?;
    Ok(rows.into_iter().collect())
}

/// A page of customers, newest first.
///
/// # Errors
/// A search that cannot be, and those of the database.
pub async fn list_customers(conn: &mut Conn, list: &ListCustomers) -> Result<Page<Customer>, Failure> {
    let search = list.search.as_deref().map(Search::read).transpose()?.flatten();
    let page = &list.page;
    let rows: Vec<CustomerRow> = on!(conn, |c, B| {
        let mut query = customers::table.select(CustomerRow::as_select()).into_boxed::<B>();
        if let Some(Search { id, ranges }) = &search {
            for (from, until) in ranges {
                let words = customer_words::table
                    .filter(customer_words::word.ge(from))
                    .filter(customer_words::word.lt(until))
                    .select(customer_words::customer_id);
                query = query.filter(customers::id.eq_any(words));
            }
            if let Some(id) = id {
                query = query.or_filter(customers::id.eq(id));
            }
        }
        if !list.include_archived {
            query = query.filter(customers::archived_at.is_null());
        }
        if let Some(id) = &page.after {
            query = query.filter(customers::id.lt(id));
        }
        if let Some(id) = &page.before {
            query = query.filter(customers::id.gt(id));
        }
        query = if page.is_backward() { query.order(customers::id.asc()) } else { query.order(customers::id.desc()) };
        query.limit(page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(CustomerRow::customer).collect::<Result<_, _>>()?;
    Ok(Page::of(page, found))
}
