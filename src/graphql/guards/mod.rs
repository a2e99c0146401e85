//! What stands before every operation, whichever way it came in: may it be read, is it small enough to be worked on,
//! may this caller ask it, are its variables what they say, and what does it cost.
//!
//! Invariants
//! - Nothing is parsed before `lexical` has counted its brackets, and nothing is expanded before `measure` has
//!   counted what that comes to. What follows can walk the document with its fragments expanded.
//! - Everything here happens before any field runs: a request that is refused has done nothing.
//! - What may be asked by whom is one table (`access`); a root field without a row is refused to everybody.
//!
//! Not here: how much a caller may ask in a time, who the caller is, rules of documents that the library keeps.

mod absent;
mod access;
mod documents;
mod lexical;
mod measure;
mod merging;
mod suggest;
mod variables;
mod walk;

use std::collections::HashSet;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::registry::Registry;
use async_graphql::{ErrorExtensions, OutputType, Positioned, Request, ServerError, SubscriptionType, Value, value};

pub use measure::MAX_LEVELS;

use documents::Documents;

use super::errors::{BAD_USER_INPUT, QUERY_TOO_COMPLEX, coded, of_request};
use super::{MutationRoot, QueryRoot, SubscriptionRoot};
use crate::access::model::Caller;

/// How much of an operation's name the log tells.
const NAME: usize = 100;
/// The most that one operation may cost.
pub const MAX_COST: usize = 50_000;

/// A bound that a document is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TooMuch {
    what: &'static str,
    limit: usize,
}

impl TooMuch {
    /// A fragment that holds itself has no size.
    const CYCLE: Self = Self { what: "cycle", limit: 0 };

    fn check(what: &'static str, found: usize, limit: usize) -> Result<(), Self> {
        if found > limit { Err(Self { what, limit }) } else { Ok(()) }
    }
}

impl From<TooMuch> for ServerError {
    fn from(TooMuch { what, limit }: TooMuch) -> Self {
        let error = if what == TooMuch::CYCLE.what {
            coded(BAD_USER_INPUT, "A fragment spreads itself, directly or by way of others.")
        } else {
            coded(QUERY_TOO_COMPLEX, format!("The request has more than {limit} {what}; ask for less at once."))
                .extend_with(|_, extensions| {
                    extensions.set("bound", what);
                    extensions.set("limit", limit);
                })
        };
        of_request(error)
    }
}

/// How many tokens of a document are read and checked for a point.
const TOKENS: usize = 150;

/// A request that is not let in.
#[derive(Debug)]
pub struct Refused {
    /// The error.
    pub error: Box<ServerError>,
    /// The points that the check cost.
    pub points: usize,
}

/// What is known of an operation that may run.
#[derive(Debug)]
pub struct Admitted {
    /// The request, its document parsed.
    pub request: Request,
    /// Whether it reads, writes or watches.
    pub kind: OperationType,
    /// The operation's name, or its beginning, for the log.
    pub name: Option<String>,
    /// What it costs, at least 1.
    pub cost: usize,
    /// What each message of a stream costs behind the first, at least 1.
    pub message_cost: usize,
}

/// The schema as the guards look at it, and the documents that they know.
pub struct Guards {
    registry: Registry,
    documents: Documents,
}

impl Default for Guards {
    fn default() -> Self {
        let mut registry = Registry::default();
        QueryRoot::create_type_info(&mut registry);
        MutationRoot::create_type_info(&mut registry);
        SubscriptionRoot::create_type_info(&mut registry);
        Self { registry, documents: Documents::default() }
    }
}

impl Guards {
    /// Adds to an error of the library's validation which name was most likely meant.
    pub fn complete(&self, error: &mut ServerError) {
        suggest::complete(&self.registry, error);
    }

    /// Lets a request in, or says why not. Of a document that is wrong in another way, the library says so when it runs.
    ///
    /// # Errors
    /// The error that refuses it: nothing has happened.
    pub fn admit(&self, request: Request, caller: &Caller) -> Result<Admitted, Refused> {
        let points = lexical::tokens(&request.query) / TOKENS;
        match self.check(request, caller) {
            Ok(admitted) => Ok(Admitted { cost: admitted.cost.saturating_add(points), ..admitted }),
            Err(error) => Err(Refused { error: Box::new(error), points: points.max(1) }),
        }
    }

    fn check(&self, mut request: Request, caller: &Caller) -> Result<Admitted, ServerError> {
        let document = self.documents.read(&request.query)?;
        measure::check(document.get(), &request.variables)?;
        let document = self.documents.keep(&request.query, document)?;
        let (name, operation) = chosen(&document, request.operation_name.as_deref())?;
        let kind = operation.node.ty;
        // What the operation does not declare is nobody's: a stream would hold it for as long as it lives.
        let declared: HashSet<&str> =
            operation.node.variable_definitions.iter().map(|definition| definition.node.name.node.as_str()).collect();
        request.variables.retain(|name, _| declared.contains(name.as_str()));
        absent::check_roots(&document, operation)?;
        variables::check(&self.registry, &operation.node, &request.variables)?;
        let (registry, variables) = (&self.registry, &request.variables);
        let walk = walk::Walk {
            registry,
            document: &document,
            operation: &operation.node,
            variables,
            caller,
            explains: false,
        };
        let cost = walk.cost()?.points;
        if cost > MAX_COST {
            return Err(too_dear(&walk::Walk { explains: true, ..walk }.cost()?));
        }
        let name = name.map(|name| name.chars().take(NAME).collect());
        request.set_parsed_query(document.as_ref().clone());
        absent::leave_out_absent(&mut request);
        let message_cost = cost.saturating_sub(walk::STREAM).max(1);
        Ok(Admitted { request, kind, name, cost: cost.max(1), message_cost })
    }
}

/// The error of an operation that costs too much: how much, and its dearest parts.
fn too_dear(cost: &walk::Cost) -> ServerError {
    let dearest = cost.dearest();
    let parts: Vec<String> = dearest.iter().map(|(path, points)| format!("{path} ({points})")).collect();
    let message = format!(
        "The request costs {} points, and {MAX_COST} is the most. Its dearest parts are {}; ask for fewer rows or fields of \
         them at once.",
        cost.points,
        parts.join(", ")
    );
    let parts: Vec<Value> = dearest.into_iter().map(|(path, cost)| value!({"path": path, "cost": cost})).collect();
    of_request(coded(QUERY_TOO_COMPLEX, message).extend_with(|_, extensions| {
        extensions.set("bound", "points of cost");
        extensions.set("cost", cost.points);
        extensions.set("limit", MAX_COST);
        extensions.set("dearest", Value::List(parts.clone()));
    }))
}

/// An operation, and its name.
type Named<'a> = (Option<&'a str>, &'a Positioned<OperationDefinition>);

/// The operation that a request is about: the very one that will run.
fn chosen<'a>(document: &'a ExecutableDocument, wanted: Option<&str>) -> Result<Named<'a>, ServerError> {
    let mut named: Vec<Named<'a>> = match &document.operations {
        DocumentOperations::Single(operation) => vec![(None, operation)],
        DocumentOperations::Multiple(operations) => {
            operations.iter().map(|(name, operation)| (Some(name.as_str()), operation)).collect()
        }
    };
    named.retain(|(name, _)| wanted.is_none() || *name == wanted);
    match (named.as_slice(), wanted) {
        ([one], _) => Ok(*one),
        (_, Some(wanted)) => Err(not_named(format!("The document has no operation named \"{wanted}\"."))),
        (_, None) => {
            Err(not_named("The document has several operations: say in operationName which to run.".to_owned()))
        }
    }
}

fn not_named(message: String) -> ServerError {
    of_request(coded(BAD_USER_INPUT, message))
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, Variables};
    use serde_json::json;

    use super::*;

    #[test]
    fn document_that_cannot_be_read_is_told_in_a_sentence() {
        let refused = Guards::default().admit(Request::new("{ viewer { kind "), &Caller::Local).unwrap_err();
        assert_eq!(
            refused.error.message,
            "The document cannot be read here: expected selection_set, selection, directive, or arguments."
        );
    }

    #[test]
    fn of_variables_only_those_are_kept_that_the_operation_declares() {
        let query =
            "query One($id: ID!) { node(id: $id) { id } } query Other($name: String!) { __type(name: $name) { name } }";
        let given = json!({"id": "x", "name": "y", "unused": [{"k": 0}, {"k": 1}]});
        let request = Request::new(query).operation_name("One").variables(Variables::from_json(given));
        let admitted = Guards::default().admit(request, &Caller::Local).unwrap();
        assert_eq!(admitted.request.variables.keys().map(Name::as_str).collect::<Vec<_>>(), ["id"]);
    }
}
