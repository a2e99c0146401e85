//! The schema in the repository is that of the code.

use serde_json::json;

use crate::support::api::Api;
use crate::support::db::on_sqlite;

on_sqlite!(introspection_says_what_the_schema_is_about, async |db| {
    let api = Api::on(db).await;
    let told = api.ask("{ __schema { description } }", json!({})).await;
    assert_eq!(told["data"]["__schema"]["description"], scrip::graphql::DESCRIPTION);
});

/// What a file beside the schema holds.
fn written(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_default()
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_code() {
    let same = written("schema.graphql").trim_end() == scrip::graphql::sdl().trim_end();
    assert!(same, "schema.graphql is not the schema of the code: run `make schema`, and look at what it changes");
}

#[tokio::test]
async fn the_possible_types_in_the_repository_are_those_of_the_code() {
    let possible = scrip::graphql::possible_types().await.expect("the schema is sound");
    assert!(possible.contains(r#""PaymentFailed""#) && possible.contains(r#""Product": ["#), "{possible}");
    assert_eq!(written("possible-types.json").trim_end(), possible, "run `make schema`, and look at what it changes");
}
