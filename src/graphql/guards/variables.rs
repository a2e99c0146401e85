//! Whether variables and arguments are of the types that they are for, before anything runs: the library would find some
//! of it only when it comes to the field, after earlier fields of a mutation have run.

use async_graphql::parser::types::{BaseType, OperationDefinition, OperationType, Type};
use async_graphql::registry::{MetaInputValue, MetaType, MetaTypeName, Registry};
use async_graphql::{Error, ErrorExtensions, Pos, ServerError, Value, Variables};

use super::suggest;
use crate::graphql::errors::{BAD_USER_INPUT, coded};
use crate::graphql::scalars;

/// Checks the variables of an operation.
///
/// # Errors
/// The first that is missing or wrong, and where in it.
pub(super) fn check(
    registry: &Registry,
    operation: &OperationDefinition,
    given: &Variables,
) -> Result<(), ServerError> {
    // What a mutation's variables hold stands in its input, where a text that cannot be read is told in the payload.
    let reads = operation.ty != OperationType::Mutation;
    for definition in &operation.variable_definitions {
        let (name, kind) = (&definition.node.name.node, &definition.node.var_type.node);
        let base = kind_name(kind);
        if !registry.types.contains_key(base) {
            let question = suggest::question(base, registry.types.keys().map(String::as_str));
            let message = format!("${name} is of the type {base}, which is not in the schema.{question}");
            return Err(wrong(&Place { name, inside: None, reads }, message).into_server_error(definition.pos));
        }
        let default = definition.node.default_value.as_ref().map(|default| &default.node);
        match given.get(name).or(default) {
            Some(value) => {
                let place = Place { name, inside: None, reads };
                of_parsed(registry, kind, value, &place).map_err(|error| error.into_server_error(definition.pos))?;
            }
            None if kind.nullable => {}
            None => {
                let message = format!("The variable ${name} has no value; it must be {kind}.");
                return Err(wrong(&Place { name, inside: None, reads }, message).into_server_error(definition.pos));
            }
        }
    }
    Ok(())
}

/// The name of a type, or of what its lists are of.
fn kind_name(kind: &Type) -> &str {
    match &kind.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(item) => kind_name(item),
    }
}

/// Checks an argument with what variables gave it; `reads` is whether its texts must be readable as what they are for.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn check_argument(
    registry: &Registry,
    (argument, reads): (&MetaInputValue, bool),
    (value, pos): (&Value, Pos),
) -> Result<(), ServerError> {
    let place = Place { name: &argument.name, inside: None, reads };
    of_named(registry, &argument.ty, value, &place).map_err(|error| error.into_server_error(pos))
}

/// Where a value stands, innermost last.
struct Place<'a> {
    name: &'a str,
    inside: Option<&'a Place<'a>>,
    /// Whether a text must be readable as what it is for. Inside an input object it need not be: what is done with the input
    /// tells of it.
    reads: bool,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(outer) = self.inside {
            write!(f, "{outer}.")?;
        }
        f.write_str(self.name)
    }
}

fn wrong(place: &Place<'_>, message: String) -> Error {
    coded(BAD_USER_INPUT, message).extend_with(|_, extensions| extensions.set("argument", place.to_string()))
}

/// A value of a type as a document writes it.
fn of_parsed(registry: &Registry, kind: &Type, value: &Value, place: &Place<'_>) -> Result<(), Error> {
    match (&kind.base, value) {
        (_, Value::Null) if kind.nullable => Ok(()),
        (_, Value::Null) => Err(null(place, &kind.to_string())),
        (BaseType::List(item), Value::List(items)) => {
            each(items, place, |value, place| of_parsed(registry, item, value, place))
        }
        (BaseType::List(item), single) => of_parsed(registry, item, single, place),
        (BaseType::Named(name), value) => of_named(registry, name, value, place),
    }
}

/// A value of a type as the schema writes it.
fn of_named(registry: &Registry, kind: &str, value: &Value, place: &Place<'_>) -> Result<(), Error> {
    match (MetaTypeName::create(kind), value) {
        (MetaTypeName::NonNull(_), Value::Null) => Err(null(place, kind)),
        (MetaTypeName::NonNull(inner), value) => of_named(registry, inner, value, place),
        (_, Value::Null) => Ok(()),
        (MetaTypeName::List(item), Value::List(items)) => {
            each(items, place, |value, place| of_named(registry, item, value, place))
        }
        (MetaTypeName::List(item), single) => of_named(registry, item, single, place),
        (MetaTypeName::Named(name), value) => match registry.types.get(name) {
            Some(kind) => of_type(registry, kind, value, place),
            None => Ok(()),
        },
    }
}

fn null(place: &Place<'_>, kind: &str) -> Error {
    wrong(place, format!("{place} is null; it must be {kind}."))
}

fn each(
    items: &[Value],
    place: &Place<'_>,
    check: impl Fn(&Value, &Place<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    items.iter().enumerate().try_for_each(|(index, item)| {
        let name = index.to_string();
        check(item, &Place { name: &name, inside: Some(place), reads: place.reads })
    })
}

/// A value that is there.
fn of_type(registry: &Registry, kind: &MetaType, value: &Value, place: &Place<'_>) -> Result<(), Error> {
    match kind {
        MetaType::Scalar { name, is_valid, .. } => {
            let fits = name != "Int" || matches!(value, Value::Number(number) if is_int(number));
            let fits = fits && (!place.reads || scalars::is_readable(name, value));
            if fits && is_valid.as_ref().is_none_or(|is_valid| is_valid(value)) {
                return Ok(());
            }
            let advice = scalars::advice(name).unwrap_or(match name.as_str() {
                "Int" => "write a whole number of 32 bits, such as 42",
                "Boolean" => "write true or false",
                _ => "write a text in quotes",
            });
            Err(wrong(place, format!("{place} must be {name}: {advice}.")))
        }
        MetaType::Enum { name, enum_values, .. } => {
            let known = match value {
                Value::Enum(given) => enum_values.contains_key(given.as_str()),
                Value::String(given) => enum_values.contains_key(given),
                _ => false,
            };
            if known {
                return Ok(());
            }
            let names: Vec<&str> = enum_values.keys().map(String::as_str).collect();
            let question = match value {
                Value::Enum(given) => suggest::question(given, names.iter().copied()),
                Value::String(given) => suggest::question(given, names.iter().copied()),
                _ => String::new(),
            };
            Err(wrong(place, format!("{place} is not one of {name}: {}.{question}", names.join(", "))))
        }
        MetaType::InputObject { name, input_fields, oneof, .. } => {
            let Value::Object(given) = value else {
                return Err(wrong(place, format!("{place} is not an object; it must be {name}.")));
            };
            if *oneof && (given.len() != 1 || given.values().any(|value| matches!(value, Value::Null))) {
                let names: Vec<&str> = input_fields.keys().map(String::as_str).collect();
                return Err(wrong(place, format!("{place} must have exactly one of {}.", names.join(", "))));
            }
            if let Some(unknown) = given.keys().find(|key| !input_fields.contains_key(key.as_str())) {
                let question = suggest::question(unknown, input_fields.keys().map(String::as_str));
                let place = Place { name: unknown, inside: Some(place), reads: false };
                return Err(wrong(&place, format!("{place} is not a field of {name}.{question}")));
            }
            input_fields.values().try_for_each(|field| {
                let inner = Place { name: &field.name, inside: Some(place), reads: false };
                match given.get(field.name.as_str()) {
                    Some(value) => of_named(registry, &field.ty, value, &inner),
                    None if field.default_value.is_some() || !field.ty.ends_with('!') => Ok(()),
                    None => Err(wrong(&inner, format!("{inner} is missing; it must be {}.", field.ty))),
                }
            })
        }
        MetaType::Object { .. } | MetaType::Interface { .. } | MetaType::Union { .. } => Ok(()),
    }
}

fn is_int(number: &async_graphql::Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}
