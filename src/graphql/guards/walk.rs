//! One walk over the operation that is about to run, its fragments expanded: whether the caller may ask for each field,
//! whether its arguments are what they must be, and what all of it costs.
//!
//! Cost is counted in points: one for each object that may be answered, with ten values of it, as many as a page asks for,
//! and more where a field makes the server work harder, or the answer longer. A page counts its rows, what answers a list of ids or events counts those, another
//! list [`LIST`].

use std::cmp::Reverse;
use std::collections::BTreeMap;

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

/// How many objects a list is taken to have that is no page, and those of which it is known better.
const LIST: usize = 10;
const LISTS: [(&str, &str, usize); 10] = [
    ("Customer", "creditBalances", 3),
    ("LedgerEntry", "allocations", 3),
    ("UsageEvent", "outcomes", 3),
    ("UsageEvent", "entries", 3),
    ("EventPreview", "outcomes", 3),
    ("EventPreview", "entries", 3),
    ("EntryPreview", "allocations", 3),
    ("CreditBalance", "consumed", 100),
    ("HistoricalBalance", "grants", 100),
    ("LedgerHealth", "problems", 20),
];
/// How many values of an object come with it.
const VALUES: usize = 10;
/// How many bytes of a field's name in the answer are a value more.
const NAME: usize = 16;
/// Values that may be long. One that is renamed counts as they do, since it may be there before.
const LONG: [&str; 5] = ["description", "failureReason", "metadata", "properties", "reason"];
/// How many rows a page has when nothing is said.
const PAGE: usize = 20;
/// What a mutation costs besides what it answers.
const MUTATION: usize = 10;
/// What opening a stream costs besides a message.
pub(super) const STREAM: usize = 50;
/// What introspection costs, and each field of it: there are some hundred types.
const INTROSPECTION: usize = 100;
const OF_INTROSPECTION: usize = 10;
/// Lists of introspection that lead back to types: one inside another would answer the schema many times over.
const RECURSIVE: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];
/// What makes the server work harder than a row does, and how hard.
const HEAVY: [(&str, &str, usize); 5] = [
    ("Query", "ledgerHealth", 1_000),
    ("Query", "previewEvents", 100),
    ("Query", "eventTypes", 50),
    ("CreditBalance", "at", 20),
    ("CreditBalance", "consumed", 50),
];

pub(super) struct Walk<'a> {
    pub(super) registry: &'a Registry,
    pub(super) document: &'a ExecutableDocument,
    pub(super) operation: &'a OperationDefinition,
    pub(super) variables: &'a Variables,
    pub(super) caller: &'a Caller,
    /// Whether the parts of the cost are told with it.
    pub(super) explains: bool,
}

/// What an operation, or a part of it, costs.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) points: usize,
    /// What each field costs by itself, without the fields below it, by its path in the answer; empty unless it is asked for.
    parts: Vec<(String, usize)>,
}

impl Cost {
    /// Its three dearest parts, the dearest first.
    pub(super) fn dearest(&self) -> Vec<(&str, usize)> {
        let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, points) in &self.parts {
            let sum = sums.entry(path).or_default();
            *sum = sum.saturating_add(*points);
        }
        let mut parts: Vec<(&str, usize)> = sums.into_iter().collect();
        parts.sort_by_key(|(_, points)| Reverse(*points));
        parts.truncate(3);
        parts
    }

    fn add(&mut self, other: Self) {
        self.points = self.points.saturating_add(other.points);
        self.parts.extend(other.parts);
    }

    /// The same for so many objects.
    fn times(mut self, times: usize) -> Self {
        self.points = self.points.saturating_mul(times);
        self.parts.iter_mut().for_each(|(_, points)| *points = points.saturating_mul(times));
        self
    }
}

impl Walk<'_> {
    /// What an operation costs.
    ///
    /// # Errors
    /// What the caller may not ask for, and arguments that cannot be.
    pub(super) fn cost(&self) -> Result<Cost, ServerError> {
        let root = match self.operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let set = &self.operation.selection_set.node;
        let mut cost = self.set(set, (root, PAGE), &Path::default())?;
        cost.add(self.own(self.values(set) / VALUES));
        Ok(cost)
    }

    /// A selection set of objects of a type; `page` is how many rows the object has when it is a page.
    fn set(&self, set: &SelectionSet, (parent, page): (&str, usize), path: &Path<'_>) -> Result<Cost, ServerError> {
        let mut cost = Cost::default();
        for selection in &set.items {
            let one = match &selection.node {
                Selection::Field(field) => self.field(field, (parent, page), path)?,
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.node.directives)?;
                    let narrowed = inline.node.type_condition.as_ref().map(|narrowed| narrowed.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, (narrowed.unwrap_or(parent), page), path)?
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives)?;
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => {
                            let narrowed = fragment.node.type_condition.node.on.node.as_str();
                            self.set(&fragment.node.selection_set.node, (narrowed, page), path)?
                        }
                        None => Cost::default(),
                    }
                }
            };
            cost.add(one);
        }
        Ok(cost)
    }

    /// So many points of a field itself.
    fn own(&self, points: usize) -> Cost {
        let parts = if self.explains { vec![(String::new(), points)] } else { Vec::new() };
        Cost { points, parts }
    }

    /// A field with all below it, by the name that it has in the answer.
    fn field(&self, field: &Positioned<Field>, parent: (&str, usize), path: &Path<'_>) -> Result<Cost, ServerError> {
        let mut cost = self.unnamed(field, parent, path)?;
        let name = &field.node.response_key().node;
        for (path, _) in &mut cost.parts {
            *path = if path.is_empty() { name.to_string() } else { format!("{name}.{path}") };
        }
        Ok(cost)
    }

    fn unnamed(
        &self,
        field: &Positioned<Field>,
        (parent, page): (&str, usize),
        path: &Path<'_>,
    ) -> Result<Cost, ServerError> {
        let name = field.node.name.node.as_str();
        let known = self.registry.types.get(parent).and_then(|parent| parent.field_by_name(name));
        let kind = known.map_or("", |known| MetaTypeName::concrete_typename(&known.ty));
        let is_composite = self.registry.types.get(kind).is_some_and(MetaType::is_composite);
        let is_introspection = matches!(name, "__typename" | "__schema" | "__type");
        if known.is_some() || is_introspection {
            access::check(self.caller, (parent, name), is_composite.then_some(kind))
                .map_err(|denied| forbidden(parent, name, &denied).into_server_error(field.pos))?;
        }
        self.directives(&field.node.directives)?;
        let below = &field.node.selection_set.node;
        if is_introspection {
            let fields = introspection(below, self.document, 0)?;
            return Ok(self.own(if below.items.is_empty() { 0 } else { INTROSPECTION + fields * OF_INTROSPECTION }));
        }
        // What is not in the schema is told of by validation.
        let Some(known) = known else { return Ok(Cost::default()) };
        self.arguments(field, known, parent == "Mutation")?;
        let found = |rows: &[(&str, &str, usize)]| {
            rows.iter().find(|(of, it, _)| *of == parent && *it == name).map(|row| row.2)
        };
        let extra = found(&HEAVY).unwrap_or_default().saturating_add(match parent {
            "Mutation" => MUTATION,
            "Subscription" => STREAM,
            _ => 0,
        });
        if !is_composite {
            return Ok(self.own(extra));
        }
        let listed = self.listed(field);
        let rows = self.rows(field).or(listed);
        let is_row = (parent.ends_with("Connection") && matches!(name, "nodes" | "edges"))
            || (parent == "IngestEventsPayload" && matches!(name, "receipts" | "balances"));
        let is_list = MetaTypeName::create(&known.ty).unwrap_non_null().is_list();
        let path = if is_list && !is_row { path.with(parent, name)? } else { *path };
        let mut each = self.set(below, (kind, rows.unwrap_or(PAGE)), &path)?;
        each.add(self.own(self.values(below).div_ceil(VALUES).max(1)));
        let times = match (is_row, is_list) {
            (true, _) => page,
            // A payload's errors come instead of everything else.
            (false, true) if name == "errors" => 1,
            (false, true) => listed.or_else(|| found(&LISTS)).unwrap_or(LIST),
            (false, false) => 1,
        };
        let mut cost = each.times(times);
        // What is sent in is work too, whatever is asked of it.
        cost.add(self.own(extra.saturating_add(listed.unwrap_or_default())));
        Ok(cost)
    }

    /// How many values are asked of an object directly, its fragments expanded.
    fn values(&self, set: &SelectionSet) -> usize {
        let of = |selection: &Positioned<Selection>| match &selection.node {
            Selection::Field(field) => {
                let (name, shown) = (field.node.name.node.as_str(), field.node.response_key().node.as_str());
                let itself = match field.node.selection_set.node.items.is_empty() {
                    true if shown != name || LONG.contains(&name) => VALUES,
                    true => 1,
                    false => 0,
                };
                itself.saturating_add(shown.len() / NAME)
            }
            Selection::InlineFragment(inline) => self.values(&inline.node.selection_set.node),
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.node.fragment_name.node);
                fragment.map_or(0, |fragment| self.values(&fragment.node.selection_set.node))
            }
        };
        set.items.iter().map(of).fold(0, usize::saturating_add)
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

    /// Checks what stands in the document. What a variable gives as a whole was checked with it, unless a mutation's variable
    /// stands in an argument of its answer.
    fn arguments(&self, field: &Positioned<Field>, known: &MetaField, is_input: bool) -> Result<(), ServerError> {
        let in_answer = self.operation.ty == OperationType::Mutation && !is_input;
        for (name, given) in &field.node.arguments {
            let Some(argument) = known.args.get(name.node.as_str()) else { continue };
            if matches!(given.node, Given::Variable(_)) && !in_answer {
                continue;
            }
            if let Some(value) = self.constant(&given.node) {
                variables::check_argument(self.registry, (argument, !is_input), (&value, given.pos))?;
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
                    variables::check_argument(self.registry, (argument, true), (&value, given.pos))?;
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

/// The lists that lead to a field.
#[derive(Clone, Copy, Default)]
struct Path<'a> {
    list: Option<(&'a str, &'a str)>,
    before: Option<&'a Path<'a>>,
}

impl<'a> Path<'a> {
    /// A list further on. One within itself would be answered a number of times that grows with each turn.
    fn with(&'a self, parent: &'a str, name: &'a str) -> Result<Self, TooMuch> {
        let is_here =
            std::iter::successors(Some(self), |path| path.before).any(|path| path.list == Some((parent, name)));
        TooMuch::check("level of the same list", usize::from(is_here).saturating_add(1), 1)?;
        Ok(Self { list: Some((parent, name)), before: Some(self) })
    }
}

/// How many fields introspection asks for; it is refused when it goes in circles.
fn introspection(set: &SelectionSet, document: &ExecutableDocument, seen: usize) -> Result<usize, TooMuch> {
    let mut fields = 0_usize;
    for selection in &set.items {
        let below = match &selection.node {
            Selection::Field(field) => {
                let is_one = RECURSIVE.contains(&field.node.name.node.as_str());
                let seen = seen.saturating_add(usize::from(is_one));
                TooMuch::check("level of fields in introspection", seen, 1)?;
                introspection(&field.node.selection_set.node, document, seen)?.saturating_add(1)
            }
            Selection::InlineFragment(inline) => introspection(&inline.node.selection_set.node, document, seen)?,
            Selection::FragmentSpread(spread) => match document.fragments.get(&spread.node.fragment_name.node) {
                Some(fragment) => introspection(&fragment.node.selection_set.node, document, seen)?,
                None => 0,
            },
        };
        fields = fields.saturating_add(below);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::guards::Guards;

    #[test]
    fn what_costs_more_than_it_looks_is_in_the_schema() {
        let registry = Guards::default().registry;
        for (parent, field, _) in LISTS.iter().chain(&HEAVY) {
            let known = registry.types.get(*parent).and_then(|parent| parent.field_by_name(field));
            assert!(known.is_some(), "{parent}.{field}");
        }
    }
}
