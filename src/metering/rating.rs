//! What one rule makes of one event.

use serde_json::Value;

use super::filter::lets_through;
use super::property::find_property;
use super::quantity::{Quantity, QuantityError};
use crate::base::credits::Credits;
use crate::base::decimal;
use crate::base::settings::Weight;
use crate::catalog::model::{Aggregation, ConsumptionRule, Meter};

/// Fraction digits of what a rule comes to before it is rounded: those of a quantity and those of a weight.
pub const EXACT_SCALE: u32 = Quantity::SCALE + Weight::SCALE;

/// 10^-24 of a credit in a millionth of a credit.
const EXACT_IN_MICRO: i128 = decimal::pow10(EXACT_SCALE - Credits::SCALE);

/// What one rule makes of one event, before anyone asks for a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rated {
    /// It burns credits.
    Burns {
        /// What the meter read.
        quantity: Quantity,
        /// quantity × weight, in 10^-24 of a credit.
        exact: i128,
        /// The same, rounded half away from zero: more than 0, at most 10^12.
        credits: Credits,
    },
    /// It comes to less than half a millionth of a credit.
    Zero {
        /// What the meter read.
        quantity: Quantity,
        /// quantity × weight, in 10^-24 of a credit.
        exact: i128,
    },
    /// The meter's filter does not let the event through.
    FilteredOut,
    /// The event has no such property, or it is null.
    MissingProperty,
    /// The property is no number.
    NotANumber,
    /// The property is less than zero.
    NegativeQuantity {
        /// What the meter read.
        quantity: Quantity,
    },
    /// The quantity is 10^15 or more, or the rule comes to more than 10^12 credits.
    OutOfRange {
        /// What the meter read, when that was in range.
        quantity: Option<Quantity>,
    },
}

/// Rates an event by a rule (L6, L10). The caller hands in the rule's own meter, for an event of the meter's type.
///
/// quantity × weight is exact, and is rounded half away from zero to a millionth of a credit, once. What rounds to
/// 10^12 credits is still in range.
#[must_use]
pub fn rate(rule: &ConsumptionRule, meter: &Meter, properties: &Value) -> Rated {
    if !lets_through(&meter.filter, properties) {
        return Rated::FilteredOut;
    }
    let quantity = match &meter.aggregation {
        Aggregation::Count => Ok(Quantity::ONE),
        Aggregation::Sum { property } => Quantity::read(find_property(properties, property)),
    };
    match quantity {
        Ok(quantity) => weigh(quantity, rule.credits_per_unit),
        Err(QuantityError::Missing) => Rated::MissingProperty,
        Err(QuantityError::NotANumber) => Rated::NotANumber,
        Err(QuantityError::Negative(quantity)) => Rated::NegativeQuantity { quantity },
        Err(QuantityError::OutOfRange) => Rated::OutOfRange { quantity: None },
    }
}

/// What a quantity comes to; it is not negative, and neither is a weight.
fn weigh(quantity: Quantity, weight: Weight) -> Rated {
    let out_of_range = Rated::OutOfRange { quantity: Some(quantity) };
    // A product beyond 128 bits is more than 1.7 × 10^14 credits.
    let Some(exact) = exact_credits(quantity, weight) else { return out_of_range };
    let micros = decimal::div_round(exact, EXACT_IN_MICRO).and_then(|micros| i64::try_from(micros).ok());
    match micros.map(Credits::from_micros) {
        Some(credits) if credits.is_zero() => Rated::Zero { quantity, exact },
        Some(credits) if credits.is_positive() && credits <= Credits::MAX_AMOUNT => {
            Rated::Burns { quantity, exact, credits }
        }
        _ => out_of_range,
    }
}

/// quantity × weight in 10^-24 of a credit, exact; `None` beyond 128 bits.
#[must_use]
pub fn exact_credits(quantity: Quantity, weight: Weight) -> Option<i128> {
    quantity.scaled().checked_mul(weight.scaled())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::super::reference::{BigDecimal, any_number};
    use super::*;
    use crate::base::decimal::Decimal;
    use crate::base::ids::MeterId;
    use crate::base::time::Time;
    use crate::catalog::model::EventFilter;

    fn meter(aggregation: Aggregation, filter: &Value) -> Meter {
        let now = Time::from_micros(0).unwrap();
        Meter {
            id: MeterId(Uuid::nil()),
            key: "tokens".to_owned(),
            name: "Tokens".to_owned(),
            event_type: "completion".to_owned(),
            aggregation,
            filter: serde_json::from_value::<Vec<EventFilter>>(filter.clone()).unwrap(),
            created_at: now,
            updated_at: now,
            archived_at: None,
        }
    }

    fn tokens() -> Meter {
        meter(Aggregation::Sum { property: "tokens".to_owned() }, &json!([]))
    }

    fn rule(weight: &str) -> ConsumptionRule {
        let weight = Weight::of(&Decimal::new(weight).unwrap()).unwrap().unwrap();
        ConsumptionRule { meter: MeterId(Uuid::nil()), credits_per_unit: weight }
    }

    /// The outcome in short: the credits, or the name of what happened instead.
    fn told(rated: Rated) -> String {
        match rated {
            Rated::Burns { credits, .. } => credits.to_string(),
            Rated::Zero { .. } => "zero".to_owned(),
            Rated::FilteredOut => "filtered out".to_owned(),
            Rated::MissingProperty => "missing".to_owned(),
            Rated::NotANumber => "not a number".to_owned(),
            Rated::NegativeQuantity { quantity } => format!("negative: {quantity}"),
            Rated::OutOfRange { quantity: Some(quantity) } => format!("out of range: {quantity}"),
            Rated::OutOfRange { quantity: None } => "out of range".to_owned(),
        }
    }

    #[test]
    fn a_quantity_times_a_weight_is_rounded_once_half_away_from_zero() {
        for (quantity, weight, outcome) in [
            (json!(1200), "0.004", "4.8"),
            (json!("1200"), "0.004", "4.8"),
            (json!(0.1), "0.1", "0.01"),
            (json!(1), "0.0000005", "0.000001"),
            (json!(1), "0.000000499999", "zero"),
            (json!(0), "5", "zero"),
            (json!(5), "0", "zero"),
            (json!(-1e-20), "5", "zero"),
            // Were the quantity rounded to six digits first, this would be zero; were it never rounded, 5.
            (json!("0.0000004"), "12500000", "5"),
            (json!("0.0000000000004"), "1000000000000", "zero"),
            (json!("0.0000000000005"), "1000000000000", "1"),
            (json!(3), "0.333333333333", "1"),
            (json!(1.5), "0.000001", "0.000002"),
            (json!(2.5), "0.000001", "0.000003"),
        ] {
            let rated = rate(&rule(weight), &tokens(), &json!({"tokens": quantity}));
            assert_eq!(told(rated), outcome, "{quantity} × {weight}");
        }
    }

    #[test]
    fn a_rule_comes_to_a_trillion_credits_at_most() {
        for (quantity, weight, outcome) in [
            ("1", "1000000000000", "1000000000000"),
            ("999999999999999.999999999999", "0.001", "1000000000000"),
            ("1000000000000.0000004", "1", "1000000000000"),
            ("1000000000000.0000005", "1", "out of range: 1000000000000.0000005"),
            ("10", "1000000000000", "out of range: 10"),
            ("999999999999999", "1000000000000", "out of range: 999999999999999"),
            ("1000000000000000", "0.000000000001", "out of range"),
        ] {
            let rated = rate(&rule(weight), &tokens(), &json!({"tokens": quantity}));
            assert_eq!(told(rated), outcome, "{quantity} × {weight}");
        }
    }

    #[test]
    fn an_event_that_cannot_be_rated_says_why() {
        for (properties, outcome) in [
            (json!({}), "missing"),
            (json!({"tokens": null}), "missing"),
            (json!({"Tokens": 1}), "missing"),
            (json!({"tokens": "many"}), "not a number"),
            (json!({"tokens": true}), "not a number"),
            (json!({"tokens": [3]}), "not a number"),
            (json!({"tokens": -3}), "negative: -3"),
            (json!({"tokens": 1e15}), "out of range"),
            (json!({"tokens": -1e15}), "out of range"),
        ] {
            assert_eq!(told(rate(&rule("1"), &tokens(), &properties)), outcome, "{properties}");
        }
    }

    #[test]
    fn the_filter_is_asked_before_the_quantity() {
        let filter = json!([{"all": [{"name": "model", "operator": "EQ", "values": ["nova"]}]}]);
        let meter = meter(Aggregation::Sum { property: "usage.tokens".to_owned() }, &filter);
        for (properties, outcome) in [
            (json!({"model": "nova", "usage": {"tokens": 7}}), "7"),
            (json!({"model": "nova", "usage.tokens": 8, "usage": {"tokens": 7}}), "8"),
            (json!({"model": "nova"}), "missing"),
            (json!({"model": "mini", "usage": {"tokens": "many"}}), "filtered out"),
            (json!({}), "filtered out"),
        ] {
            assert_eq!(told(rate(&rule("1"), &meter, &properties)), outcome, "{properties}");
        }
    }

    #[test]
    fn a_meter_that_counts_takes_each_event_as_one() {
        let filter = json!([{"all": [{"name": "seconds", "operator": "GT", "values": [5]}]}]);
        let meter = meter(Aggregation::Count, &filter);
        assert_eq!(told(rate(&rule("2.5"), &meter, &json!({"seconds": 6}))), "2.5");
        assert_eq!(told(rate(&rule("2.5"), &meter, &json!({"seconds": 5}))), "filtered out");
    }

    #[test]
    fn what_burns_keeps_the_exact_product_too() {
        let rated = rate(&rule("0.000000000003"), &tokens(), &json!({"tokens": 1_000_000.5}));
        let Rated::Burns { quantity, exact, credits } = rated else { panic!("{rated:?}") };
        assert_eq!(quantity.text(), "1000000.5");
        assert_eq!(decimal::text(exact, EXACT_SCALE), "0.0000030000015");
        assert_eq!(credits.to_string(), "0.000003");
    }

    /// The same by long-hand arithmetic on decimal text.
    fn expected(quantity: &str, weight: &str) -> String {
        let quantity = BigDecimal::of(quantity).rounded(12);
        if !quantity.magnitude_is_below("1000000000000000") {
            return "out of range".to_owned();
        }
        if quantity.is_negative() {
            return format!("negative: {}", quantity.text());
        }
        let credits = quantity.times(&BigDecimal::of(weight)).rounded(6);
        if !credits.magnitude_is_below("1000000000000.000001") {
            format!("out of range: {}", quantity.text())
        } else if credits.is_zero() {
            "zero".to_owned()
        } else {
            credits.text()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn rating_agrees_with_long_hand_arithmetic_for_strings(
            quantity in "-?[0-9]{1,16}(\\.[0-9]{1,14})?",
            weight in "[0-9]{1,12}(\\.[0-9]{1,12})?",
        ) {
            let rated = rate(&rule(&weight), &tokens(), &json!({"tokens": quantity}));
            prop_assert_eq!(told(rated), expected(&quantity, &weight));
        }

        #[test]
        fn rating_agrees_with_long_hand_arithmetic_for_numbers(
            quantity in any_number(),
            weight in "[0-9]{1,4}(\\.[0-9]{1,12})?",
        ) {
            let canonical = serde_json_canonicalizer::to_string(&quantity).unwrap();
            let rated = rate(&rule(&weight), &tokens(), &json!({"tokens": quantity}));
            prop_assert_eq!(told(rated), expected(&canonical, &weight), "{} × {}", canonical, weight);
        }

        #[test]
        fn an_event_is_rated_alike_after_it_was_stored(quantity in any_number()) {
            let properties = json!({"tokens": quantity});
            let stored = crate::base::json::CanonicalJson::of(&properties).unwrap().value();
            prop_assert_eq!(rate(&rule("0.004"), &tokens(), &properties), rate(&rule("0.004"), &tokens(), &stored));
        }
    }
}
