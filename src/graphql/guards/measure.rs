//! How large a parsed document is, counted without expanding it: a fragment is measured once, however often it is
//! spread, and sums stop at the greatest number. What passes here can be walked with its fragments expanded.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value, Variables};
use async_graphql_value::Value as Given;

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

/// The most arguments of a field.
const MAX_ARGUMENTS: usize = 20;
/// The most that the values of all arguments may weigh, each variable as often as it is used: a value weighs 1, and 1 for
/// each 16 bytes of its texts. Whoever looks at an argument makes a copy of what a variable gives it.
const MAX_WEIGHT: usize = 400_000;

/// How large a selection set is with its fragments expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    fields: usize,
    depth: usize,
    levels: usize,
    weight: usize,
}

/// What is counted over the whole document, nothing expanded.
#[derive(Default)]
struct Counts {
    aliases: usize,
    directives: usize,
    arguments: usize,
}

/// What is measured: a document, and what its variables weigh.
struct Measure<'a> {
    known: HashMap<&'a Name, Size>,
    weights: HashMap<&'a str, usize>,
}

/// Checks a document's counts and sizes, and that no fragment holds itself.
///
/// # Errors
/// The first bound that it is beyond.
pub(super) fn check(document: &ExecutableDocument, variables: &Variables) -> Result<(), TooMuch> {
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
    TooMuch::check("arguments of a field", counts.arguments, MAX_ARGUMENTS)?;
    let mut measure = Measure { known: HashMap::new(), weights: HashMap::new() };
    for (name, value) in variables.iter() {
        measure.weights.insert(name.as_str(), weight(value));
    }
    for definition in operations.iter().flat_map(|operation| &operation.node.variable_definitions) {
        let default = definition.node.default_value.as_ref().map_or(0, |default| weight(&default.node));
        let known = measure.weights.entry(definition.node.name.node.as_str()).or_default();
        *known = default.max(*known);
    }
    let mut weight = 0_usize;
    for name in in_order(document)? {
        if let Some(fragment) = document.fragments.get(name) {
            let size = measure.size(&fragment.node.selection_set.node);
            size.check()?;
            weight = weight.saturating_add(size.weight);
            measure.known.insert(name, size);
        }
    }
    for operation in &operations {
        let size = measure.size(&operation.node.selection_set.node);
        size.check()?;
        weight = weight.saturating_add(size.weight).saturating_add(measure.of_directives(&operation.node.directives));
    }
    TooMuch::check("values in its arguments", weight, MAX_WEIGHT)
}

/// What a value weighs.
fn weight(value: &Value) -> usize {
    let of_text = |text: &str| text.len() / 16;
    let inside = match value {
        Value::List(items) => items.iter().fold(0_usize, |sum, item| sum.saturating_add(weight(item))),
        Value::Object(fields) => fields
            .iter()
            .fold(0_usize, |sum, (name, field)| sum.saturating_add(of_text(name)).saturating_add(weight(field))),
        Value::String(text) => of_text(text),
        Value::Enum(name) => of_text(name),
        // Neither a document nor JSON has binary values.
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) => 0,
    };
    inside.saturating_add(1)
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
            weight: self.weight.saturating_add(other.weight),
        }
    }
}

impl Measure<'_> {
    /// The size of a selection set. A spread counts as a field at least, also of a fragment that is not known: who follows
    /// it takes a step.
    fn size(&self, set: &SelectionSet) -> Size {
        let mut whole = Size::default();
        for selection in &set.items {
            let (one, directives) = match &selection.node {
                Selection::Field(field) => {
                    let below = self.size(&field.node.selection_set.node);
                    let arguments = field.node.arguments.iter().map(|(_, value)| &value.node);
                    let one = Size {
                        fields: below.fields.saturating_add(1),
                        depth: below.depth.saturating_add(1),
                        weight: below.weight.saturating_add(self.of_arguments(arguments)),
                        ..below
                    };
                    (one, &field.node.directives)
                }
                Selection::InlineFragment(inline) => {
                    (self.size(&inline.node.selection_set.node), &inline.node.directives)
                }
                Selection::FragmentSpread(spread) => {
                    let known = self.known.get(&spread.node.fragment_name.node).copied();
                    let known = known.unwrap_or_default();
                    (Size { fields: known.fields.max(1), ..known }, &spread.node.directives)
                }
            };
            whole = whole.beside(one);
            whole.weight = whole.weight.saturating_add(self.of_directives(directives));
        }
        Size { levels: whole.levels.saturating_add(1), ..whole }
    }

    fn of_directives(&self, directives: &[Positioned<Directive>]) -> usize {
        self.of_arguments(directives.iter().flat_map(|it| &it.node.arguments).map(|(_, value)| &value.node))
    }

    fn of_arguments<'v>(&self, values: impl Iterator<Item = &'v Given>) -> usize {
        values.fold(0, |sum, value| sum.saturating_add(self.of_given(value)))
    }

    /// What a value weighs as a document writes it; what stands in the document itself is bounded by that.
    fn of_given(&self, given: &Given) -> usize {
        match given {
            Given::Variable(name) => self.weights.get(name.as_str()).copied().unwrap_or_default(),
            Given::List(items) => self.of_arguments(items.iter()),
            Given::Object(fields) => self.of_arguments(fields.values()),
            _ => 0,
        }
    }
}

impl Counts {
    fn add(&mut self, set: &SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let is_renamed = field.node.alias.as_ref().is_some_and(|alias| alias.node != field.node.name.node);
                    self.aliases = self.aliases.saturating_add(usize::from(is_renamed));
                    self.arguments = self.arguments.max(field.node.arguments.len());
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
        check(&parse_query(document).unwrap(), &Variables::default()).err().map(|too_much| too_much.what)
    }

    #[test]
    fn text_weighs_more_the_longer_it_is() {
        let weigh = |value: serde_json::Value| weight(&Value::from_json(value).unwrap());
        assert_eq!(weigh(serde_json::json!("x".repeat(160))), 11);
        assert_eq!(weigh(serde_json::json!({"x".repeat(32): ["x".repeat(16), 1]})), 7);
    }

    #[test]
    fn a_variable_weighs_as_often_as_it_is_used() {
        let document = |uses: usize| format!("query($a: [Int]) {{ nodes(ids: [{}]) {{ id }} }}", "$a ".repeat(uses));
        let variables = Variables::from_json(serde_json::json!({"a": vec![0; 100_000]}));
        let what = |document: &str| check(&parse_query(document).unwrap(), &variables).err().map(|it| it.what);
        assert_eq!(what(&document(3)), None);
        assert_eq!(what(&document(4)), Some("values in its arguments"));
        let by_fragment = "query($a: [Int]) { ...F ...F ...F ...F } fragment F on Q { a @b(c: $a) }";
        assert_eq!(what(by_fragment), Some("values in its arguments"));
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
            (format!("{{ a({}) }}", many(|at| format!("a{at}: 1 "), 21)), "arguments of a field"),
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
