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

/// Checks a document's length, its nesting and its tokens.
///
/// # Errors
/// The first of these bounds that it exceeds.
pub(super) fn check(document: &str) -> Result<(), TooMuch> {
    TooMuch::check("bytes", document.len(), MAX_BYTES)?;
    let count = count(document);
    TooMuch::check("levels of brackets", count.nesting, MAX_NESTING)?;
    TooMuch::check("tokens", count.tokens, MAX_TOKENS)
}

/// How many names, numbers, strings and signs a document has, or the most that is worked on.
pub(super) fn tokens(document: &str) -> usize {
    if document.len() > MAX_BYTES { MAX_TOKENS } else { count(document).tokens.min(MAX_TOKENS) }
}

/// How large a document is, before it is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// Names, numbers, strings and signs.
    tokens: usize,
    /// The most brackets of any kind that are open at once.
    nesting: usize,
}

fn count(document: &str) -> Count {
    let mut rest = document.as_bytes();
    let (mut count, mut open) = (Count::default(), 0_usize);
    while let Some(first) = rest.first() {
        match first {
            b' ' | b',' | b'\t' | b'\r' | b'\n' | b'#' => {}
            _ => count.tokens = count.tokens.saturating_add(1),
        }
        match first {
            b'{' | b'[' | b'(' => open = open.saturating_add(1),
            b'}' | b']' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        count.nesting = count.nesting.max(open);
        rest = rest.get(token_length(rest)..).unwrap_or_default();
    }
    count
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
    use async_graphql::parser::types::{BaseType, Directive, ExecutableDocument, Selection, SelectionSet};
    use async_graphql::{Name, Positioned};
    use async_graphql_value::{ConstValue, Value};
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

    #[test]
    fn tokens_are_words_signs_and_strings_but_no_space_comma_or_comment() {
        for (document, tokens) in [
            ("{ a }", 3),
            ("{a,b\tc\r\nd}", 6),
            ("{ a(b: \"c d\") } # e f", 8),
            ("{ a(b: \"\"\"c \\\"\"\" d\"\"\") }", 8),
            ("{ ...a_1 }", 4),
            ("{ a(b: \"c\\\\\") }", 8),
        ] {
            assert_eq!(count(document).tokens, tokens, "{document}");
        }
    }

    #[test]
    fn document_at_a_bound_is_accepted_and_one_beyond_it_is_refused() {
        let nested = |levels: usize| format!("{{ a(b: {}{}) }}", "[".repeat(levels - 2), "]".repeat(levels - 2));
        let long = |tokens: usize| format!("{{ {} }}", "a ".repeat(tokens - 2));
        let wide = |bytes: usize| format!("{{ a{}}}", " ".repeat(bytes - 4));
        for (document, beyond, bound) in [
            (nested(MAX_NESTING), nested(MAX_NESTING + 1), "levels of brackets"),
            (long(MAX_TOKENS), long(MAX_TOKENS + 1), "tokens"),
            (wide(MAX_BYTES), wide(MAX_BYTES + 1), "bytes"),
        ] {
            assert_eq!((what(&document), what(&beyond)), (None, Some(bound)));
        }
    }

    /// The parser recurses on lists, objects, selections and list types. Half of a worker thread's stack must hold the deepest of each.
    #[test]
    fn document_at_the_nesting_bound_does_not_overflow_the_parsers_stack() {
        let of = |open: &str, close: &str| [open.repeat(MAX_NESTING - 2), close.repeat(MAX_NESTING - 2)];
        let ([lists, lists_end], [objects, objects_end]) = (of("[", "]"), of("{c:", "}"));
        let documents = [
            format!("{{ a(b: {lists}{lists_end}) }}"),
            format!("{{ a(b: {objects}1{objects_end}) }}"),
            format!("{}{}", "{a".repeat(MAX_NESTING), "}".repeat(MAX_NESTING)),
            format!("query($v: {lists}Int{lists_end}) {{ a(b: $v) }}"),
        ];
        for document in documents {
            assert_eq!(what(&document), None, "{document}");
            let parse = move || parse_query(&document).map(drop);
            let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(parse).unwrap();
            thread.join().unwrap().unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// How many brackets were open at once, as the parser read them.
    fn depth(document: &ExecutableDocument) -> usize {
        let operations = document.operations.iter().map(|(_, operation)| {
            let variables = operation.node.variable_definitions.iter().map(|variable| {
                let variable = &variable.node;
                let default = variable.default_value.as_ref().map_or(0, |value| of_const(&value.node));
                1 + of_type(&variable.var_type.node.base).max(default).max(of_directives(&variable.directives))
            });
            let own = of_directives(&operation.node.directives).max(of_selections(&operation.node.selection_set.node));
            variables.max().unwrap_or(0).max(own)
        });
        let fragments = document.fragments.values().map(|fragment| {
            of_directives(&fragment.node.directives).max(of_selections(&fragment.node.selection_set.node))
        });
        operations.chain(fragments).max().unwrap_or(0)
    }

    fn of_type(base: &BaseType) -> usize {
        match base {
            BaseType::Named(_) => 0,
            BaseType::List(inner) => 1 + of_type(&inner.base),
        }
    }

    fn of_const(value: &ConstValue) -> usize {
        of_value(&value.clone().into_value())
    }

    fn of_value(value: &Value) -> usize {
        match value {
            Value::List(items) => 1 + items.iter().map(of_value).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(of_value).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn of_arguments(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> usize {
        arguments.iter().map(|(_, value)| 1 + of_value(&value.node)).max().unwrap_or(0)
    }

    fn of_directives(directives: &[Positioned<Directive>]) -> usize {
        directives.iter().map(|directive| of_arguments(&directive.node.arguments)).max().unwrap_or(0)
    }

    /// A field without a selection set of its own has an empty one, which is written without brackets.
    fn of_selections(selections: &SelectionSet) -> usize {
        let each = selections.items.iter().map(|item| match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                of_arguments(&field.arguments)
                    .max(of_directives(&field.directives))
                    .max(of_selections(&field.selection_set.node))
            }
            Selection::FragmentSpread(spread) => of_directives(&spread.node.directives),
            Selection::InlineFragment(fragment) => {
                of_directives(&fragment.node.directives).max(of_selections(&fragment.node.selection_set.node))
            }
        });
        each.max().map_or(0, |deepest| 1 + deepest)
    }

    /// A value as it may be written: nested, with brackets that stand in strings and comments, too.
    fn values() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[a-z]{1,3}",
            "-?[1-9][0-9]{0,2}(\\.[0-9])?",
            "\\$[a-z]{1,3}",
            r#""([\[\]{}() #a]|\\"|\\\\){0,5}""#,
            r#""""([\[\]{}()#a\n]|\\"""|"a){0,5}""""#,
            "#[\\[\\](){}\"a]{0,4}\n1",
        ];
        leaf.prop_recursive(6, 40, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(" "))),
                proptest::collection::vec(inner, 0..3).prop_map(|fields| {
                    let fields: Vec<String> =
                        fields.iter().enumerate().map(|(at, value)| format!("f{at}: {value}")).collect();
                    format!("{{{}}}", fields.join(", "))
                }),
            ]
        })
    }

    proptest! {
        /// The guard counts exactly the nesting that the parser reads.
        #[test]
        fn property_guard_counts_the_nesting_that_the_parser_reads(
            (first, second) in (values(), values()),
            (types, levels) in (0..4_usize, 0..5_usize),
        ) {
            let list = format!("{}Int{}", "[".repeat(types), "]".repeat(types));
            let selections = format!("{}z {}", "y { ".repeat(levels), "}".repeat(levels));
            let document = format!(
                "query($v: {list} = [1]) {{ a(b: {first}) @c(d: {second}) {{ x ...on T {{ w }} {selections} }} }}"
            );
            let read = parse_query(&document);
            prop_assert!(read.is_ok(), "{document}: {read:?}");
            prop_assert_eq!(depth(&read.unwrap()), count(&document).nesting, "{}", document);
        }

        /// The same where quotes, escapes and comments end anywhere: no text hides a bracket that the parser sees.
        #[test]
        fn property_guard_counts_the_nesting_of_any_text_that_parses(
            text in r#"([\[\]{}a:#$\n]|"|"""|\\"){0,24}"#,
        ) {
            let document = format!("{{ a(b: [{text}]) }}");
            if let Ok(read) = parse_query(&document) {
                prop_assert_eq!(depth(&read), count(&document).nesting, "{}", document);
            }
        }
    }
}
