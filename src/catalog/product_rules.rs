//! What a credit product may be.

use std::collections::{HashMap, HashSet};

use super::input::{
    CreditProductChanges, ExpirationPolicy, GivenExpiration, GivenOverdraft, GivenRule, NewCreditProduct,
    OverdraftPolicy,
};
use super::model::{ConsumptionRule, CreditProduct, Expiration, Meter};
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::fields::{self, optional, refused};
use crate::base::given::Given;
use crate::base::ids::{MeterId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all, all_of};
use crate::base::settings::{Overdraft, Weight};
use crate::base::text::MAX_NAME;
use crate::base::time::Time;

/// The most rules of one product.
pub const MAX_RULES: usize = 100;
/// The most days after which credits end.
pub const MAX_DAYS: i32 = 36_500;
/// What one credit is called where nothing is said.
pub const DEFAULT_UNIT: &str = "credit";

/// The product that was asked for; its meters are still to be checked by `check_meters`.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn created(id: ProductId, now: Time, new: &NewCreditProduct) -> Result<CreditProduct, Problems> {
    let called = all((
        fields::key(&["key"], &new.key),
        fields::name(&["name"], &new.name),
        optional(new.description.as_deref(), |given| fields::prose(&["description"], given)),
        unit_name(&new.unit_name),
    ));
    let settings = all((
        consumption(&new.consumption),
        optional(new.low_balance_threshold.as_ref(), low_balance_threshold),
        optional(new.overdraft.as_ref(), overdraft),
        optional(new.expiration.as_ref(), expiration),
        fields::metadata(&["metadata"], new.metadata.as_ref()),
    ));
    let (called, settings) = all((called, settings))?;
    let (key, name, description, unit_name) = called;
    let (consumption, low_balance_threshold, overdraft, expiration, metadata) = settings;
    Ok(CreditProduct {
        id,
        key,
        name,
        description,
        unit_name,
        consumption,
        low_balance_threshold,
        overdraft: overdraft.unwrap_or_default(),
        expiration: expiration.unwrap_or_default(),
        metadata,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The product with its changes; meters of a new consumption are still to be checked by `check_meters`.
///
/// # Errors
/// Invalid, at each field that cannot be taken; a state when it is archived.
pub fn changed(product: &CreditProduct, now: Time, changes: &CreditProductChanges) -> Result<CreditProduct, Problems> {
    check_open((&product.key, product.archived_at), &["id"])?;
    let was = product.clone();
    let checked = checked(changes)?;
    let next = CreditProduct {
        name: checked.name.unwrap_or(was.name),
        description: checked.description.over_optional(was.description),
        unit_name: checked.unit_name.over(was.unit_name, DEFAULT_UNIT.to_owned()),
        consumption: checked.consumption.over(was.consumption, Vec::new()),
        low_balance_threshold: checked.low_balance_threshold.over_optional(was.low_balance_threshold),
        overdraft: checked.overdraft.over(was.overdraft, Overdraft::default()),
        expiration: checked.expiration.over(was.expiration, Expiration::default()),
        metadata: checked.metadata.over(was.metadata, CanonicalJson::empty_object()),
        ..was
    };
    Ok(if next == *product { next } else { CreditProduct { updated_at: now, ..next } })
}

/// Changes of which each is right by itself.
struct Checked {
    name: Option<String>,
    description: Patch<String>,
    unit_name: Patch<String>,
    consumption: Patch<Vec<ConsumptionRule>>,
    low_balance_threshold: Patch<Credits>,
    overdraft: Patch<Overdraft>,
    expiration: Patch<Expiration>,
    metadata: Patch<CanonicalJson>,
}

fn checked(changes: &CreditProductChanges) -> Result<Checked, Problems> {
    let (name, description, unit_name, consumption, low_balance_threshold, overdraft, expiration, metadata) = all((
        fields::new_name(changes.name.as_ref()),
        fields::new_description(changes.description.as_ref()),
        changes.unit_name.as_ref().try_map(|given| unit_name(given)),
        changes.consumption.as_ref().try_map(|given| consumption(given)),
        changes.low_balance_threshold.as_ref().try_map(low_balance_threshold),
        changes.overdraft.as_ref().try_map(overdraft),
        changes.expiration.as_ref().try_map(expiration),
        fields::new_metadata(changes.metadata.as_ref()),
    ))?;
    Ok(Checked { name, description, unit_name, consumption, low_balance_threshold, overdraft, expiration, metadata })
}

/// Checks changes as far as that takes no product.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check(changes: &CreditProductChanges) -> Result<(), Problems> {
    checked(changes).map(drop)
}

/// The number of credits at or below which a balance is LOW.
///
/// # Errors
/// Invalid, at `["lowBalanceThreshold"]`.
pub fn low_balance_threshold(given: &Given<Decimal>) -> Result<Credits, Problem> {
    fields::amount(&["lowBalanceThreshold"], given)
}

/// Whether something can still be done with a product, by its key and when it was archived.
///
/// # Errors
/// A state, at `path`, when it is archived.
pub fn check_open((key, archived_at): (&str, Option<Time>), path: &[&str]) -> Result<(), Problem> {
    if archived_at.is_none() {
        return Ok(());
    }
    let message = format!("The product \"{key}\" is archived; use or make another one.");
    Err(Problem::state(path, "ARCHIVED", message))
}

fn unit_name(given: &str) -> Result<String, Problem> {
    fields::text(&["unitName"], given, MAX_NAME)
}

/// Rules as they were given: at most [`MAX_RULES`], each meter once, weights of 0 to 10^12 with at most twelve fraction
/// digits.
///
/// # Errors
/// Invalid, at each rule's field: `["consumption", "1", "meterId"]`.
pub fn consumption(given: &[GivenRule]) -> Result<Vec<ConsumptionRule>, Problems> {
    if given.len() > MAX_RULES {
        return Err(refused(&["consumption"], format!("has more than {MAX_RULES} rules")).into());
    }
    let mut seen = HashSet::new();
    let mut meter = |path: &[&str], given: &Given<MeterId>| {
        let meter = *given.read(path)?;
        let is_new = seen.insert(meter);
        if is_new { Ok(meter) } else { Err(refused(path, "names a meter that an earlier rule names already")) }
    };
    let rule = |(index, rule): (usize, &GivenRule)| {
        let index = index.to_string();
        let (meter, credits_per_unit) = all((
            meter(&["consumption", &index, "meterId"], &rule.meter),
            weight(&["consumption", &index, "creditsPerUnit"], &rule.credits_per_unit),
        ))?;
        Ok::<_, Problems>(ConsumptionRule { meter, credits_per_unit })
    };
    all_of(given.iter().enumerate().map(rule))
}

fn weight(path: &[&str], given: &Given<Decimal>) -> Result<Weight, Problem> {
    let weight = Weight::of(given.read(path)?).map_err(|error| refused(path, error))?;
    weight.ok_or_else(|| refused(path, "must be 0 to 1000000000000"))
}

/// Whether the rules' meters, as they were found, are there and can be used.
///
/// # Errors
/// Not found or a state, at the rule's meter.
pub(crate) fn check_meters(rules: &[ConsumptionRule], meters: &HashMap<MeterId, Meter>) -> Result<(), Problem> {
    for (index, rule) in rules.iter().enumerate() {
        let index = index.to_string();
        let path = ["consumption", &index, "meterId"];
        let meter = meters.get(&rule.meter);
        let meter = meter.ok_or_else(|| Problem::not_found(&path, "meter", rule.meter.to_string()))?;
        if meter.archived_at.is_some() {
            let message = format!("The meter \"{}\" is archived; use or make another one.", meter.key);
            return Err(Problem::state(&path, "ARCHIVED", message));
        }
    }
    Ok(())
}

/// Overdraft as it was given, of a product or of what overrides it.
///
/// # Errors
/// Invalid, at `["overdraft", "limit"]`.
pub fn overdraft(given: &GivenOverdraft) -> Result<Overdraft, Problem> {
    let path = ["overdraft", "limit"];
    match (given.policy, &given.limit) {
        (OverdraftPolicy::Deny, None) => Ok(Overdraft::Deny),
        (OverdraftPolicy::Deny, Some(_)) => Err(refused(&path, "goes with ALLOW; leave it out to DENY overdraft")),
        (OverdraftPolicy::Allow, None) => Ok(Overdraft::Allow { limit: None }),
        (OverdraftPolicy::Allow, Some(limit)) => Ok(Overdraft::Allow { limit: Some(fields::amount(&path, limit)?) }),
    }
}

/// How bought, topped-up and starting credits end, as it was given.
///
/// # Errors
/// Invalid, at `["expiration", "days"]` or `["expiration", "policy"]`.
pub fn expiration(given: &GivenExpiration) -> Result<Expiration, Problem> {
    let path = ["expiration", "days"];
    match (given.policy, given.days) {
        (ExpirationPolicy::Never, None) => Ok(Expiration::Never),
        (ExpirationPolicy::AfterDays, Some(days)) if (1..=MAX_DAYS).contains(&days) => Ok(Expiration::AfterDays(days)),
        (ExpirationPolicy::AfterDays, _) => Err(refused(&path, format!("must be 1 to {MAX_DAYS} with AFTER_DAYS"))),
        (ExpirationPolicy::Never, Some(_)) => Err(refused(&path, "goes with AFTER_DAYS; leave it out with NEVER")),
        (ExpirationPolicy::EndOfPeriod, _) => Err(Problem::invalid(
            &["expiration", "policy"],
            "END_OF_PERIOD is for included credits alone; choose NEVER or AFTER_DAYS.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Given<Decimal> {
        Decimal::new(text).unwrap().into()
    }

    fn rule(meter: u128, weight: &str) -> GivenRule {
        GivenRule { meter: MeterId(uuid::Uuid::from_u128(meter)).into(), credits_per_unit: decimal(weight) }
    }

    fn product() -> CreditProduct {
        let new = NewCreditProduct {
            key: "ai".into(),
            name: "AI credits".into(),
            description: Some("What it is".into()),
            unit_name: "credit".into(),
            consumption: vec![rule(1, "0.5")],
            low_balance_threshold: Some(decimal("10")),
            overdraft: Some(GivenOverdraft { policy: OverdraftPolicy::Allow, limit: Some(decimal("5")) }),
            expiration: Some(GivenExpiration { policy: ExpirationPolicy::AfterDays, days: Some(30) }),
            metadata: Some(serde_json::json!({"a": 1})),
        };
        created(ProductId(uuid::Uuid::nil()), Time::MIN, &new).unwrap()
    }

    fn place<T: std::fmt::Debug>(result: Result<T, impl Into<Problems> + std::fmt::Debug>) -> String {
        let problems: Problems = result.unwrap_err().into();
        problems.as_slice()[0].path.join(".")
    }

    #[test]
    fn rules_name_each_meter_once_and_weigh_within_bounds() {
        assert_eq!(place(consumption(&[rule(1, "1"), rule(1, "2")])), "consumption.1.meterId");
        for weight in ["-1", "0.0000000000001", "1000000000000.1"] {
            assert_eq!(place(consumption(&[rule(1, weight)])), "consumption.0.creditsPerUnit", "{weight}");
        }
        let many: Vec<GivenRule> = (0..=100).map(|meter| rule(meter, "1")).collect();
        assert_eq!(place(consumption(&many)), "consumption");
        assert_eq!(consumption(&many[1..]).unwrap().len(), 100);
        assert_eq!(consumption(&[rule(1, "0")]).unwrap()[0].credits_per_unit, Weight::from_scaled(0));
    }

    #[test]
    fn an_overdraft_limit_goes_with_allow() {
        let given = |policy, limit: Option<&str>| GivenOverdraft { policy, limit: limit.map(decimal) };
        assert_eq!(place(overdraft(&given(OverdraftPolicy::Deny, Some("1")))), "overdraft.limit");
        assert_eq!(place(overdraft(&given(OverdraftPolicy::Allow, Some("-1")))), "overdraft.limit");
        assert_eq!(overdraft(&given(OverdraftPolicy::Allow, None)), Ok(Overdraft::Allow { limit: None }));
        let limit = Some(Credits::from_micros(2_500_000));
        assert_eq!(overdraft(&given(OverdraftPolicy::Allow, Some("2.50"))), Ok(Overdraft::Allow { limit }));
    }

    #[test]
    fn days_go_with_after_days_and_no_period_is_known_here() {
        let given = |policy, days| expiration(&GivenExpiration { policy, days });
        for days in [None, Some(0), Some(-1), Some(36_501)] {
            assert_eq!(place(given(ExpirationPolicy::AfterDays, days)), "expiration.days", "{days:?}");
        }
        assert_eq!(given(ExpirationPolicy::AfterDays, Some(36_500)), Ok(Expiration::AfterDays(36_500)));
        assert_eq!(place(given(ExpirationPolicy::Never, Some(1))), "expiration.days");
        let problem = given(ExpirationPolicy::EndOfPeriod, None).unwrap_err();
        assert!(problem.message.contains("for included credits alone"), "{}", problem.message);
    }

    #[test]
    fn cleared_settings_return_to_their_defaults() {
        let changes = CreditProductChanges {
            description: Patch::Clear,
            consumption: Patch::Clear,
            low_balance_threshold: Patch::Clear,
            overdraft: Patch::Clear,
            expiration: Patch::Clear,
            metadata: Patch::Clear,
            ..CreditProductChanges::default()
        };
        let was = product();
        let bare = CreditProduct {
            description: None,
            consumption: vec![],
            low_balance_threshold: None,
            overdraft: Overdraft::Deny,
            expiration: Expiration::Never,
            metadata: CanonicalJson::empty_object(),
            unit_name: DEFAULT_UNIT.into(),
            updated_at: Time::MAX,
            ..was.clone()
        };
        assert_eq!(changed(&was, Time::MAX, &changes), Ok(bare));
        assert_eq!(changed(&was, Time::MAX, &CreditProductChanges::default()), Ok(was.clone()));
        let nameless = CreditProductChanges { name: Patch::Clear, ..CreditProductChanges::default() };
        assert_eq!(place(changed(&was, Time::MAX, &nameless)), "name");
    }
}
