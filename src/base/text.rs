//! Text from outside: what a name, key or reason may be, and the folded copy that searches compare.

use thiserror::Error;

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing, or white space alone.
    #[error("is empty")]
    Empty,
    /// Too many characters.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// Holds U+0000, which PostgreSQL cannot store.
    #[error("holds the character U+0000")]
    Nul,
    /// Not a key.
    #[error("is not a key: write 1 to 100 characters of a-z, 0-9, '_', '-' and '.', beginning with a letter or digit")]
    Key,
}

/// The longest name of anything, in characters.
pub const MAX_NAME: usize = 200;
/// The longest description or reason, in characters.
pub const MAX_PROSE: usize = 2_000;
/// The longest external id, event id, event type or idempotency key, in characters.
pub const MAX_REFERENCE: usize = 255;

/// Checks a text of 1 to `limit` characters.
///
/// # Errors
/// [`TextError`] says what is wrong with it.
pub fn check(text: &str, limit: usize) -> Result<(), TextError> {
    if text.trim().is_empty() {
        return Err(TextError::Empty);
    }
    check_optional(text, limit)
}

/// Checks a text of 0 to `limit` characters.
///
/// # Errors
/// [`TextError`] says what is wrong with it.
pub fn check_optional(text: &str, limit: usize) -> Result<(), TextError> {
    if text.contains('\0') {
        Err(TextError::Nul)
    } else if text.len() > limit && text.chars().count() > limit {
        Err(TextError::TooLong(limit))
    } else {
        Ok(())
    }
}

/// Checks a catalog key.
///
/// # Errors
/// [`TextError::Key`].
pub fn check_key(text: &str) -> Result<(), TextError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut bytes = text.bytes();
    let fits = text.len() <= 100
        && bytes.next().is_some_and(plain)
        && bytes.all(|b| plain(b) || matches!(b, b'_' | b'-' | b'.'));
    if fits { Ok(()) } else { Err(TextError::Key) }
}

/// The copy of a text that searches compare: lower case, in every script that has cases.
#[must_use]
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The least text that is greater than every text with this beginning, compared byte by byte; `None` when there is
/// none. `[prefix, prefix_end)` is then exactly what begins with `prefix`.
#[must_use]
pub fn prefix_end(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // Byte order of UTF-8 is the order of code points; the surrogates' gap is stepped over.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            other => u32::from(other).checked_add(1).and_then(char::from_u32),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_plain_and_short() {
        for key in ["a", "ai_credits", "9-lives", "nova.pro"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "_a", "A", "ä", "a b", &"a".repeat(101)] {
            assert_eq!(check_key(key), Err(TextError::Key), "{key}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(check(&"ä".repeat(200), 200), Ok(()));
        assert_eq!(check(&"ä".repeat(201), 200), Err(TextError::TooLong(200)));
        assert_eq!(check("  ", 200), Err(TextError::Empty));
        assert_eq!(check("a\0", 200), Err(TextError::Nul));
    }

    proptest! {
        #[test]
        fn the_prefix_range_holds_what_begins_with_it_and_nothing_else(prefix in "\\PC{1,4}", other in "\\PC{0,6}") {
            let end = prefix_end(&prefix);
            let inside = other.as_str() >= prefix.as_str() && end.as_deref().is_none_or(|end| other.as_str() < end);
            prop_assert_eq!(inside, other.starts_with(&prefix));
        }
    }
}
