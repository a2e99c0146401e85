//! What a purchase option may be, and what one credit of it costs.

use super::input::{GivenPrice, NewPurchaseOption, PurchaseOptionChanges};
use super::model::PurchaseOption;
use crate::base::credits::Credits;
use crate::base::decimal;
use crate::base::fields::{self, refused};
use crate::base::ids::PurchaseOptionId;
use crate::base::money::Money;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all};
use crate::base::time::Time;

/// The option that was asked for.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn created(id: PurchaseOptionId, now: Time, new: &NewPurchaseOption) -> Result<PurchaseOption, Problems> {
    let (product, name, credits, price, per_customer) = all((
        new.product.read(&["productId"]).copied(),
        fields::name(&["name"], &new.name),
        fields::positive_amount(&["credits"], &new.credits),
        price(&["price"], &new.price),
        new.per_customer.map(per_customer).transpose(),
    ))?;
    Ok(PurchaseOption {
        id,
        product,
        name,
        credits,
        price,
        show_in_portal: new.show_in_portal,
        position: new.position,
        per_customer,
        created_at: now,
        archived_at: None,
    })
}

/// The option with its changes.
///
/// # Errors
/// Invalid, at the field that cannot be taken; a state when it is archived.
pub fn changed(option: &PurchaseOption, changes: &PurchaseOptionChanges) -> Result<PurchaseOption, Problem> {
    if option.archived_at.is_some() {
        return Err(Problem::state(&["id"], "ARCHIVED", "The purchase option is archived; make a new one."));
    }
    let name = fields::new_name(changes.name.as_ref())?;
    let most = match &changes.per_customer {
        Patch::Keep => option.per_customer,
        Patch::Clear => None,
        Patch::Set(most) => Some(per_customer(*most)?),
    };
    Ok(PurchaseOption {
        name: name.unwrap_or_else(|| option.name.clone()),
        show_in_portal: changes.show_in_portal.over(option.show_in_portal, true),
        position: changes.position.over(option.position, 0),
        per_customer: most,
        ..option.clone()
    })
}

/// Checks changes as far as that takes no option.
///
/// # Errors
/// Invalid, at the field that cannot be taken.
pub fn check(changes: &PurchaseOptionChanges) -> Result<(), Problems> {
    let most = if let Patch::Set(most) = &changes.per_customer { per_customer(*most).map(drop) } else { Ok(()) };
    all((fields::new_name(changes.name.as_ref()), most)).map(drop)
}

fn per_customer(most: i32) -> Result<i32, Problem> {
    let message = || format!("is {most}; a customer may buy at least 1, or leave it out");
    if most >= 1 { Ok(most) } else { Err(refused(&["perCustomer"], message())) }
}

fn price(path: &[&str], given: &GivenPrice) -> Result<Money, Problems> {
    let amount = [path, &["amount"]].concat();
    let not_negative = given.amount.read(&amount).and_then(|given| fields::not_negative(&amount, given));
    let (given, currency) = all((not_negative, given.currency.read(&[path, &["currency"]].concat())))?;
    Ok(Money::price(given, *currency).map_err(|error| refused(&amount, error))?)
}

/// What one credit costs, as a decimal of major units: at most six fraction digits, rounded half away from zero.
#[must_use]
pub fn price_per_credit(price: Money, credits: Credits) -> String {
    // (minor / 10^digits) / (micros / 10^6), at 10^-6. A price has at most 10^16 units: 10^28 fits.
    let ratio = || {
        let dividend = i128::from(price.minor).checked_mul(decimal::pow10(12))?;
        let divisor = i128::from(credits.micros()).checked_mul(decimal::pow10(price.currency.digits()))?;
        decimal::div_round(dividend, divisor)
    };
    decimal::text(ratio().unwrap_or_default(), 6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::decimal::Decimal;
    use crate::base::given::Given;
    use crate::base::ids::ProductId;
    use crate::base::money::Currency;

    fn new(credits: &str, price: &str, currency: &str) -> NewPurchaseOption {
        NewPurchaseOption {
            product: ProductId(uuid::Uuid::nil()).into(),
            name: "Pack".into(),
            credits: Decimal::new(credits).unwrap().into(),
            price: GivenPrice {
                amount: Decimal::new(price).unwrap().into(),
                currency: Currency::parse(currency).unwrap().into(),
            },
            show_in_portal: true,
            position: 0,
            per_customer: None,
        }
    }

    fn create(credits: &str, price: &str, currency: &str) -> Result<PurchaseOption, Problems> {
        created(PurchaseOptionId(uuid::Uuid::nil()), Time::MIN, &new(credits, price, currency))
    }

    #[test]
    fn amount_and_currency_of_a_price_are_told_together() {
        let mut both = new("10", "-1", "EUR");
        both.price.currency = Given::unreadable("eur", "is no currency");
        let id = PurchaseOptionId(uuid::Uuid::nil());
        let told: Vec<_> = created(id, Time::MIN, &both).unwrap_err().into_iter().map(|it| it.path.join(".")).collect();
        assert_eq!(told, ["price.amount", "price.currency"]);
    }

    #[test]
    fn an_option_sells_some_credits_for_a_price_in_its_currencys_digits() {
        let paths = |credits, price, currency| -> Vec<String> {
            create(credits, price, currency).unwrap_err().into_iter().map(|problem| problem.path.join(".")).collect()
        };
        assert_eq!(paths("0", "1", "EUR"), ["credits"]);
        assert_eq!(paths("1", "1.5", "JPY"), ["price.amount"]);
        assert_eq!(paths("-1", "-1", "EUR"), ["credits", "price.amount"]);
        assert_eq!(create("1", "0", "EUR").unwrap().price.minor, 0);
    }

    #[test]
    fn the_price_of_one_credit_is_rounded_half_away_from_zero() {
        for (credits, price, currency, each) in [
            ("1000", "25", "EUR", "0.025"),
            ("3", "1", "EUR", "0.333333"),
            ("3", "2", "EUR", "0.666667"),
            ("2000000", "1", "JPY", "0.000001"),
            ("2000001", "1", "JPY", "0"),
            ("0.000001", "1000000000000", "KWD", "1000000000000000000"),
            ("5", "0", "EUR", "0"),
        ] {
            let option = create(credits, price, currency).unwrap();
            assert_eq!(price_per_credit(option.price, option.credits), each, "{price} {currency} for {credits}");
        }
    }
}
