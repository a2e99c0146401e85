//! Scalars: exact amounts, instants, currencies, JSON and 64-bit integers.
//!
//! Each says in `is_valid` what it takes, so that a bad literal is refused before any field of a mutation has run. Amounts,
//! times and currencies take any text there: in the input of a mutation a text that is none is told in its payload, with
//! everything else that is wrong ([`Given`]). Elsewhere the guards refuse it ([`is_readable`]).

use std::borrow::Cow;

use async_graphql::registry::Registry;
use async_graphql::{
    InputObject, InputType, InputValueError, InputValueResult, Number, Scalar, ScalarType, SimpleObject, Value,
};

use crate::base::credits::Credits;
use crate::base::decimal;
use crate::base::given::Given;
use crate::base::json::CanonicalJson;
use crate::base::money;
use crate::base::settings::Weight;
use crate::base::time::Time;
use crate::metering::quantity::Quantity;

/// What to write where a scalar is wanted.
const WANTED: [(&str, &str); 5] = [
    ("BigInt", "write a 64-bit integer, such as \"42\""),
    ("Currency", "write a code of ISO 4217, such as \"EUR\""),
    ("DateTime", "write an RFC 3339 time, such as \"2026-01-31T09:00:00Z\""),
    ("Decimal", "write it in quotes and without an exponent, such as \"12.5\"; whole numbers need no quotes"),
    ("JSON", "the value holds what JSON has not; write texts in quotes"),
];

/// What to write where this scalar is wanted: the validation of a document names its type alone.
#[must_use]
pub fn advice(scalar: &str) -> Option<&'static str> {
    WANTED.iter().find(|(name, _)| *name == scalar).map(|(_, advice)| *advice)
}

/// Whether an argument that is a text can be read as that scalar.
#[must_use]
pub fn is_readable(scalar: &str, value: &Value) -> bool {
    match scalar {
        "Currency" => <Currency as ScalarType>::parse(value.clone()).is_ok(),
        "DateTime" => <DateTime as ScalarType>::parse(value.clone()).is_ok(),
        "Decimal" => read_decimal(value).is_some(),
        _ => true,
    }
}

/// A value of the domain that a scalar of texts stands for.
pub trait Written: Sized + Send + Sync {
    /// The scalar.
    type Scalar: ScalarType + InputType + From<Self>;
    /// The value of a scalar that could be read.
    fn of(scalar: Self::Scalar) -> Self;
}

macro_rules! written {
    ($($value:ty => $scalar:ty),+) => {$(
        impl Written for $value {
            type Scalar = $scalar;
            fn of(scalar: Self::Scalar) -> Self {
                scalar.0
            }
        }
    )+};
}
written!(Time => DateTime, decimal::Decimal => Decimal, money::Currency => Currency);

impl From<decimal::Decimal> for Decimal {
    fn from(value: decimal::Decimal) -> Self {
        Self(value)
    }
}

impl From<money::Currency> for Currency {
    fn from(currency: money::Currency) -> Self {
        Self(currency)
    }
}

/// In a mutation's input: any text, so that one which cannot be read is told in the payload.
impl<T: Written + Clone> InputType for Given<T> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <T::Scalar as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <T::Scalar as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let value = value.unwrap_or_default();
        match (<T::Scalar as ScalarType>::parse(value.clone()), value) {
            (Ok(scalar), _) => Ok(T::of(scalar).into()),
            (Err(_), written @ (Value::String(_) | Value::Number(_) | Value::Boolean(_))) => {
                let text = match written {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                let (name, advice) = (Self::type_name(), advice(&Self::type_name()).unwrap_or_default());
                let why = format!("is not a {name}: {advice}");
                Ok(Self::unreadable(text, why))
            }
            (Err(error), _) => Err(error.propagate()),
        }
    }

    fn to_value(&self) -> Value {
        match self.read(&[]) {
            Ok(value) => ScalarType::to_value(&T::Scalar::from(value.clone())),
            Err(_) => Value::Null,
        }
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }
}

fn wanted<T: InputType>() -> InputValueError<T> {
    InputValueError::custom(advice(&T::type_name()).unwrap_or_default())
}

// --- Instants ----------------------------------------------------------------------------------------------------------

/// An instant on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub Time);

/// An instant as RFC 3339 text, such as `"2026-01-31T09:00:00.000000Z"`. Scrip answers UTC with six fraction digits, and
/// takes any offset; digits finer than a microsecond are cut off.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Time::parse(text).map(Self).ok_or_else(wanted),
            _ => Err(wanted()),
        }
    }

    fn is_valid(value: &Value) -> bool {
        // A number of seconds is told like a text that is no time: among usage events it is one bad event.
        matches!(value, Value::String(_) | Value::Number(_) | Value::Boolean(_))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Time> for DateTime {
    fn from(time: Time) -> Self {
        Self(time)
    }
}

// --- Decimals ----------------------------------------------------------------------------------------------------------

/// A decimal on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal(pub decimal::Decimal);

/// An exact decimal as text, such as `"12.5"` or `"-0.000001"`: no exponent, no superfluous zeros. What goes in is such a
/// text or an integer. A number with a point or an exponent is refused, since JSON readers round it: quote it.
#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        read_decimal(&value).map(Self).ok_or_else(wanted)
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_)) || read_decimal(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.as_str().to_owned())
    }
}

fn read_decimal(value: &Value) -> Option<decimal::Decimal> {
    match value {
        Value::String(text) => decimal::Decimal::new(text).ok(),
        Value::Number(number) if is_integer(number) => decimal::Decimal::new(&number.to_string()).ok(),
        _ => None,
    }
}

fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64()
}

impl Decimal {
    /// No credits, no units.
    #[must_use]
    pub fn zero() -> Self {
        Credits::ZERO.into()
    }

    /// An integer of 10^-scale.
    #[must_use]
    pub fn scaled(value: i128, scale: u32) -> Self {
        Self::written(decimal::text(value, scale))
    }

    /// Text that a writer of this program made.
    #[must_use]
    pub const fn written(text: String) -> Self {
        Self(decimal::Decimal::written(text))
    }
}

impl From<Credits> for Decimal {
    fn from(credits: Credits) -> Self {
        Self::written(credits.to_string())
    }
}

impl From<Quantity> for Decimal {
    fn from(quantity: Quantity) -> Self {
        Self::written(quantity.to_string())
    }
}

impl From<Weight> for Decimal {
    fn from(weight: Weight) -> Self {
        Self::written(weight.text())
    }
}

// --- Money -------------------------------------------------------------------------------------------------------------

/// A currency on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(pub money::Currency);

/// A currency by its code of ISO 4217, such as `"EUR"`.
#[Scalar(specified_by_url = "https://www.iso.org/iso-4217-currency-codes.html")]
impl ScalarType for Currency {
    fn parse(value: Value) -> InputValueResult<Self> {
        let known = match &value {
            Value::String(code) => money::Currency::parse(code),
            _ => None,
        };
        known.map(Self).ok_or_else(wanted)
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.code().to_owned())
    }
}

/// An amount of money in major units.
#[derive(SimpleObject, Clone, Debug)]
pub struct Money {
    /// Major units with exactly as many digits as the currency has: `"25.00"` EUR, `"2500"` JPY.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl From<money::Money> for Money {
    fn from(money: money::Money) -> Self {
        Self { amount: Decimal::written(money.amount()), currency: Currency(money.currency) }
    }
}

/// An amount of money in major units.
#[derive(InputObject, Clone, Debug)]
pub struct MoneyInput {
    /// Major units, with no more digits than the currency has: `"25"` or `"25.00"` for 25 euros. 0 to 1000000000000.
    pub amount: Given<decimal::Decimal>,
    /// The currency.
    pub currency: Given<money::Currency>,
}

// --- JSON --------------------------------------------------------------------------------------------------------------

/// JSON on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub serde_json::Value);

/// Any JSON value, such as `{"plan": "pro", "seats": 3}`. Numbers are doubles, as everywhere in JSON: quote what must keep
/// more than 15 digits.
#[Scalar(name = "JSON", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        let json = if holds_json(&value) { value.into_json().ok() } else { None };
        json.map(Self).ok_or_else(wanted)
    }

    fn is_valid(value: &Value) -> bool {
        holds_json(value)
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

/// Whether a literal is JSON all through: a bare word is an enum value of GraphQL, and most likely a forgotten quote.
fn holds_json(value: &Value) -> bool {
    match value {
        Value::Enum(_) | Value::Binary(_) => false,
        Value::List(items) => items.iter().all(holds_json),
        Value::Object(fields) => fields.values().all(holds_json),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Boolean(_) => true,
    }
}

impl From<&CanonicalJson> for Json {
    fn from(json: &CanonicalJson) -> Self {
        Self(json.value())
    }
}

// --- 64-bit integers ---------------------------------------------------------------------------------------------------

/// A 64-bit integer on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigInt(pub i64);

/// A 64-bit integer as text, such as `"9007199254740993"`, since numbers of JSON lose digits from 2^53 on. What goes in is
/// such a text or an integer.
#[Scalar]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        read_big_int(&value).map(Self).ok_or_else(wanted)
    }

    fn is_valid(value: &Value) -> bool {
        read_big_int(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

fn read_big_int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    }
}

impl From<i64> for BigInt {
    fn from(value: i64) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn float(number: f64) -> Value {
        Value::Number(Number::from_f64(number).unwrap())
    }

    #[test]
    fn a_decimal_is_a_plain_text_or_an_integer() {
        for given in [value!("12.50"), value!("-0.1"), value!(3), value!(-3), value!(u64::MAX)] {
            assert!(<Decimal as ScalarType>::is_valid(&given), "{given}");
            assert!(<Decimal as ScalarType>::parse(given).is_ok());
        }
        for given in [
            value!(""),
            value!("+1"),
            value!("1e3"),
            value!("1_000"),
            value!(" 1"),
            value!(".5"),
            value!("5."),
            float(1.0),
            float(12.5),
            float(1e30),
            value!(true),
            value!(null),
            value!(["1"]),
        ] {
            assert!(!is_readable("Decimal", &given), "{given}");
            assert!(<Decimal as ScalarType>::parse(given).is_err());
        }
    }

    #[test]
    fn a_decimal_is_written_without_superfluous_zeros() {
        assert_eq!(ScalarType::to_value(&Decimal::from(Credits::from_micros(12_500_000))), value!("12.5"));
        assert_eq!(ScalarType::to_value(&Decimal::from(Weight::from_scaled(1))), value!("0.000000000001"));
        assert_eq!(ScalarType::to_value(&Decimal::scaled(-5, 24)), value!("-0.000000000000000000000005"));
    }

    #[test]
    fn a_time_is_a_text_and_is_cut_to_microseconds() {
        let read = |value| <DateTime as ScalarType>::parse(value).map(|time| ScalarType::to_value(&time));
        let given = value!("2026-01-02T03:04:05.1234569+02:00");
        assert_eq!(read(given).unwrap(), value!("2026-01-02T01:04:05.123456Z"));
        for given in [value!(1_700_000_000), value!("2026-01-02"), value!(null)] {
            assert!(!is_readable("DateTime", &given), "{given}");
            assert!(read(given).is_err());
        }
    }

    #[test]
    fn text_of_an_input_that_cannot_be_read_is_told_at_its_field() {
        type Amount = Given<decimal::Decimal>;
        assert_eq!(
            <Amount as InputType>::parse(Some(value!("1.50"))).ok(),
            decimal::Decimal::new("1.50").ok().map(Given::from)
        );
        let Ok(given) = <Amount as InputType>::parse(Some(value!("12,5"))) else { panic!("any text is taken") };
        let problem = given.read(&["input", "credits"]).unwrap_err();
        assert_eq!(problem.path, ["input", "credits"]);
        assert!(problem.message.starts_with("credits is not a Decimal: write it in quotes"), "{}", problem.message);
        for no_text in [float(1.5), value!(true), value!(["1"]), Value::Null] {
            assert!(!<Decimal as ScalarType>::is_valid(&no_text), "{no_text}");
        }
        for no_scalar in [value!(["1"]), Value::Null] {
            assert!(<Amount as InputType>::parse(Some(no_scalar)).is_err());
        }
    }

    #[test]
    fn json_comes_out_as_it_went_in() {
        let text = r#"{"big":9007199254740993,"float":0.1,"huge":1e300,"list":[null,true,"ä"],"nested":{"z":1,"a":2}}"#;
        let given: serde_json::Value = serde_json::from_str(text).unwrap();
        let read = <Json as ScalarType>::parse(Value::from_json(given.clone()).unwrap()).unwrap();
        assert_eq!(read.0, given);
        assert_eq!(ScalarType::to_value(&read).into_json().unwrap(), given);
    }

    #[test]
    fn a_bare_word_is_no_json() {
        let word = Value::List(vec![Value::Enum(async_graphql::Name::new("EUR"))]);
        assert!(!<Json as ScalarType>::is_valid(&word));
        assert!(<Json as ScalarType>::parse(word).is_err());
        assert!(<Json as ScalarType>::is_valid(&value!({"a": ["EUR", null, 1.5]})));
    }

    #[test]
    fn a_big_int_is_a_text_outside() {
        assert_eq!(ScalarType::to_value(&BigInt(i64::MAX)), value!("9223372036854775807"));
        for (given, read) in [(value!("-5"), Some(-5)), (value!(5), Some(5)), (value!("+5"), None), (float(5.0), None)]
        {
            assert_eq!(<BigInt as ScalarType>::parse(given).ok().map(|big| big.0), read);
        }
    }

    #[test]
    fn only_codes_of_iso_4217_are_currencies() {
        assert!(<Currency as ScalarType>::is_valid(&value!("EUR")));
        for given in [value!("eur"), value!("XYZ"), value!(1)] {
            assert!(<Currency as ScalarType>::parse(given).is_err());
        }
    }
}
