//! What a meter's filter may be. What it lets through is metering's to say.

use serde_json::Value;
use thiserror::Error;

use super::model::{EventFilter, FilterOperator, PropertyFilter};
use crate::base::text::{self, TextError};

/// The most filters of one meter.
pub const MAX_FILTERS: usize = 20;
/// The most conditions of one filter.
pub const MAX_CONDITIONS: usize = 20;
/// The most values of one `IN` or `NOT_IN`.
pub const MAX_VALUES: usize = 100;

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct FilterError {
    /// From the list of filters down to the fault, such as `["0", "all", "3", "values", "1"]`; empty is the list.
    pub path: Vec<String>,
    /// What is wrong there.
    pub problem: FilterProblem,
}

/// What is wrong with a part of a filter. The messages follow the name of that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FilterProblem {
    /// Too many filters.
    #[error("has more than {MAX_FILTERS} filters")]
    TooManyFilters,
    /// Too many conditions in one filter.
    #[error("has more than {MAX_CONDITIONS} conditions")]
    TooManyConditions,
    /// A name, or a string among the values, that cannot be.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A value where the operator takes none.
    #[error("must be empty: EXISTS and NOT_EXISTS take no value")]
    NoValue,
    /// None, or several, where the operator takes one.
    #[error("must be exactly one value; only IN and NOT_IN take several")]
    OneValue,
    /// None, or too many, where the operator takes a list.
    #[error("must be 1 to {MAX_VALUES} values")]
    SomeValues,
    /// Null, an array or an object.
    #[error("must be a string, a number or a boolean; whether a property is there at all is asked with EXISTS")]
    Scalar,
    /// A boolean where only what has an order can be compared.
    #[error("must be a string or a number, to compare what comes before and after it")]
    Ordered,
}

/// Checks what a caller wants a meter to be filtered by: at most 20 filters of 20 conditions, names of 1 to 255
/// characters, as many values as the operator takes, each a string, a number or a boolean, and for `GT` to `LTE` no
/// boolean. No string may hold U+0000. A filter without conditions is taken: it lets everything through, since none of
/// its conditions fails.
///
/// # Errors
/// A [`FilterError`] for each fault, in the order in which the filter is written.
pub fn check_filter(filter: &[EventFilter]) -> Result<(), Vec<FilterError>> {
    let mut faults = Vec::new();
    if filter.len() > MAX_FILTERS {
        return Err(vec![fault(&[], FilterProblem::TooManyFilters)]);
    }
    for (i, one) in filter.iter().enumerate() {
        let i = i.to_string();
        if one.all.len() > MAX_CONDITIONS {
            faults.push(fault(&[&i, "all"], FilterProblem::TooManyConditions));
            continue;
        }
        for (j, condition) in one.all.iter().enumerate() {
            faults.extend(faults_of(condition, &[&i, "all", &j.to_string()]));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn faults_of(condition: &PropertyFilter, at: &[&str]) -> Vec<FilterError> {
    let name = text::check(&condition.name, text::MAX_REFERENCE).err();
    let name = name.map(|error| fault(&[at, &["name"]].concat(), error.into()));
    let at = [at, &["values"]].concat();
    let count = check_count(condition.operator, condition.values.len()).err().map(|problem| fault(&at, problem));
    // Of values that are too many, none is told by itself.
    let values = condition.values.iter().enumerate().filter(|_| count.is_none()).filter_map(|(i, value)| {
        let problem = check_value(condition.operator, value).err()?;
        Some(fault(&[at.as_slice(), &[&i.to_string()]].concat(), problem))
    });
    let values: Vec<FilterError> = values.collect();
    name.into_iter().chain(count).chain(values).collect()
}

fn check_count(operator: FilterOperator, values: usize) -> Result<(), FilterProblem> {
    use FilterOperator as Op;
    let (fits, problem) = match operator {
        Op::Exists | Op::NotExists => (values == 0, FilterProblem::NoValue),
        Op::In | Op::NotIn => ((1..=MAX_VALUES).contains(&values), FilterProblem::SomeValues),
        Op::Eq | Op::Neq | Op::Gt | Op::Gte | Op::Lt | Op::Lte => (values == 1, FilterProblem::OneValue),
    };
    if fits { Ok(()) } else { Err(problem) }
}

fn check_value(operator: FilterOperator, value: &Value) -> Result<(), FilterProblem> {
    use FilterOperator as Op;
    let ordered = matches!(operator, Op::Gt | Op::Gte | Op::Lt | Op::Lte);
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => Err(FilterProblem::Scalar),
        Value::Bool(_) if ordered => Err(FilterProblem::Ordered),
        Value::String(text) if text.contains('\0') => Err(TextError::Nul.into()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn fault(path: &[&str], problem: FilterProblem) -> FilterError {
    FilterError { path: path.iter().map(|&step| step.to_owned()).collect(), problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is(name: &str, operator: FilterOperator, values: Value) -> PropertyFilter {
        let Value::Array(values) = values else { panic!("values are a list") };
        PropertyFilter { name: name.to_owned(), operator, values }
    }

    fn only(condition: PropertyFilter) -> Vec<EventFilter> {
        vec![EventFilter { all: vec![condition] }]
    }

    fn problem_of(condition: PropertyFilter) -> Option<(String, FilterProblem)> {
        let faults = check_filter(&only(condition)).err()?;
        let [FilterError { path, problem }] = <[FilterError; 1]>::try_from(faults).unwrap();
        Some((path.join("."), problem))
    }

    #[test]
    fn each_operator_takes_as_many_values_as_it_can_use() {
        use FilterOperator as Op;
        use FilterProblem as Problem;
        let many = |count: usize| Value::Array(vec![json!("a"); count]);
        for operator in [Op::Exists, Op::NotExists] {
            assert_eq!(problem_of(is("a", operator, many(0))), None);
            assert_eq!(problem_of(is("a", operator, many(1))), Some(("0.all.0.values".into(), Problem::NoValue)));
        }
        for operator in [Op::In, Op::NotIn] {
            for count in [1, 2, 100] {
                assert_eq!(problem_of(is("a", operator, many(count))), None, "{count}");
            }
            for count in [0, 101] {
                let wrong = Some(("0.all.0.values".into(), Problem::SomeValues));
                assert_eq!(problem_of(is("a", operator, many(count))), wrong, "{count}");
            }
        }
        for operator in [Op::Eq, Op::Neq, Op::Gt, Op::Gte, Op::Lt, Op::Lte] {
            assert_eq!(problem_of(is("a", operator, many(1))), None);
            for count in [0, 2] {
                let wrong = Some(("0.all.0.values".into(), Problem::OneValue));
                assert_eq!(problem_of(is("a", operator, many(count))), wrong, "{count}");
            }
        }
    }

    #[test]
    fn values_are_scalars_and_only_what_has_an_order_is_compared_by_it() {
        use FilterOperator as Op;
        for value in [json!(null), json!([]), json!([1]), json!({}), json!({"a": 1})] {
            for operator in [Op::Eq, Op::Neq, Op::In, Op::NotIn, Op::Gt] {
                let wrong = Some(("0.all.0.values.0".into(), FilterProblem::Scalar));
                assert_eq!(problem_of(is("a", operator, json!([value]))), wrong, "{value}");
            }
        }
        assert_eq!(problem_of(is("a", Op::Eq, json!([true]))), None);
        for operator in [Op::Gt, Op::Gte, Op::Lt, Op::Lte] {
            let wrong = Some(("0.all.0.values.0".into(), FilterProblem::Ordered));
            assert_eq!(problem_of(is("a", operator, json!([true]))), wrong);
            assert_eq!(problem_of(is("a", operator, json!(["b"]))), None);
            assert_eq!(problem_of(is("a", operator, json!([1.5]))), None);
        }
    }

    #[test]
    fn names_are_there_short_and_without_the_nul_character() {
        use TextError as Wrong;
        let long = "ä".repeat(255);
        let longer = "a".repeat(256);
        for (name, wrong) in [
            ("model", None),
            ("usage.tokens", None),
            (long.as_str(), None),
            ("", Some(Wrong::Empty)),
            ("a\0", Some(Wrong::Nul)),
            (longer.as_str(), Some(Wrong::TooLong(255))),
        ] {
            let wrong = wrong.map(|wrong| ("0.all.0.name".to_owned(), FilterProblem::Text(wrong)));
            assert_eq!(problem_of(is(name, FilterOperator::Exists, json!([]))), wrong, "{name}");
        }
        let wrong = Some(("0.all.0.values.1".to_owned(), FilterProblem::Text(Wrong::Nul)));
        assert_eq!(problem_of(is("a", FilterOperator::In, json!(["a", "b\0"]))), wrong);
    }

    #[test]
    fn twenty_filters_of_twenty_conditions_are_taken_and_not_one_more() {
        let condition = is("a", FilterOperator::Exists, json!([]));
        let full = vec![EventFilter { all: vec![condition.clone(); 20] }; 20];
        assert_eq!(check_filter(&full), Ok(()));
        assert_eq!(check_filter(&[]), Ok(()));
        assert_eq!(check_filter(&[EventFilter { all: vec![] }]), Ok(()));

        let mut wide = full.clone();
        wide.push(EventFilter { all: vec![] });
        assert_eq!(check_filter(&wide), Err(vec![fault(&[], FilterProblem::TooManyFilters)]));

        let mut deep = full;
        deep[7].all.push(condition);
        assert_eq!(check_filter(&deep), Err(vec![fault(&["7", "all"], FilterProblem::TooManyConditions)]));
    }

    #[test]
    fn each_fault_is_told_where_it_is_with_what_to_write() {
        let good = is("model", FilterOperator::Eq, json!(["nova"]));
        let filter = vec![
            EventFilter { all: vec![good.clone(), is("", FilterOperator::Eq, json!([]))] },
            EventFilter { all: vec![good, is("size", FilterOperator::Gt, json!([false]))] },
        ];
        let faults = check_filter(&filter).unwrap_err();
        let told: Vec<String> = faults.iter().map(|fault| format!("{} {fault}", fault.path.join("."))).collect();
        assert_eq!(
            told,
            [
                "0.all.1.name is empty",
                "0.all.1.values must be exactly one value; only IN and NOT_IN take several",
                "1.all.1.values.0 must be a string or a number, to compare what comes before and after it"
            ]
        );
    }
}
