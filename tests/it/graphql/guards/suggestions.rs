//! What was most likely meant by a name that the schema has not.

use serde_json::json;

use crate::support::api::Api;
use crate::support::db::on_sqlite;

on_sqlite!(name_that_is_not_in_the_schema_is_told_with_the_one_that_was_meant, async |db| {
    let api = Api::on(db).await;
    let mut told = Vec::new();
    for query in [
        "{ viewr { kind } }",
        "{ viewer { knid } }",
        "{ __shema { types { name } } }",
        "{ customers(frist: 1) { nodes { id } } }",
        "{ viewer { ... on Viewr { kind } } }",
        "query($x: Strng) { viewer { kind } }",
        "{ viewer @inclde(if: true) { kind } }",
        "{ creditBalances(state: ACTIV) { nodes { id } } }",
        "mutation { createCustomer(input: { nmae: \"x\" }) { customer { id } } }",
    ] {
        let answer = api.ask(query, json!({})).await;
        let first = answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
        told.push(first.to_owned());
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    Unknown field "viewr" on type "Query". Did you mean `viewer`?
    Unknown field "knid" on type "Viewer". Did you mean `kind`?
    Unknown field "__shema" on type "Query". Did you mean `__schema`?
    Unknown argument "frist" on field "customers" of type "Query". Did you mean `first`?
    Unknown type "Viewr". Did you mean `Viewer`?
    $x is of the type Strng, which is not in the schema. Did you mean `String`?
    Unknown directive "inclde". Did you mean `include`?
    state is not one of BalanceState: ACTIVE, LOW, DEPLETED, OVERDRAWN, CLOSED. Did you mean `ACTIVE`?
    input.nmae is not a field of CreateCustomerInput. Did you mean `name`?
    "#);
});
