//! What a caller wrote: a value, or a text that is none, to be told with everything else that is wrong.

use std::fmt;

use super::decimal::Decimal;
use super::fields::refused;
use super::problem::Problem;

/// A value of an input that was written as text, such as an amount, a time or an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T>(Result<T, Unreadable>);

/// A text that is not what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unreadable {
    text: String,
    /// The rest of a sentence that begins with the field's name: "is no decimal; write …".
    why: String,
}

impl<T> Given<T> {
    /// A text that is not what is wanted, and why: the rest of a sentence that begins with the field's name.
    #[must_use]
    pub fn unreadable(text: impl Into<String>, why: impl fmt::Display) -> Self {
        Self(Err(Unreadable { text: text.into(), why: why.to_string() }))
    }

    /// The value.
    ///
    /// # Errors
    /// Invalid, at `path`, when the text is none.
    pub fn read(&self, path: &[&str]) -> Result<&T, Problem> {
        self.0.as_ref().map_err(|unreadable| refused(path, &unreadable.why))
    }
}

impl<T> From<T> for Given<T> {
    fn from(value: T) -> Self {
        Self(Ok(value))
    }
}

/// The value as it is written, or the text that is none: what tells one input from another.
impl<T: fmt::Display> fmt::Display for Given<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(value) => value.fmt(f),
            Err(unreadable) => f.write_str(&unreadable.text),
        }
    }
}

impl Given<Decimal> {
    /// As its `Display`, with "25.50" written as "25.5".
    #[must_use]
    pub fn canonical(&self) -> String {
        match &self.0 {
            Ok(decimal) => decimal.canonical(),
            Err(unreadable) => unreadable.text.clone(),
        }
    }
}
