//! Text from outside: what a name, key or reason may be, and the folded copy that searches compare.

use std::collections::BTreeSet;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
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
    #[error("holds the character U+0000, or half of a surrogate pair")]
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

/// The form of a text in which searches compare: composed (NFC), with the full case folding of Unicode, composed again. So
/// "STRASSE" is "Straße", and a letter with its accent is the same in one code point or in two.
#[must_use]
pub fn fold(text: &str) -> String {
    let compose = ComposingNormalizerBorrowed::new_nfc();
    let composed = compose.normalize(text);
    let folded = CaseMapper::new().fold_string(&composed);
    compose.normalize(&folded).into_owned()
}

/// The words by whose beginnings a search finds these texts: for each word, what stands from there up to the next white
/// space, folded. "Ada@Example.com" is found by "ada@ex", "example" and "com".
#[must_use]
pub fn searchable_words<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for text in texts {
        for part in fold(text).split_whitespace() {
            let mut before: Option<char> = None;
            for (at, char) in part.char_indices() {
                if before.is_none_or(|before| !before.is_alphanumeric() && char.is_alphanumeric()) {
                    words.extend(part.get(at..).map(str::to_owned));
                }
                before = Some(char);
            }
        }
    }
    words
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

    #[test]
    fn folded_texts_are_the_same_however_they_are_written() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("Caf\u{e9}", "CAFE\u{301}"),
            ("\u{1100}\u{1161}", "가"),
            ("ﬃ", "FFI"),
            ("\u{345}\u{301}", "\u{301}ι"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_eq!(fold("ΟΔΥΣ"), "οδυσ", "a sigma at the end of a search may stand inside a word");
    }

    #[test]
    fn words_begin_after_white_space_and_punctuation() {
        let words = |text| searchable_words([text]).into_iter().collect::<Vec<_>>();
        assert_eq!(words("Acme  Corporation"), ["acme", "corporation"]);
        assert_eq!(words("Ada@Example.com"), ["ada@example.com", "com", "example.com"]);
        assert_eq!(words("(Acme) 🎉 e\u{301}"), ["(acme)", "acme)", "é", "🎉"]);
        assert!(words(" \t").is_empty());
        assert_eq!(searchable_words(["a b", "B c"]).len(), 3);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing_more(text in "\\PC{0,12}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn text_is_found_by_each_beginning_of_its_words(text in "\\PC{0,12}") {
            let words = searchable_words([text.as_str()]);
            for part in fold(&text).split_whitespace() {
                prop_assert!(words.contains(part));
            }
        }

        #[test]
        fn the_prefix_range_holds_what_begins_with_it_and_nothing_else(prefix in "\\PC{1,4}", other in "\\PC{0,6}") {
            let end = prefix_end(&prefix);
            let inside = other.as_str() >= prefix.as_str() && end.as_deref().is_none_or(|end| other.as_str() < end);
            prop_assert_eq!(inside, other.starts_with(&prefix));
        }
    }
}
