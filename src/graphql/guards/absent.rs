//! Rules of documents that the library does not keep.

use std::collections::HashSet;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Request, ServerError};
use async_graphql_value::Value;

use super::chosen;

/// Checks that a subscription has exactly one root field: its stream is that field's.
///
/// # Errors
/// An error that says so.
pub(super) fn check_roots(
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
) -> Result<(), ServerError> {
    if operation.node.ty != OperationType::Subscription {
        return Ok(());
    }
    let mut roots = Roots { document, keys: HashSet::new(), fragments: HashSet::new() };
    roots.collect(&operation.node.selection_set.node);
    if roots.keys.len() == 1 {
        return Ok(());
    }
    let message = "A subscription has exactly one root field; send several as operations of their own.";
    Err(ServerError::new(message, Some(operation.pos)))
}

/// Leaves out what is given by a variable without a value: such an argument, or field of an input, is absent, and its
/// default holds. The library would take it for null, which clears what it names.
pub(super) fn leave_out_absent(request: &mut Request) {
    let wanted = request.operation_name.clone();
    let given: HashSet<Name> = request.variables.keys().cloned().collect();
    let Ok(document) = request.parsed_query() else { return };
    let Ok((name, operation)) = chosen(document, wanted.as_deref()) else { return };
    // Those that must have a value are told of before.
    let may_be_absent = operation.node.variable_definitions.iter().map(|variable| &variable.node);
    let may_be_absent = may_be_absent.filter(|it| it.var_type.node.nullable && it.default_value.is_none());
    let absent: HashSet<Name> =
        may_be_absent.map(|variable| variable.name.node.clone()).filter(|name| !given.contains(name)).collect();
    if absent.is_empty() {
        return;
    }
    // Other operations may use the same fragments with values of their own: this one goes on alone, with its fragments.
    let mut roots = Roots { document, keys: HashSet::new(), fragments: HashSet::new() };
    roots.collect_all(&operation.node.selection_set.node);
    let used: HashSet<String> = roots.fragments.into_iter().map(str::to_owned).collect();
    let mut operation = operation.clone();
    operation.node.variable_definitions.retain(|variable| !absent.contains(&variable.node.name.node));
    leave_out_of(&mut operation.node.selection_set.node, &absent);
    let operations = match name {
        Some(name) => DocumentOperations::Multiple([(Name::new(name), operation)].into()),
        None => DocumentOperations::Single(operation),
    };
    // Where there is one operation, a fragment that it does not use is told of by validation.
    let several = matches!(&document.operations, DocumentOperations::Multiple(all) if all.len() > 1);
    let mut fragments = document.fragments.clone();
    fragments.retain(|name, _| !several || used.contains(name.as_str()));
    for fragment in fragments.values_mut() {
        leave_out_of(&mut fragment.node.selection_set.node, &absent);
    }
    request.set_parsed_query(ExecutableDocument { operations, fragments });
}

fn leave_out_of(set: &mut SelectionSet, absent: &HashSet<Name>) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                field.node.arguments.retain_mut(|(_, value)| is_there(&mut value.node, absent));
                leave_out_of(&mut field.node.selection_set.node, absent);
            }
            Selection::InlineFragment(inline) => leave_out_of(&mut inline.node.selection_set.node, absent),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Whether a value is one; what is absent is taken out of it.
fn is_there(value: &mut Value, absent: &HashSet<Name>) -> bool {
    match value {
        Value::Variable(name) => !absent.contains(name),
        Value::Object(fields) => {
            fields.retain(|_, field| is_there(field, absent));
            true
        }
        Value::List(items) => {
            // A list keeps its places.
            for item in items {
                if !is_there(item, absent) {
                    *item = Value::Null;
                }
            }
            true
        }
        _ => true,
    }
}

/// The fields of an operation's answer, by the names that they have in it.
struct Roots<'a> {
    document: &'a ExecutableDocument,
    keys: HashSet<&'a str>,
    fragments: HashSet<&'a str>,
}

impl<'a> Roots<'a> {
    /// The fragments that are used anywhere below.
    fn collect_all(&mut self, set: &'a SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.collect_all(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => self.collect_all(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.fragments.insert(name.as_str())
                    {
                        self.collect_all(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

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
        let document = async_graphql::parser::parse_query(document).unwrap();
        check_roots(&document, chosen(&document, None).unwrap().1).is_ok()
    }

    #[test]
    fn what_a_variable_without_a_value_gives_is_left_out() {
        let document =
            "query A($a: Int, $b: Int = 1, $c: [Int], $d: Int!) { f(a: $a, b: $b, c: [$a, 2], o: {a: $a, b: $b}) {
            g(a: $c) ...F ... { h(a: $a) } } } query B($a: Int) { f(a: $a) } fragment F on T { i(a: $a, d: $d) }";
        let left = |variables: serde_json::Value| {
            let variables = async_graphql::Variables::from_json(variables);
            let mut request = Request::new(document).variables(variables).operation_name("A");
            leave_out_absent(&mut request);
            let document = request.parsed_query().unwrap().clone();
            let operation = chosen(&document, Some("A")).unwrap().1.node.clone();
            let is_alone = chosen(&document, Some("B")).is_err();
            assert_eq!(is_alone, operation.variable_definitions.len() < 4, "B would define what nobody uses any more");
            let mut uses = format!("{:?}{:?}", operation.selection_set, document.fragments);
            uses.retain(|c| c != ' ');
            let defined: Vec<String> =
                operation.variable_definitions.iter().map(|it| it.node.name.node.to_string()).collect();
            (defined, ["a", "b", "c", "d"].map(|name| uses.matches(&format!("Variable(Name(\"{name}\"))")).count()))
        };
        assert_eq!(left(serde_json::json!({"a": null, "c": []})).0, ["a", "b", "c", "d"]);
        let (defined, uses) = left(serde_json::json!({}));
        assert_eq!((defined, uses), (vec!["b".to_owned(), "d".to_owned()], [0, 2, 0, 1]));
    }

    #[test]
    fn a_subscription_has_exactly_one_root_field() {
        for one in [
            "subscription { a { b c } }",
            "subscription { a a }",
            "subscription { ...F } fragment F on Subscription { a ...F }",
            "{ a b }",
            "mutation { a b }",
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
