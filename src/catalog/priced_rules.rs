//! What a product may be that money is paid for: a flat fee, seats, usage.

use super::input::{GivenPrice, NewPricedProduct, ProductChanges};
use super::model::{Price, PricedKind, PricedProduct, ProductKind};
use crate::base::fields::{self, refused};
use crate::base::ids::ProductId;
use crate::base::json::CanonicalJson;
use crate::base::money::{Currency, Money, MoneyError};
use crate::base::problem::Problem;
use crate::base::settings::Rate;
use crate::base::time::Time;

/// The most prices of one product.
pub const MAX_PRICES: usize = 100;

/// The product that was asked for; its meter is still to be checked.
///
/// # Errors
/// Invalid, at the field that cannot be taken.
pub fn created(id: ProductId, now: Time, new: &NewPricedProduct) -> Result<PricedProduct, Problem> {
    Ok(PricedProduct {
        id,
        key: fields::key(&["key"], &new.key)?,
        kind: new.kind,
        name: fields::name(&["name"], &new.name)?,
        description: new.description.as_deref().map(|given| fields::prose(&["description"], given)).transpose()?,
        metadata: fields::metadata(&["metadata"], new.metadata.as_ref())?,
        prices: prices(new.kind, &new.prices)?,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The product with its changes.
///
/// # Errors
/// Invalid, at the field that cannot be taken; a state when it is archived.
pub fn changed(product: &PricedProduct, now: Time, changes: &ProductChanges) -> Result<PricedProduct, Problem> {
    super::product_rules::check_open((&product.key, product.archived_at), &["id"])?;
    let was = product.clone();
    let name = fields::not_cleared(&["name"], changes.name.as_ref())?;
    let description = changes.description.as_ref().try_map(|given| fields::prose(&["description"], given))?;
    let metadata = changes.metadata.as_ref().try_map(|given| fields::metadata(&["metadata"], Some(given)))?;
    let next = PricedProduct {
        name: name.map_or_else(|| Ok(was.name), |name| fields::name(&["name"], name))?,
        description: description.over_optional(was.description),
        metadata: metadata.over(was.metadata, CanonicalJson::empty_object()),
        ..was
    };
    Ok(if next == *product { next } else { PricedProduct { updated_at: now, ..next } })
}

/// Prices as they were given: one for each currency, at least one.
fn prices(kind: PricedKind, given: &[GivenPrice]) -> Result<Vec<Price>, Problem> {
    let list = if kind.kind() == ProductKind::Usage { "unitPrices" } else { "prices" };
    if given.is_empty() {
        return Err(refused(&[list], "is empty; give a price for each currency in which it is sold"));
    }
    if given.len() > MAX_PRICES {
        return Err(refused(&[list], format!("has more than {MAX_PRICES} prices")));
    }
    let mut prices: Vec<Price> = Vec::with_capacity(given.len());
    for (index, given) in given.iter().enumerate() {
        let index = index.to_string();
        if prices.iter().any(|price| price.currency == given.currency) {
            let message = "names a currency that an earlier price names already";
            return Err(refused(&[list, &index, "currency"], message));
        }
        let price = price(kind.kind(), given).map_err(|error| refused(&[list, &index, "amount"], error))?;
        prices.push(price);
    }
    Ok(prices)
}

/// A price as it was given: 0 to 10^12, of a metered unit with at most twelve fraction digits, else with no more than its
/// currency has.
///
/// # Errors
/// What is wrong with the amount.
pub fn price(kind: ProductKind, given: &GivenPrice) -> Result<Price, MoneyError> {
    let currency = given.currency;
    if kind != ProductKind::Usage {
        Money::price(&given.amount, currency)?;
    }
    let negative = given.amount.as_str().starts_with('-');
    let amount = Rate::of(&given.amount)?.ok_or(if negative { MoneyError::Negative } else { MoneyError::TooLarge })?;
    Ok(Price { amount, currency })
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
        GivenPrice { amount, currency }
    }

    fn create(kind: PricedKind, prices: Vec<GivenPrice>) -> Result<PricedProduct, Problem> {
        let (key, name) = ("seats".into(), "Seats".into());
        let new = NewPricedProduct { key, kind, name, description: None, prices, metadata: None };
        created(ProductId(uuid::Uuid::nil()), Time::MIN, &new)
    }

    #[test]
    fn a_product_has_one_price_in_each_of_its_currencies() {
        assert_eq!(create(PricedKind::Seat, vec![]).unwrap_err().path, ["prices"]);
        let twice = vec![given("1", "EUR"), given("2", "EUR")];
        assert_eq!(create(PricedKind::Seat, twice).unwrap_err().path, ["prices", "1", "currency"]);
        let many = create(PricedKind::Seat, vec![given("1", "EUR"), given("200", "JPY")]).unwrap();
        assert_eq!(many.prices.iter().map(|price| price.text()).collect::<Vec<_>>(), ["1.00", "200"]);
        assert_eq!(many.prices[1].money().minor, 200);
    }

    #[test]
    fn a_unit_may_cost_less_than_the_smallest_coin_and_a_seat_may_not() {
        let usage = PricedKind::Usage { meter: crate::base::ids::MeterId(uuid::Uuid::nil()) };
        let price = create(usage, vec![given("0.000000000001", "EUR")]).unwrap().prices[0];
        assert_eq!(price.text(), "0.000000000001");
        for (kind, amount, list) in [
            (PricedKind::FlatFee, "0.001", "prices"),
            (PricedKind::FlatFee, "-1", "prices"),
            (PricedKind::Seat, "1000000000000.01", "prices"),
            (usage, "-1", "unitPrices"),
            (usage, "0.0000000000001", "unitPrices"),
        ] {
            assert_eq!(create(kind, vec![given(amount, "EUR")]).unwrap_err().path, [list, "0", "amount"], "{amount}");
        }
    }
}
