//! What became of one rule for one event: the shape, its words, and the compact text that the database keeps.
//!
//! The text is a JSON array with an array for each outcome, in the rules' order:
//! `["<product>","<meter>",<result>,"<quantity>"|null,"<weight>"|null,<micros of credits>|null]`, the ids as 32
//! hexadecimal digits, the result as its number.

use std::fmt::Write;

use thiserror::Error;
use uuid::Uuid;

use super::quantity::Quantity;
use super::rating::{EXACT_SCALE, Rated, exact_credits};
use crate::base::credits::Credits;
use crate::base::decimal;
use crate::base::ids::{MeterId, ProductId};
use crate::base::settings::Weight;
use crate::catalog::model::{Aggregation, ConsumptionRule, Meter};

/// How a rule ended for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleResult {
    /// Credits were burned, or the part of them that policy allowed.
    Burned,
    /// It would have burned, but the customer has no open balance of the product.
    NoBalance,
    /// The meter's filter did not let the event through.
    FilteredOut,
    /// The event has no such property, or it is null.
    MissingProperty,
    /// The property is no number.
    NotANumber,
    /// The property is less than zero.
    NegativeQuantity,
    /// The quantity, or what it comes to, is more than there can be.
    OutOfRange,
    /// It comes to no credits.
    Zero,
}

impl RuleResult {
    /// In the order of their numbers in the database: new ones go to the end.
    const ALL: [Self; 8] = [
        Self::Burned,
        Self::NoBalance,
        Self::FilteredOut,
        Self::MissingProperty,
        Self::NotANumber,
        Self::NegativeQuantity,
        Self::OutOfRange,
        Self::Zero,
    ];

    /// Whether the rule applies to the event but cannot say how much it burns: an open balance with such a rule makes
    /// an event INVALID in ENFORCE mode (L10).
    #[must_use]
    pub const fn is_unratable(self) -> bool {
        matches!(self, Self::MissingProperty | Self::NotANumber | Self::NegativeQuantity | Self::OutOfRange)
    }

    /// The number that stands for it in the database.
    const fn number(self) -> u8 {
        match self {
            Self::Burned => 0,
            Self::NoBalance => 1,
            Self::FilteredOut => 2,
            Self::MissingProperty => 3,
            Self::NotANumber => 4,
            Self::NegativeQuantity => 5,
            Self::OutOfRange => 6,
            Self::Zero => 7,
        }
    }
}

/// What became of one rule for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOutcome {
    /// The product whose rule it is.
    pub product: ProductId,
    /// The rule's meter.
    pub meter: MeterId,
    /// How it ended.
    pub result: RuleResult,
    /// What the meter read, where it read a number in range; below zero only with `NegativeQuantity`.
    pub quantity: Option<Quantity>,
    /// Credits for each unit, where a quantity was weighed.
    pub credits_per_unit: Option<Weight>,
    /// What the rule burned, uncovered credits included: with `Burned` more than 0, with `Zero` 0, else nothing.
    pub credits: Option<Credits>,
}

impl RuleOutcome {
    /// The outcome of a rule of a product, as it is when the customer has an open balance of the product.
    #[must_use]
    pub fn of(product: ProductId, rule: &ConsumptionRule, rated: Rated) -> Self {
        let weight = Some(rule.credits_per_unit);
        let (result, quantity, credits_per_unit, credits) = match rated {
            Rated::Burns { quantity, credits, .. } => (RuleResult::Burned, Some(quantity), weight, Some(credits)),
            Rated::Zero { quantity, .. } => (RuleResult::Zero, Some(quantity), weight, Some(Credits::ZERO)),
            Rated::FilteredOut => (RuleResult::FilteredOut, None, None, None),
            Rated::MissingProperty => (RuleResult::MissingProperty, None, None, None),
            Rated::NotANumber => (RuleResult::NotANumber, None, None, None),
            Rated::NegativeQuantity { quantity } => (RuleResult::NegativeQuantity, Some(quantity), None, None),
            Rated::OutOfRange { quantity } => (RuleResult::OutOfRange, quantity, quantity.and(weight), None),
        };
        Self { product, meter: rule.meter, result, quantity, credits_per_unit, credits }
    }

    /// The same for a customer without an open balance of the product. Only what would have burned is changed: why a
    /// rule comes to nothing is true with a balance and without.
    #[must_use]
    pub fn without_balance(self) -> Self {
        match self.result {
            RuleResult::Burned => Self { result: RuleResult::NoBalance, credits: None, ..self },
            _ => self,
        }
    }

    /// In words, for the person who asks why. `meter` is the rule's, `unit_name` what the product calls one credit.
    #[must_use]
    pub fn explanation(&self, meter: &Meter, unit_name: &str) -> String {
        let property = match &meter.aggregation {
            Aggregation::Sum { property } => Some(property.as_str()),
            Aggregation::Count => None,
        };
        let the_property =
            property.map_or_else(|| "The quantity".to_owned(), |name| format!("The property \"{name}\""));
        match (self.result, self.quantity) {
            (RuleResult::Burned | RuleResult::Zero, _) => self.sum_in_words(property, unit_name),
            (RuleResult::NoBalance, _) => "Matched, but the customer has no open balance of this product.".to_owned(),
            (RuleResult::FilteredOut, _) => "The meter's filter did not let the event through.".to_owned(),
            (RuleResult::MissingProperty, _) => property.map_or_else(
                || "The event has no quantity.".to_owned(),
                |name| format!("The event has no property \"{name}\"."),
            ),
            (RuleResult::NotANumber, _) => format!("{the_property} is not a number."),
            (RuleResult::NegativeQuantity, Some(quantity)) => {
                format!("{the_property} is negative: {quantity}.")
            }
            (RuleResult::NegativeQuantity, None) => format!("{the_property} is negative."),
            (RuleResult::OutOfRange, Some(_)) => {
                let sum = self.product_in_words(property);
                format!("{sum} is more than the 1000000000000 {} that one event can burn.", plural(unit_name))
            }
            (RuleResult::OutOfRange, None) => {
                format!("{the_property} is out of range: a quantity is less than 1000000000000000.")
            }
        }
    }

    /// `1200 units × 0.004 = 4.8 credits`, and how that was rounded, if it was.
    fn sum_in_words(&self, property: Option<&str>, unit_name: &str) -> String {
        let mut words = self.product_in_words(property);
        let credits = self.credits.unwrap_or_default();
        let exact =
            self.quantity.zip(self.credits_per_unit).and_then(|(quantity, weight)| exact_credits(quantity, weight));
        let exact = exact.map(|exact| decimal::text(exact, EXACT_SCALE));
        let shown = credits.to_string();
        let named = if shown == "1" { unit_name.to_owned() } else { plural(unit_name) };
        // Writing to a String does not fail.
        let _ = match exact.filter(|exact| *exact != shown) {
            Some(exact) => write!(words, " = {exact}, rounded to {shown} {named}"),
            None => write!(words, " = {shown} {named}"),
        };
        words
    }

    /// `1200 units × 0.004`; what a meter counts is events.
    fn product_in_words(&self, property: Option<&str>) -> String {
        let quantity = self.quantity.unwrap_or(Quantity::ZERO);
        let weight = self.credits_per_unit.unwrap_or(Weight::from_scaled(0)).text();
        let one = if property.is_some() { "unit" } else { "event" };
        let ending = if quantity == Quantity::ONE { "" } else { "s" };
        format!("{quantity} {one}{ending} × {weight}")
    }
}

/// The English plural of what a product calls one credit: with an "s" after a Latin letter other than "s".
fn plural(unit_name: &str) -> String {
    let takes_s = unit_name.ends_with(|last: char| last.is_ascii_alphabetic() && !matches!(last, 's' | 'S'));
    format!("{unit_name}{}", if takes_s { "s" } else { "" })
}

/// Why stored outcomes cannot be read: they were written by a newer version, or by hand.
#[derive(Debug, Error)]
pub enum OutcomesError {
    /// Not the JSON that outcomes are written as.
    #[error("the stored outcomes are not in their JSON form")]
    Form(#[from] serde_json::Error),
    /// A part that is not what it should be.
    #[error("a stored outcome has no valid {0}")]
    Part(&'static str),
}

/// The compact text of an event's outcomes, for the database.
#[must_use]
pub fn encode(outcomes: &[RuleOutcome]) -> String {
    let mut text = String::with_capacity(outcomes.len().saturating_mul(120).saturating_add(2));
    text.push('[');
    for (i, outcome) in outcomes.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        // Writing to a String does not fail.
        let _ = write_outcome(&mut text, outcome);
    }
    text.push(']');
    text
}

fn write_outcome(text: &mut String, outcome: &RuleOutcome) -> std::fmt::Result {
    let RuleOutcome { product, meter, result, quantity, credits_per_unit, credits } = outcome;
    write!(text, "[\"{}\",\"{}\",{},", product.0.as_simple(), meter.0.as_simple(), result.number())?;
    write_decimal(text, quantity.map(Quantity::scaled), Quantity::SCALE)?;
    write_decimal(text, credits_per_unit.map(Weight::scaled), Weight::SCALE)?;
    match credits {
        Some(credits) => write!(text, "{}]", credits.micros()),
        None => text.write_str("null]"),
    }
}

fn write_decimal(text: &mut String, scaled: Option<i128>, scale: u32) -> std::fmt::Result {
    let Some(scaled) = scaled else { return text.write_str("null,") };
    text.write_char('"')?;
    decimal::write(text, scaled, scale)?;
    text.write_str("\",")
}

/// One stored outcome, as its JSON is: product, meter, result, quantity, weight, micros.
type Stored<'a> = (&'a str, &'a str, u8, Option<&'a str>, Option<&'a str>, Option<i64>);

/// The outcomes that a text of [`encode`] holds.
///
/// # Errors
/// [`OutcomesError`] when the text is none.
pub fn decode(text: &str) -> Result<Vec<RuleOutcome>, OutcomesError> {
    let stored: Vec<Stored<'_>> = serde_json::from_str(text)?;
    stored.into_iter().map(read_outcome).collect()
}

fn read_outcome((product, meter, result, quantity, weight, micros): Stored<'_>) -> Result<RuleOutcome, OutcomesError> {
    let id = |text: &str, part| Uuid::try_parse(text).map_err(|_| OutcomesError::Part(part));
    let number = |text: Option<&str>, scale, part| {
        text.map(|text| decimal::parse(text, scale).map_err(|_| OutcomesError::Part(part))).transpose()
    };
    Ok(RuleOutcome {
        product: ProductId(id(product, "product")?),
        meter: MeterId(id(meter, "meter")?),
        result: *RuleResult::ALL.get(usize::from(result)).ok_or(OutcomesError::Part("result"))?,
        quantity: number(quantity, Quantity::SCALE, "quantity")?.map(Quantity::from_scaled),
        credits_per_unit: number(weight, Weight::SCALE, "weight")?.map(Weight::from_scaled),
        credits: micros.map(Credits::from_micros),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::rating::rate;
    use super::*;
    use crate::base::decimal::Decimal;
    use crate::base::time::Time;

    fn product() -> ProductId {
        ProductId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
    }

    fn meter(property: Option<&str>) -> Meter {
        let now = Time::from_micros(0).unwrap();
        let condition = json!([{"all": [{"name": "free", "operator": "NEQ", "values": [true]}]}]);
        Meter {
            id: MeterId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002)),
            key: "tokens".to_owned(),
            name: "Tokens".to_owned(),
            event_type: "completion".to_owned(),
            aggregation: property.map_or(Aggregation::Count, |name| Aggregation::Sum { property: name.to_owned() }),
            filter: serde_json::from_value(condition).unwrap(),
            created_at: now,
            updated_at: now,
            archived_at: None,
        }
    }

    fn outcome(meter: &Meter, weight: &str, properties: &serde_json::Value) -> RuleOutcome {
        let credits_per_unit = Weight::of(&Decimal::new(weight).unwrap()).unwrap().unwrap();
        let rule = ConsumptionRule { meter: meter.id, credits_per_unit };
        RuleOutcome::of(product(), &rule, rate(&rule, meter, properties))
    }

    #[test]
    fn the_explanation_tells_what_happened_in_a_sentence_or_a_sum() {
        for (properties, weight, words) in [
            (json!({"tokens": 1200}), "0.004", "1200 units × 0.004 = 4.8 credits"),
            (json!({"tokens": 1}), "1", "1 unit × 1 = 1 credit"),
            (json!({"tokens": 0}), "0.004", "0 units × 0.004 = 0 credits"),
            (json!({"tokens": 3}), "0.3333333", "3 units × 0.3333333 = 0.9999999, rounded to 1 credit"),
            (json!({"tokens": 4}), "0.0000001", "4 units × 0.0000001 = 0.0000004, rounded to 0 credits"),
            (json!({"tokens": 1, "free": true}), "1", "The meter's filter did not let the event through."),
            (json!({}), "1", "The event has no property \"tokens\"."),
            (json!({"tokens": "many"}), "1", "The property \"tokens\" is not a number."),
            (json!({"tokens": -2.5}), "1", "The property \"tokens\" is negative: -2.5."),
            (
                json!({"tokens": 1e15}),
                "1",
                "The property \"tokens\" is out of range: a quantity is less than 1000000000000000.",
            ),
            (
                json!({"tokens": 2}),
                "1000000000000",
                "2 units × 1000000000000 is more than the 1000000000000 credits that one event can burn.",
            ),
        ] {
            let meter = meter(Some("tokens"));
            assert_eq!(outcome(&meter, weight, &properties).explanation(&meter, "credit"), words);
        }
    }

    #[test]
    fn a_counting_meter_speaks_of_events_and_credits_go_by_their_own_name() {
        let meter = meter(None);
        let words = |weight, unit| outcome(&meter, weight, &json!({})).explanation(&meter, unit);
        assert_eq!(words("2", "minute"), "1 event × 2 = 2 minutes");
        assert_eq!(words("1", "minute"), "1 event × 1 = 1 minute");
        assert_eq!(words("2", "Credits"), "1 event × 2 = 2 Credits");
        assert_eq!(words("2", "クレジット"), "1 event × 2 = 2 クレジット");
    }

    #[test]
    fn without_a_balance_what_would_burn_burns_nothing_and_the_rest_stays_as_it_is() {
        let meter = meter(Some("tokens"));
        let burned = outcome(&meter, "2", &json!({"tokens": 3}));
        assert_eq!((burned.result, burned.credits), (RuleResult::Burned, Some(Credits::from_micros(6_000_000))));
        let missed = burned.clone().without_balance();
        assert_eq!((missed.result, missed.credits), (RuleResult::NoBalance, None));
        assert_eq!((missed.quantity, missed.credits_per_unit), (burned.quantity, burned.credits_per_unit));
        let words = "Matched, but the customer has no open balance of this product.";
        assert_eq!(missed.explanation(&meter, "credit"), words);

        for properties in [json!({"tokens": 0}), json!({}), json!({"tokens": -1}), json!({"tokens": 1, "free": true})] {
            let outcome = outcome(&meter, "2", &properties);
            assert_eq!(outcome.clone().without_balance(), outcome);
        }
    }

    #[test]
    fn an_outcome_is_stored_in_one_short_array() {
        let meter = meter(Some("tokens"));
        let outcomes = [outcome(&meter, "0.004", &json!({"tokens": 1200})), outcome(&meter, "1", &json!({}))];
        assert_eq!(
            encode(&outcomes),
            "[[\"01900000000070008000000000000001\",\"01900000000070008000000000000002\",0,\"1200\",\"0.004\",4800000],\
             [\"01900000000070008000000000000001\",\"01900000000070008000000000000002\",3,null,null,null]]"
        );
        assert_eq!(encode(&[]), "[]");
    }

    #[test]
    fn each_result_keeps_its_number() {
        for (number, result) in RuleResult::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(result.number()), number);
        }
    }

    #[test]
    fn a_text_that_holds_no_outcomes_is_refused() {
        let id = "01900000000070008000000000000001";
        for text in [
            String::new(),
            "{}".to_owned(),
            "[[]]".to_owned(),
            format!(r#"[["{id}","{id}",0,null,null]]"#),
            format!(r#"[["{id}","{id}",8,null,null,null]]"#),
            format!(r#"[["{id}","x",0,null,null,null]]"#),
            format!(r#"[["{id}","{id}",0,"1e3",null,null]]"#),
            format!(r#"[["{id}","{id}",0,null,"0.0000000000001",null]]"#),
            format!(r#"[["{id}","{id}",0,null,null,0.5]]"#),
        ] {
            assert!(decode(&text).is_err(), "{text}");
        }
    }

    fn any_outcome() -> impl Strategy<Value = RuleOutcome> {
        const BELOW_ZERO: i128 = -decimal::pow10(27);
        (
            any::<(u128, u128)>(),
            proptest::sample::select(&RuleResult::ALL[..]),
            proptest::option::of((BELOW_ZERO..decimal::pow10(27)).prop_map(Quantity::from_scaled)),
            proptest::option::of((0..=Weight::MAX.scaled()).prop_map(Weight::from_scaled)),
            proptest::option::of(any::<i64>().prop_map(Credits::from_micros)),
        )
            .prop_map(|((product, meter), result, quantity, credits_per_unit, credits)| RuleOutcome {
                product: ProductId(Uuid::from_u128(product)),
                meter: MeterId(Uuid::from_u128(meter)),
                result,
                quantity,
                credits_per_unit,
                credits,
            })
    }

    proptest! {
        #[test]
        fn outcomes_are_read_as_they_were_stored(outcomes in proptest::collection::vec(any_outcome(), 0..5)) {
            let text = encode(&outcomes);
            prop_assert_eq!(decode(&text).unwrap(), outcomes, "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
            let _ = decode(&text);
        }
    }
}
