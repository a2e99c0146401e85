//! The steps of each change of a plan, inside the caller's transaction; as all of the catalog's, each begins with
//! [`store::lock_catalog`](crate::catalog::store::lock_catalog).

use std::collections::HashSet;

use super::input::{NewContent, NewPlan, PlanChanges};
use super::model::{Content, ItemOptions, Plan, PlanItem, PlanVersion};
use super::options::{self, Asked};
use super::store;
use crate::base::fields::{self, optional, refused};
use crate::base::ids::{Ids, MeterId, PlanId, PlanVersionId, ProductId};
use crate::base::money::Currency;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all, all_of};
use crate::base::time::Time;
use crate::catalog::model::Product;
use crate::catalog::store::{find_meters, find_of_any_kind, find_options, lock_catalog};
use crate::catalog::{priced_rules, product_rules};
use crate::db::{Conn, Failure, Txn};

/// The most items of one version.
pub const MAX_ITEMS: usize = 100;

/// Makes a plan with its first version.
///
/// # Errors
/// Invalid, at the field or item; the plan that has the key already.
pub async fn create_plan(txn: &mut Txn, ids: &Ids, now: Time, new: &NewPlan) -> Result<Plan, Failure> {
    let (key, name, description, ()) = all((
        fields::key(&["key"], &new.key),
        fields::name(&["name"], &new.name),
        optional(new.description.as_deref(), |given| fields::prose(&["description"], given)),
        check_content(&new.content),
    ))?;
    let plan = Plan {
        id: PlanId(ids.uuid(now)),
        key,
        name,
        description,
        latest_version: 1,
        created_at: now,
        archived_at: None,
    };
    lock_catalog(txn).await?;
    if let Some(existing) = store::find_plan_by_key(txn, &plan.key).await? {
        let key = &plan.key;
        let message = format!("The key \"{key}\" belongs to another plan, archived ones included; choose another key.");
        return Err(Problem::exists(&["key"], existing.id.to_string(), message).into());
    }
    let content = validate(txn, &new.content).await?;
    store::insert_plan(txn, &plan).await?;
    publish(txn, ids, now, (&plan, content)).await?;
    Ok(plan)
}

/// Changes what a plan is called.
///
/// # Errors
/// Not found, archived, or invalid.
pub async fn update_plan(txn: &mut Txn, id: PlanId, changes: &PlanChanges) -> Result<Plan, Failure> {
    let (name, description) = checked(changes)?;
    lock_catalog(txn).await?;
    let was = get_plan(txn, id, "id").await?;
    check_open(&was, "id")?;
    let plan = Plan {
        name: name.unwrap_or_else(|| was.name.clone()),
        description: description.over_optional(was.description.clone()),
        ..was
    };
    store::update_plan(txn, &plan).await?;
    Ok(plan)
}

fn checked(changes: &PlanChanges) -> Result<(Option<String>, Patch<String>), Problems> {
    all((fields::new_name(changes.name.as_ref()), fields::new_description(changes.description.as_ref())))
}

/// Checks changes as far as that takes no plan.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check_changes(changes: &PlanChanges) -> Result<(), Problems> {
    checked(changes).map(drop)
}

/// Publishes a version of a plan; what the latest one says already makes no new one.
///
/// # Errors
/// Not found, archived, or invalid, at the item.
pub async fn publish_version(
    txn: &mut Txn,
    ids: &Ids,
    now: Time,
    (id, new): (PlanId, &NewContent),
) -> Result<Plan, Failure> {
    lock_catalog(txn).await?;
    let plan = get_plan(txn, id, "planId").await?;
    check_open(&plan, "planId")?;
    let content = validate(txn, new).await?;
    if store::find_latest(txn, &[id]).await?.get(&id).is_some_and(|latest| latest.content == content) {
        return Ok(plan);
    }
    let plan = Plan { latest_version: plan.latest_version.saturating_add(1), ..plan };
    store::update_plan(txn, &plan).await?;
    publish(txn, ids, now, (&plan, content)).await?;
    Ok(plan)
}

async fn publish(txn: &mut Txn, ids: &Ids, now: Time, (plan, content): (&Plan, Content)) -> Result<(), Failure> {
    let id = PlanVersionId(ids.uuid(now));
    let version = PlanVersion { id, plan: plan.id, version: plan.latest_version, content, published_at: now };
    Ok(store::insert_version(txn, &version).await?)
}

/// Archives a plan: nobody subscribes to it any more; subscriptions to it go on. One that is archived is answered as it is.
///
/// # Errors
/// Not found.
pub async fn archive_plan(txn: &mut Txn, now: Time, id: PlanId) -> Result<Plan, Failure> {
    lock_catalog(txn).await?;
    let plan = get_plan(txn, id, "id").await?;
    if plan.archived_at.is_some() {
        return Ok(plan);
    }
    let archived = Plan { archived_at: Some(now), ..plan };
    store::update_plan(txn, &archived).await?;
    Ok(archived)
}

async fn get_plan(conn: &mut Conn, id: PlanId, field: &str) -> Result<Plan, Failure> {
    let found = store::find_plans(conn, &[id]).await?.remove(&id);
    Ok(found.ok_or_else(|| Problem::not_found(&[field], "plan", id.to_string()))?)
}

/// Whether something can still be done with a plan.
///
/// # Errors
/// A state, at `field`, when it is archived.
pub fn check_open(plan: &Plan, field: &str) -> Result<(), Problem> {
    if plan.archived_at.is_none() {
        return Ok(());
    }
    let message = format!("The plan \"{}\" is archived; use or make another one.", plan.key);
    Err(Problem::state(&[field], "ARCHIVED", message))
}

/// Checks what a version is to say as far as that takes no product.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check_content(new: &NewContent) -> Result<(), Problems> {
    read_content(new).map(drop)
}

/// The currency, and the products of the items.
fn read_content(new: &NewContent) -> Result<(Currency, Vec<ProductId>), Problems> {
    let number = match new.items.len() {
        0 => Err(refused(&["items"], "is empty; a plan has at least one item")),
        1..=MAX_ITEMS => Ok(()),
        _ => return Err(refused(&["items"], format!("has more than {MAX_ITEMS} items")).into()),
    };
    let mut seen = HashSet::new();
    let items = new.items.iter().enumerate().map(|(index, item)| {
        let index = index.to_string();
        let path = ["items", &index, "productId"];
        let product = item.product.read(&path).and_then(|product| {
            let message = "An earlier item is of this product already; a plan has each product once.";
            if seen.insert(*product) { Ok(*product) } else { Err(Problem::invalid(&path, message)) }
        });
        let options = optional(item.options.as_ref(), options::check);
        let options = options.map_err(|problems| problems.within(&["items", &index, "options"]));
        all((product, options)).map(|(product, _)| product)
    });
    let items = all_of(items);
    all((new.currency.read(&["currency"]).copied(), number, items)).map(|(currency, (), items)| (currency, items))
}

/// What a version is to say, checked as a whole (P1).
async fn validate(conn: &mut Conn, new: &NewContent) -> Result<Content, Failure> {
    let (currency, ids) = read_content(new)?;
    let products = find_of_any_kind(conn, &ids).await?;
    let mut items: Vec<PlanItem> = Vec::with_capacity(new.items.len());
    for (index, (id, given)) in ids.into_iter().zip(&new.items).enumerate() {
        let index = index.to_string();
        let product_path = ["items", &index, "productId"];
        let missing = || Problem::not_found(&product_path, "product", id.to_string());
        let product = products.get(&id).ok_or_else(missing)?;
        product_rules::check_open((product.key(), product.archived_at()), &product_path)?;
        let path = ["items", &index, "options"];
        let mut set = ItemOptions::none(product.kind());
        if let Some(given) = &given.options {
            let changed = options::changed(&set, Asked { product, currency, given });
            set = changed.map_err(|problems| problems.within(&path))?;
            options::check_together(&set).map_err(|problem| problem.within(&path))?;
            check_references(conn, &set, product.id()).await.map_err(|failure| failure.within(&path))?;
        }
        if let (Product::Priced(priced), None) = (product, set.price()) {
            priced_rules::price_in(priced, currency, &product_path)?;
        }
        items.push(PlanItem { product: id, options: set });
    }
    Ok(Content { interval: new.interval, currency, items })
}

/// Whether the meters and purchase options that options name are there and can be used.
///
/// # Errors
/// Not found, a state or invalid, at the option within the input: `["credit", "purchaseOptionIds", "0"]`.
pub async fn check_references(conn: &mut Conn, set: &ItemOptions, product: ProductId) -> Result<(), Failure> {
    let Some(credit) = set.credit() else { return Ok(()) };
    if let Some(rules) = &credit.layer.consumption {
        let ids: Vec<MeterId> = rules.iter().map(|rule| rule.meter).collect();
        let meters = find_meters(conn, &ids).await?;
        product_rules::check_meters(rules, &meters).map_err(|problem| problem.within(&["credit"]))?;
    }
    let Some(offered) = &credit.layer.purchase_options else { return Ok(()) };
    let found = find_options(conn, offered).await?;
    for (index, id) in offered.iter().enumerate() {
        let index = index.to_string();
        let path = ["credit", "purchaseOptionIds", &index];
        let option = found.get(id).ok_or_else(|| Problem::not_found(&path, "purchase option", id.to_string()))?;
        if option.product != product {
            let message = "The purchase option sells credits of another product; name options of the item's product.";
            return Err(Problem::invalid(&path, message).into());
        }
        if option.archived_at.is_some() {
            let message = "The purchase option is archived; name one that is not.";
            return Err(Problem::state(&path, "ARCHIVED", message).into());
        }
    }
    Ok(())
}
