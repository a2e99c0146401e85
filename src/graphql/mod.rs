//! The GraphQL API: one file for each domain, named like it, and what all of them share.
//!
//! Invariants
//! 1. Nothing is decided here: a resolver reads its arguments, calls a domain and shows what that answered.
//! 2. All reads of one operation see one instant, and rows come through loaders that live as long as the operation
//!    ([`context`]). A mutation field and a message of a subscription begin with a new instant, and without a cache.
//! 3. What a caller can act on is in a payload's `errors` ([`errors::answer`]); top-level errors carry a stable code and
//!    never the database's words.
//! 4. A field that can fail is nullable and answers `Option<Result<_>>`, so that one failure takes no neighbour with it.
//! 5. Domain shapes are wrapped, not copied: an object holds the domain's value behind an `Arc`.
//!
//! Not here: HTTP and sockets, SQL, rules.

pub mod access;
pub mod catalog;
pub mod context;
pub mod customers;
pub mod errors;
pub mod guards;
pub mod ids;
pub mod ledger;
pub mod loaders;
pub mod metering;
pub mod node;
pub mod paging;
pub mod patch;
mod positions;
pub mod purchases;
pub mod scalars;
pub mod streams;
pub mod subscriptions;

use std::collections::BTreeMap;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, SchemaBuilder};

use crate::app::App;
pub use context::request_data;

/// The API's schema.
pub type Schema = async_graphql::Schema<QueryRoot, MutationRoot, SubscriptionRoot>;

/// Everything that can be read.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct QueryRoot(
    node::NodeQuery,
    access::AccessQuery,
    catalog::CatalogQuery,
    customers::CustomerQuery,
    ledger::LedgerQuery,
    metering::events::EventQuery,
    metering::preview::PreviewQuery,
    subscriptions::SubscriptionQuery,
    subscriptions::charges::ChargeQuery,
    purchases::PurchaseQuery,
);

/// Everything that can be changed. Each field takes one input and answers one payload; what went wrong and can be acted
/// on is in the payload's `errors`, and then nothing has happened.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct MutationRoot(
    catalog::CatalogMutation,
    customers::CustomerMutation,
    ledger::LedgerMutation,
    metering::ingest::EventMutation,
    subscriptions::mutations::SubscriptionMutation,
    purchases::mutations::PurchaseMutation,
    access::AccessMutation,
);

/// Everything that can be watched. A stream that fails says so in one error and ends: go on from the last cursor.
#[derive(MergedSubscription, Default)]
#[graphql(name = "Subscription")]
pub struct SubscriptionRoot(streams::LedgerSubscription);

/// Builds the schema over the running program. Each request needs [`request_data`] besides.
#[must_use]
pub fn build_schema(app: App) -> Schema {
    // The guards name what was most likely meant, and one name only.
    builder().limit_recursive_depth(guards::MAX_LEVELS).disable_suggestions().data(app).finish()
}

/// What the API is about, for the first page of a schema's documentation.
pub const DESCRIPTION: &str = "\
- **Customers** hold prepaid credits; you name them by your own ids.
- **Credit products** say what a credit is called, what burns it and when it ends.
- **Credit balances** hold a customer's credits of one product, as grants that burn in order.
- **Meters** turn usage events into quantities, which burn credits.
- **Ledger entries** are every change of a balance, in order, each with its cause.
- **Plans and subscriptions** grant credits each period, with options of a customer's own.";

/// What the library says of every schema in introspection; [`DESCRIPTION`] takes its place.
pub const NO_DESCRIPTION: &str = "A GraphQL Schema defines the capabilities of a GraphQL server. It exposes all available types and \
    directives on the server, as well as the entry points for query, mutation, and subscription operations.";

/// The schema's text (SDL), sorted, with descriptions. It needs no database.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .use_space_ident();
    let sdl = builder().finish().sdl_with_options(options);
    sdl.replacen("\nschema {", &format!("\n\"\"\"\n{DESCRIPTION}\n\"\"\"\nschema {{"), 1)
}

/// Which types each interface and union stands for, as JSON, `{"Node": ["ApiKey", …], …}`: what a client's cache has to
/// know of the schema. It needs no database.
///
/// # Errors
///
/// The library says that the schema is not sound.
pub async fn possible_types() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let asked = builder().finish().execute("{ __schema { types { name possibleTypes { name } } } }").await;
    let answer = asked.into_result().map_err(|errors| format!("{errors:?}"))?.data.into_json()?;
    let names = |types: &serde_json::Value| {
        let mut names: Vec<String> =
            types.as_array()?.iter().map(|it| Some(it["name"].as_str()?.to_owned())).collect::<Option<_>>()?;
        names.sort();
        Some(names)
    };
    let types = answer.pointer("/__schema/types").and_then(serde_json::Value::as_array).into_iter().flatten();
    let possible: BTreeMap<_, _> =
        types.filter_map(|it| Some((it["name"].as_str()?, names(&it["possibleTypes"])?))).collect();
    Ok(serde_json::to_string_pretty(&possible)?)
}

fn builder() -> SchemaBuilder<QueryRoot, MutationRoot, SubscriptionRoot> {
    Schema::build(QueryRoot::default(), MutationRoot::default(), SubscriptionRoot::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_is_written_without_a_database() {
        let sdl = sdl();
        assert!(sdl.contains("type Query {") && sdl.contains("type Mutation {"));
    }

    #[test]
    fn schema_says_what_it_is_about() {
        assert!(sdl().contains(&format!("{DESCRIPTION}\n\"\"\"\nschema {{")));
    }

    #[test]
    fn schema_describes_the_first_argument_of_a_field() {
        assert!(sdl().contains("(\n    \"\"\""));
    }
}
