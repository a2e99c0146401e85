//! Idempotency keys: a command is carried out once, however often it is sent.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::fields;
use super::json::CanonicalJson;
use super::problem::{Problem, ProblemKind};
use super::text::MAX_REFERENCE;

/// An idempotency key, and the hash that tells the same input from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The keys that this one is unique among.
    pub scope: Scope,
    /// The caller's text.
    pub key: String,
    /// The first 16 bytes of a SHA-256 over the input after coercion.
    pub input: [u8; 16],
}

/// The keys of API keys and those of portal sessions never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The keys of API keys.
    Api,
    /// The keys of portal sessions.
    Portal,
}

impl Scope {
    /// Its number in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Api => 0,
            Self::Portal => 1,
        }
    }
}

impl Key {
    /// A key for an input, which is told from others by its text.
    #[must_use]
    pub fn of(scope: Scope, key: String, input: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(input.as_bytes()).into();
        let (input, _) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Self { scope, key, input: *input }
    }

    /// A key for a command's input, whose fields stand in any order.
    ///
    /// # Errors
    /// Invalid, at `["idempotencyKey"]`, when the key is not 1 to 255 characters.
    pub fn of_fields((scope, key): (Scope, &str), input: Map<String, Value>) -> Result<Self, Problem> {
        let key = fields::text(&["idempotencyKey"], key, MAX_REFERENCE)?;
        let input = Value::Object(input);
        // An input without a canonical form is refused later; as it was written it can still be told from another.
        let text = CanonicalJson::of(&input).map_or_else(|_| input.to_string(), CanonicalJson::into_string);
        Ok(Self::of(scope, key, &text))
    }

    /// A key, where one is given, for a command that makes something which belongs to no customer.
    ///
    /// # Errors
    /// As [`Key::of_fields`].
    pub fn of_creation(key: Option<&str>, command: &str, input: Value) -> Result<Option<Self>, Problem> {
        let fields = || Map::from_iter([("command".to_owned(), command.into()), ("input".to_owned(), input)]);
        key.map(|key| Self::of_fields((Scope::Api, key), fields())).transpose()
    }

    /// The refusal of a key that was used before with another input.
    #[must_use]
    pub fn conflict(&self) -> Problem {
        let message = "This idempotency key was used before with another input; use a new key for a new command.";
        Problem::of(ProblemKind::KeyConflict { key: self.key.clone() }, &["idempotencyKey"], message)
    }
}
