//! The schema in the repository is that of the code.

use serde_json::json;

use crate::support::api::Api;
use crate::support::db::on_sqlite;

on_sqlite!(introspection_says_what_the_schema_is_about, async |db| {
    let api = Api::on(db).await;
    let told = api.ask("{ __schema { description } }", json!({})).await;
    assert_eq!(told["data"]["__schema"]["description"], scrip::graphql::DESCRIPTION);
});

#[test]
fn the_schema_in_the_repository_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let same = written.trim_end() == scrip::graphql::sdl().trim_end();
    assert!(same, "schema.graphql is not the schema of the code: run `make schema`, and look at what it changes");
}
