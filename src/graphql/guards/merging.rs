//! Fields that an answer cannot hold both: the library tells of every pair, and of each argument in which it differs, so
//! that a small document could have it write down millions. Here the first one ends it.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Positioned, ServerError};

use crate::graphql::errors::{BAD_USER_INPUT, coded};

/// Checks each selection set of a document, used or not, as the library does.
///
/// # Errors
/// The first two fields that conflict.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), ServerError> {
    match &document.operations {
        DocumentOperations::Single(operation) => each_set(document, &operation.node.selection_set.node)?,
        DocumentOperations::Multiple(operations) => {
            operations.values().try_for_each(|operation| each_set(document, &operation.node.selection_set.node))?;
        }
    }
    document.fragments.values().try_for_each(|fragment| each_set(document, &fragment.node.selection_set.node))
}

/// A set and those within it.
fn each_set(document: &ExecutableDocument, set: &SelectionSet) -> Result<(), ServerError> {
    Merging { document, known: HashMap::new(), visited: HashSet::new() }.add_all(None, set)?;
    set.items.iter().try_for_each(|selection| match &selection.node {
        Selection::Field(field) => each_set(document, &field.node.selection_set.node),
        Selection::InlineFragment(inline) => each_set(document, &inline.node.selection_set.node),
        Selection::FragmentSpread(_) => Ok(()),
    })
}

/// The fields of one set of an answer, by type condition and name.
struct Merging<'a> {
    document: &'a ExecutableDocument,
    known: HashMap<(Option<&'a str>, &'a str), &'a Positioned<Field>>,
    visited: HashSet<&'a str>,
}

impl<'a> Merging<'a> {
    fn add_all(&mut self, on: Option<&'a str>, set: &'a SelectionSet) -> Result<(), ServerError> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.add(on, field)?,
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    self.add_all(on, &inline.node.selection_set.node)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.visited.insert(name.as_str())
                    {
                        let on = Some(fragment.node.type_condition.node.on.node.as_str());
                        self.add_all(on, &fragment.node.selection_set.node)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, on: Option<&'a str>, field: &'a Positioned<Field>) -> Result<(), ServerError> {
        let name = field.node.response_key().node.as_str();
        let Some(known) = self.known.insert((on, name), field) else { return Ok(()) };
        let (one, other) = (&known.node, &field.node);
        let same_arguments = one.arguments.len() == other.arguments.len()
            && one.arguments.iter().all(|(name, value)| other.get_argument(&name.node) == Some(value));
        if one.name.node == other.name.node && same_arguments {
            return Ok(());
        }
        let message = format!("\"{name}\" stands for two different fields here; give one of them another alias.");
        Err(coded(BAD_USER_INPUT, message).into_server_error(field.pos))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn the_first_two_fields_that_conflict_are_told_of() {
        for (document, is_taken) in [
            ("{ a a b: a }", true),
            ("{ a(x: 1) a(x: 1) }", true),
            ("{ ... on A { x: a } ... on B { x: b } }", true),
            ("{ a { x } a { y } }", true),
            ("{ a(x: 1) a }", false),
            ("{ a(x: 1) a(x: 2) }", false),
            ("{ x: a x: b }", false),
            ("{ c { ...F x: a } } fragment F on T { ... on T { x: b } x: a }", false),
            ("{ c { ...F x: a } } fragment F on T { x: b }", true),
            ("{ c { x: a ... { x: b } } }", false),
            ("{ c } fragment F on T { x: a x: b }", false),
        ] {
            assert_eq!(check(&parse_query(document).unwrap()).is_ok(), is_taken, "{document}");
        }
    }
}
