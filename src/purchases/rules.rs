//! What may be bought, what setting an auto top-up needs, and what of the money goes back.

use super::input::{AutoTopUpChanges, GivenAutoTopUp, NewPurchase};
use super::model::{Method, Provider};
use super::stripe;
use crate::base::buying::{AutoTopUp, Buying};
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::fields;
use crate::base::given::Given;
use crate::base::ids::PurchaseOptionId;
use crate::base::money::{Currency, Money};
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all};
use crate::base::time::Time;
use crate::catalog::model::PurchaseOption;
use crate::catalog::snapshot::Snapshot;
use crate::db::DbError;
use crate::ledger::error::Refusal;
use crate::ledger::model::{Balance, MAX_OPEN_LOTS};
use crate::metering::terms::settings_of;

/// How often an option can be bought at once.
pub const MAX_QUANTITY: i32 = 1_000;
/// How many purchases of an auto top-up there are in 24 hours at most, and how many when nothing is said.
const DAILY: std::ops::RangeInclusive<i32> = 1..=100;
const DAILY_DEFAULT: i32 = 5;
/// How many purchases of a balance wait for their money at most.
pub const MAX_WAITING: usize = 10;
/// The greatest price, in the currency's unit: as much as one option may cost.
const MAX_MAJOR: i64 = 1_000_000_000_000;

/// Who buys, as far as that decides what is offered and how it is paid.
#[derive(Clone, Debug, Default)]
pub struct Buyer {
    /// The customer's currency.
    pub currency: Option<Currency>,
    /// His address.
    pub email: Option<String>,
    /// Whether he buys for himself: he sees what is shown in the portal alone.
    pub in_portal: bool,
    /// How he pays, where the provider knows him.
    pub method: Option<Method>,
    /// How many purchases of the balance wait for their money; not counted where it buys by itself.
    pub waiting: usize,
    /// How many packs of the option he may still buy, where that is limited; a balance that buys by itself has its own limit.
    pub left: Option<i32>,
}

/// Why an option cannot be bought for a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOffered {
    /// There is none, or the buyer does not see it.
    Unknown,
    /// It was archived.
    Archived,
    /// It sells other credits.
    OtherProduct,
    /// The plan or product does not offer it now.
    ByPlan,
    /// It costs another currency than the customer's.
    OtherCurrency,
}

impl NotOffered {
    /// In words.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unknown => "There is no such purchase option.",
            Self::Archived => "The purchase option is archived; buy another one.",
            Self::OtherProduct => "The purchase option sells credits of another product than the balance holds.",
            Self::ByPlan => "The customer's plan does not offer this purchase option; buy one that the balance lists.",
            Self::OtherCurrency => {
                "The purchase option is not in the customer's currency; buy one that the balance lists."
            }
        }
    }

    fn problem(self, id: PurchaseOptionId) -> Problem {
        match self {
            Self::Unknown => Problem::not_found(&["optionId"], "purchase option", id.to_string()),
            Self::Archived => Problem::state(&["optionId"], "ARCHIVED", self.sentence()),
            Self::OtherProduct | Self::ByPlan | Self::OtherCurrency => {
                Problem::state(&["optionId"], "NOT_OFFERED", self.sentence())
            }
        }
    }
}

/// The option, when it is offered for a balance now.
///
/// # Errors
/// Why it is not.
pub fn offered<'a>(
    catalog: &'a Snapshot,
    balance: &Balance,
    (option, buyer): (PurchaseOptionId, &Buyer),
    now: Time,
) -> Result<&'a PurchaseOption, NotOffered> {
    let option = catalog.option(option).ok_or(NotOffered::Unknown)?;
    if buyer.in_portal && !option.is_in_portal() {
        return Err(NotOffered::Unknown);
    }
    if option.archived_at.is_some() {
        return Err(NotOffered::Archived);
    }
    let product = catalog.product(balance.product).filter(|product| product.id == option.product);
    let settings = settings_of(product.ok_or(NotOffered::OtherProduct)?, balance, now);
    if settings.purchase_options.is_some_and(|offered| !offered.contains(&option.id)) {
        return Err(NotOffered::ByPlan);
    }
    if buyer.currency.is_some_and(|own| own != option.price.currency) {
        return Err(NotOffered::OtherCurrency);
    }
    Ok(option)
}

/// Whether so many packs can be bought at once.
///
/// # Errors
/// Invalid, at `["quantity"]`.
pub fn check_quantity(quantity: i32) -> Result<i32, Problem> {
    let message = || format!("quantity is {quantity}; buy 1 to {MAX_QUANTITY} at once.");
    if (1..=MAX_QUANTITY).contains(&quantity) { Ok(quantity) } else { Err(Problem::invalid(&["quantity"], message())) }
}

/// How many credits so many packs bring, and what they cost.
///
/// # Errors
/// Invalid, at `["quantity"]`.
pub fn bundle(option: &PurchaseOption, quantity: i32) -> Result<(Credits, Money), Problem> {
    check_quantity(quantity)?;
    let times = i64::from(quantity);
    let credits = option.credits.micros().checked_mul(times).map(Credits::from_micros);
    let units = 10_i64.checked_pow(option.price.currency.digits()).and_then(|unit| unit.checked_mul(MAX_MAJOR));
    let minor = option.price.minor.checked_mul(times).filter(|minor| units.is_some_and(|units| *minor <= units));
    let credits = credits.filter(|credits| *credits <= Credits::MAX_AMOUNT);
    let bundle = credits.zip(minor.map(|minor| Money { minor, currency: option.price.currency }));
    let message = "So many come to more than 1000000000000 credits or major units of money; buy fewer at once.";
    bundle.ok_or_else(|| Problem::invalid(&["quantity"], message))
}

/// The option and what of it is bought, where the balance has room for it.
///
/// # Errors
/// Not found, a state, invalid or a limit; at the field.
pub fn judged<'a>(
    catalog: &'a Snapshot,
    balance: &Balance,
    (new, buyer): (&NewPurchase, &Buyer),
    now: Time,
) -> Result<(&'a PurchaseOption, Credits, Money), Problem> {
    let option = offered(catalog, balance, (new.option, buyer), now).map_err(|why| why.problem(new.option))?;
    let (credits, price) = bundle(option, new.quantity)?;
    if let Some(left) = buyer.left
        && new.quantity > left
    {
        let most = option.most_per_customer().unwrap_or_default();
        let message = format!("A customer may buy {most} of this purchase option; {left} are left for this one.");
        return Err(Problem::limit(&["quantity"], most.to_string(), message));
    }
    if buyer.waiting >= MAX_WAITING {
        let message = format!("{MAX_WAITING} purchases of the balance wait for their money; pay or cancel one first.");
        return Err(Problem::limit(&["balanceId"], MAX_WAITING.to_string(), message));
    }
    check_room(balance, credits).map_err(|refusal| refusal.problem(balance.account.id))?;
    Ok((option, credits, price))
}

/// Money is taken for credits alone that the balance can hold.
fn check_room(balance: &Balance, credits: Credits) -> Result<(), Refusal> {
    let there = balance.account.settled.plus(awaited(balance))?;
    if there.plus(credits)? > Credits::MAX_BALANCE {
        return Err(Refusal::BeyondBalance);
    }
    if balance.account.lots.len() >= MAX_OPEN_LOTS { Err(Refusal::TooManyLots) } else { Ok(()) }
}

/// Credits of a balance's purchases that wait for their money.
#[must_use]
pub fn awaited(balance: &Balance) -> Credits {
    balance.buying.as_ref().map_or(Credits::ZERO, |buying| buying.awaited)
}

/// The money for what is left of a lot: its share of the price, rounded down to the least unit of the currency that who took
/// the money can give back.
///
/// # Errors
/// [`DbError::Corrupt`] when the purchase is of no credits, or more is left than was bought.
pub fn share((price, provider): (Money, Provider), credits: Credits, left: Credits) -> Result<Money, DbError> {
    let unit = match provider {
        Provider::Manual => 1,
        Provider::Stripe => i128::from(stripe::unit(price.currency)),
    };
    let share = || {
        let all = i128::from(price.minor).checked_mul(i128::from(left.micros()))?;
        let exact = all.checked_div(i128::from(credits.micros()))?;
        i64::try_from(exact.checked_sub(exact.checked_rem(unit)?)?).ok().filter(|minor| *minor <= price.minor)
    };
    let wrong = || DbError::Corrupt(format!("a purchase of {credits} credits of which {left} are left"));
    Ok(Money { minor: share().ok_or_else(wrong)?, ..price })
}

/// Changes of an auto top-up, as far as they can be checked without the balance.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn auto_top_up_changes(given: &GivenAutoTopUp) -> Result<AutoTopUpChanges, Problems> {
    let amount = |name: &'static str, given: &Patch<Given<Decimal>>| {
        given.as_ref().try_map(|given| fields::amount(&[name], given))
    };
    let threshold = amount("threshold", &given.threshold);
    let option = given.option.as_ref().try_map(|given| given.read(&["optionId"]).copied());
    let threshold = threshold.and_then(|threshold| fields::not_cleared(&["threshold"], threshold));
    let target = amount("target", &given.target).and_then(|target| match (&threshold, target) {
        (Ok(Some(threshold)), Patch::Set(value)) => check_target(Some(value), *threshold).map(|()| target),
        _ => Ok(target),
    });
    let option = option.and_then(|option| fields::not_cleared(&["optionId"], option));
    let (threshold, option, target, daily_limit) =
        all((threshold, option, target, given.daily_limit.try_map(daily_limit)))?;
    Ok(AutoTopUpChanges { enabled: given.enabled, threshold, option, target, daily_limit })
}

fn daily_limit(given: i32) -> Result<i32, Problem> {
    let message = || format!("dailyLimit is {given}; write {} to {}.", DAILY.start(), DAILY.end());
    if DAILY.contains(&given) { Ok(given) } else { Err(Problem::invalid(&["dailyLimit"], message())) }
}

fn check_target(target: Option<Credits>, threshold: Credits) -> Result<(), Problem> {
    let message = "target is not above threshold: it would buy again at once. Write more than the threshold.";
    if target.is_some_and(|target| target <= threshold) { Err(Problem::invalid(&["target"], message)) } else { Ok(()) }
}

/// The auto top-up with its changes, as if nothing had gone wrong so far.
///
/// # Errors
/// Invalid, not found or a state; at the field.
pub fn auto_top_up(
    catalog: &Snapshot,
    balance: &Balance,
    (changes, buyer): (&AutoTopUpChanges, &Buyer),
    now: Time,
) -> Result<AutoTopUp, Problems> {
    let was = balance.buying.as_deref().and_then(|Buying { auto, .. }| auto.as_ref());
    let missing = |name: &str| {
        let message = format!("{name} is needed: the balance has no auto top-up yet.");
        Problem::invalid(&[name], message)
    };
    let (threshold, option) = all((
        changes.threshold.or(was.map(|was| was.threshold)).ok_or_else(|| missing("threshold")),
        changes.option.or(was.map(|was| was.option)).ok_or_else(|| missing("optionId")),
    ))?;
    let auto = AutoTopUp {
        enabled: changes.enabled,
        threshold,
        option,
        target: changes.target.over_optional(was.and_then(|was| was.target)),
        daily_limit: changes.daily_limit.over(was.map_or(DAILY_DEFAULT, |was| was.daily_limit), DAILY_DEFAULT),
        waits_for: was.and_then(|was| was.waits_for),
        bought: was.map(|was| was.bought.clone()).unwrap_or_default(),
        failed: None,
        looks_at: None,
    };
    check_target(auto.target, auto.threshold)?;
    if auto.enabled || changes.option.is_some() {
        offered(catalog, balance, (auto.option, buyer), now).map_err(|why| why.problem(auto.option))?;
    }
    Ok(auto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_back_is_the_share_of_what_is_left_rounded_down_to_what_can_be_given_back() {
        let credits = |micros| Credits::from_micros(micros);
        for (minor, code, provider, (whole, left), back) in [
            (2000, "EUR", Provider::Stripe, (100_000_000, 66_666_700), 1333),
            (2000, "EUR", Provider::Manual, (100_000_000, 100_000_000), 2000),
            (2000, "EUR", Provider::Manual, (100_000_000, 1), 0),
            (1000, "JPY", Provider::Stripe, (3_000_000, 2_000_000), 666),
            (1000, "KWD", Provider::Manual, (3_000_000, 2_000_000), 666),
            (1000, "KWD", Provider::Stripe, (3_000_000, 2_000_000), 660),
            (1000, "MGA", Provider::Stripe, (3_000_000, 2_000_000), 600),
            (i64::MAX, "EUR", Provider::Stripe, (i64::MAX, i64::MAX), i64::MAX),
        ] {
            let price = Money { minor, currency: Currency::parse(code).unwrap() };
            let share = share((price, provider), credits(whole), credits(left)).unwrap();
            assert_eq!(share, Money { minor: back, ..price }, "{provider:?}");
        }
    }

    #[test]
    fn target_below_the_threshold_is_told_beside_what_else_is_wrong() {
        let decimal = |text| Patch::Set(Decimal::new(text).unwrap().into());
        let given = GivenAutoTopUp {
            enabled: true,
            threshold: decimal("10"),
            option: Patch::Set(Given::unreadable("zz", "is no id")),
            target: decimal("5"),
            daily_limit: Patch::Keep,
        };
        let told: Vec<_> = auto_top_up_changes(&given).unwrap_err().into_iter().map(|it| it.path.join(".")).collect();
        assert_eq!(told, ["optionId", "target"]);
    }

    #[test]
    fn share_of_a_purchase_that_cannot_be_is_an_error() {
        let price = Money { minor: 100, currency: Currency::parse("EUR").unwrap() };
        for (whole, left) in [(0, 0), (0, 1), (1, 2)] {
            let share = share((price, Provider::Manual), Credits::from_micros(whole), Credits::from_micros(left));
            assert!(matches!(share, Err(DbError::Corrupt(_))), "{whole} {left}");
        }
    }
}
