//! The order of steps by which a subscription is made, always inside the caller's transaction: all that can be refused is
//! checked before anything is changed.

use std::collections::HashSet;

use super::desk::Desk;
use super::input::{GivenOverride, NewSubscription};
use super::model::{Changed, Override, Phase, Subscription};
use super::terms::credit_products;
use crate::base::fields::{self, optional};
use crate::base::ids::{PlanId, ProductId, SubscriptionId};
use crate::base::json::CanonicalJson;
use crate::base::period::{Calendar, Interval};
use crate::base::problem::{Problem, Problems, all, all_of};
use crate::base::time::Time;
use crate::catalog::model::Product;
use crate::catalog::plans::model::{ItemOptions, PlanVersion};
use crate::catalog::plans::options::{self, Asked, merged};
use crate::catalog::plans::service::{check_open, check_references};
use crate::catalog::snapshot::Snapshot;
use crate::customers::store::lock_customer;
use crate::db::{Failure, Txn};

/// How many periods a subscription catches up on at most when it is made.
pub const MAX_PERIODS: u32 = 1_000;
/// How far away a start may be, in years.
pub const MAX_YEARS: u32 = 10;

/// Makes a subscription: what its periods since have brought is granted and charged, each at its instant, as far as one step
/// goes; catching up does the rest.
///
/// # Errors
/// Not found, a state, invalid, a limit, or the subscription that has a credit product already; nothing has changed then.
pub async fn create(txn: &mut Txn, desk: &mut Desk<'_>, new: &NewSubscription) -> Result<Changed, Failure> {
    let Read { plan, starts_at, products, metadata } = read(new)?;
    let version = version_to_subscribe(desk.catalog, plan)?;
    let starts_at = starts_at.unwrap_or(desk.now);
    let calendar = Calendar { anchor: starts_at, interval: version.content.interval };
    check_start(calendar, desk.now)?;
    let overrides = overrides(txn, desk.catalog, version, (&products, &new.overrides)).await?;
    let phase = Phase { plan, version: version.id, calendar, overrides };
    let mut subscription = scheduled(desk, phase, metadata);
    check_products(desk, &subscription)?;
    check_customer(txn, desk).await?;

    desk.project(txn, &subscription, None).await?;
    desk.changes.write(&subscription);
    let unfinished = desk.catch_up(&mut subscription)?;
    desk.subscriptions.push(subscription.clone());
    Ok(Changed { subscription, replayed: false, unfinished })
}

/// A subscription to be made, as far as it can be read without the catalog.
struct Read {
    plan: PlanId,
    starts_at: Option<Time>,
    /// Of each override.
    products: Vec<ProductId>,
    metadata: CanonicalJson,
}

fn read(new: &NewSubscription) -> Result<Read, Problems> {
    let mut seen = HashSet::new();
    let overrides = new.overrides.iter().enumerate().map(|(index, GivenOverride { product, options })| {
        let index = index.to_string();
        let path = ["overrides", &index, "productId"];
        let product = product.read(&path).and_then(|product| {
            let message = "An earlier override is of this product already; name each product once.";
            if seen.insert(*product) { Ok(*product) } else { Err(Problem::invalid(&path, message)) }
        });
        let options = options::check(options);
        let options = options.map_err(|problems| problems.within(&["overrides", &index, "options"]));
        all((product, options)).map(|(product, ())| product)
    });
    let (plan, starts_at, products, metadata) = all((
        new.plan.read(&["planId"]).copied(),
        optional(new.starts_at.as_ref(), |given| given.read(&["startsAt"]).copied()),
        all_of(overrides),
        fields::metadata(&["metadata"], new.metadata.as_ref()),
    ))?;
    Ok(Read { plan, starts_at, products, metadata })
}

/// Checks a subscription to be made as far as that takes no catalog.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check(new: &NewSubscription) -> Result<(), Problems> {
    read(new).map(drop)
}

/// The version of a plan that new subscriptions are to.
///
/// # Errors
/// Not found or a state, at `["planId"]`.
pub(super) fn version_to_subscribe(catalog: &Snapshot, id: PlanId) -> Result<&PlanVersion, Problem> {
    let missing = || Problem::not_found(&["planId"], "plan", id.to_string());
    check_open(catalog.plan(id).ok_or_else(missing)?, "planId")?;
    catalog.latest_version(id).map(|version| &**version).ok_or_else(missing)
}

fn check_start(calendar: Calendar, now: Time) -> Result<(), Problem> {
    let start = calendar.anchor;
    let years = |anchor| Calendar { anchor, interval: Interval::Year }.start(MAX_YEARS);
    if years(now) < start || years(start) < now {
        let message = format!("startsAt is more than {MAX_YEARS} years away; start closer to now.");
        return Err(Problem::invalid(&["startsAt"], message));
    }
    if start <= now && calendar.index_at(now) >= MAX_PERIODS {
        let message = format!("More than {MAX_PERIODS} periods have begun since startsAt; start later.");
        return Err(Problem::limit(&["startsAt"], MAX_PERIODS.to_string(), message));
    }
    Ok(())
}

/// A subscription that is yet to begin its first period.
fn scheduled(desk: &Desk<'_>, phase: Phase, metadata: CanonicalJson) -> Subscription {
    let newest = desk.subscriptions.iter().map(|known| known.id.number).max().unwrap_or_default();
    Subscription {
        id: SubscriptionId { customer: desk.customer, number: newest.saturating_add(1) },
        starts_at: phase.calendar.anchor,
        ends_at: None,
        period: None,
        phase,
        next: None,
        settled: false,
        metadata,
        created_at: desk.now,
        revision: 0,
    }
}

/// What a new subscription sets itself, each product of the version at most once.
async fn overrides(
    txn: &mut Txn,
    catalog: &Snapshot,
    version: &PlanVersion,
    (products, given): (&[ProductId], &[GivenOverride]),
) -> Result<Vec<Override>, Failure> {
    let mut overrides: Vec<Override> = Vec::with_capacity(given.len());
    for (index, (product, GivenOverride { options, .. })) in products.iter().zip(given).enumerate() {
        let index = index.to_string();
        let path = ["overrides", &index];
        let (item, kind) = item_of(catalog, version, *product).map_err(|problem| problem.within(&path))?;
        let asked = Asked { product: &kind, currency: version.content.currency, given: options };
        let path = ["overrides", &index, "options"];
        let set =
            options::changed(&ItemOptions::none(kind.kind()), asked).map_err(|problems| problems.within(&path))?;
        options::check_together(&merged(&set, item)).map_err(|problem| problem.within(&path))?;
        check_references(txn, &set, *product).await.map_err(|failure| failure.within(&path))?;
        overrides.push(Override { product: *product, options: set });
    }
    overrides.retain(|own| !own.options.set().is_empty());
    overrides.sort_by_key(|own| own.product);
    Ok(overrides)
}

/// What a version sets of a product, and the product.
///
/// # Errors
/// Invalid, at `["productId"]`, when the version does not hold it.
pub(super) fn item_of<'a>(
    catalog: &Snapshot,
    version: &'a PlanVersion,
    product: ProductId,
) -> Result<(&'a ItemOptions, Product), Problem> {
    let known = catalog.of_any_kind(product);
    let item = version.item(product).map(|(_, item)| &item.options);
    item.zip(known).ok_or_else(|| {
        let message = "The subscription's plan has no item of this product; name a product that the plan holds.";
        Problem::invalid(&["productId"], message)
    })
}

/// No other subscription that has not ended has one of its credit products (S3).
///
/// # Errors
/// The other subscription, at `["planId"]`.
pub(super) fn check_products(desk: &Desk<'_>, subscription: &Subscription) -> Result<(), Problem> {
    let wanted = credit_products(subscription, desk.catalog);
    let others = desk.subscriptions.iter().filter(|other| other.id != subscription.id);
    let running = others.filter(|other| other.ends_at.is_none_or(|end| desk.now < end));
    for other in running {
        let taken = credit_products(&other.clone().at(desk.now), desk.catalog);
        if let Some(product) = wanted.intersection(&taken).next() {
            let name = desk.catalog.product(*product).map_or("", |product| product.name.as_str());
            let advice = match other.ends_at {
                Some(end) => format!("it ends at {end}: subscribe then, or cancel it now"),
                None => "change that one's plan, or cancel it first".to_owned(),
            };
            let message = format!(
                "The customer has a subscription with \"{name}\" already, and credits of one product come by one \
                 subscription; {advice}."
            );
            return Err(Problem::exists(&["planId"], other.id.to_string(), message));
        }
    }
    Ok(())
}

/// The customer is there and not archived, and stays so until the transaction ends.
async fn check_customer(txn: &mut Txn, desk: &Desk<'_>) -> Result<(), Failure> {
    let missing = || Problem::not_found(&["customer", "id"], "customer", desk.customer.to_string());
    let customer = lock_customer(txn, desk.customer).await?.ok_or_else(missing)?;
    if customer.archived_at.is_some() {
        let message = "The customer is archived and gets no new subscription; use or make another one.";
        return Err(Problem::state(&["customer"], "ARCHIVED", message).into());
    }
    Ok(())
}
