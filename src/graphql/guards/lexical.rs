//! What a document may be before it is parsed. The parser recurses on what is nested, so that a few kilobytes of
//! brackets would overflow its stack: they are counted first, without recursion.
//!
//! The count never misses a bracket that the parser would see: what the parser takes for a string is skipped, and
//! nothing else.

use super::TooMuch;

/// The longest document, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The most names, numbers, strings and signs.
const MAX_TOKENS: usize = 5_000;
/// How deep brackets of any kind may be nested.
const MAX_NESTING: usize = 40;

/// Checks a document's length, its tokens and its nesting.
///
/// # Errors
/// The first bound that it is beyond.
pub(super) fn check(document: &str) -> Result<(), TooMuch> {
    TooMuch::check("bytes", document.len(), MAX_BYTES)?;
    let mut rest = document.as_bytes();
    let (mut tokens, mut nesting) = (0_usize, 0_usize);
    while let Some(first) = rest.first() {
        let length = token_length(rest);
        match first {
            b' ' | b',' | b'\t' | b'\r' | b'\n' | b'#' => {}
            _ => tokens = tokens.saturating_add(1),
        }
        match first {
            b'{' | b'[' | b'(' => nesting = nesting.saturating_add(1),
            b'}' | b']' | b')' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        TooMuch::check("tokens", tokens, MAX_TOKENS)?;
        TooMuch::check("levels of brackets", nesting, MAX_NESTING)?;
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// How many bytes belong to what stands first, at least 1.
fn token_length(rest: &[u8]) -> usize {
    let run = |is_part: fn(u8) -> bool| rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len()).max(1);
    match rest.first() {
        Some(b'#') => run(|byte| !matches!(byte, b'\n' | b'\r')),
        Some(b'"') if rest.starts_with(b"\"\"\"") => block_length(rest),
        Some(b'"') => string_length(rest),
        Some(b'.') => run(|byte| byte == b'.'),
        Some(byte) if is_word(*byte) => run(is_word),
        _ => 1,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A block string with its quotes. Where none ends it, the parser takes the first two quotes for an empty string.
fn block_length(rest: &[u8]) -> usize {
    let mut at = 3;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with(b"\\\"\"\"") {
            at = at.saturating_add(4);
        } else if here.starts_with(b"\"\"\"") {
            return at.saturating_add(3);
        } else {
            at = at.saturating_add(1);
        }
    }
    2
}

/// A string with its quotes. Where none ends it, the parser goes no further, and the quote alone is skipped.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => return at.saturating_add(1),
            b'\\' => at = at.saturating_add(2),
            b'\n' | b'\r' => break,
            _ => at = at.saturating_add(1),
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use proptest::prelude::*;

    use super::*;

    fn what(document: &str) -> Option<&'static str> {
        check(document).err().map(|too_much| too_much.what)
    }

    #[test]
    fn what_is_beyond_a_bound_is_named() {
        assert_eq!(what("{ a(b: [[1]]) }"), None);
        assert_eq!(what(&format!("{{ a(b: {}", "[".repeat(20_000))), Some("levels of brackets"));
        assert_eq!(what(&format!("{{ a(b: {}", "{c:".repeat(20_000))), Some("levels of brackets"));
        assert_eq!(what(&"{a".repeat(50)), Some("levels of brackets"));
        assert_eq!(what(&format!("{{ a {} }}", "@b".repeat(5_000))), Some("tokens"));
        assert_eq!(what(&format!("{{ a #{}\n }}", "x".repeat(70_000))), Some("bytes"));
    }

    #[test]
    fn what_stands_in_strings_and_comments_is_not_counted() {
        let brackets = "[".repeat(50);
        for document in [
            format!("{{ a(b: \"{brackets}\") }}"),
            format!("{{ a(b: \"\\\"{brackets}\") }}"),
            format!("{{ a(b: \"\"\"{brackets} \\\"\"\" \" {brackets}\"\"\") }}"),
            format!("{{ a #{brackets}\n b }}"),
        ] {
            assert_eq!(what(&document), None, "{document}");
            parse_query(&document).unwrap_or_else(|error| panic!("{document}: {error}"));
        }
    }

    #[test]
    fn no_quote_hides_a_bracket_that_the_parser_would_see() {
        let brackets = "[".repeat(50);
        for before in ["[\"\"\" \"", "[\"\"\"\"", "[\" \n", "[\"\\\" \\", "[\"\"", "#\"\r"] {
            assert!(what(&format!("{{ a(b: {before}{brackets}")).is_some(), "{before}");
        }
    }

    proptest! {
        /// Nothing is nested deeper than was counted: the parser's own count of what it read agrees.
        #[test]
        fn property_what_is_let_through_is_not_nested_deeper(text in r#"[\[\]{}"a \\:#$\n]{0,60}"#) {
            let document = format!("{{ a(b: [{text}]) }}");
            if let Ok(read) = parse_query(&document) {
                let opened = format!("{read:?}").matches("List([").count() + 2;
                let counted = document.matches(['[', '{', '(']).count();
                prop_assert!(opened <= counted + 2);
                prop_assert!(check(&document).is_ok() || counted > MAX_NESTING);
            }
        }
    }
}
