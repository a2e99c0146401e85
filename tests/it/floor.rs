//! Holds the floor plan and the mechanical rules of style against the source text.
//!
//! A room is the first folder or file under `src/`. Imports point downwards only and rooms on one floor do not import
//! each other; the front door is one room. Test code inside a room obeys as well. The text is read token by token,
//! without comments and literals, so a path that stands only in a string (a macro's argument) is not seen.

use std::fs;
use std::path::Path;

/// The rooms by floor, from the front door down to what imports nothing.
const PLAN: [(u8, &[&str]); 11] = [
    (10, &["main", "lib", "cli", "config", "demo", "keys", "logs", "worker"]),
    (9, &["http"]),
    (8, &["graphql"]),
    (7, &["app"]),
    (6, &["intake"]),
    (5, &["subscriptions", "purchases"]),
    (4, &["metering"]),
    (3, &["catalog", "customers", "ledger", "access"]),
    (2, &["feed"]),
    (1, &["db"]),
    (0, &["base"]),
];

/// Its rooms build everything together, so they may import each other.
const FRONT_DOOR: u8 = 10;

/// From here up, tests may speak to a server; `make test-fast` runs what lies below.
const WIRE: u8 = 8;

/// A file that is longer has become two things.
const MAX_LINES: usize = 600;

// --- The rules, on the tree ------------------------------------------------------------------------------------------

#[test]
fn imports_point_downwards_only() {
    assert_none(sources("src").iter().flat_map(|(path, source)| import_violations(path, source)));
}

#[test]
fn every_module_says_first_what_it_is() {
    assert_none(sources("src").iter().filter_map(|(path, source)| header_violation(path, source)));
}

#[test]
fn no_file_has_become_two_things() {
    let files = [sources("src"), sources("tests")].concat();
    assert_none(files.iter().filter_map(|(path, source)| length_violation(path, source)));
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let files = [sources("src"), sources("tests")].concat();
    assert_none(files.iter().flat_map(|(path, source)| silenced_lint_violations(path, source)));
}

#[test]
fn no_test_waits_by_the_clock() {
    assert_none(sources("tests").iter().flat_map(|(path, source)| waiting_violations(path, source)));
}

#[test]
fn tests_stand_in_the_rooms_of_their_code() {
    assert_none(sources("tests/it").iter().filter_map(|(path, _)| misplaced_test_violation(path)));
}

#[test]
fn tests_below_the_wire_use_no_server_and_no_process() {
    assert_none(sources("tests/it").iter().flat_map(|(path, source)| server_violations(path, source)));
}

fn assert_none(violations: impl Iterator<Item = String>) {
    let violations: Vec<String> = violations.collect();
    assert!(violations.is_empty(), "\n\n{}\n", violations.join("\n\n"));
}

/// Path (from the package's root) and text of every Rust file under `folder`, in order of path.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), folder, &mut found);
    assert!(!found.is_empty(), "no Rust file under {folder}/: this test looks in the wrong place");
    found.sort();
    found
}

fn collect(folder: &Path, name: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("its entries can be read").path();
        let name = format!("{name}/{}", path.file_name().expect("an entry has a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((name, fs::read_to_string(&path).expect("a source file is text")));
        }
    }
}

// --- The rules, on one file ------------------------------------------------------------------------------------------

fn import_violations(path: &str, source: &str) -> Vec<String> {
    let room = room_of(path);
    let Some(floor) = floor_of(room) else {
        return vec![format!(
            "{path}:1: `{room}` is not in the floor plan.\n    Give it a floor in PLAN (tests/it/floor.rs), or put \
             the lines into the room that owns them."
        )];
    };
    imports(&tokens(source), module_depth(path))
        .iter()
        .filter(|import| import.room != room)
        .filter_map(|import| {
            let advice = import_advice((room, floor), import.room)?;
            let imported = if import.room == WHOLE_CRATE { "the whole crate" } else { import.room };
            Some(format!("{path}:{}: `{room}` imports `{imported}`.\n    {advice}", import.line))
        })
        .collect()
}

/// What to do instead of importing `imported`, or nothing when the plan allows it.
fn import_advice((room, floor): (&str, u8), imported: &str) -> Option<String> {
    if imported == WHOLE_CRATE {
        return Some("Name the room, so that the plan can be checked.".to_owned());
    }
    let Some(imported_floor) = floor_of(imported) else {
        return Some(format!(
            "`{imported}` is not in the floor plan: give it a floor in PLAN (tests/it/floor.rs). What stands in \
             lib.rs itself (a macro, a re-export) belongs to a room and is named by way of it."
        ));
    };
    if imported_floor < floor || (imported_floor == floor && floor == FRONT_DOOR) {
        return None;
    }
    if imported_floor == floor {
        return Some(format!(
            "Both stand on floor {floor}, where rooms do not know each other. Let a room above call both and hand \
             plain values from one to the other; a shape that means nothing by itself moves to `base`."
        ));
    }
    Some(format!(
        "That points upwards, from floor {floor} to floor {imported_floor}. Take what `{room}` needs as an argument \
         (a plain value or a closure), move the line up into `{imported}`, or move the shape down into the lowest \
         room that needs it."
    ))
}

fn header_violation(path: &str, source: &str) -> Option<String> {
    (!source.starts_with("//!")).then(|| {
        format!("{path}:1: no `//!` on the first line.\n    Say what the module is, its invariants, what is not here.")
    })
}

fn length_violation(path: &str, source: &str) -> Option<String> {
    let lines = source.lines().count();
    (lines > MAX_LINES).then(|| {
        format!(
            "{path}:{lines}: longer than {MAX_LINES} lines.\n    It has become two things: split it by what they are."
        )
    })
}

fn silenced_lint_violations(path: &str, source: &str) -> Vec<String> {
    let advice = "Mend the cause, or say `#[expect(lint, reason = \"…\")]`, which complains once it is not needed.";
    [["#", "[", "allow"].as_slice(), &["#", "!", "[", "allow"]]
        .iter()
        .flat_map(|needle| lines_with(source, needle))
        .map(|line| format!("{path}:{line}: a lint is allowed without a reason.\n    {advice}"))
        .collect()
}

fn waiting_violations(path: &str, source: &str) -> Vec<String> {
    let advice = "Wait for the thing itself (an answer, an entry of the stream), or move the test's clock.";
    lines_with(source, &["sleep", "("])
        .map(|line| format!("{path}:{line}: a test waits by the clock.\n    {advice}"))
        .collect()
}

fn misplaced_test_violation(path: &str) -> Option<String> {
    let room = test_room_of(path);
    let is_known = floor_of(room).is_some() || matches!(room, "support" | "system" | "floor");
    (!is_known).then(|| {
        format!(
            "{path}:1: `{room}` is not a room of src.\n    Put the test into the folder of the room it tests, or into \
             `system` when it needs a process, a kill or an outage."
        )
    })
}

fn server_violations(path: &str, source: &str) -> Vec<String> {
    if floor_of(test_room_of(path)).is_none_or(|floor| floor >= WIRE) {
        return vec![];
    }
    ["api", "direct", "http", "proxy", "server", "socket", "stripe"]
        .iter()
        .flat_map(|helper| lines_with(source, &["support", "::", helper]).map(move |line| (line, helper)))
        .map(|(line, helper)| {
            format!(
                "{path}:{line}: a test below the wire uses `support::{helper}`.\n    Call the room's own functions, by \
                 `support::node`, or move the test to `graphql`, `http` or `system`."
            )
        })
        .collect()
}

/// The folder of a test below `tests/it`.
fn test_room_of(path: &str) -> &str {
    let rest = path.strip_prefix("tests/it/").unwrap_or_default();
    rest.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The lines on which these tokens begin.
fn lines_with(source: &str, needle: &[&str]) -> impl Iterator<Item = usize> + use<> {
    let tokens = tokens(source);
    let hits =
        tokens.windows(needle.len()).filter(|window| window.iter().map(|token| token.text).eq(needle.iter().copied()));
    hits.map(|window| window[0].line).collect::<Vec<_>>().into_iter()
}

// --- Rooms and modules -----------------------------------------------------------------------------------------------

/// `src/ledger/store.rs` and `src/ledger.rs` are both in the room `ledger`.
fn room_of(path: &str) -> &str {
    let below = path.strip_prefix("src/").expect("a room is under src/");
    let first = below.split('/').next().unwrap_or(below);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn floor_of(room: &str) -> Option<u8> {
    PLAN.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

/// How many modules the file's own lies below the crate's root: 1 for `src/ledger/mod.rs`, 2 for `src/ledger/store.rs`.
fn module_depth(path: &str) -> usize {
    match path {
        "src/lib.rs" | "src/main.rs" => 0,
        _ => path.matches('/').count() - usize::from(path.ends_with("/mod.rs")),
    }
}

// --- Imports ---------------------------------------------------------------------------------------------------------

/// A room that a path names, and where.
#[derive(Debug, PartialEq)]
struct Import<'a> {
    line: usize,
    room: &'a str,
}

/// Stands for a room where a path takes all of them: `use crate::*`, `use crate as root`.
const WHOLE_CRATE: &str = "*";

/// Every room named by a path from the crate's root, in a `use` or inline, whether the path gets there by `crate` or by
/// climbing with `super`. `depth` is that of the file's module; modules written inside the file lie deeper.
fn imports<'a>(tokens: &[Token<'a>], depth: usize) -> Vec<Import<'a>> {
    let mut found = Vec::new();
    let mut braces = 0_usize;
    let mut inline_modules = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2].text == "mod" {
                    inline_modules.push(braces);
                }
            }
            "}" => {
                inline_modules.pop_if(|opened_at| *opened_at == braces);
                braces = braces.saturating_sub(1);
            }
            "crate" | "super" | "self" if at == 0 || tokens[at - 1].text != "::" => {
                follow(tokens, at, depth + inline_modules.len(), &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Follows a path from the segment at `at`, which is looked up in a module of this depth, down to where it names a room
/// or turns out to stay inside one.
fn follow<'a>(tokens: &[Token<'a>], at: usize, depth: usize, found: &mut Vec<Import<'a>>) {
    let Some(token) = tokens.get(at) else { return };
    let climbed_to = match token.text {
        "crate" => 0,
        "super" => depth.saturating_sub(1),
        "self" => depth,
        "{" => return group_items(tokens, at).for_each(|item| follow(tokens, item, depth, found)),
        room => {
            if depth == 0 && (room == WHOLE_CRATE || is_identifier(room)) {
                found.push(Import { line: token.line, room });
            }
            return;
        }
    };
    match tokens.get(at + 1).map(|next| next.text) {
        Some("::") => follow(tokens, at + 2, climbed_to, found),
        Some("as") if climbed_to == 0 => found.push(Import { line: token.line, room: WHOLE_CRATE }),
        _ => {}
    }
}

/// Where the items of the group `{a::b, c}` that opens at `open` begin.
fn group_items(tokens: &[Token], open: usize) -> impl Iterator<Item = usize> {
    let mut starts = vec![open + 1];
    let mut nesting = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" => nesting += 1,
            "}" => nesting -= 1,
            "," if nesting == 1 => starts.push(at + 1),
            _ => {}
        }
        if nesting == 0 {
            break;
        }
    }
    starts.into_iter()
}

// --- Tokens ----------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// The words and signs of a source text, without comments, strings, characters and lifetimes. `::` is one token, every
/// other sign stands alone.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let skipped = comment_length(rest).or_else(|| literal_length(rest));
        let length = skipped.unwrap_or_else(|| match first {
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        });
        let (text, after) = rest.split_at(length);
        if skipped.is_none() && !first.is_whitespace() {
            found.push(Token { line, text });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// The length of the comment that begins here, if one does. Block comments nest.
fn comment_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut nesting = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let bytes = &rest.as_bytes()[at..];
        if bytes.starts_with(b"/*") {
            nesting += 1;
            at += 2;
        } else if bytes.starts_with(b"*/") {
            nesting -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if nesting == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of the string, character or lifetime that begins here, if one does.
fn literal_length(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let raw = prefix.ends_with('r');
        let quoted = rest.strip_prefix(prefix).map(|after| if raw { after.trim_start_matches('#') } else { after });
        quoted.is_some_and(|quoted| quoted.starts_with('"') || (!raw && quoted.starts_with('\'')))
    })?;
    let after = &rest[prefix.len()..];
    let length = if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 1;
        after[body..].find(&end).map_or(after.len(), |found| body + found + end.len())
    } else if after.starts_with('"') {
        quoted_length(after, '"')
    } else if after[1..].starts_with('\\') || after.chars().nth(2) == Some('\'') {
        quoted_length(after, '\'')
    } else {
        1 + after[1..].find(|c| !is_word(c)).unwrap_or(after.len() - 1)
    };
    Some(prefix.len() + length)
}

/// The length of a literal that opens and closes with `quote`, in which a backslash escapes what follows.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

// --- The checker finds what is planted -------------------------------------------------------------------------------

/// The rooms that a text names, seen from a file.
fn rooms_named(path: &str, source: &str) -> Vec<String> {
    imports(&tokens(source), module_depth(path))
        .iter()
        .map(|import| format!("{}:{}", import.line, import.room))
        .collect()
}

#[test]
fn rooms_are_found_in_every_form_of_path() {
    let cases: [(&str, &[&str]); 12] = [
        ("use crate::ledger;", &["1:ledger"]),
        ("use crate::ledger::{model::Lot, service};", &["1:ledger"]),
        (
            "use crate::{\n    base::ids,\n    ledger::{self, model::{Lot, Hold}},\n    db,\n};",
            &["2:base", "3:ledger", "4:db"],
        ),
        ("use crate :: { db };", &["1:db"]),
        ("pub(crate) use crate::db::run;", &["1:db"]),
        ("pub(in crate::db) fn f() {}", &["1:db"]),
        ("fn f(a: crate::base::Id) -> Vec<crate::feed::Hint> { crate::db::run!(a) }", &["1:base", "1:feed", "1:db"]),
        ("macro_rules! m { () => { $crate::db::run() } }", &["1:db"]),
        ("#[diesel(sql_type = crate::db::sql::Id)]\nstruct S;", &["1:db"]),
        ("#[cfg(test)]\nmod tests {\n    use crate::app::App;\n}", &["3:app"]),
        ("use crate::*;", &["1:*"]),
        ("use crate as root;", &["1:*"]),
    ];
    for (source, expected) in cases {
        assert_eq!(rooms_named("src/metering/store.rs", source), expected, "{source}");
    }
}

#[test]
fn climbing_to_the_root_is_an_import_too() {
    let cases: [(&str, &str, &[&str]); 8] = [
        ("src/ledger/mod.rs", "use super::catalog;", &["1:catalog"]),
        ("src/app.rs", "use super::{http, base::ids};", &["1:http", "1:base"]),
        ("src/ledger/store.rs", "use super::model::Lot;", &[]),
        ("src/ledger/store.rs", "use super::super::catalog;", &["1:catalog"]),
        ("src/ledger/store.rs", "use self::super::{super::catalog, model};", &["1:catalog"]),
        ("src/ledger/mod.rs", "mod tests {\n    use super::*;\n}\nuse super::catalog;", &["4:catalog"]),
        ("src/ledger/mod.rs", "mod tests { fn f() { super::super::catalog::g() } }", &["1:catalog"]),
        ("src/lib.rs", "pub use self::base::ids;", &["1:base"]),
    ];
    for (path, source, expected) in cases {
        assert_eq!(rooms_named(path, source), expected, "{path}: {source}");
    }
}

#[test]
fn what_only_looks_like_a_path_is_no_import() {
    let cases = [
        "// use crate::http;\n/// crate::http\n//! crate::http\n/* crate::http /* again */ crate::http */",
        r##"const A: &str = "crate::http \" crate::http"; const B: &str = r#"" crate::http "#;"##,
        r#"const A: [u8; 2] = [b'"', b'\'']; const B: char = '"'; const C: &str = "crate::http";"#,
        "impl<'a> S<'a> { pub(crate) fn f(&'a self) -> &'a str { self.crate_http() } }",
        "pub(super) mod http {}",
        "use http::StatusCode; use ::http::Uri; use r#mod::http;",
    ];
    for source in cases {
        assert_eq!(rooms_named("src/ledger/store.rs", source), [""; 0], "{source}");
    }
}

#[test]
fn literals_do_not_hide_the_import_behind_them() {
    let source =
        "const A: char = '\\'';\nconst B: &str = \"\\\\\";\nconst C: &str = r\"\\\";\nfn f<'a>() {} use crate::http;";
    assert_eq!(rooms_named("src/ledger/store.rs", source), ["4:http"]);
}

#[test]
fn downwards_own_room_and_front_door_are_allowed() {
    let cases = [
        ("src/graphql/ledger.rs", "use crate::{app::App, ledger::model::Lot, base::ids};"),
        ("src/ledger/store.rs", "use crate::ledger::model::Lot;"),
        ("src/cli.rs", "use crate::{config::Config, worker, http};"),
        ("src/lib.rs", "pub mod base;\npub use crate::cli::run;"),
    ];
    for (path, source) in cases {
        assert_eq!(import_violations(path, source), [""; 0], "{path}");
    }
}

#[test]
fn planted_imports_are_violations_that_say_what_to_do() {
    let cases = [
        ("src/db/mod.rs", "\nuse crate::ledger;", "src/db/mod.rs:2: `db` imports `ledger`.", "points upwards"),
        ("src/base/ids.rs", "use crate::db;", "src/base/ids.rs:1: `base` imports `db`.", "points upwards"),
        ("src/http/mod.rs", "use crate::config;", "src/http/mod.rs:1: `http` imports `config`.", "as an argument"),
        (
            "src/catalog/mod.rs",
            "use crate::ledger;",
            "src/catalog/mod.rs:1: `catalog` imports `ledger`.",
            "a room above",
        ),
        ("src/db/mod.rs", "use crate::*;", "src/db/mod.rs:1: `db` imports `the whole crate`.", "Name the room"),
        ("src/db/mod.rs", "use crate::utils;", "src/db/mod.rs:1: `db` imports `utils`.", "give it a floor"),
        ("src/utils/mod.rs", "", "src/utils/mod.rs:1: `utils` is not in the floor plan.", "Give it a floor"),
    ];
    for (path, source, headline, advice) in cases {
        let violations = import_violations(path, source);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].starts_with(headline), "{violations:?}");
        assert!(violations[0].contains(advice), "{violations:?}");
    }
}

// The planted texts are put together from parts, so that a plain search through the tests finds offenders only.

#[test]
fn planted_breaches_of_style_are_found() {
    let allow = ["#[", "allow(dead_code)]\nfn f() {}\n#![", "allow(unused)]"].concat();
    let wait = ["fn f() {\n    tokio::time::", "sleep", "(second).await;\n}"].concat();
    let long = "\n".repeat(MAX_LINES + 1);

    let server = "use crate::support::node::Node;\nuse crate::support::api::Api;";

    assert!(misplaced_test_violation("tests/it/books/holds.rs").is_some());
    assert!(server_violations("tests/it/ledger/a.rs", server)[0].starts_with("tests/it/ledger/a.rs:2:"));
    assert_eq!(silenced_lint_violations("src/a.rs", &allow).len(), 2);
    assert!(waiting_violations("tests/a.rs", &wait)[0].starts_with("tests/a.rs:2:"));
    assert!(length_violation("src/a.rs", &long).is_some());
    assert!(header_violation("src/a.rs", "use std::fs;\n//! Too late.").is_some());
}

#[test]
fn what_keeps_the_rules_of_style_is_left_alone() {
    let expect = "#[expect(dead_code, reason = \"…\")]\nfn allow() { allow() }";
    let wait = ["// sleep", "(1) would be flaky\nfn sleepless() {}"].concat();
    let long = "\n".repeat(MAX_LINES);

    let server = "use crate::support::api::Api;";

    for path in ["tests/it/main.rs", "tests/it/floor.rs", "tests/it/http/sse.rs", "tests/it/system/crash.rs"] {
        assert_eq!(misplaced_test_violation(path), None);
        assert_eq!(server_violations(path, server), [""; 0]);
    }
    assert_eq!(silenced_lint_violations("src/a.rs", expect), [""; 0]);
    assert_eq!(waiting_violations("tests/a.rs", &wait), [""; 0]);
    assert_eq!(length_violation("src/a.rs", &long), None);
    assert_eq!(header_violation("src/a.rs", "//! What it is.\n"), None);
}
