//! The schema in the repository is that of the code.

#[test]
fn the_schema_in_the_repository_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let same = written.trim_end() == scrip::graphql::sdl().trim_end();
    assert!(same, "schema.graphql is not the schema of the code: run `make schema`, and look at what it changes");
}
