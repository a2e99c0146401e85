//! What a product may be that money is paid for: a flat fee, seats, usage.

use std::collections::HashSet;

use super::input::{GivenKind, GivenPrice, NewPricedProduct, ProductChanges};
use super::model::{Price, PricedKind, PricedProduct, ProductKind};
use crate::base::decimal::Decimal;
use crate::base::fields::{self, optional, refused};
use crate::base::ids::ProductId;
use crate::base::json::CanonicalJson;
use crate::base::money::{Currency, Money, MoneyError};
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all, all_of};
use crate::base::settings::Rate;
use crate::base::time::Time;

/// The most prices of one product.
pub const MAX_PRICES: usize = 100;

/// The product that was asked for; its meter is still to be checked.
///
/// # Errors
/// Invalid, at the field that cannot be taken.
pub fn created(id: ProductId, now: Time, new: &NewPricedProduct) -> Result<PricedProduct, Problems> {
    let (key, name, description, kind, prices, metadata) = all((
        fields::key(&["key"], &new.key),
        fields::name(&["name"], &new.name),
        optional(new.description.as_deref(), |given| fields::prose(&["description"], given)),
        kind(&new.kind),
        prices(&new.kind, &new.prices),
        fields::metadata(&["metadata"], new.metadata.as_ref()),
    ))?;
    Ok(PricedProduct {
        id,
        key,
        kind,
        name,
        description,
        metadata,
        prices,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The product with its changes.
///
/// # Errors
/// Invalid, at the field that cannot be taken; a state when it is archived.
pub fn changed(product: &PricedProduct, now: Time, changes: &ProductChanges) -> Result<PricedProduct, Problems> {
    super::product_rules::check_open((&product.key, product.archived_at), &["id"])?;
    let was = product.clone();
    let (name, description, metadata) = checked(changes)?;
    let next = PricedProduct {
        name: name.unwrap_or(was.name),
        description: description.over_optional(was.description),
        metadata: metadata.over(was.metadata, CanonicalJson::empty_object()),
        ..was
    };
    Ok(if next == *product { next } else { PricedProduct { updated_at: now, ..next } })
}

fn kind(given: &GivenKind) -> Result<PricedKind, Problem> {
    Ok(match given {
        GivenKind::FlatFee => PricedKind::FlatFee,
        GivenKind::Seat => PricedKind::Seat,
        GivenKind::Usage(meter) => PricedKind::Usage { meter: *meter.read(&["meterId"])? },
    })
}

/// Prices as they were given: one for each currency, at least one.
fn prices(kind: &GivenKind, given: &[GivenPrice]) -> Result<Vec<Price>, Problems> {
    let (kind, list) = match kind {
        GivenKind::FlatFee => (ProductKind::FlatFee, "prices"),
        GivenKind::Seat => (ProductKind::Seat, "prices"),
        GivenKind::Usage(_) => (ProductKind::Usage, "unitPrices"),
    };
    if given.is_empty() {
        return Err(refused(&[list], "is empty; give a price for each currency in which it is sold").into());
    }
    if given.len() > MAX_PRICES {
        return Err(refused(&[list], format!("has more than {MAX_PRICES} prices")).into());
    }
    let mut seen = HashSet::new();
    all_of(given.iter().enumerate().map(|(index, given)| {
        let index = index.to_string();
        let path = [list, &index];
        let price = price(&path, kind, given)?;
        if seen.insert(price.currency) {
            return Ok(price);
        }
        let message = "names a currency that an earlier price names already";
        Err(Problems::from(refused(&[list, &index, "currency"], message)))
    }))
}

/// A price as it was given: of usage with up to twelve fraction digits, of the others with no more than the currency has.
///
/// # Errors
/// Invalid, at the amount or currency within `path`.
pub fn price(path: &[&str], kind: ProductKind, given: &GivenPrice) -> Result<Price, Problems> {
    let at = [path, &["amount"]].concat();
    let not_negative = given.amount.read(&at).and_then(|given| fields::not_negative(&at, given));
    let (given, currency) = all((not_negative, given.currency.read(&[path, &["currency"]].concat())))?;
    Ok(exact(kind, given, *currency).map_err(|error| refused(&at, error))?)
}

fn exact(kind: ProductKind, given: &Decimal, currency: Currency) -> Result<Price, MoneyError> {
    if kind != ProductKind::Usage {
        Money::price(given, currency)?;
    }
    let amount = Rate::of(given)?.ok_or(MoneyError::TooLarge)?;
    Ok(Price { amount, currency })
}

/// Name, description and metadata.
type Checked = (Option<String>, Patch<String>, Patch<CanonicalJson>);

fn checked(changes: &ProductChanges) -> Result<Checked, Problems> {
    all((
        fields::new_name(changes.name.as_ref()),
        fields::new_description(changes.description.as_ref()),
        fields::new_metadata(changes.metadata.as_ref()),
    ))
}

/// Checks changes as far as that takes no product.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check(changes: &ProductChanges) -> Result<(), Problems> {
    checked(changes).map(drop)
}

/// What a plan in a currency needs of a priced product.
///
/// # Errors
/// Invalid, at `path`, when the product has no price in the currency.
pub fn price_in(product: &PricedProduct, currency: Currency, path: &[&str]) -> Result<Price, Problem> {
    let missing = || {
        let (key, code) = (&product.key, currency.code());
        let message = format!(
            "The product \"{key}\" has no price in {code}, the plan's currency; set one in the item's options, or use a \
             product that has one."
        );
        Problem::invalid(path, message)
    };
    product.price_in(currency).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::decimal::Decimal;

    fn given(amount: &str, currency: &str) -> GivenPrice {
        let (amount, currency) = (Decimal::new(amount).unwrap(), Currency::parse(currency).unwrap());
        GivenPrice { amount: amount.into(), currency: currency.into() }
    }

    fn create(kind: GivenKind, prices: Vec<GivenPrice>) -> Result<PricedProduct, Problems> {
        let (key, name) = ("seats".into(), "Seats".into());
        let new = NewPricedProduct { key, kind, name, description: None, prices, metadata: None };
        created(ProductId(uuid::Uuid::nil()), Time::MIN, &new)
    }

    #[test]
    fn a_product_has_one_price_in_each_of_its_currencies() {
        assert_eq!(create(GivenKind::Seat, vec![]).unwrap_err().as_slice()[0].path, ["prices"]);
        let twice = vec![given("1", "EUR"), given("2", "EUR")];
        assert_eq!(create(GivenKind::Seat, twice).unwrap_err().as_slice()[0].path, ["prices", "1", "currency"]);
        let many = create(GivenKind::Seat, vec![given("1", "EUR"), given("200", "JPY")]).unwrap();
        assert_eq!(many.prices.iter().map(|price| price.text()).collect::<Vec<_>>(), ["1.00", "200"]);
        assert_eq!(many.prices[1].money().minor, 200);
    }

    #[test]
    fn a_unit_may_cost_less_than_the_smallest_coin_and_a_seat_may_not() {
        let usage = || GivenKind::Usage(crate::base::ids::MeterId(uuid::Uuid::nil()).into());
        let price = create(usage(), vec![given("0.000000000001", "EUR")]).unwrap().prices[0];
        assert_eq!(price.text(), "0.000000000001");
        for (kind, amount, list) in [
            (GivenKind::FlatFee, "0.001", "prices"),
            (GivenKind::FlatFee, "-1", "prices"),
            (GivenKind::Seat, "1000000000000.01", "prices"),
            (usage(), "-1", "unitPrices"),
            (usage(), "0.0000000000001", "unitPrices"),
        ] {
            assert_eq!(
                create(kind, vec![given(amount, "EUR")]).unwrap_err().as_slice()[0].path,
                [list, "0", "amount"],
                "{amount}"
            );
        }
    }
}
