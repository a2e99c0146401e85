//! The tables of plans, and nobody else's.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;

use super::input::{ListPlans, ListVersions};
use super::model::{Content, ItemOptions, Plan, PlanItem, PlanVersion};
use crate::base::ids::{MeterId, PlanId, PlanVersionId, ProductId};
use crate::base::money::Currency;
use crate::base::page::Page;
use crate::base::period::Interval;
use crate::base::text;
use crate::base::time::Time;
use crate::catalog::narrow::{Which, narrowed};
use crate::catalog::rows::corrupt;
use crate::db::bulk::bulk_insert;
use crate::db::schema::{plan_items, plan_meters, plan_versions, plans};
use crate::db::types::Id;
use crate::db::{Conn, DbError, Txn, on};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = plans, treat_none_as_null = true)]
struct PlanRow {
    id: PlanId,
    key: String,
    name: String,
    description: Option<String>,
    latest_version: i32,
    created_at: Time,
    archived_at: Option<Time>,
}

impl From<&Plan> for PlanRow {
    fn from(plan: &Plan) -> Self {
        Self {
            id: plan.id,
            key: plan.key.clone(),
            name: plan.name.clone(),
            description: plan.description.clone(),
            latest_version: plan.latest_version,
            created_at: plan.created_at,
            archived_at: plan.archived_at,
        }
    }
}

impl From<PlanRow> for Plan {
    fn from(row: PlanRow) -> Self {
        let PlanRow { id, key, name, description, latest_version, created_at, archived_at } = row;
        Self { id, key, name, description, latest_version, created_at, archived_at }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = plan_versions)]
struct VersionRow {
    id: PlanVersionId,
    plan_id: PlanId,
    version: i32,
    period: i16,
    currency: String,
    published_at: Time,
}

bulk_insert! {
    /// An item of a version.
    struct ItemRow of plan_items {
        version_id: PlanVersionId as Id,
        position: i32 as Integer,
        product_id: ProductId as Id,
        options: String as Text,
    }
}

bulk_insert! {
    /// A meter that the consumption of a version names.
    struct NamedMeterRow of plan_meters {
        version_id: PlanVersionId as Id,
        meter_id: MeterId as Id,
    }
}

impl ItemRow {
    fn item(&self) -> Result<PlanItem, DbError> {
        let options: ItemOptions =
            serde_json::from_str(&self.options).map_err(|_| corrupt("the options of a plan's item"))?;
        Ok(PlanItem { product: self.product_id, options })
    }
}

/// The numbers of intervals in the database.
const INTERVALS: [(Interval, i16); 5] =
    [(Interval::Day, 0), (Interval::Week, 1), (Interval::Month, 2), (Interval::Quarter, 3), (Interval::Year, 4)];

fn number_of(interval: Interval) -> i16 {
    INTERVALS.iter().find(|(known, _)| *known == interval).map_or_else(i16::default, |(_, number)| *number)
}

impl VersionRow {
    fn version(self, items: Vec<PlanItem>) -> Result<PlanVersion, DbError> {
        let interval = INTERVALS.iter().find(|(_, number)| *number == self.period).map(|(interval, _)| *interval);
        let interval = interval.ok_or_else(|| corrupt("a plan's interval"))?;
        let currency = Currency::stored(&self.currency).ok_or_else(|| corrupt("a plan's currency"))?;
        let content = Content { interval, currency, items };
        Ok(PlanVersion {
            id: self.id,
            plan: self.plan_id,
            version: self.version,
            content,
            published_at: self.published_at,
        })
    }
}

// --- Writes ------------------------------------------------------------------------------------------------------------

pub(super) async fn insert_plan(txn: &mut Txn, plan: &Plan) -> Result<(), DbError> {
    let row = PlanRow::from(plan);
    on!(txn, |c| diesel::insert_into(plans::table).values(&row).execute(c)).map(drop)
}

pub(super) async fn update_plan(txn: &mut Txn, plan: &Plan) -> Result<(), DbError> {
    let row = PlanRow::from(plan);
    on!(txn, |c| diesel::update(plans::table.find(plan.id)).set(&row).execute(c)).map(drop)
}

pub(super) async fn insert_version(txn: &mut Txn, version: &PlanVersion) -> Result<(), DbError> {
    let row = VersionRow {
        id: version.id,
        plan_id: version.plan,
        version: version.version,
        period: number_of(version.content.interval),
        currency: version.content.currency.code().to_owned(),
        published_at: version.published_at,
    };
    on!(txn, |c| diesel::insert_into(plan_versions::table).values(&row).execute(c))?;
    let mut items = Vec::with_capacity(version.content.items.len());
    for (position, item) in (0_i32..).zip(&version.content.items) {
        let options = serde_json::to_string(&item.options).map_err(|_| corrupt("the options of a plan's item"))?;
        items.push(ItemRow { version_id: version.id, position, product_id: item.product, options });
    }
    ItemRow::insert_all(txn, items).await?;
    let credit = version.content.items.iter().filter_map(|item| item.options.credit());
    let rules = credit.filter_map(|credit| credit.layer.consumption.as_deref()).flatten();
    let meters: BTreeSet<MeterId> = rules.map(|rule| rule.meter).collect();
    let named = |meter_id| NamedMeterRow { version_id: version.id, meter_id };
    NamedMeterRow::insert_all(txn, meters.into_iter().map(named).collect()).await
}

// --- Plans -------------------------------------------------------------------------------------------------------------

async fn load_plans(conn: &mut Conn, which: Which<'_, PlanId>) -> Result<Vec<Plan>, DbError> {
    let rows: Vec<PlanRow> =
        on!(conn, |c, B| narrowed!(plans::table.select(PlanRow::as_select()).into_boxed::<B>(), plans, &which)
            .load(c))?;
    Ok(rows.into_iter().map(Plan::from).collect())
}

/// Every plan.
///
/// # Errors
/// Those of the database.
pub async fn all_plans(conn: &mut Conn) -> Result<Vec<Plan>, DbError> {
    load_plans(conn, Which::All).await
}

/// The plans with these ids.
///
/// # Errors
/// Those of the database.
pub async fn find_plans(conn: &mut Conn, ids: &[PlanId]) -> Result<HashMap<PlanId, Plan>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(load_plans(conn, Which::Ids(ids)).await?.into_iter().map(|plan| (plan.id, plan)).collect())
}

/// The plan with this key.
///
/// # Errors
/// Those of the database.
pub async fn find_plan_by_key(conn: &mut Conn, key: &str) -> Result<Option<Plan>, DbError> {
    if text::check_key(key).is_err() {
        return Ok(None);
    }
    Ok(load_plans(conn, Which::Key(key)).await?.pop())
}

/// A page of plans, by key, byte by byte.
///
/// # Errors
/// Those of the database.
pub async fn list_plans(conn: &mut Conn, list: &ListPlans) -> Result<Page<Plan>, DbError> {
    let which = Which::Page { page: &list.page, include_archived: list.include_archived };
    Ok(Page::of(&list.page, load_plans(conn, which).await?))
}

/// The key of a plan that is not archived and whose latest version has an item of the product.
///
/// # Errors
/// Those of the database.
pub(in crate::catalog) async fn find_plan_with(conn: &mut Conn, product: ProductId) -> Result<Option<String>, DbError> {
    let mut keys: Vec<String> = on!(conn, |c| plan_items::table
        .inner_join(plan_versions::table.on(plan_versions::id.eq(plan_items::version_id)))
        .inner_join(
            plans::table.on(plans::id.eq(plan_versions::plan_id).and(plans::latest_version.eq(plan_versions::version)))
        )
        .filter(plan_items::product_id.eq(product))
        .filter(plans::archived_at.is_null())
        .order(plans::key)
        .select(plans::key)
        .limit(1)
        .load(c))?;
    Ok(keys.pop())
}

/// The versions of plans whose consumption names a meter.
///
/// # Errors
/// Those of the database.
pub async fn list_versions_with(conn: &mut Conn, meter: MeterId) -> Result<Vec<PlanVersionId>, DbError> {
    on!(conn, |c| plan_meters::table.filter(plan_meters::meter_id.eq(meter)).select(plan_meters::version_id).load(c))
}

// --- Versions ----------------------------------------------------------------------------------------------------------

/// Puts rows and their items together, in the order of the rows.
async fn with_items(conn: &mut Conn, rows: Vec<VersionRow>) -> Result<Vec<PlanVersion>, DbError> {
    let ids: Vec<PlanVersionId> = rows.iter().map(|row| row.id).collect();
    let mut items: HashMap<PlanVersionId, Vec<PlanItem>> = HashMap::new();
    // SQLite binds so many values and no more.
    for some in ids.chunks(10_000) {
        let found: Vec<ItemRow> = on!(conn, |c| plan_items::table
            .filter(plan_items::version_id.eq_any(some))
            .order((plan_items::version_id, plan_items::position))
            .select(ItemRow::as_select())
            .load(c))?;
        for row in found {
            items.entry(row.version_id).or_default().push(row.item()?);
        }
    }
    let version = |row: VersionRow| {
        let items = items.remove(&row.id).unwrap_or_default();
        row.version(items)
    };
    rows.into_iter().map(version).collect()
}

/// Every version of every plan.
///
/// # Errors
/// Those of the database.
pub async fn all_versions(conn: &mut Conn) -> Result<Vec<PlanVersion>, DbError> {
    let rows: Vec<VersionRow> = on!(conn, |c| plan_versions::table.select(VersionRow::as_select()).load(c))?;
    with_items(conn, rows).await
}

/// The versions with these ids.
///
/// # Errors
/// Those of the database.
pub async fn find_versions(
    conn: &mut Conn,
    ids: &[PlanVersionId],
) -> Result<HashMap<PlanVersionId, PlanVersion>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<VersionRow> = on!(conn, |c| plan_versions::table
        .filter(plan_versions::id.eq_any(ids))
        .select(VersionRow::as_select())
        .load(c))?;
    Ok(with_items(conn, rows).await?.into_iter().map(|version| (version.id, version)).collect())
}

/// The latest version of each of these plans.
///
/// # Errors
/// Those of the database.
pub async fn find_latest(conn: &mut Conn, of: &[PlanId]) -> Result<HashMap<PlanId, PlanVersion>, DbError> {
    if of.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<VersionRow> = on!(conn, |c| plan_versions::table
        .inner_join(
            plans::table.on(plans::id.eq(plan_versions::plan_id).and(plans::latest_version.eq(plan_versions::version)))
        )
        .filter(plan_versions::plan_id.eq_any(of))
        .select(VersionRow::as_select())
        .load(c))?;
    Ok(with_items(conn, rows).await?.into_iter().map(|version| (version.plan, version)).collect())
}

/// A page of a plan's versions, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_versions(conn: &mut Conn, list: &ListVersions) -> Result<Page<PlanVersion>, DbError> {
    let ListVersions { plan, page } = list;
    let rows: Vec<VersionRow> = on!(conn, |c, B| {
        let mut query = plan_versions::table
            .filter(plan_versions::plan_id.eq(plan))
            .select(VersionRow::as_select())
            .into_boxed::<B>();
        if let Some(version) = page.after {
            query = query.filter(plan_versions::version.lt(version));
        }
        if let Some(version) = page.before {
            query = query.filter(plan_versions::version.gt(version));
        }
        query = if page.is_backward() {
            query.order(plan_versions::version.asc())
        } else {
            query.order(plan_versions::version.desc())
        };
        query.limit(page.probe()).load(c)
    })?;
    Ok(Page::of(page, with_items(conn, rows).await?))
}
