//! How large a parsed document is, counted without expanding it: a fragment is measured once, however often it is
//! spread, and sums stop at the greatest number. What passes here can be walked with its fragments expanded.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use super::TooMuch;

/// The most operations of a document.
const MAX_OPERATIONS: usize = 10;
/// The most fragments of a document.
const MAX_FRAGMENTS: usize = 50;
/// The most aliases in a document.
const MAX_ALIASES: usize = 30;
/// The most directives in a document.
const MAX_DIRECTIVES: usize = 100;
/// The most fields of an operation or fragment, those of the fragments that it spreads counted each time.
const MAX_FIELDS: usize = 1_000;
/// How deep fields may be nested. Introspection needs 15.
const MAX_DEPTH: usize = 20;
/// How deep selection sets may be nested, those of fragments too.
pub const MAX_LEVELS: usize = 64;

/// How large a selection set is with its fragments expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    fields: usize,
    depth: usize,
    levels: usize,
}

/// What is counted over the whole document, nothing expanded.
#[derive(Default)]
struct Counts {
    aliases: usize,
    directives: usize,
}

/// Checks a document's counts and sizes, and that no fragment holds itself.
///
/// # Errors
/// The first bound that it is beyond.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), TooMuch> {
    let operations: Vec<_> = match &document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values().collect(),
    };
    TooMuch::check("operations", operations.len(), MAX_OPERATIONS)?;
    TooMuch::check("fragments", document.fragments.len(), MAX_FRAGMENTS)?;
    let mut counts = Counts::default();
    for operation in &operations {
        counts.add_directives(&operation.node.directives);
        counts.add(&operation.node.selection_set.node);
    }
    for fragment in document.fragments.values() {
        counts.add_directives(&fragment.node.directives);
        counts.add(&fragment.node.selection_set.node);
    }
    TooMuch::check("aliases", counts.aliases, MAX_ALIASES)?;
    TooMuch::check("directives", counts.directives, MAX_DIRECTIVES)?;
    let mut known: HashMap<&Name, Size> = HashMap::new();
    for name in in_order(document)? {
        if let Some(fragment) = document.fragments.get(name) {
            let size = size(&fragment.node.selection_set.node, &known);
            size.check()?;
            known.insert(name, size);
        }
    }
    operations.iter().try_for_each(|operation| size(&operation.node.selection_set.node, &known).check())
}

impl Size {
    fn check(self) -> Result<(), TooMuch> {
        TooMuch::check("fields", self.fields, MAX_FIELDS)?;
        TooMuch::check("levels of fields", self.depth, MAX_DEPTH)?;
        TooMuch::check("levels of selections", self.levels, MAX_LEVELS)
    }

    /// What stands beside something.
    fn beside(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
        }
    }
}

/// The size of a selection set; fragments that are not known have none.
fn size(set: &SelectionSet, known: &HashMap<&Name, Size>) -> Size {
    let mut whole = Size::default();
    for selection in &set.items {
        let one = match &selection.node {
            Selection::Field(field) => {
                let below = size(&field.node.selection_set.node, known);
                Size { fields: below.fields.saturating_add(1), depth: below.depth.saturating_add(1), ..below }
            }
            Selection::InlineFragment(inline) => size(&inline.node.selection_set.node, known),
            Selection::FragmentSpread(spread) => {
                known.get(&spread.node.fragment_name.node).copied().unwrap_or_default()
            }
        };
        whole = whole.beside(one);
    }
    Size { levels: whole.levels.saturating_add(1), ..whole }
}

impl Counts {
    fn add(&mut self, set: &SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let is_renamed = field.node.alias.as_ref().is_some_and(|alias| alias.node != field.node.name.node);
                    self.aliases = self.aliases.saturating_add(usize::from(is_renamed));
                    self.add_directives(&field.node.directives);
                    self.add(&field.node.selection_set.node);
                }
                Selection::InlineFragment(inline) => {
                    self.add_directives(&inline.node.directives);
                    self.add(&inline.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => self.add_directives(&spread.node.directives),
            }
        }
    }

    fn add_directives(&mut self, directives: &[Positioned<Directive>]) {
        self.directives = self.directives.saturating_add(directives.len());
    }
}

/// The fragments, each behind those that it spreads.
fn in_order(document: &ExecutableDocument) -> Result<Vec<&Name>, TooMuch> {
    let mut waiting: HashMap<&Name, Vec<&Name>> = HashMap::new();
    for (name, fragment) in &document.fragments {
        let mut spreads = Vec::new();
        collect_spreads(&fragment.node.selection_set.node, &mut spreads);
        spreads.retain(|spread| document.fragments.contains_key(*spread));
        waiting.insert(name, spreads);
    }
    let mut order: Vec<&Name> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<&Name> =
            waiting.iter().filter(|(_, spreads)| spreads.is_empty()).map(|(name, _)| *name).collect();
        if ready.is_empty() {
            return Err(TooMuch::CYCLE);
        }
        for name in &ready {
            waiting.remove(*name);
        }
        for spreads in waiting.values_mut() {
            spreads.retain(|spread| !ready.contains(spread));
        }
        order.extend(ready);
    }
    Ok(order)
}

fn collect_spreads<'a>(set: &'a SelectionSet, found: &mut Vec<&'a Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => collect_spreads(&field.node.selection_set.node, found),
            Selection::InlineFragment(inline) => collect_spreads(&inline.node.selection_set.node, found),
            Selection::FragmentSpread(spread) => found.push(&spread.node.fragment_name.node),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn what(document: &str) -> Option<&'static str> {
        check(&parse_query(document).unwrap()).err().map(|too_much| too_much.what)
    }

    /// Fragments of which each spreads the next twice.
    fn bomb(fragments: usize) -> String {
        let each = |at| format!("fragment F{at} on Query {{ ...F{next} ...F{next} }}", next = at + 1);
        let all: Vec<String> = (0..fragments).map(each).collect();
        format!("{{ ...F0 }} {} fragment F{fragments} on Query {{ __typename }}", all.join(" "))
    }

    #[test]
    fn what_is_beyond_a_bound_is_named() {
        let many = |one: fn(usize) -> String, count: usize| (0..count).map(one).collect::<String>();
        let cases = [
            (format!("{{ {} }}", many(|at| format!("a{at}: a "), 31)), "aliases"),
            (format!("{{ {} }}", many(|_| "a ".to_owned(), 1_001)), "fields"),
            (format!("{{ a{} {} }}", " {a".repeat(20), "}".repeat(20)), "levels of fields"),
            (format!("{{ a {} }}", "@b ".repeat(101)), "directives"),
            (many(|at| format!("query Q{at} {{ a }} "), 11), "operations"),
            (format!("{{ a }} {}", many(|at| format!("fragment F{at} on Q {{ a }} "), 51)), "fragments"),
            ("{ ...A } fragment A on Q { a { ...B } } fragment B on Q { ...A }".to_owned(), "cycle"),
            ("{ ...A } fragment A on Q { ...A }".to_owned(), "cycle"),
        ];
        for (document, wanted) in cases {
            assert_eq!(what(&document), Some(wanted), "{document}");
        }
    }

    #[test]
    fn fragments_that_double_each_other_are_counted_once_each() {
        assert_eq!(what(&bomb(9)), None);
        for fragments in [10, 22, 30, 49] {
            assert_eq!(what(&bomb(fragments)), Some("fields"), "{fragments}");
        }
    }

    #[test]
    fn fragments_that_nest_each_other_are_as_deep_as_they_come_to() {
        let each = |at| format!("fragment F{at} on Q {{ ...{{ ...{{ ...F{} }} }} }}", at + 1);
        let nested: Vec<String> = (0..30).map(each).collect();
        let document = format!("{{ ...F0 }} {} fragment F30 on Q {{ a }}", nested.join(" "));
        assert_eq!(what(&document), Some("levels of selections"));
    }

    #[test]
    fn an_alias_that_changes_nothing_and_an_unknown_fragment_are_let_through() {
        assert_eq!(what(&format!("{{ {} ...Nowhere }}", "a: a ".repeat(40))), None);
    }
}
