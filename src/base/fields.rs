//! Fields that many inputs have, checked alike everywhere; what is wrong comes as a [`Problem`] that names the field.
//!
//! A path leads from the input to the field; its last step is the field's name in the message.

use serde_json::Value;

use super::credits::Credits;
use super::decimal::Decimal;
use super::given::Given;
use super::json::CanonicalJson;
use super::money::MoneyError;
use super::patch::Patch;
use super::problem::Problem;
use super::text::{self, MAX_NAME, MAX_PROSE, TextError};

/// The longest metadata of anything, in bytes of its canonical form.
pub const MAX_METADATA: usize = 16 * 1024;

/// A value that cannot be taken, said of the field at `path`, or of the list that it is in: "name is empty."
#[must_use]
pub fn refused(path: &[&str], error: impl std::fmt::Display) -> Problem {
    let name = path.iter().rev().find(|step| step.parse::<usize>().is_err()).unwrap_or(&"The input");
    Problem::invalid(path, format!("{name} {error}."))
}

/// An amount of money that is not below zero, whatever its currency is.
///
/// # Errors
/// Invalid when it is.
pub fn not_negative<'a>(path: &[&str], given: &'a Decimal) -> Result<&'a Decimal, Problem> {
    if given.canonical().starts_with('-') { Err(refused(path, MoneyError::Negative)) } else { Ok(given) }
}

/// A text of 1 to `limit` characters.
///
/// # Errors
/// Invalid when it is empty, longer, or holds U+0000.
pub fn text(path: &[&str], given: &str, limit: usize) -> Result<String, Problem> {
    match text::check(given, limit) {
        Ok(()) => Ok(given.to_owned()),
        Err(TextError::Empty) => Err(refused(path, format!("is empty; write 1 to {limit} characters"))),
        Err(error) => Err(refused(path, error)),
    }
}

/// A name: 1 to 200 characters.
///
/// # Errors
/// As [`text()`].
pub fn name(path: &[&str], given: &str) -> Result<String, Problem> {
    text(path, given, MAX_NAME)
}

/// A description or reason: 0 to 2,000 characters.
///
/// # Errors
/// Invalid when it is longer or holds U+0000.
pub fn prose(path: &[&str], given: &str) -> Result<String, Problem> {
    text::check_optional(given, MAX_PROSE).map(|()| given.to_owned()).map_err(|error| refused(path, error))
}

/// A catalog key.
///
/// # Errors
/// Invalid when it is none.
pub fn key(path: &[&str], given: &str) -> Result<String, Problem> {
    text::check_key(given).map(|()| given.to_owned()).map_err(|error| refused(path, error))
}

/// Metadata: a JSON object of at most [`MAX_METADATA`] bytes; `{}` when it is absent.
///
/// # Errors
/// Invalid when it is no object, longer, or cannot be kept exactly.
pub fn metadata(path: &[&str], given: Option<&Value>) -> Result<CanonicalJson, Problem> {
    given.map_or_else(
        || Ok(CanonicalJson::empty_object()),
        |value| CanonicalJson::object(value, MAX_METADATA).map_err(|error| refused(path, error)),
    )
}

/// An amount of credits, 0 to 10^12, at most six fraction digits.
///
/// # Errors
/// Invalid when it is none.
pub fn amount(path: &[&str], given: &Given<Decimal>) -> Result<Credits, Problem> {
    Credits::amount(given.read(path)?).map_err(|error| refused(path, error))
}

/// An amount of credits above 0.
///
/// # Errors
/// Invalid when it is none.
pub fn positive_amount(path: &[&str], given: &Given<Decimal>) -> Result<Credits, Problem> {
    Credits::positive_amount(given.read(path)?).map_err(|error| refused(path, error))
}

/// A check of a value that may be absent.
///
/// # Errors
/// Those of `check`.
pub fn optional<T: ?Sized, U, E>(given: Option<&T>, check: impl FnOnce(&T) -> Result<U, E>) -> Result<Option<U>, E> {
    given.map(check).transpose()
}

/// What an update says of a field that cannot be empty: a value, or nothing.
///
/// # Errors
/// Invalid when it is to be cleared.
pub fn not_cleared<T>(path: &[&str], given: Patch<T>) -> Result<Option<T>, Problem> {
    match given {
        Patch::Keep => Ok(None),
        Patch::Set(value) => Ok(Some(value)),
        Patch::Clear => Err(refused(path, "cannot be null; leave it out to keep what is there")),
    }
}

/// What an update says of a name, which cannot be cleared.
///
/// # Errors
/// Invalid, at `["name"]`.
pub fn new_name(given: Patch<&String>) -> Result<Option<String>, Problem> {
    optional(not_cleared(&["name"], given)?.map(String::as_str), |given| name(&["name"], given))
}

/// What an update says of a description.
///
/// # Errors
/// Invalid, at `["description"]`.
pub fn new_description(given: Patch<&String>) -> Result<Patch<String>, Problem> {
    given.try_map(|given| prose(&["description"], given))
}

/// What an update says of metadata.
///
/// # Errors
/// Invalid, at `["metadata"]`.
pub fn new_metadata(given: Patch<&Value>) -> Result<Patch<CanonicalJson>, Problem> {
    given.try_map(|given| metadata(&["metadata"], Some(given)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message<T>(result: Result<T, Problem>) -> String {
        result.err().map(|problem| problem.message).unwrap_or_default()
    }

    #[test]
    fn a_problem_names_its_field() {
        assert_eq!(message(name(&["input", "name"], " ")), "name is empty; write 1 to 200 characters.");
        assert_eq!(message(metadata(&["metadata"], Some(&json!([])))), "metadata is not a JSON object.");
        assert_eq!(message(key(&["key"], "A")).split(':').next(), Some("key is not a key"));
        let clear: Patch<i32> = Patch::Clear;
        assert_eq!(message(not_cleared(&["name"], clear)), "name cannot be null; leave it out to keep what is there.");
    }

    #[test]
    fn metadata_is_measured_in_its_canonical_form() {
        let fits = "x".repeat(MAX_METADATA - r#"{"a":""}"#.len());
        assert!(metadata(&["metadata"], Some(&json!({ "a": fits.clone() }))).is_ok());
        let longer = fits + "x";
        assert_eq!(
            message(metadata(&["metadata"], Some(&json!({ "a": longer })))),
            "metadata is longer than 16384 bytes."
        );
    }
}
