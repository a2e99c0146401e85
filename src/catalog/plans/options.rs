//! What a plan or a subscription may set of a product, and what comes of it where layers lie over each other.
//!
//! The options in force of an item are those of the nearest layer that sets each: the subscription's over the plan's. What
//! neither sets follows the product, or is nothing: 0 credits that end with their period, 1 seat, 0 units.

use std::collections::HashSet;

use super::input::{GivenCredit, GivenOptions};
use super::model::{CreditOptions, FeeOptions, ItemOptions, SeatOptions, UsageOptions};
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::fields::{self, refused};
use crate::base::given::Given;
use crate::base::ids::PurchaseOptionId;
use crate::base::money::Currency;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all, all_of};
use crate::base::settings::{CreditLayer, Expiration, IncludedExpiration, Units};
use crate::catalog::input::{ExpirationPolicy, GivenExpiration, GivenPrice};
use crate::catalog::model::{Price, PricedProduct, Product, ProductKind};
use crate::catalog::{priced_rules, product_rules};

/// The most seats of one item.
pub const MAX_SEATS: i32 = 1_000_000;
/// The most purchase options that a layer offers.
pub const MAX_OPTIONS: usize = 100;

/// What a caller asks of the options of a product, in a plan or subscription of a currency.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The product.
    pub product: &'a Product,
    /// The currency of the plan.
    pub currency: Currency,
    /// What was given.
    pub given: &'a GivenOptions,
}

/// The options with what was given: absent stays, cleared inherits.
///
/// # Errors
/// Invalid, at each option within the input: `["credit", "rolloverLimit"]`.
pub fn changed(options: &ItemOptions, asked: Asked<'_>) -> Result<ItemOptions, Problems> {
    let Asked { product, currency, given } = asked;
    let kind = product.kind();
    if given.kind() != kind {
        let (name, wanted) = (product.key(), field(kind));
        let message = format!("The product \"{name}\" is of the kind {}; give its options as {wanted}.", name_of(kind));
        return Err(Problem::invalid(&[field(given.kind())], message).into());
    }
    applied(options, given, Some(currency))
}

/// Checks options as far as that takes no product.
///
/// # Errors
/// Invalid, at each option within the input: `["credit", "rolloverLimit"]`.
pub fn check(given: &GivenOptions) -> Result<(), Problems> {
    applied(&ItemOptions::none(given.kind()), given, None).map(drop)
}

/// The options with what was given, which is of their kind; prices are in the currency, where one is said.
fn applied(options: &ItemOptions, given: &GivenOptions, currency: Option<Currency>) -> Result<ItemOptions, Problems> {
    let kind = given.kind();
    let within = |problems: Problems| problems.within(&[field(kind)]);
    let price = |name: &'static str, given: &Patch<GivenPrice>| {
        given.as_ref().try_map(|given| price(&[name], given, (kind, currency)))
    };
    match (options, given) {
        (ItemOptions::Credit(was), GivenOptions::Credit(given)) => credit(was, given).map(ItemOptions::Credit),
        (ItemOptions::FlatFee(was), GivenOptions::FlatFee(given)) => price("price", given)
            .map(|price| ItemOptions::FlatFee(FeeOptions { price: price.over_optional(was.price) })),
        (ItemOptions::Seat(was), GivenOptions::Seat(given, quantity)) => {
            all((price("price", given), quantity.try_map(|quantity| seats(&["quantity"], quantity)))).map(
                |(price, quantity)| {
                    let (price, quantity) = (price.over_optional(was.price), quantity.over_optional(was.quantity));
                    ItemOptions::Seat(SeatOptions { price, quantity })
                },
            )
        }
        (ItemOptions::Usage(was), GivenOptions::Usage(given, included)) => {
            let included = included.as_ref().try_map(|included| units(&["includedUnits"], included));
            all((price("unitPrice", given), included)).map(|(price, included)| {
                ItemOptions::Usage(UsageOptions {
                    unit_price: price.over_optional(was.unit_price),
                    included_units: included.over_optional(was.included_units),
                })
            })
        }
        _ => Ok(options.clone()),
    }
    .map_err(within)
}

fn credit(was: &CreditOptions, given: &GivenCredit) -> Result<CreditOptions, Problems> {
    let amount =
        |name: &'static str, given: &Patch<Given<Decimal>>| given.as_ref().try_map(|it| fields::amount(&[name], it));
    let layer = &was.layer;
    let (included_credits, included_expiration, rollover_limit) = (
        amount("includedCredits", &given.included_credits),
        given.included_expiration.try_map(|given| included_expiration(&given)),
        amount("rolloverLimit", &given.rollover_limit),
    );
    let (included_credits, included_expiration, rollover_limit, threshold, overdraft, rules, expiration, offered) =
        all((
            included_credits,
            included_expiration,
            rollover_limit,
            given.low_balance_threshold.as_ref().try_map(product_rules::low_balance_threshold),
            given.overdraft.as_ref().try_map(product_rules::overdraft),
            given.consumption.as_ref().try_map(|given| product_rules::consumption(given)),
            given.expiration.as_ref().try_map(product_rules::expiration),
            given.purchase_options.as_ref().try_map(|given| purchase_options(given)),
        ))?;
    Ok(CreditOptions {
        included_credits: included_credits.over_optional(was.included_credits),
        included_expiration: included_expiration.over_optional(was.included_expiration),
        rollover_limit: rollover_limit.over_optional(was.rollover_limit),
        layer: CreditLayer {
            low_balance_threshold: threshold.over_optional(layer.low_balance_threshold),
            overdraft: overdraft.over_optional(layer.overdraft),
            consumption: rules.over_optional(layer.consumption.clone()),
            expiration: expiration.over_optional(layer.expiration),
            purchase_options: offered.over_optional(layer.purchase_options.clone()),
        },
    })
}

fn included_expiration(given: &GivenExpiration) -> Result<IncludedExpiration, Problem> {
    let path = |problem: Problem| Problem { path: vec!["includedExpiration".to_owned(), "days".to_owned()], ..problem };
    match (given.policy, given.days) {
        (ExpirationPolicy::EndOfPeriod, None) => Ok(IncludedExpiration::EndOfPeriod),
        (ExpirationPolicy::EndOfPeriod, Some(_)) => {
            Err(refused(&["includedExpiration", "days"], "goes with AFTER_DAYS; leave it out with END_OF_PERIOD"))
        }
        _ => match product_rules::expiration(given).map_err(path)? {
            Expiration::Never => Ok(IncludedExpiration::Never),
            Expiration::AfterDays(days) => Ok(IncludedExpiration::AfterDays(days)),
        },
    }
}

fn purchase_options(given: &[Given<PurchaseOptionId>]) -> Result<Vec<PurchaseOptionId>, Problems> {
    if given.len() > MAX_OPTIONS {
        return Err(refused(&["purchaseOptionIds"], format!("has more than {MAX_OPTIONS} options")).into());
    }
    let mut seen = HashSet::new();
    all_of(given.iter().enumerate().map(|(index, given)| {
        let path = ["purchaseOptionIds", &index.to_string()];
        let id = *given.read(&path)?;
        let message = "The purchase option is named twice; name it once.";
        if seen.insert(id) { Ok(id) } else { Err(Problem::invalid(&path, message)) }
    }))
}

fn price(
    path: &[&str],
    given: &GivenPrice,
    (kind, currency): (ProductKind, Option<Currency>),
) -> Result<Price, Problems> {
    let price = priced_rules::price(path, kind, given)?;
    match currency {
        Some(currency) if currency != price.currency => {
            let message = format!("currency is not that of the plan; give the price in {}.", currency.code());
            Err(Problem::invalid(&[path, &["currency"]].concat(), message).into())
        }
        _ => Ok(price),
    }
}

fn seats(path: &[&str], given: i32) -> Result<i32, Problem> {
    if (0..=MAX_SEATS).contains(&given) { Ok(given) } else { Err(refused(path, format!("must be 0 to {MAX_SEATS}"))) }
}

fn units(path: &[&str], given: &Given<Decimal>) -> Result<Units, Problem> {
    let units = Units::of(given.read(path)?).map_err(|error| refused(path, error))?;
    units.ok_or_else(|| refused(path, "must be 0 to 1000000000000"))
}

/// The options in force where one layer lies over another.
#[must_use]
pub fn merged(over: &ItemOptions, under: &ItemOptions) -> ItemOptions {
    match (over, under) {
        (ItemOptions::Credit(over), ItemOptions::Credit(under)) => ItemOptions::Credit(CreditOptions {
            included_credits: over.included_credits.or(under.included_credits),
            included_expiration: over.included_expiration.or(under.included_expiration),
            rollover_limit: over.rollover_limit.or(under.rollover_limit),
            layer: CreditLayer {
                low_balance_threshold: over.layer.low_balance_threshold.or(under.layer.low_balance_threshold),
                overdraft: over.layer.overdraft.or(under.layer.overdraft),
                consumption: over.layer.consumption.clone().or_else(|| under.layer.consumption.clone()),
                expiration: over.layer.expiration.or(under.layer.expiration),
                purchase_options: over.layer.purchase_options.clone().or_else(|| under.layer.purchase_options.clone()),
            },
        }),
        (ItemOptions::FlatFee(over), ItemOptions::FlatFee(under)) => {
            ItemOptions::FlatFee(FeeOptions { price: over.price.or(under.price) })
        }
        (ItemOptions::Seat(over), ItemOptions::Seat(under)) => ItemOptions::Seat(SeatOptions {
            price: over.price.or(under.price),
            quantity: over.quantity.or(under.quantity),
        }),
        (ItemOptions::Usage(over), ItemOptions::Usage(under)) => ItemOptions::Usage(UsageOptions {
            unit_price: over.unit_price.or(under.unit_price),
            included_units: over.included_units.or(under.included_units),
        }),
        // A layer is of the kind of its product, which never changes.
        _ => under.clone(),
    }
}

/// Whether options can be in force together.
///
/// # Errors
/// Invalid, at `["credit", "rolloverLimit"]`, for a rollover of credits that do not end with their period.
pub fn check_together(in_force: &ItemOptions) -> Result<(), Problem> {
    let Some(credit) = in_force.credit() else { return Ok(()) };
    let ends = credit.included_expiration.unwrap_or_default() == IncludedExpiration::EndOfPeriod;
    if credit.rollover_limit.is_some_and(Credits::is_positive) && !ends {
        let message = "Only included credits that end with their period can roll over; set rolloverLimit to 0, or \
                       includedExpiration to END_OF_PERIOD.";
        return Err(Problem::invalid(&["credit", "rolloverLimit"], message));
    }
    Ok(())
}

/// What a period of an item costs: the price that is set, or the product's.
#[must_use]
pub fn price_in_force(in_force: &ItemOptions, product: &PricedProduct, currency: Currency) -> Option<Price> {
    in_force.price().or_else(|| product.price_in(currency))
}

impl GivenOptions {
    /// The kind of product that they are of.
    #[must_use]
    pub const fn kind(&self) -> ProductKind {
        match self {
            Self::Credit(_) => ProductKind::Credit,
            Self::FlatFee(_) => ProductKind::FlatFee,
            Self::Seat(..) => ProductKind::Seat,
            Self::Usage(..) => ProductKind::Usage,
        }
    }
}

/// The field of an input that holds options of a kind.
const fn field(kind: ProductKind) -> &'static str {
    match kind {
        ProductKind::Credit => "credit",
        ProductKind::FlatFee => "flatFee",
        ProductKind::Seat => "seat",
        ProductKind::Usage => "usage",
    }
}

const fn name_of(kind: ProductKind) -> &'static str {
    match kind {
        ProductKind::Credit => "CREDIT",
        ProductKind::FlatFee => "FLAT_FEE",
        ProductKind::Seat => "SEAT",
        ProductKind::Usage => "USAGE",
    }
}
