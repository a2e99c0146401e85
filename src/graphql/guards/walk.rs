//! One walk over the operation that is about to run, its fragments expanded: whether the caller may ask for each field,
//! whether its arguments are what they must be, and what all of it costs.
//!
//! Cost is counted in points: one for each object that may be answered, as many as a page asks for, and more where a
//! field makes the server work harder. A page counts its rows, what answers a list of ids or events counts those, another
//! list [`LIST`].

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::registry::{MetaField, MetaType, MetaTypeName, Registry};
use async_graphql::{ErrorExtensions, Name, Positioned, ServerError, Value, Variables};
use async_graphql_value::Value as Given;

use super::TooMuch;
use super::access::{self, Denied};
use super::variables;
use crate::access::model::Caller;
use crate::graphql::errors::{FORBIDDEN, coded};

/// How many objects a list is taken to have that is no page.
const LIST: usize = 3;
/// How many rows a page has when nothing is said.
const PAGE: usize = 20;
/// What a mutation costs besides what it answers.
const MUTATION: usize = 10;
/// What opening a stream costs besides a message.
const STREAM: usize = 50;
/// What introspection costs.
const INTROSPECTION: usize = 100;
/// Lists of introspection that lead back to types: one inside another would answer the schema many times over.
const RECURSIVE: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];
/// What makes the server work harder than a row does, and how hard.
const HEAVY: [(&str, &str, usize); 5] = [
    ("Query", "ledgerHealth", 1_000),
    ("Query", "previewEvents", 100),
    ("Query", "eventTypes", 50),
    ("CreditBalance", "at", 20),
    ("CreditBalance", "consumption", 50),
];

pub(super) struct Walk<'a> {
    pub(super) registry: &'a Registry,
    pub(super) document: &'a ExecutableDocument,
    pub(super) operation: &'a OperationDefinition,
    pub(super) variables: &'a Variables,
    pub(super) caller: &'a Caller,
}

impl Walk<'_> {
    /// What an operation costs.
    ///
    /// # Errors
    /// What the caller may not ask for, and arguments that cannot be.
    pub(super) fn cost(&self) -> Result<usize, ServerError> {
        let root = match self.operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        self.set(&self.operation.selection_set.node, root, PAGE)
    }

    /// A selection set of objects of a type; `page` is how many rows the object has when it is a page.
    fn set(&self, set: &SelectionSet, parent: &str, page: usize) -> Result<usize, ServerError> {
        let mut cost = 0_usize;
        for selection in &set.items {
            let one = match &selection.node {
                Selection::Field(field) => self.field(field, parent, page)?,
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.node.directives)?;
                    let narrowed = inline.node.type_condition.as_ref().map(|narrowed| narrowed.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, narrowed.unwrap_or(parent), page)?
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives)?;
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => {
                            let narrowed = fragment.node.type_condition.node.on.node.as_str();
                            self.set(&fragment.node.selection_set.node, narrowed, page)?
                        }
                        None => 0,
                    }
                }
            };
            cost = cost.saturating_add(one);
        }
        Ok(cost)
    }

    fn field(&self, field: &Positioned<Field>, parent: &str, page: usize) -> Result<usize, ServerError> {
        let name = field.node.name.node.as_str();
        let known = self.registry.types.get(parent).and_then(|parent| parent.field_by_name(name));
        if known.is_some() || name.starts_with("__") {
            access::check(self.caller, parent, name)
                .map_err(|denied| forbidden(parent, name, &denied).into_server_error(field.pos))?;
        }
        self.directives(&field.node.directives)?;
        let below = &field.node.selection_set.node;
        if name.starts_with("__") {
            introspection(below, self.document, 0)?;
            return Ok(if below.items.is_empty() { 0 } else { INTROSPECTION });
        }
        // What is not in the schema is told of by validation.
        let Some(known) = known else { return Ok(0) };
        self.arguments(field, known)?;
        let kind = MetaTypeName::concrete_typename(&known.ty);
        let heavy = HEAVY.iter().find(|(of, field, _)| *of == parent && *field == name).map_or(0, |row| row.2);
        let root = match parent {
            "Mutation" => MUTATION,
            "Subscription" => STREAM,
            _ => 0,
        };
        let extra = heavy.saturating_add(root);
        if !self.registry.types.get(kind).is_some_and(MetaType::is_composite) {
            return Ok(extra);
        }
        let listed = self.listed(field);
        let rows = self.rows(field).or(listed);
        let inside = self.set(below, kind, rows.unwrap_or(PAGE))?;
        let each = inside.saturating_add(1);
        let is_row = parent.ends_with("Connection") && matches!(name, "nodes" | "edges") || name == "receipts";
        let times = match (is_row, MetaTypeName::create(&known.ty).unwrap_non_null().is_list()) {
            (true, _) => page,
            (false, true) => listed.unwrap_or(LIST),
            (false, false) => 1,
        };
        // What is sent in is work too, whatever is asked of it.
        Ok(times.saturating_mul(each).saturating_add(extra).saturating_add(listed.unwrap_or_default()))
    }

    /// How many rows a page is asked for.
    fn rows(&self, field: &Positioned<Field>) -> Option<usize> {
        let number = |name: &str| {
            let (_, given) = field.node.arguments.iter().find(|(argument, _)| argument.node == name)?;
            match self.constant(&given.node)? {
                Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
                _ => None,
            }
        };
        Some(number("first").or_else(|| number("last"))?.clamp(1, 100))
    }

    /// How many things a field was given to answer about.
    fn listed(&self, field: &Positioned<Field>) -> Option<usize> {
        field.node.arguments.iter().find_map(|(name, given)| match (name.node.as_str(), &given.node) {
            ("ids" | "events", given) => self.length(given),
            ("input", Given::Object(input)) => self.length(input.get("events")?),
            ("input", Given::Variable(name)) => match self.variable(name)? {
                Value::Object(input) => length(input.get("events")?),
                _ => None,
            },
            _ => None,
        })
    }

    fn length(&self, given: &Given) -> Option<usize> {
        match given {
            Given::List(items) => Some(items.len()),
            Given::Variable(name) => length(self.variable(name)?),
            _ => None,
        }
    }

    /// A variable's value, or its default.
    fn variable(&self, name: &Name) -> Option<&Value> {
        let definitions = &self.operation.variable_definitions;
        let default = || definitions.iter().find(|it| it.node.name.node == *name)?.node.default_value.as_ref();
        self.variables.get(name).or_else(|| default().map(|default| &default.node))
    }

    fn constant(&self, given: &Given) -> Option<Value> {
        given.clone().into_const_with(|name| self.variable(&name).cloned().ok_or(())).ok()
    }

    /// Checks what stands in the document; what a variable gives as a whole was checked with it.
    fn arguments(&self, field: &Positioned<Field>, known: &MetaField) -> Result<(), ServerError> {
        for (name, given) in &field.node.arguments {
            let Some(argument) = known.args.get(name.node.as_str()) else { continue };
            if matches!(given.node, Given::Variable(_)) {
                continue;
            }
            if let Some(value) = self.constant(&given.node) {
                variables::check_argument(self.registry, argument, (&value, given.pos))?;
            }
        }
        Ok(())
    }

    /// Checks the arguments of directives, as those of fields.
    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
        for directive in directives {
            let Some(known) = self.registry.directives.get(directive.node.name.node.as_str()) else { continue };
            for (name, given) in &directive.node.arguments {
                if let Some(argument) = known.args.get(name.node.as_str())
                    && let Some(value) = self.constant(&given.node)
                {
                    variables::check_argument(self.registry, argument, (&value, given.pos))?;
                }
            }
        }
        Ok(())
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::List(items) => Some(items.len()),
        _ => None,
    }
}

fn forbidden(parent: &str, field: &str, denied: &Denied) -> async_graphql::Error {
    let message = match denied {
        Denied::Needs(scopes) => {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
            format!("{parent}.{field} needs a key with the scope {}.", scopes.join(" or "))
        }
        Denied::Hidden => format!("{parent}.{field} is not for this kind of caller."),
    };
    coded(FORBIDDEN, message).extend_with(|_, extensions| extensions.set("field", format!("{parent}.{field}")))
}

/// Refuses introspection that goes in circles.
fn introspection(set: &SelectionSet, document: &ExecutableDocument, seen: usize) -> Result<(), TooMuch> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let is_one = RECURSIVE.contains(&field.node.name.node.as_str());
                let seen = seen.saturating_add(usize::from(is_one));
                TooMuch::check("level of fields in introspection", seen, 1)?;
                introspection(&field.node.selection_set.node, document, seen)?;
            }
            Selection::InlineFragment(inline) => introspection(&inline.node.selection_set.node, document, seen)?,
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    introspection(&fragment.node.selection_set.node, document, seen)?;
                }
            }
        }
    }
    Ok(())
}
