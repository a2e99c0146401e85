//! Which events a meter counts.
//!
//! A property is found as [`super::property`] says. Numbers compare as decimals, each being what its shortest form
//! spells; strings compare by code point, upper case before lower; types never equal each other. A property that is
//! missing, null or of another type than the value meets only `NEQ`, `NOT_IN` and `NOT_EXISTS`: so `NEQ 5` is met by
//! `"5"`, `GT 5` is not, and no operator but `EXISTS` finds an array or an object. `EXISTS` is met by any value but
//! null, `false` and `""` included; `NOT_EXISTS` by exactly what does not meet `EXISTS`.

use std::cmp::Ordering;

use serde_json::Value;

use super::property::{JsonDecimal, find_property};
use crate::catalog::model::{EventFilter, FilterOperator, PropertyFilter};

/// Whether an event with these properties counts: when there is no filter, or all conditions of one are met. A filter
/// without conditions is met.
#[must_use]
pub fn lets_through(filter: &[EventFilter], properties: &Value) -> bool {
    filter.is_empty() || filter.iter().any(|one| one.all.iter().all(|condition| is_met(condition, properties)))
}

fn is_met(condition: &PropertyFilter, properties: &Value) -> bool {
    use FilterOperator as Op;
    let found = find_property(properties, &condition.name);
    let any = |wanted: fn(Ordering) -> bool| {
        found.is_some_and(|found| condition.values.iter().any(|value| compare(found, value).is_some_and(wanted)))
    };
    match condition.operator {
        Op::Exists => found.is_some(),
        Op::NotExists => found.is_none(),
        Op::Eq | Op::In => any(Ordering::is_eq),
        Op::Neq | Op::NotIn => !any(Ordering::is_eq),
        Op::Gt => any(Ordering::is_gt) && has_order(found),
        Op::Gte => any(Ordering::is_ge) && has_order(found),
        Op::Lt => any(Ordering::is_lt) && has_order(found),
        Op::Lte => any(Ordering::is_le) && has_order(found),
    }
}

/// How two values of one type compare; `None` when they are of two types, or of one that is not compared.
fn compare(found: &Value, value: &Value) -> Option<Ordering> {
    match (found, value) {
        // The order of UTF-8 bytes is the order of code points.
        (Value::String(found), Value::String(value)) => Some(found.as_str().cmp(value.as_str())),
        (Value::Number(found), Value::Number(value)) => Some(JsonDecimal::of(found)?.compare(JsonDecimal::of(value)?)),
        (Value::Bool(found), Value::Bool(value)) => Some(found.cmp(value)),
        _ => None,
    }
}

/// Booleans are equal or not, neither is the greater one.
fn has_order(found: Option<&Value>) -> bool {
    matches!(found, Some(Value::Number(_) | Value::String(_)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::reference::{BigDecimal, any_number};
    use super::*;

    fn condition(operator: &str, values: &Value) -> PropertyFilter {
        serde_json::from_value(json!({"name": "p", "operator": operator, "values": values})).unwrap()
    }

    /// Whether an event whose property `p` has that value meets the condition.
    #[expect(clippy::needless_pass_by_value, reason = "the tables read better without borrows")]
    fn meets(value: Value, operator: &str, values: Value) -> bool {
        is_met(&condition(operator, &values), &json!({"p": value}))
    }

    #[test]
    fn numbers_compare_by_what_they_are_not_by_how_they_are_written() {
        for (left, operator, right, met) in [
            ("1", "EQ", "1.0", true),
            ("100", "EQ", "1e2", true),
            ("0", "EQ", "-0.0", true),
            ("0.1", "EQ", "0.10", true),
            ("0.30000000000000004", "EQ", "0.3", false),
            ("0.30000000000000004", "GT", "0.3", true),
            ("2", "LT", "10", true),
            ("-2", "LT", "-1.5", true),
            ("-1", "LT", "0", true),
            ("0", "LT", "5e-324", true),
            ("-5e-324", "LT", "0", true),
            ("1e-308", "LT", "1e308", true),
            ("-1e308", "LT", "-1e-308", true),
            ("1e308", "LTE", "1e308", true),
            ("9.99e307", "LT", "1e308", true),
            ("9007199254740992", "GTE", "9007199254740991.0", true),
            // Beyond 2^53 an integer is the double that its canonical form is.
            ("9007199254740993", "EQ", "9007199254740992", true),
            ("18446744073709551615", "EQ", "18446744073709552000", true),
            ("1e21", "EQ", "1000000000000000000000", true),
        ] {
            let [left, right] = [left, right].map(|text| serde_json::from_str::<Value>(text).unwrap());
            assert_eq!(meets(left.clone(), operator, json!([right])), met, "{left} {operator} {right}");
        }
    }

    #[test]
    fn strings_compare_by_code_point() {
        assert!(meets(json!("Z"), "LT", json!(["a"])));
        assert!(meets(json!("10"), "LT", json!(["9"])));
        assert!(meets(json!("z"), "LT", json!(["é"])));
        // UTF-16 would order these the other way round.
        assert!(meets(json!("\u{ffff}"), "LT", json!(["\u{10000}"])));
        assert!(meets(json!(""), "LTE", json!([""])));
        assert!(!meets(json!("é"), "EQ", json!(["e\u{301}"])));
    }

    #[test]
    fn what_is_missing_null_or_of_another_type_meets_only_the_negations() {
        let others = [json!(null), json!("5"), json!(true), json!([5]), json!({"x": 5})];
        for operator in ["EQ", "IN", "GT", "GTE", "LT", "LTE"] {
            for value in others.clone() {
                assert!(!meets(value.clone(), operator, json!([5])), "{value} {operator} 5");
            }
            assert!(!is_met(&condition(operator, &json!([5])), &json!({})), "missing {operator} 5");
        }
        for operator in ["NEQ", "NOT_IN"] {
            for value in others.clone() {
                assert!(meets(value.clone(), operator, json!([5])), "{value} {operator} 5");
            }
            assert!(is_met(&condition(operator, &json!([5])), &json!({})), "missing {operator} 5");
            assert!(!meets(json!(5.0), operator, json!([5])));
        }
    }

    #[test]
    fn any_value_but_null_exists() {
        for value in [json!(0), json!(""), json!(false), json!([]), json!({})] {
            assert!(meets(value.clone(), "EXISTS", json!([])), "{value}");
            assert!(!meets(value.clone(), "NOT_EXISTS", json!([])), "{value}");
        }
        assert!(!meets(json!(null), "EXISTS", json!([])));
        assert!(meets(json!(null), "NOT_EXISTS", json!([])));
        assert!(!is_met(&condition("EXISTS", &json!([])), &json!({})));
        assert!(is_met(&condition("NOT_EXISTS", &json!([])), &json!({})));
    }

    #[test]
    fn booleans_are_equal_or_not_and_have_no_order() {
        assert!(meets(json!(true), "EQ", json!([true])));
        assert!(meets(json!(true), "NEQ", json!([false])));
        for operator in ["GT", "GTE", "LT", "LTE"] {
            assert!(!meets(json!(true), operator, json!([true])), "{operator}");
            assert!(!meets(json!(true), operator, json!([false])), "{operator}");
        }
    }

    #[test]
    fn lists_may_mix_types() {
        let values = json!(["a", 1, true]);
        for (value, inside) in
            [(json!("a"), true), (json!(1.0), true), (json!(true), true), (json!("1"), false), (json!(false), false)]
        {
            assert_eq!(meets(value.clone(), "IN", values.clone()), inside, "{value}");
            assert_eq!(meets(value.clone(), "NOT_IN", values.clone()), !inside, "{value}");
        }
    }

    #[test]
    fn one_filter_suffices_and_needs_all_its_conditions() {
        let filter: Vec<EventFilter> = serde_json::from_value(json!([
            {"all": [
                {"name": "model", "operator": "EQ", "values": ["nova"]},
                {"name": "usage.tokens", "operator": "GT", "values": [100]},
            ]},
            {"all": [{"name": "tier", "operator": "IN", "values": ["gold", "platinum"]}]},
        ]))
        .unwrap();
        for (properties, through) in [
            (json!({"model": "nova", "usage": {"tokens": 101}}), true),
            (json!({"model": "nova", "usage": {"tokens": 100}}), false),
            (json!({"model": "nova"}), false),
            (json!({"model": "mini", "usage": {"tokens": 101}}), false),
            (json!({"model": "mini", "tier": "gold"}), true),
            (json!({"tier": "silver"}), false),
            (json!({}), false),
            (json!(null), false),
        ] {
            assert_eq!(lets_through(&filter, &properties), through, "{properties}");
        }
    }

    #[test]
    fn no_filter_and_a_filter_without_conditions_let_everything_through() {
        assert!(lets_through(&[], &json!({})));
        assert!(lets_through(&[EventFilter { all: vec![] }], &json!({})));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn the_operators_agree_with_exact_decimals(left in any_number(), right in any_number(), same in any::<bool>()) {
            let right = if same { left.clone() } else { right };
            let exact = |number: &serde_json::Number| {
                BigDecimal::of(&serde_json_canonicalizer::to_string(number).unwrap())
            };
            let order = exact(&left).compare(&exact(&right));
            for (operator, met) in [
                ("EQ", order.is_eq()),
                ("NEQ", order.is_ne()),
                ("IN", order.is_eq()),
                ("NOT_IN", order.is_ne()),
                ("GT", order.is_gt()),
                ("GTE", order.is_ge()),
                ("LT", order.is_lt()),
                ("LTE", order.is_le()),
            ] {
                let found = meets(Value::Number(left.clone()), operator, json!([right]));
                prop_assert_eq!(found, met, "{} {} {}", left, operator, right);
            }
        }

        #[test]
        fn every_operator_and_its_opposite_share_out_all_events(
            value in prop_oneof![
                Just(json!(null)),
                any::<bool>().prop_map(Value::from),
                "[a-b]{0,2}".prop_map(Value::from),
                (-2_i8..3).prop_map(Value::from),
                Just(json!([])),
            ],
            wanted in prop_oneof!["[a-b]{0,2}".prop_map(Value::from), (-2_i8..3).prop_map(Value::from)],
        ) {
            for (operator, opposite) in [("EQ", "NEQ"), ("IN", "NOT_IN")] {
                let values = json!([wanted]);
                prop_assert_ne!(meets(value.clone(), operator, values.clone()), meets(value.clone(), opposite, values));
            }
            prop_assert_ne!(meets(value.clone(), "EXISTS", json!([])), meets(value, "NOT_EXISTS", json!([])));
        }
    }
}
