//! What a credit product may be.

use std::collections::{HashMap, HashSet};

use super::input::{
    CreditProductChanges, ExpirationPolicy, GivenExpiration, GivenOverdraft, GivenRule, NewCreditProduct,
    OverdraftPolicy,
};
use super::model::{ConsumptionRule, CreditProduct, Expiration, Meter};
use crate::base::fields::{self, refused};
use crate::base::ids::{MeterId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::problem::Problem;
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
/// Invalid, at the field that cannot be taken.
pub fn created(id: ProductId, now: Time, new: &NewCreditProduct) -> Result<CreditProduct, Problem> {
    Ok(CreditProduct {
        id,
        key: fields::key(&["key"], &new.key)?,
        name: fields::name(&["name"], &new.name)?,
        description: new.description.as_deref().map(|given| fields::prose(&["description"], given)).transpose()?,
        unit_name: unit_name(&new.unit_name)?,
        consumption: consumption(&new.consumption)?,
        low_balance_threshold: new
            .low_balance_threshold
            .as_ref()
            .map(|given| fields::amount(&["lowBalanceThreshold"], given))
            .transpose()?,
        overdraft: new.overdraft.as_ref().map(overdraft).transpose()?.unwrap_or_default(),
        expiration: new.expiration.as_ref().map(expiration).transpose()?.unwrap_or_default(),
        metadata: fields::metadata(&["metadata"], new.metadata.as_ref())?,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The product with its changes; meters of a new consumption are still to be checked by `check_meters`.
///
/// # Errors
/// Invalid, at the field that cannot be taken; a state when it is archived.
pub fn changed(product: &CreditProduct, now: Time, changes: &CreditProductChanges) -> Result<CreditProduct, Problem> {
    check_open((&product.key, product.archived_at), &["id"])?;
    let was = product.clone();
    let name = fields::not_cleared(&["name"], changes.name.as_ref())?;
    let unit = changes.unit_name.as_ref().try_map(|given| unit_name(given))?;
    let description = changes.description.as_ref().try_map(|given| fields::prose(&["description"], given))?;
    let rules = changes.consumption.as_ref().try_map(|given| consumption(given))?;
    let threshold = changes.low_balance_threshold.as_ref();
    let threshold = threshold.try_map(|given| fields::amount(&["lowBalanceThreshold"], given))?;
    let metadata = changes.metadata.as_ref().try_map(|given| fields::metadata(&["metadata"], Some(given)))?;
    let next = CreditProduct {
        name: name.map_or_else(|| Ok(was.name), |name| fields::name(&["name"], name))?,
        description: description.over_optional(was.description),
        unit_name: unit.over(was.unit_name, DEFAULT_UNIT.to_owned()),
        consumption: rules.over(was.consumption, Vec::new()),
        low_balance_threshold: threshold.over_optional(was.low_balance_threshold),
        overdraft: changes.overdraft.as_ref().try_map(overdraft)?.over(was.overdraft, Overdraft::default()),
        expiration: changes.expiration.as_ref().try_map(expiration)?.over(was.expiration, Expiration::default()),
        metadata: metadata.over(was.metadata, CanonicalJson::empty_object()),
        ..was
    };
    Ok(if next == *product { next } else { CreditProduct { updated_at: now, ..next } })
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
/// Invalid, at the rule's field: `["consumption", "1", "meterId"]`.
pub fn consumption(given: &[GivenRule]) -> Result<Vec<ConsumptionRule>, Problem> {
    if given.len() > MAX_RULES {
        return Err(refused(&["consumption"], format!("has more than {MAX_RULES} rules")));
    }
    let mut seen = HashSet::new();
    let rule = |(index, rule): (usize, &GivenRule)| {
        let index = index.to_string();
        if !seen.insert(rule.meter) {
            return Err(refused(
                &["consumption", &index, "meterId"],
                "names a meter that an earlier rule names already",
            ));
        }
        let path = ["consumption", &index, "creditsPerUnit"];
        let weight = Weight::of(&rule.credits_per_unit).map_err(|error| refused(&path, error))?;
        let weight = weight.ok_or_else(|| refused(&path, "must be 0 to 1000000000000"))?;
        Ok(ConsumptionRule { meter: rule.meter, credits_per_unit: weight })
    };
    given.iter().enumerate().map(rule).collect()
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
    use crate::base::credits::Credits;
    use crate::base::decimal::Decimal;
    use crate::base::patch::Patch;

    fn decimal(text: &str) -> Decimal {
        Decimal::new(text).unwrap()
    }

    fn rule(meter: u128, weight: &str) -> GivenRule {
        GivenRule { meter: MeterId(uuid::Uuid::from_u128(meter)), credits_per_unit: decimal(weight) }
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

    fn place<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        result.unwrap_err().path.join(".")
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
