//! What periods cost: flat fees and seats in advance, usage in arrears. Pure, but for the metering of usage at the end.

use std::collections::{BTreeSet, HashMap};

use super::model::{Amount, Charge, Metered, Period, Phase, Subscription};
use super::store;
use super::terms::in_force;
use super::timeline::Step;
use crate::base::clock::Clock;
use crate::base::decimal;
use crate::base::ids::{ChargeId, MeterId, SubscriptionId};
use crate::base::money::Money;
use crate::base::settings::{Rate, Units};
use crate::base::time::{MINUTE, Time};
use crate::catalog;
use crate::catalog::model::{Meter, PricedKind, PricedProduct};
use crate::catalog::plans::model::ItemOptions;
use crate::catalog::plans::options::price_in_force;
use crate::catalog::snapshot::Snapshot;
use crate::db::{Db, DbError};
use crate::metering::usage::measure;

/// What crossing a boundary costs, written at `now`.
#[must_use]
pub fn charges(subscription: &Subscription, step: &Step, catalog: &Snapshot, now: Time) -> Vec<Charge> {
    let of = |(period, phase): &(Period, Phase)| of_period(subscription, (*period, phase), catalog, now);
    let ended = step.ended.iter().filter(|(period, _)| period.start < period.end);
    let arrears = ended.flat_map(of).filter(|charge| charge.metered().is_some());
    let advance = step.began.iter().flat_map(of).filter(|charge| charge.metered().is_none());
    arrears.chain(advance).collect()
}

/// What one period costs, at its start and at its end.
fn of_period(
    subscription: &Subscription,
    (period, phase): (Period, &Phase),
    catalog: &Snapshot,
    now: Time,
) -> Vec<Charge> {
    let Some(version) = catalog.plan_version(phase.version) else { return Vec::new() };
    let charge = |(place, product): (i32, &PricedProduct)| {
        let options = in_force(phase, product.id, catalog)?;
        let (description, amount) = amount(product, &options, version.content.currency)?;
        let id = ChargeId { subscription: subscription.id, period: period.index, item: place };
        Some(Charge { id, product: product.id, period, description, amount, created_at: now })
    };
    let items = (0_i32..).zip(&version.content.items);
    let priced = items.filter_map(|(place, item)| Some((place, &**catalog.priced(item.product)?)));
    priced.filter_map(charge).collect()
}

/// What an item costs, and how it is called.
fn amount(
    product: &PricedProduct,
    options: &ItemOptions,
    currency: crate::base::money::Currency,
) -> Option<(String, Amount)> {
    let price = price_in_force(options, product, currency)?;
    let (name, code) = (&product.name, currency.code());
    Some(match (product.kind, options) {
        (PricedKind::Usage { meter }, ItemOptions::Usage(usage)) => {
            let included = usage.included_units.unwrap_or_default();
            (name.clone(), Amount::ToBeMetered(Metered { meter, price, included }))
        }
        (PricedKind::Seat, ItemOptions::Seat(seat)) => {
            let seats = seat.quantity.unwrap_or(1);
            let minor = price.money().minor.saturating_mul(i64::from(seats));
            let description = format!("{name}: {seats} at {} {code}", price.text());
            (description, Amount::Known { quantity: seats.to_string(), amount: Money { minor, currency } })
        }
        _ => (name.clone(), Amount::Known { quantity: "1".to_owned(), amount: price.money() }),
    })
}

/// What metered usage comes to: the units beyond those that are included, and what they cost, rounded half away from zero
/// to the currency's smallest unit, once. What is beyond 64 bits of it stays there.
#[must_use]
pub fn metered(measured: i128, metered: Metered) -> (String, Money) {
    let currency = metered.currency();
    let beyond = measured.saturating_sub(metered.included.scaled()).max(0);
    let minor_in_rate = decimal::pow10(Rate::SCALE.saturating_add(Units::SCALE).saturating_sub(currency.digits()));
    let exact = beyond.checked_mul(metered.price.amount.scaled());
    let minor = exact.and_then(|exact| decimal::div_round(exact, minor_in_rate));
    let minor = minor.and_then(|minor| i64::try_from(minor).ok()).unwrap_or(i64::MAX);
    (decimal::text(beyond, Units::SCALE), Money { minor, currency })
}

/// How metered usage is called.
fn description(name: &str, quantity: &str, metered: Metered) -> String {
    let (price, currency) = (metered.price.text(), metered.currency());
    let code = currency.code();
    if metered.included.scaled() == 0 {
        return format!("{name}: {quantity} at {price} {code}");
    }
    format!("{name}: {quantity} beyond {} at {price} {code}", metered.included.text())
}

/// How many charges of usage are written together.
const TOGETHER: usize = 100;

/// How long usage of a period that has ended waits until it is metered: events that are on their way belong to it.
pub const GRACE: i64 = 5 * MINUTE;

/// Meters usage whose period has ended (S5), the oldest first: of one subscription at once, or of all that have waited for
/// [`GRACE`]; answers how many charges that were. Events are read outside of the transaction that writes what they come to,
/// so that nobody waits for that. Who was faster, here or on another node, wrote the same.
///
/// # Errors
/// Those of the database.
pub async fn meter_usage(db: &Db, clock: &Clock, of: Option<SubscriptionId>, most: i64) -> Result<usize, DbError> {
    let now = clock.now();
    let since = if of.is_some() { now } else { now.plus_micros(-GRACE).unwrap_or(now) };
    let waiting = store::list_to_be_metered(&mut db.read().await?, of, since, most).await?;
    let meters: BTreeSet<MeterId> = waiting.iter().filter_map(Charge::metered).map(|terms| terms.meter).collect();
    let meters: Vec<MeterId> = meters.into_iter().collect();
    let meters = catalog::store::find_meters(&mut db.read().await?, &meters).await?;
    for some in waiting.chunks(TOGETHER) {
        let mut known = Vec::with_capacity(some.len());
        for charge in some {
            known.extend(known_charge(db, charge, (&meters, clock.now())).await?);
        }
        db.write(async |txn| {
            for charge in &known {
                store::write_metered(txn, charge).await?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
    }
    Ok(waiting.len())
}

/// A charge of usage with what its meter measured.
async fn known_charge(
    db: &Db,
    charge: &Charge,
    (meters, now): (&HashMap<MeterId, Meter>, Time),
) -> Result<Option<Charge>, DbError> {
    let Some(terms) = charge.metered() else { return Ok(None) };
    let missing = || DbError::Corrupt(format!("the meter of the charge {} is not there", charge.id));
    let meter = meters.get(&terms.meter).ok_or_else(missing)?;
    let mut conn = db.read().await?;
    let span = (charge.period.start, charge.period.end);
    let measured = measure(&mut conn, charge.id.subscription.customer, meter, span).await?;
    let (quantity, amount) = metered(measured, terms);
    let description = description(&charge.description, &quantity, terms);
    Ok(Some(Charge { description, amount: Amount::Known { quantity, amount }, created_at: now, ..charge.clone() }))
}

impl Charge {
    /// What usage that is yet to be metered is charged by.
    const fn metered(&self) -> Option<Metered> {
        if let Amount::ToBeMetered(terms) = self.amount { Some(terms) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::decimal::Decimal;
    use crate::base::money::Currency;
    use crate::catalog::model::Price;

    #[test]
    fn usage_costs_what_is_beyond_the_included_units_rounded_once() {
        let scaled = |text: &str| decimal::parse(text, 12).unwrap();
        for (measured, included, price, currency, quantity, cost) in [
            ("0", "0", "0.004", "EUR", "0", "0.00"),
            ("1000", "1000", "0.004", "EUR", "0", "0.00"),
            ("999.5", "1000", "0.004", "EUR", "0", "0.00"),
            ("2250.25", "1000", "0.004", "EUR", "1250.25", "5.00"),
            ("1.25", "0", "0.1", "EUR", "1.25", "0.13"),
            ("1", "0", "0.004999999999", "EUR", "1", "0.00"),
            ("7", "0", "0.5", "JPY", "7", "4"),
            ("1000000000000000", "0", "1000000000000", "EUR", "1000000000000000", "92233720368547758.07"),
        ] {
            let currency = Currency::parse(currency).unwrap();
            let rate = Rate::of(&Decimal::new(price).unwrap()).unwrap().unwrap();
            let included = Units::of(&Decimal::new(included).unwrap()).unwrap().unwrap();
            let meter = MeterId(uuid::Uuid::nil());
            let terms = Metered { meter, price: Price { amount: rate, currency }, included };
            let (units, money) = metered(scaled(measured), terms);
            assert_eq!((units.as_str(), money.amount().as_str()), (quantity, cost), "{measured} at {price}");
        }
    }
}
