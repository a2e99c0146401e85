//! Rules of documents that the library does not check.

use std::collections::HashSet;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{Request, ServerError};

/// Checks that a subscription has exactly one root field: its stream is that field's.
///
/// # Errors
/// An error that says so. What cannot be parsed is left to who runs it.
pub fn check_roots(request: &mut Request) -> Result<(), ServerError> {
    let wanted = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else { return Ok(()) };
    let operation = match &document.operations {
        DocumentOperations::Single(operation) => Some(operation),
        DocumentOperations::Multiple(operations) => wanted.and_then(|name| operations.get(name.as_str())),
    };
    let Some(operation) = operation.filter(|operation| operation.node.ty == OperationType::Subscription) else {
        return Ok(());
    };
    let mut roots = Roots { document, keys: HashSet::new(), fragments: HashSet::new() };
    roots.collect(&operation.node.selection_set.node);
    if roots.keys.len() == 1 {
        return Ok(());
    }
    let message = "A subscription has exactly one root field; send several as operations of their own.";
    Err(ServerError::new(message, Some(operation.pos)))
}

/// The fields of an operation's answer, by the names that they have in it.
struct Roots<'a> {
    document: &'a ExecutableDocument,
    keys: HashSet<&'a str>,
    fragments: HashSet<&'a str>,
}

impl<'a> Roots<'a> {
    fn collect(&mut self, set: &'a SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    self.keys.insert(field.node.response_key().node.as_str());
                }
                Selection::InlineFragment(inline) => self.collect(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    // Each once: a fragment that holds itself is told of by validation.
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.fragments.insert(name.as_str())
                    {
                        self.collect(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(document: &str) -> bool {
        check_roots(&mut Request::new(document)).is_ok()
    }

    #[test]
    fn a_subscription_has_exactly_one_root_field() {
        for one in [
            "subscription { a { b c } }",
            "subscription { a a }",
            "subscription { ...F } fragment F on Subscription { a ...F }",
            "{ a b }",
            "mutation { a b }",
            "no document",
        ] {
            assert!(is_taken(one), "{one}");
        }
        for more in [
            "subscription { a b }",
            "subscription { a c: a }",
            "subscription { a __typename }",
            "subscription { a ... { b } }",
            "subscription { a ...F } fragment F on Subscription { b }",
        ] {
            assert!(!is_taken(more), "{more}");
        }
    }
}
