//! The order of steps by which a subscription changes, always inside the caller's transaction. What time has done is
//! written down first; all that can be refused is checked before anything is changed.
//!
//! What a balance shows or burns by (threshold, overdraft, consumption, purchase options) changes at once; what a period
//! brings or costs changes with the next one (S4). Before the first period has begun, all of it is yet to come.

use super::charges::charges;
use super::create::{check_products, item_of, version_to_subscribe};
use super::desk::Desk;
use super::input::{Ask, Timing};
use super::model::{Changed, Next, Override, Period, Phase, Subscription};
use super::timeline::Step;
use crate::base::ids::{PlanId, ProductId, SubscriptionId};
use crate::base::patch::Patch;
use crate::base::period::Calendar;
use crate::base::problem::Problem;
use crate::base::settings::CreditLayer;
use crate::base::time::Time;
use crate::catalog::plans::input::GivenOptions;
use crate::catalog::plans::model::{CreditOptions, ItemOptions, PlanVersion};
use crate::catalog::plans::options::{self, Asked, merged};
use crate::catalog::plans::service::check_references;
use crate::db::{Failure, Txn};

/// Does what is asked of a subscription.
///
/// # Errors
/// Not found, a state, or invalid; nothing has changed then.
pub async fn change(txn: &mut Txn, desk: &mut Desk<'_>, id: SubscriptionId, ask: &Ask) -> Result<Changed, Failure> {
    let place = desk.subscriptions.iter().position(|known| known.id == id);
    let before = place.and_then(|place| desk.subscriptions.get(place)).cloned();
    let before = before.ok_or_else(|| Problem::not_found(&[], "plan subscription", id.to_string()))?;
    let mut subscription = before.clone();
    let mut unfinished = false;
    if matches!(ask, Ask::CatchUp) || desk.is_far_behind(&subscription) {
        unfinished = desk.catch_up(&mut subscription)?;
    } else {
        // What is to change is decided on the subscription as it stands now, whatever is on record of it.
        let standing = before.clone().at(desk.now);
        let Some(decided) = decide(txn, desk, standing.clone(), ask).await? else {
            return Ok(Changed { subscription: before, replayed: true, unfinished });
        };
        desk.catch_up(&mut subscription)?;
        subscription = carry_out(txn, desk, standing, decided).await?;
    }
    if let Some(known) = place.and_then(|place| desk.subscriptions.get_mut(place)) {
        *known = subscription.clone();
    }
    Ok(Changed { subscription, replayed: false, unfinished })
}

/// What is to become of a subscription.
enum Decided {
    /// It goes on from what it is now, with other terms.
    Goes(Box<Subscription>),
    /// Its period ends now, and another one begins.
    Restarts(Phase),
    /// It ends now.
    Ends,
}

/// Decides what is to become of a subscription that was carried to now; `None` when it is so already.
async fn decide(
    txn: &mut Txn,
    desk: &Desk<'_>,
    mut subscription: Subscription,
    ask: &Ask,
) -> Result<Option<Decided>, Failure> {
    let before = subscription.clone();
    let ended = subscription.ends_at.is_some_and(|end| end <= desk.now);
    match ask {
        Ask::Cancel { .. } if ended => return Ok(None),
        _ if ended => {
            let message = "The subscription has ended; make a new one.";
            return Err(Problem::state(&[], "CANCELED", message).into());
        }
        Ask::Cancel { timing: Timing::Now } => return Ok(Some(Decided::Ends)),
        Ask::Cancel { timing: Timing::PeriodEnd } => {
            subscription.ends_at = Some(subscription.boundary());
            take_change_back(&mut subscription);
        }
        Ask::Resume => {
            subscription.ends_at = None;
            take_change_back(&mut subscription);
        }
        Ask::Override { product, options } => set(txn, desk, &mut subscription, (*product, options)).await?,
        Ask::Change { plan, timing } => {
            if let Some(restart) = change_plan(desk, &mut subscription, *plan, *timing)? {
                return Ok(Some(Decided::Restarts(restart)));
            }
        }
        Ask::CatchUp => {}
    }
    Ok((subscription != before).then(|| Decided::Goes(Box::new(subscription))))
}

/// Takes a change of plan back that has not happened yet; what was set for the next period stays.
fn take_change_back(subscription: &mut Subscription) {
    let Some(next) = &mut subscription.next else { return };
    let now = &subscription.phase;
    next.phase = Phase { overrides: std::mem::take(&mut next.phase.overrides), ..now.clone() };
    if next.phase == *now {
        subscription.next = None;
    }
}

/// Carries out what was decided of a subscription on which nothing is due any more.
async fn carry_out(
    txn: &mut Txn,
    desk: &mut Desk<'_>,
    mut subscription: Subscription,
    decided: Decided,
) -> Result<Subscription, Failure> {
    let period = subscription.period();
    let mut granted = period.map(|period| period.start);
    match decided {
        Decided::Goes(changed) => subscription = *changed,
        Decided::Restarts(phase) => {
            let ended = end_period(desk, &subscription, period)?;
            subscription.phase = phase;
            subscription.next = None;
            let began = subscription.begin(desk.now);
            let due = charges(&subscription, &Step { ended, began }, desk.catalog, desk.now);
            desk.changes.charge(due);
            granted = None;
        }
        Decided::Ends => {
            let ended = end_period(desk, &subscription, period)?;
            let due = charges(&subscription, &Step { ended, began: None }, desk.catalog, desk.now);
            desk.changes.charge(due);
            subscription.ends_at = Some(desk.now);
            subscription.settled = true;
        }
    }
    desk.project(txn, &subscription, granted).await?;
    desk.changes.write(&subscription);
    desk.post_due(&subscription)?;
    Ok(subscription)
}

/// Ends the period under way now: what is unused of what it includes is void.
fn end_period(
    desk: &mut Desk<'_>,
    subscription: &Subscription,
    period: Option<Period>,
) -> Result<Option<(Period, Phase)>, Failure> {
    let Some(period) = period else { return Ok(None) };
    desk.void_unused(subscription, period.start)?;
    Ok(Some((Period { end: desk.now, ..period }, subscription.phase.clone())))
}

// --- Overrides ---------------------------------------------------------------------------------------------------------

async fn set(
    txn: &mut Txn,
    desk: &Desk<'_>,
    subscription: &mut Subscription,
    (product, given): (ProductId, &Patch<GivenOptions>),
) -> Result<(), Failure> {
    let now = holds(desk, &subscription.phase, product);
    let then = subscription.next.as_ref().and_then(|next| holds(desk, &next.phase, product));
    // Where neither version holds the product, the one now says so.
    let version = then.or(now).map_or_else(|| version_of(desk, &subscription.phase), Ok)?;
    let (item, kind) = item_of(desk.catalog, version, product)?;
    let was = subscription.latest().set(product).cloned().unwrap_or_else(|| ItemOptions::none(kind.kind()));
    let options = match given {
        Patch::Keep => return Ok(()),
        Patch::Clear => ItemOptions::none(kind.kind()),
        Patch::Set(given) => {
            let asked = Asked { product: &kind, currency: version.content.currency, given };
            options::changed(&was, asked).map_err(|problem| problem.within(&["options"]))?
        }
    };
    options::check_together(&merged(&options, item)).map_err(|problem| problem.within(&["options"]))?;
    // A change of plan that is pending can be taken back: what is set must be possible under both.
    for version in [now, then].into_iter().flatten() {
        check_under(product, &options, version).map_err(|problem| problem.within(&["options"]))?;
    }
    let said = newly_named(&options, &was);
    check_references(txn, &said, product).await.map_err(|failure| failure.within(&["options"]))?;

    let boundary = subscription.boundary();
    let next = subscription.latest().clone().with(product, options.clone());
    if subscription.period.is_none() {
        subscription.phase = next;
        return Ok(());
    }
    if now.is_some() {
        let current = subscription.phase.set(product).cloned().unwrap_or_else(|| ItemOptions::none(kind.kind()));
        subscription.phase = subscription.phase.clone().with(product, at_once(current, &options));
    }
    subscription.next = (next != subscription.phase).then_some(Next { at: boundary, phase: next });
    Ok(())
}

fn version_of<'a>(desk: &Desk<'a>, phase: &Phase) -> Result<&'a PlanVersion, Problem> {
    let missing = || Problem::not_found(&[], "plan version", phase.version.to_string());
    desk.catalog.plan_version(phase.version).map(|version| &**version).ok_or_else(missing)
}

/// The version of a phase, if it holds the product.
fn holds<'a>(desk: &Desk<'a>, phase: &Phase, product: ProductId) -> Option<&'a PlanVersion> {
    let version = desk.catalog.plan_version(phase.version)?;
    version.item(product).is_some().then_some(&**version)
}

/// What of new options changes at once: settings that a balance shows or burns by.
fn at_once(current: ItemOptions, changed: &ItemOptions) -> ItemOptions {
    match (current, changed) {
        (ItemOptions::Credit(current), ItemOptions::Credit(changed)) => ItemOptions::Credit(CreditOptions {
            layer: CreditLayer { expiration: current.layer.expiration, ..changed.layer.clone() },
            ..current
        }),
        (current, _) => current,
    }
}

/// What options name that those before did not: only that must be there and in use still.
fn newly_named(options: &ItemOptions, was: &ItemOptions) -> ItemOptions {
    let (ItemOptions::Credit(options), ItemOptions::Credit(was)) = (options, was) else { return options.clone() };
    let mut said = options.clone();
    if said.layer.consumption == was.layer.consumption {
        said.layer.consumption = None;
    }
    if said.layer.purchase_options == was.layer.purchase_options {
        said.layer.purchase_options = None;
    }
    ItemOptions::Credit(said)
}

// --- Change of plan ----------------------------------------------------------------------------------------------------

/// Changes the plan from the next period on; answers what begins now instead, where that is asked for.
fn change_plan(
    desk: &Desk<'_>,
    subscription: &mut Subscription,
    plan: PlanId,
    timing: Timing,
) -> Result<Option<Phase>, Problem> {
    let version = version_to_subscribe(desk.catalog, plan)?;
    if let Some(end) = subscription.ends_at {
        let message = format!("The subscription ends at {end}; resume it before its plan is changed.");
        return Err(Problem::state(&[], "CANCELING", message));
    }
    if version.id == subscription.phase.version {
        take_change_back(subscription);
        return Ok(None);
    }
    let latest = subscription.latest();
    check_overrides(latest, version)?;
    let begun = subscription.period.is_some();
    let at = match timing {
        _ if !begun => subscription.starts_at,
        Timing::Now => desk.now,
        Timing::PeriodEnd => subscription.boundary(),
    };
    let calendar = calendar_from(&subscription.phase.calendar, version, (at, timing));
    let phase = Phase { plan, version: version.id, calendar, overrides: latest.overrides.clone() };
    let mut changed = subscription.clone();
    if begun && timing == Timing::PeriodEnd {
        changed.next = Some(Next { at, phase });
        check_products(desk, &changed)?;
        *subscription = changed;
        return Ok(None);
    }
    changed.phase = phase.clone();
    changed.next = None;
    check_products(desk, &changed)?;
    if begun {
        return Ok(Some(phase));
    }
    *subscription = changed;
    Ok(None)
}

/// The periods under a new version: as they were, where they last as long and the change comes with one of them.
fn calendar_from(before: &Calendar, version: &PlanVersion, (at, timing): (Time, Timing)) -> Calendar {
    let interval = version.content.interval;
    if timing == Timing::PeriodEnd && before.interval == interval { *before } else { Calendar { anchor: at, interval } }
}

/// What the subscription sets itself goes on under another version; it must be possible there.
fn check_overrides(phase: &Phase, version: &PlanVersion) -> Result<(), Problem> {
    let possible = |own: &Override| check_under(own.product, &own.options, version);
    phase.overrides.iter().try_for_each(possible).map_err(|problem| problem.within(&["planId"]))
}

/// What a subscription sets of a product is possible under a version, if that holds the product.
fn check_under(product: ProductId, set: &ItemOptions, version: &PlanVersion) -> Result<(), Problem> {
    let Some((_, item)) = version.item(product) else { return Ok(()) };
    let currency = version.content.currency;
    if set.price().is_some_and(|price| price.currency != currency) {
        let message = format!(
            "A price that the subscription sets must be in {}, since a plan that it is or will be on is; set no price, by \
             overrideSubscriptionItem with options null, or take the change of plan back.",
            currency.code()
        );
        return Err(Problem::state(&[], "OVERRIDDEN", message));
    }
    if options::check_together(&merged(set, &item.options)).is_err() {
        let message = "What the subscription sets of rollover and expiration does not go together with a plan that it is \
                       or will be on; set none of it, by overrideSubscriptionItem with options null, or take the change \
                       of plan back.";
        return Err(Problem::state(&[], "OVERRIDDEN", message));
    }
    Ok(())
}
