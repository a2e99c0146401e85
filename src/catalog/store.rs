//! The catalog's tables, and nobody else's.
//!
//! Reads answer archived rows too, unless they say otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::input::{ListMeters, ListProducts};
use super::model::{
    ConsumptionRule, CreditProduct, Meter, Price, PricedKind, PricedProduct, Product, ProductKind, PurchaseOption,
};
use super::narrow::{Which, narrowed};
use super::rows::{CreditRow, MeterRow, OptionRow, PriceRow, ProductRow, RuleRow};
use crate::base::ids::{MeterId, ProductId, PurchaseOptionId};
use crate::base::page::Page;
use crate::base::text;
use crate::db::schema::{
    catalog_version, consumption_rules, credit_products, meters, plan_meters, plan_versions, plans, product_prices,
    products, purchase_options, usage_products,
};
use crate::db::{Conn, DbError, Txn, on};

// --- The version -------------------------------------------------------------------------------------------------------

/// Begins a write: puts it in order with every other one, and moves the version. Whoever must know something of another
/// room first (whether a product has open balances) asks after this.
///
/// # Errors
/// Those of the database.
#[expect(clippy::arithmetic_side_effects, reason = "the database adds, and says so when it cannot")]
pub async fn lock_catalog(txn: &mut Txn) -> Result<i64, DbError> {
    on!(txn, |c| diesel::update(catalog_version::table.find(1))
        .set(catalog_version::version.eq(catalog_version::version + 1))
        .returning(catalog_version::version)
        .get_result::<i64>(c))
}

/// Keeps the catalog as it is until the transaction ends, and answers its version: for the rare command that must not
/// race a write, such as opening a balance of a product that is about to be archived.
///
/// # Errors
/// Those of the database.
pub async fn pin_catalog(txn: &mut Txn) -> Result<i64, DbError> {
    let version = catalog_version::table.find(1).select(catalog_version::version);
    let conn: &mut Conn = txn;
    match conn {
        Conn::Sqlite { .. } => catalog_version(conn).await,
        Conn::Postgres { conn: postgres, .. } => {
            let pinned = version.for_share().get_result::<i64>(postgres).await?;
            conn.count_statement();
            Ok(pinned)
        }
    }
}

/// The catalog's version; it moves with every write.
///
/// # Errors
/// Those of the database.
pub async fn catalog_version(conn: &mut Conn) -> Result<i64, DbError> {
    on!(conn, |c| catalog_version::table.find(1).select(catalog_version::version).get_result::<i64>(c))
}

// --- Meters ------------------------------------------------------------------------------------------------------------

/// Adds a meter.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_meter(txn: &mut Txn, meter: &Meter) -> Result<(), DbError> {
    let row = MeterRow::of(meter)?;
    on!(txn, |c| diesel::insert_into(meters::table).values(&row).execute(c)).map(drop)
}

/// Writes a meter as it is now.
///
/// # Errors
/// Those of the database.
pub(super) async fn update_meter(txn: &mut Txn, meter: &Meter) -> Result<(), DbError> {
    let row = MeterRow::of(meter)?;
    on!(txn, |c| diesel::update(meters::table.find(meter.id)).set(&row).execute(c)).map(drop)
}

async fn load_meters(conn: &mut Conn, which: Which<'_, MeterId>) -> Result<Vec<Meter>, DbError> {
    let rows =
        on!(conn, |c, B| narrowed!(meters::table.select(MeterRow::as_select()).into_boxed::<B>(), meters, &which)
            .load(c))?;
    rows.into_iter().map(MeterRow::meter).collect()
}

/// Every meter.
///
/// # Errors
/// Those of the database.
pub async fn all_meters(conn: &mut Conn) -> Result<Vec<Meter>, DbError> {
    load_meters(conn, Which::All).await
}

/// The meters with these ids, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find_meters(conn: &mut Conn, ids: &[MeterId]) -> Result<HashMap<MeterId, Meter>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = load_meters(conn, Which::Ids(ids)).await?;
    Ok(found.into_iter().map(|meter| (meter.id, meter)).collect())
}

/// The meter with this id.
///
/// # Errors
/// Those of the database.
pub async fn find_meter(conn: &mut Conn, id: MeterId) -> Result<Option<Meter>, DbError> {
    Ok(load_meters(conn, Which::Ids(&[id])).await?.pop())
}

/// The meter with this key.
///
/// # Errors
/// Those of the database.
pub async fn find_meter_by_key(conn: &mut Conn, key: &str) -> Result<Option<Meter>, DbError> {
    if text::check_key(key).is_err() {
        return Ok(None);
    }
    Ok(load_meters(conn, Which::Key(key)).await?.pop())
}

/// A page of meters, by key, byte by byte.
///
/// # Errors
/// Those of the database.
pub async fn list_meters(conn: &mut Conn, list: &ListMeters) -> Result<Page<Meter>, DbError> {
    let which = Which::Page { page: &list.page, include_archived: list.include_archived };
    Ok(Page::of(&list.page, load_meters(conn, which).await?))
}

/// What uses the meter and is not archived, in words: a product that burns or is charged by it, or a plan.
///
/// # Errors
/// Those of the database.
pub(super) async fn find_user_of_meter(conn: &mut Conn, meter: MeterId) -> Result<Option<String>, DbError> {
    let by_rule: Vec<String> = on!(conn, |c| consumption_rules::table
        .inner_join(products::table.on(products::id.eq(consumption_rules::product_id)))
        .filter(consumption_rules::meter_id.eq(meter))
        .filter(products::archived_at.is_null())
        .order(products::key)
        .select(products::key)
        .limit(1)
        .load(c))?;
    let by_price: Vec<String> = on!(conn, |c| usage_products::table
        .inner_join(products::table.on(products::id.eq(usage_products::product_id)))
        .filter(usage_products::meter_id.eq(meter))
        .filter(products::archived_at.is_null())
        .order(products::key)
        .select(products::key)
        .limit(1)
        .load(c))?;
    let by_plan: Vec<String> = on!(conn, |c| plan_meters::table
        .inner_join(plan_versions::table.on(plan_versions::id.eq(plan_meters::version_id)))
        .inner_join(
            plans::table.on(plans::id.eq(plan_versions::plan_id).and(plans::latest_version.eq(plan_versions::version)))
        )
        .filter(plan_meters::meter_id.eq(meter))
        .filter(plans::archived_at.is_null())
        .order(plans::key)
        .select(plans::key)
        .limit(1)
        .load(c))?;
    let product = by_rule.into_iter().chain(by_price).next().map(|key| format!("product \"{key}\""));
    Ok(product.or_else(|| by_plan.into_iter().next().map(|key| format!("plan \"{key}\""))))
}

// --- Products ----------------------------------------------------------------------------------------------------------

/// Adds a product with its rules.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_product(txn: &mut Txn, product: &CreditProduct) -> Result<(), DbError> {
    let (row, credit) = (ProductRow::of(product), CreditRow::of(product));
    on!(txn, |c| diesel::insert_into(products::table).values(&row).execute(c))?;
    on!(txn, |c| diesel::insert_into(credit_products::table).values(&credit).execute(c))?;
    insert_rules(txn, product).await
}

/// Writes a product as it is now, without its rules.
///
/// # Errors
/// Those of the database.
pub(super) async fn update_product(txn: &mut Txn, product: &CreditProduct) -> Result<(), DbError> {
    let (row, credit) = (ProductRow::of(product), CreditRow::of(product));
    on!(txn, |c| diesel::update(products::table.find(product.id)).set(&row).execute(c))?;
    on!(txn, |c| diesel::update(credit_products::table.find(product.id)).set(&credit).execute(c)).map(drop)
}

/// Puts a product's rules in place of those that it has.
///
/// # Errors
/// Those of the database.
pub(super) async fn replace_rules(txn: &mut Txn, product: &CreditProduct) -> Result<(), DbError> {
    let old = consumption_rules::table.filter(consumption_rules::product_id.eq(product.id));
    on!(txn, |c| diesel::delete(old).execute(c))?;
    insert_rules(txn, product).await
}

async fn insert_rules(txn: &mut Txn, product: &CreditProduct) -> Result<(), DbError> {
    RuleRow::insert_all(txn, RuleRow::of(product)).await
}

async fn load_products(conn: &mut Conn, which: Which<'_, ProductId>) -> Result<Vec<CreditProduct>, DbError> {
    let rows: Vec<(ProductRow, CreditRow)> = on!(conn, |c, B| narrowed!(
        products::table
            .inner_join(credit_products::table.on(credit_products::product_id.eq(products::id)))
            .select((ProductRow::as_select(), CreditRow::as_select()))
            .into_boxed::<B>(),
        products,
        &which
    )
    .load(c))?;
    let ids = match which {
        Which::All => None,
        _ => Some(rows.iter().map(|(row, _)| row.id).collect()),
    };
    let mut rules = load_rules(conn, ids).await?;
    let product = |(row, credit): (ProductRow, CreditRow)| {
        let consumption = rules.remove(&row.id).unwrap_or_default();
        credit.product(row, consumption)
    };
    Ok(rows.into_iter().map(product).collect())
}

/// The rules of these products, or of all, each product's in its order.
async fn load_rules(
    conn: &mut Conn,
    of: Option<Vec<ProductId>>,
) -> Result<HashMap<ProductId, Vec<ConsumptionRule>>, DbError> {
    let mut rules: HashMap<ProductId, Vec<ConsumptionRule>> = HashMap::new();
    if of.as_ref().is_some_and(Vec::is_empty) {
        return Ok(rules);
    }
    let rows: Vec<RuleRow> = on!(conn, |c, B| {
        let mut query = consumption_rules::table.select(RuleRow::as_select()).into_boxed::<B>();
        if let Some(ids) = &of {
            query = query.filter(consumption_rules::product_id.eq_any(ids));
        }
        query.order((consumption_rules::product_id, consumption_rules::position)).load(c)
    })?;
    for row in rows {
        rules.entry(row.product_id).or_default().push(row.rule()?);
    }
    Ok(rules)
}

/// The credit products with these ids, in two statements.
///
/// # Errors
/// Those of the database.
pub async fn find_products(conn: &mut Conn, ids: &[ProductId]) -> Result<HashMap<ProductId, CreditProduct>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = load_products(conn, Which::Ids(ids)).await?;
    Ok(found.into_iter().map(|product| (product.id, product)).collect())
}

/// The credit product with this id.
///
/// # Errors
/// Those of the database.
pub async fn find_product(conn: &mut Conn, id: ProductId) -> Result<Option<CreditProduct>, DbError> {
    Ok(load_products(conn, Which::Ids(&[id])).await?.pop())
}

/// The credit product with this key.
///
/// # Errors
/// Those of the database.
pub async fn find_product_by_key(conn: &mut Conn, key: &str) -> Result<Option<CreditProduct>, DbError> {
    if text::check_key(key).is_err() {
        return Ok(None);
    }
    Ok(load_products(conn, Which::Key(key)).await?.pop())
}

/// The id of the product of any kind that has this key.
///
/// # Errors
/// Those of the database.
pub(super) async fn find_product_id(conn: &mut Conn, key: &str) -> Result<Option<ProductId>, DbError> {
    let mut ids: Vec<ProductId> =
        on!(conn, |c| products::table.filter(products::key.eq(key)).select(products::id).load(c))?;
    Ok(ids.pop())
}

/// Adds a product that money is paid for, with its prices.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_priced(txn: &mut Txn, product: &PricedProduct) -> Result<(), DbError> {
    let row = ProductRow::of_priced(product);
    on!(txn, |c| diesel::insert_into(products::table).values(&row).execute(c))?;
    if let PricedKind::Usage { meter } = product.kind {
        let usage = (usage_products::product_id.eq(product.id), usage_products::meter_id.eq(meter));
        on!(txn, |c| diesel::insert_into(usage_products::table).values(usage).execute(c))?;
    }
    PriceRow::insert_all(txn, PriceRow::of(product)).await
}

/// Writes a product that money is paid for as it is now; its prices and its meter never change.
///
/// # Errors
/// Those of the database.
pub(super) async fn update_priced(txn: &mut Txn, product: &PricedProduct) -> Result<(), DbError> {
    let row = ProductRow::of_priced(product);
    on!(txn, |c| diesel::update(products::table.find(product.id)).set(&row).execute(c)).map(drop)
}

/// Products of any kind, in five statements at most.
async fn load_any(
    conn: &mut Conn,
    which: Which<'_, ProductId>,
    kinds: Option<&[ProductKind]>,
) -> Result<Vec<Product>, DbError> {
    let kinds: Option<Vec<i16>> = kinds.map(|kinds| kinds.iter().map(|kind| kind.number()).collect());
    let rows: Vec<ProductRow> = on!(conn, |c, B| {
        let mut query = products::table.select(ProductRow::as_select()).into_boxed::<B>();
        if let Some(kinds) = &kinds {
            query = query.filter(products::kind.eq_any(kinds));
        }
        narrowed!(query, products, &which).load(c)
    })?;
    let of_credits = |row: &&ProductRow| row.kind == ProductKind::Credit.number();
    let credit: Vec<ProductId> = rows.iter().filter(of_credits).map(|row| row.id).collect();
    let others: Vec<ProductId> = rows.iter().filter(|row| !of_credits(row)).map(|row| row.id).collect();
    let mut credits: HashMap<ProductId, CreditProduct> = find_products(conn, &credit).await?.into_iter().collect();
    let (mut prices, meters) = load_prices(conn, &others).await?;
    let product = |row: ProductRow| {
        if let Some(product) = credits.remove(&row.id) {
            return Ok(Product::Credit(Arc::new(product)));
        }
        let (prices, meter) = (prices.remove(&row.id).unwrap_or_default(), meters.get(&row.id).copied());
        row.priced(prices, meter).map(|product| Product::Priced(Arc::new(product)))
    };
    rows.into_iter().map(product).collect()
}

/// The prices of products in their order, and the meters of those of usage.
async fn load_prices(
    conn: &mut Conn,
    of: &[ProductId],
) -> Result<(HashMap<ProductId, Vec<Price>>, HashMap<ProductId, MeterId>), DbError> {
    let mut prices: HashMap<ProductId, Vec<Price>> = HashMap::new();
    if of.is_empty() {
        return Ok((prices, HashMap::new()));
    }
    let rows: Vec<PriceRow> = on!(conn, |c| product_prices::table
        .filter(product_prices::product_id.eq_any(of))
        .order((product_prices::product_id, product_prices::position))
        .select(PriceRow::as_select())
        .load(c))?;
    for row in rows {
        prices.entry(row.product_id).or_default().push(row.price()?);
    }
    let meters: Vec<(ProductId, MeterId)> =
        on!(conn, |c| usage_products::table.filter(usage_products::product_id.eq_any(of)).load(c))?;
    Ok((prices, meters.into_iter().collect()))
}

/// Every product of every kind.
///
/// # Errors
/// Those of the database.
pub async fn all_of_any_kind(conn: &mut Conn) -> Result<Vec<Product>, DbError> {
    load_any(conn, Which::All, None).await
}

/// The products of any kind with these ids.
///
/// # Errors
/// Those of the database.
pub async fn find_of_any_kind(conn: &mut Conn, ids: &[ProductId]) -> Result<HashMap<ProductId, Product>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = load_any(conn, Which::Ids(ids), None).await?;
    Ok(found.into_iter().map(|product| (product.id(), product)).collect())
}

/// The product of any kind with this key.
///
/// # Errors
/// Those of the database.
pub async fn find_of_any_kind_by_key(conn: &mut Conn, key: &str) -> Result<Option<Product>, DbError> {
    if text::check_key(key).is_err() {
        return Ok(None);
    }
    Ok(load_any(conn, Which::Key(key), None).await?.pop())
}

/// A page of products, by key, byte by byte.
///
/// # Errors
/// Those of the database.
pub async fn list_products(conn: &mut Conn, list: &ListProducts) -> Result<Page<Product>, DbError> {
    let which = Which::Page { page: &list.page, include_archived: list.include_archived };
    Ok(Page::of(&list.page, load_any(conn, which, list.kinds.as_deref()).await?))
}

// --- Purchase options --------------------------------------------------------------------------------------------------

/// Adds a purchase option.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_option(txn: &mut Txn, option: &PurchaseOption) -> Result<(), DbError> {
    let row = OptionRow::of(option);
    on!(txn, |c| diesel::insert_into(purchase_options::table).values(&row).execute(c)).map(drop)
}

/// Writes a purchase option as it is now.
///
/// # Errors
/// Those of the database.
pub(super) async fn update_option(txn: &mut Txn, option: &PurchaseOption) -> Result<(), DbError> {
    let row = OptionRow::of(option);
    on!(txn, |c| diesel::update(purchase_options::table.find(option.id)).set(&row).execute(c)).map(drop)
}

/// The purchase options with these ids, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find_options(
    conn: &mut Conn,
    ids: &[PurchaseOptionId],
) -> Result<HashMap<PurchaseOptionId, PurchaseOption>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<OptionRow> = on!(conn, |c| purchase_options::table
        .filter(purchase_options::id.eq_any(ids))
        .select(OptionRow::as_select())
        .load(c))?;
    rows.into_iter().map(|row| row.option().map(|option| (option.id, option))).collect()
}

/// All purchase options, archived ones too.
///
/// # Errors
/// Those of the database.
pub async fn all_options(conn: &mut Conn) -> Result<Vec<PurchaseOption>, DbError> {
    let rows: Vec<OptionRow> = on!(conn, |c| purchase_options::table.select(OptionRow::as_select()).load(c))?;
    rows.into_iter().map(OptionRow::option).collect()
}

/// The purchase option with this id.
///
/// # Errors
/// Those of the database.
pub async fn find_option(conn: &mut Conn, id: PurchaseOptionId) -> Result<Option<PurchaseOption>, DbError> {
    Ok(find_options(conn, &[id]).await?.remove(&id))
}

/// All purchase options of these products, archived ones too, in one statement: product by product, by position, the
/// older first where that is equal.
///
/// # Errors
/// Those of the database.
pub async fn list_options(conn: &mut Conn, of: &[ProductId]) -> Result<Vec<PurchaseOption>, DbError> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<OptionRow> = on!(conn, |c| purchase_options::table
        .filter(purchase_options::product_id.eq_any(of))
        .order((
            purchase_options::product_id,
            purchase_options::position,
            purchase_options::created_at,
            purchase_options::id,
        ))
        .select(OptionRow::as_select())
        .load(c))?;
    rows.into_iter().map(OptionRow::option).collect()
}
