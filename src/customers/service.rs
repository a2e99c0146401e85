//! The steps of each change of a customer, inside the caller's transaction.

use super::input::{CustomerChanges, NewCustomer};
use super::model::Customer;
use super::{rules, store};
use crate::base::idempotency::Key;
use crate::base::ids::{CustomerId, Ids};
use crate::base::problem::Problem;
use crate::base::time::Time;
use crate::db::creation_keys::take_key;
use crate::db::{Failure, Txn};

/// Makes a customer, once per idempotency key; with neither a key nor an external id a new one each time.
///
/// # Errors
/// Invalid, the customer that the external id names already, or a key that was used with another input.
pub async fn create_customer(
    txn: &mut Txn,
    (ids, now): (&Ids, Time),
    new: &NewCustomer,
    key: Option<&Key>,
) -> Result<Customer, Failure> {
    let id = CustomerId(ids.uuid(now));
    if let Some(first) = take_key(txn, key, (id.0, now)).await? {
        return lock(txn, CustomerId(first), &[]).await;
    }
    let customer = rules::created(id, now, new)?;
    claim(txn, &customer).await?;
    store::insert_customer(txn, &customer).await?;
    Ok(customer)
}

/// Changes a customer, an archived one too. A former external id goes on naming it.
///
/// # Errors
/// Not found, invalid, or another customer that the external id names already.
pub async fn update_customer(
    txn: &mut Txn,
    now: Time,
    id: CustomerId,
    changes: &CustomerChanges,
) -> Result<Customer, Failure> {
    let was = lock(txn, id, &["id"]).await?;
    let customer = rules::changed(&was, now, changes)?;
    if customer.external_id != was.external_id {
        claim(txn, &customer).await?;
    }
    store::update_customer(txn, &customer).await?;
    Ok(customer)
}

/// Archives a customer without open balances; one that is archived is answered as it is.
///
/// Balances are another room's: the caller says whether any is open, and asks that after [`store::lock_customer`] in this
/// very transaction, while whoever opens one calls [`number_balance`] first. Then neither can miss the other.
///
/// # Errors
/// Not found, or `IN_USE` by an open balance.
pub async fn archive_customer(
    txn: &mut Txn,
    now: Time,
    id: CustomerId,
    open_balances: bool,
) -> Result<Customer, Failure> {
    let customer = lock(txn, id, &["id"]).await?;
    if customer.archived_at.is_some() {
        return Ok(customer);
    }
    if open_balances {
        let message = "The customer has open balances or running subscriptions; close and cancel them first.";
        return Err(Problem::state(&["id"], "IN_USE", message).into());
    }
    let archived = Customer { updated_at: now, archived_at: Some(now), ..customer };
    store::update_customer(txn, &archived).await?;
    Ok(archived)
}

/// The number of a new balance of a customer: 1, 2, 3 … It is taken when the transaction commits, and until then nobody
/// else can take one or archive the customer.
///
/// # Errors
/// Not found or archived, at `customer`.
pub async fn number_balance(txn: &mut Txn, id: CustomerId) -> Result<i32, Failure> {
    if let Some(number) = store::number_balance(txn, id).await? {
        return Ok(number);
    }
    lock(txn, id, &["customer"]).await?;
    let message = "The customer is archived and gets no new balance; use or make another one.";
    Err(Problem::state(&["customer"], "ARCHIVED", message).into())
}

async fn lock(txn: &mut Txn, id: CustomerId, path: &[&str]) -> Result<Customer, Failure> {
    let found = store::lock_customer(txn, id).await?;
    Ok(found.ok_or_else(|| Problem::not_found(path, "customer", id.to_string()))?)
}

/// Lets a customer's external id name it, for ever.
async fn claim(txn: &mut Txn, customer: &Customer) -> Result<(), Failure> {
    let Some(external_id) = &customer.external_id else { return Ok(()) };
    let named = store::claim_external_id(txn, external_id, customer.id).await?;
    if named == customer.id {
        return Ok(());
    }
    let message = format!(
        "The external id \"{external_id}\" names another customer, now or formerly; use that customer or another id."
    );
    Err(Problem::exists(&["externalId"], named.to_string(), message).into())
}
