//! The steps of each change of the catalog, inside the caller's transaction.
//!
//! Each begins with [`store::lock_catalog`], so that what it then reads stays so until it commits: keys are checked by a
//! query, and nobody can take one in between.

use std::sync::Arc;

use super::input::{
    CreditProductChanges, MeterChanges, NewCreditProduct, NewMeter, NewPricedProduct, NewPurchaseOption,
    ProductChanges, PurchaseOptionChanges,
};
use super::model::{CreditProduct, Meter, PricedKind, PricedProduct, Product, PurchaseOption};
use super::{meter_rules, option_rules, plans, priced_rules, product_rules, store};
use crate::base::idempotency::Key;
use crate::base::ids::{Ids, MeterId, ProductId, PurchaseOptionId};
use crate::base::problem::Problem;
use crate::base::time::Time;
use crate::db::creation_keys::take_key;
use crate::db::{Conn, Failure, Txn};

// --- Meters ------------------------------------------------------------------------------------------------------------

/// Makes a meter.
///
/// # Errors
/// Invalid, or the meter that has the key already.
pub async fn create_meter(txn: &mut Txn, ids: &Ids, now: Time, new: &NewMeter) -> Result<Meter, Failure> {
    let meter = meter_rules::created(MeterId(ids.uuid(now)), now, new)?;
    store::lock_catalog(txn).await?;
    if let Some(existing) = store::find_meter_by_key(txn, &meter.key).await? {
        return Err(key_taken("meter", &meter.key, existing.id).into());
    }
    store::insert_meter(txn, &meter).await?;
    Ok(meter)
}

/// Changes a meter's name or filter.
///
/// # Errors
/// Not found, archived, or invalid.
pub async fn update_meter(txn: &mut Txn, now: Time, id: MeterId, changes: &MeterChanges) -> Result<Meter, Failure> {
    store::lock_catalog(txn).await?;
    let meter = meter_rules::changed(&get_meter(txn, id).await?, now, changes)?;
    store::update_meter(txn, &meter).await?;
    Ok(meter)
}

/// Archives a meter that nothing uses; one that is archived is answered as it is. Subscriptions are another room's: the
/// caller says whether one uses it, and asks that after [`store::lock_catalog`] in this very transaction.
///
/// # Errors
/// Not found, or `IN_USE` by a product or plan that is not archived, or by a running subscription.
pub async fn archive_meter(txn: &mut Txn, now: Time, id: MeterId, subscribed: bool) -> Result<Meter, Failure> {
    store::lock_catalog(txn).await?;
    let meter = get_meter(txn, id).await?;
    if meter.archived_at.is_some() {
        return Ok(meter);
    }
    if let Some(user) = store::find_user_of_meter(txn, id).await? {
        let message = format!(
            "The {user} measures usage by this meter; archive it, or take the meter out of its consumption, first."
        );
        return Err(Problem::state(&["id"], "IN_USE", message).into());
    }
    if subscribed {
        let message =
            "Running subscriptions burn credits by this meter; cancel them, or change what they burn by, first.";
        return Err(Problem::state(&["id"], "IN_USE", message).into());
    }
    let archived = Meter { updated_at: now, archived_at: Some(now), ..meter };
    store::update_meter(txn, &archived).await?;
    Ok(archived)
}

async fn get_meter(conn: &mut Conn, id: MeterId) -> Result<Meter, Failure> {
    let found = store::find_meter(conn, id).await?;
    Ok(found.ok_or_else(|| Problem::not_found(&["id"], "meter", id.to_string()))?)
}

// --- Products ----------------------------------------------------------------------------------------------------------

/// Makes a credit product.
///
/// # Errors
/// Invalid, a rule's meter that is not there or archived, or the product of any kind that has the key already.
pub async fn create_credit_product(
    txn: &mut Txn,
    ids: &Ids,
    now: Time,
    new: &NewCreditProduct,
) -> Result<CreditProduct, Failure> {
    let product = product_rules::created(ProductId(ids.uuid(now)), now, new)?;
    store::lock_catalog(txn).await?;
    if let Some(existing) = store::find_product_id(txn, &product.key).await? {
        return Err(key_taken("product", &product.key, existing).into());
    }
    check_meters(txn, &product).await?;
    store::insert_product(txn, &product).await?;
    Ok(product)
}

/// Changes a credit product; balances that inherit what changes follow at once.
///
/// # Errors
/// Not found, archived, invalid, or a new rule's meter that is not there or archived.
pub async fn update_credit_product(
    txn: &mut Txn,
    now: Time,
    id: ProductId,
    changes: &CreditProductChanges,
) -> Result<CreditProduct, Failure> {
    store::lock_catalog(txn).await?;
    let was = get_product(txn, id, "id").await?;
    let product = product_rules::changed(&was, now, changes)?;
    if product.consumption != was.consumption {
        check_meters(txn, &product).await?;
        store::replace_rules(txn, &product).await?;
    }
    store::update_product(txn, &product).await?;
    Ok(product)
}

/// Makes a product that money is paid for.
///
/// # Errors
/// Invalid, a meter that is not there or archived, or the product of any kind that has the key already.
pub async fn create_priced_product(
    txn: &mut Txn,
    ids: &Ids,
    now: Time,
    new: &NewPricedProduct,
) -> Result<PricedProduct, Failure> {
    let product = priced_rules::created(ProductId(ids.uuid(now)), now, new)?;
    store::lock_catalog(txn).await?;
    if let Some(existing) = store::find_product_id(txn, &product.key).await? {
        return Err(key_taken("product", &product.key, existing).into());
    }
    if let PricedKind::Usage { meter: id } = product.kind {
        let found = store::find_meter(txn, id).await?;
        let meter = found.ok_or_else(|| Problem::not_found(&["meterId"], "meter", id.to_string()))?;
        if meter.archived_at.is_some() {
            let message = format!("The meter \"{}\" is archived; use or make another one.", meter.key);
            return Err(Problem::state(&["meterId"], "ARCHIVED", message).into());
        }
    }
    store::insert_priced(txn, &product).await?;
    Ok(product)
}

/// Changes the name, description or metadata of a product of any kind.
///
/// # Errors
/// Not found, archived, or invalid.
pub async fn update_product(
    txn: &mut Txn,
    now: Time,
    id: ProductId,
    changes: &ProductChanges,
) -> Result<Product, Failure> {
    store::lock_catalog(txn).await?;
    match get_any(txn, id).await? {
        Product::Credit(was) => {
            let product = product_rules::changed(&was, now, &changes.clone().into())?;
            store::update_product(txn, &product).await?;
            Ok(Product::Credit(Arc::new(product)))
        }
        Product::Priced(was) => {
            let product = priced_rules::changed(&was, now, changes)?;
            store::update_priced(txn, &product).await?;
            Ok(Product::Priced(Arc::new(product)))
        }
    }
}

/// Archives a product of any kind that nothing uses; one that is archived is answered as it is.
///
/// Balances are another room's: the caller says whether any is open, and asks that after [`store::lock_catalog`] in this
/// very transaction, while whoever opens one takes [`store::pin_catalog`] first. Then neither can miss the other.
///
/// # Errors
/// Not found, or `IN_USE` by an open balance or by the latest version of a plan.
pub async fn archive_product(txn: &mut Txn, now: Time, id: ProductId, open_balances: bool) -> Result<Product, Failure> {
    store::lock_catalog(txn).await?;
    let product = get_any(txn, id).await?;
    if product.archived_at().is_some() {
        return Ok(product);
    }
    if let Some(plan) = plans::store::find_plan_with(txn, id).await? {
        let message =
            format!("The plan \"{plan}\" has an item of it; publish a version without it, or archive the plan, first.");
        return Err(Problem::state(&["id"], "IN_USE", message).into());
    }
    if open_balances {
        let message = "Customers have open balances of this product; close them first.";
        return Err(Problem::state(&["id"], "IN_USE", message).into());
    }
    match product {
        Product::Credit(product) => {
            let archived = CreditProduct { updated_at: now, archived_at: Some(now), ..Arc::unwrap_or_clone(product) };
            store::update_product(txn, &archived).await?;
            Ok(Product::Credit(Arc::new(archived)))
        }
        Product::Priced(product) => {
            let archived = PricedProduct { updated_at: now, archived_at: Some(now), ..Arc::unwrap_or_clone(product) };
            store::update_priced(txn, &archived).await?;
            Ok(Product::Priced(Arc::new(archived)))
        }
    }
}

async fn get_any(conn: &mut Conn, id: ProductId) -> Result<Product, Failure> {
    let found = store::find_of_any_kind(conn, &[id]).await?.remove(&id);
    Ok(found.ok_or_else(|| Problem::not_found(&["id"], "product", id.to_string()))?)
}

async fn get_product(conn: &mut Conn, id: ProductId, field: &str) -> Result<CreditProduct, Failure> {
    let found = store::find_product(conn, id).await?;
    Ok(found.ok_or_else(|| Problem::not_found(&[field], "product", id.to_string()))?)
}

async fn check_meters(conn: &mut Conn, product: &CreditProduct) -> Result<(), Failure> {
    let ids: Vec<MeterId> = product.consumption.iter().map(|rule| rule.meter).collect();
    let meters = store::find_meters(conn, &ids).await?;
    Ok(product_rules::check_meters(&product.consumption, &meters)?)
}

// --- Purchase options --------------------------------------------------------------------------------------------------

/// Makes a purchase option, once per idempotency key; without a key a new one each time.
///
/// # Errors
/// Invalid, a product that is not there or archived, or a key that was used with another input.
pub async fn create_purchase_option(
    txn: &mut Txn,
    (ids, now): (&Ids, Time),
    new: &NewPurchaseOption,
    key: Option<&Key>,
) -> Result<PurchaseOption, Failure> {
    let id = PurchaseOptionId(ids.uuid(now));
    if let Some(first) = take_key(txn, key, (id.0, now)).await? {
        return get_option(txn, PurchaseOptionId(first)).await;
    }
    let option = option_rules::created(id, now, new)?;
    store::lock_catalog(txn).await?;
    let product = get_product(txn, option.product, "productId").await?;
    product_rules::check_open((&product.key, product.archived_at), &["productId"])?;
    store::insert_option(txn, &option).await?;
    Ok(option)
}

/// Changes how a purchase option is shown.
///
/// # Errors
/// Not found, archived, or invalid.
pub async fn update_purchase_option(
    txn: &mut Txn,
    id: PurchaseOptionId,
    changes: &PurchaseOptionChanges,
) -> Result<PurchaseOption, Failure> {
    store::lock_catalog(txn).await?;
    let option = option_rules::changed(&get_option(txn, id).await?, changes)?;
    store::update_option(txn, &option).await?;
    Ok(option)
}

/// Archives a purchase option; one that is archived is answered as it is.
///
/// # Errors
/// Not found.
pub async fn archive_purchase_option(
    txn: &mut Txn,
    now: Time,
    id: PurchaseOptionId,
) -> Result<PurchaseOption, Failure> {
    store::lock_catalog(txn).await?;
    let option = get_option(txn, id).await?;
    if option.archived_at.is_some() {
        return Ok(option);
    }
    let archived = PurchaseOption { archived_at: Some(now), ..option };
    store::update_option(txn, &archived).await?;
    Ok(archived)
}

async fn get_option(conn: &mut Conn, id: PurchaseOptionId) -> Result<PurchaseOption, Failure> {
    let found = store::find_option(conn, id).await?;
    Ok(found.ok_or_else(|| Problem::not_found(&["id"], "purchase option", id.to_string()))?)
}

fn key_taken(what: &str, key: &str, existing: impl std::fmt::Display) -> Problem {
    let message = format!("The key \"{key}\" belongs to another {what}, archived ones included; choose another key.");
    Problem::exists(&["key"], existing.to_string(), message)
}
