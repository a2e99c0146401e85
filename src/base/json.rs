//! JSON in its canonical form, RFC 8785 (JCS): the one form in which metadata and properties are kept and hashed.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

/// A JSON value as canonical text: keys sorted, no white space, numbers in their shortest form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalJson(String);

/// Why a JSON value is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// A string or key holds U+0000, which PostgreSQL cannot store.
    #[error("holds the character U+0000, or half of a surrogate pair")]
    Nul,
    /// The value is not an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// Longer than it may be, in canonical form.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A number that RFC 8785 has no form for.
    #[error("holds a number that JSON cannot carry exactly")]
    Number,
}

impl CanonicalJson {
    /// `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self("{}".to_owned())
    }

    /// Any value in its canonical form.
    ///
    /// # Errors
    /// [`JsonError`] says what is wrong with it.
    pub fn of(value: &Value) -> Result<Self, JsonError> {
        let text = serde_json_canonicalizer::to_string(value).map_err(|_| JsonError::Number)?;
        // In canonical form a control character is always escaped, and a backslash always doubled: an odd number of
        // backslashes before u0000 is the one way to write it, which the plain search finds first.
        if text.contains("\\u0000") && holds_nul(value) { Err(JsonError::Nul) } else { Ok(Self(text)) }
    }

    /// An object of at most `limit` bytes in its canonical form.
    ///
    /// # Errors
    /// [`JsonError`] says what is wrong with it.
    pub fn object(value: &Value, limit: usize) -> Result<Self, JsonError> {
        if !value.is_object() {
            return Err(JsonError::NotAnObject);
        }
        let canonical = Self::of(value)?;
        if canonical.0.len() > limit { Err(JsonError::TooLong(limit)) } else { Ok(canonical) }
    }

    /// Text that came out of this type before, from the database.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The value; null when the text is none, which a stored text never is.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CanonicalJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn canonical_json_sorts_keys_and_shortens_numbers() {
        let value = json!({"b": 1.0, "a": [1e3, 0.1, "é\n"], "": null});
        assert_eq!(CanonicalJson::of(&value).unwrap().as_str(), r#"{"":null,"a":[1000,0.1,"é\n"],"b":1}"#);
    }

    #[test]
    fn the_nul_character_is_refused_wherever_it_stands_and_its_escape_is_not() {
        assert_eq!(CanonicalJson::of(&json!({"a": ["x\0"]})), Err(JsonError::Nul));
        assert_eq!(CanonicalJson::of(&json!({"a\0": 1})), Err(JsonError::Nul));
        assert!(CanonicalJson::of(&json!({"a": "\\u0000"})).is_ok());
    }
}
