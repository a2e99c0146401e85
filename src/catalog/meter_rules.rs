//! What a meter may be.

use super::filter_rules::{self, FilterError};
use super::input::{AggregationKind, MeterChanges, NewMeter};
use super::model::{Aggregation, EventFilter, Meter};
use crate::base::fields::{self, refused};
use crate::base::ids::MeterId;
use crate::base::json::CanonicalJson;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all, all_of};
use crate::base::text::MAX_REFERENCE;
use crate::base::time::Time;

/// The meter that was asked for.
///
/// # Errors
/// Invalid, at the field that cannot be taken.
pub fn created(id: MeterId, now: Time, new: &NewMeter) -> Result<Meter, Problems> {
    let (key, name, event_type, aggregation, filter) = all((
        fields::key(&["key"], &new.key),
        fields::name(&["name"], &new.name),
        fields::text(&["eventType"], &new.event_type, MAX_REFERENCE),
        aggregation(new.aggregation, new.property.as_deref()),
        kept_filter(&new.filter),
    ))?;
    Ok(Meter { id, key, name, event_type, aggregation, filter, created_at: now, updated_at: now, archived_at: None })
}

/// The meter with its changes.
///
/// # Errors
/// Invalid, at the field that cannot be taken; a state when it is archived.
pub fn changed(meter: &Meter, now: Time, changes: &MeterChanges) -> Result<Meter, Problems> {
    if meter.archived_at.is_some() {
        let message = "The meter is archived; make a new one with another key.";
        return Err(Problem::state(&["id"], "ARCHIVED", message).into());
    }
    let (name, filter) = checked(changes)?;
    let next = Meter {
        name: name.unwrap_or_else(|| meter.name.clone()),
        filter: filter.over(meter.filter.clone(), Vec::new()),
        ..meter.clone()
    };
    Ok(if next == *meter { next } else { Meter { updated_at: now, ..next } })
}

/// COUNT takes no property, SUM needs one of 1 to 255 characters.
fn checked(changes: &MeterChanges) -> Result<(Option<String>, Patch<Vec<EventFilter>>), Problems> {
    all((fields::new_name(changes.name.as_ref()), changes.filter.as_ref().try_map(|given| kept_filter(given))))
}

/// Checks changes as far as that takes no meter.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check(changes: &MeterChanges) -> Result<(), Problems> {
    checked(changes).map(drop)
}

fn aggregation(kind: AggregationKind, property: Option<&str>) -> Result<Aggregation, Problem> {
    let path = ["property"];
    match (kind, property) {
        (AggregationKind::Count, None) => Ok(Aggregation::Count),
        (AggregationKind::Count, Some(_)) => Err(refused(&path, "goes with SUM; leave it out to COUNT events")),
        (AggregationKind::Sum, None) => Err(refused(&path, "is needed with SUM; name the event property to add up")),
        (AggregationKind::Sum, Some(property)) => {
            Ok(Aggregation::Sum { property: fields::text(&path, property, MAX_REFERENCE)? })
        }
    }
}

/// The filter as it is read back: its values as canonical JSON spells them, as an event's properties are.
fn kept_filter(given: &[EventFilter]) -> Result<Vec<EventFilter>, Problems> {
    let told = |error: &FilterError| {
        let inner: Vec<&str> = error.path.iter().map(String::as_str).collect();
        Err::<(), _>(refused(&[&["filter"], inner.as_slice()].concat(), error.problem))
    };
    filter_rules::check_filter(given).or_else(|faults| all_of(faults.iter().map(told)).map(drop))?;
    let canonical = filter_text(given).map_err(|()| refused(&["filter"], "holds a number that JSON cannot carry"))?;
    Ok(serde_json::from_str(canonical.as_str()).map_err(|_| refused(&["filter"], "cannot be kept as JSON"))?)
}

/// The filter as canonical JSON.
///
/// # Errors
/// When it holds what JSON cannot.
pub(super) fn filter_text(filter: &[EventFilter]) -> Result<CanonicalJson, ()> {
    let value = serde_json::to_value(filter).map_err(|_| ())?;
    CanonicalJson::of(&value).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::model::{FilterOperator, PropertyFilter};

    fn new() -> NewMeter {
        NewMeter {
            key: "tokens".into(),
            name: "Tokens".into(),
            event_type: "llm.call".into(),
            aggregation: AggregationKind::Sum,
            property: Some("usage.tokens".into()),
            filter: vec![],
        }
    }

    fn create(new: &NewMeter) -> Result<Meter, Problems> {
        created(MeterId(uuid::Uuid::nil()), Time::MIN, new)
    }

    fn refusal(new: &NewMeter) -> (Vec<String>, String) {
        let mut problems = create(new).unwrap_err().into_iter();
        problems.next().map(|problem| (problem.path, problem.message)).unwrap()
    }

    #[test]
    fn count_takes_no_property_and_sum_needs_one() {
        let count = NewMeter { aggregation: AggregationKind::Count, ..new() };
        assert_eq!(refusal(&count).1, "property goes with SUM; leave it out to COUNT events.");
        let sum = NewMeter { property: None, ..new() };
        assert_eq!(refusal(&sum).0, ["property"]);
        assert_eq!(create(&new()).unwrap().aggregation, Aggregation::Sum { property: "usage.tokens".into() });
    }

    #[test]
    fn a_faulty_filter_is_found_where_it_is() {
        let all = vec![PropertyFilter { name: "model".into(), operator: FilterOperator::Eq, values: vec![json!([])] }];
        let new = NewMeter { filter: vec![EventFilter { all }], ..new() };
        let (path, message) = refusal(&new);
        assert_eq!(path, ["filter", "0", "all", "0", "values", "0"]);
        assert!(message.starts_with("values must be a string"), "{message}");
    }

    #[test]
    fn a_filter_is_kept_as_properties_are() {
        let values = vec![json!(1.0), json!(9_007_199_254_740_993_u64)];
        let all = vec![PropertyFilter { name: "n".into(), operator: FilterOperator::In, values }];
        let meter = create(&NewMeter { filter: vec![EventFilter { all }], ..new() }).unwrap();
        assert_eq!(meter.filter[0].all[0].values, [json!(1), json!(9_007_199_254_740_992_u64)]);
    }

    #[test]
    fn an_update_clears_the_filter_but_never_the_name() {
        let meter = create(&new()).unwrap();
        let clear = MeterChanges { filter: Patch::Clear, ..MeterChanges::default() };
        assert_eq!(changed(&meter, Time::MAX, &clear).unwrap().filter, []);
        let nameless = MeterChanges { name: Patch::Clear, ..MeterChanges::default() };
        assert_eq!(changed(&meter, Time::MAX, &nameless).unwrap_err().as_slice()[0].path, ["name"]);
    }
}
