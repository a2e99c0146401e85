//! Inputs of mutations: all that is wrong is told at once, each at its field, in the order of the fields.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, InputValueDefinition, Type, TypeKind, TypeSystemDefinition};
use scrip::graphql::DESCRIPTION;
use serde_json::{Map, Value, json};

use crate::support::api::Api;
use crate::support::db::on_sqlite;

/// The types of the schema by name, the fields of inputs in the order of the API's documentation.
struct Schema(HashMap<String, TypeKind>);

/// An input in which everything is wrong that can be, and where.
#[derive(Default)]
struct Wrong {
    paths: Vec<Vec<String>>,
}

impl Schema {
    async fn read(api: &Api) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
        let text = fs::read_to_string(file).expect("the schema is there");
        // The parser knows no description of a schema.
        let text = text.replace(&format!("\"\"\"\n{DESCRIPTION}\n\"\"\"\n"), "");
        let document = parse_schema(text).expect("it can be parsed");
        let types = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(kind) => Some((kind.node.name.node.to_string(), kind.node.kind)),
            _ => None,
        });
        let mut types: HashMap<String, TypeKind> = types.collect();
        // The file is in the order of the alphabet.
        let told = api.ask("{ __schema { types { name inputFields { name } } } }", json!({})).await;
        for kind in told["data"]["__schema"]["types"].as_array().unwrap_or_else(|| panic!("{told}")) {
            let name = kind["name"].as_str().expect("a name");
            if let (Some(TypeKind::InputObject(input)), Some(fields)) =
                (types.get_mut(name), kind["inputFields"].as_array())
            {
                input
                    .fields
                    .sort_by_key(|field| fields.iter().position(|it| it["name"] == field.node.name.node.as_str()));
            }
        }
        Self(types)
    }

    /// The mutations, and their input's type.
    fn mutations(&self) -> Vec<(String, String)> {
        let TypeKind::Object(root) = &self.0["Mutation"] else { panic!("it is an object") };
        let input = |field: &async_graphql::parser::types::FieldDefinition| {
            let BaseType::Named(kind) = &field.arguments[0].node.ty.node.base else { panic!("it is an input") };
            kind.to_string()
        };
        root.fields.iter().map(|field| (field.node.name.node.to_string(), input(&field.node))).collect()
    }
}

impl Wrong {
    /// A wrong value of a field, or a right one where none of its type is wrong by itself.
    fn value(&mut self, schema: &Schema, path: &[String], kind: &Type) -> Value {
        let name = match &kind.base {
            BaseType::List(item) => {
                let path = [path, &["0".to_owned()]].concat();
                return json!([self.value(schema, &path, item)]);
            }
            BaseType::Named(name) => name.as_str(),
        };
        let field = path.iter().rev().find(|step| step.parse::<usize>().is_err()).map_or("", String::as_str);
        let wrong = match (name, field) {
            ("ID", _) => json!("x"),
            ("Decimal", _) => json!("12,5"),
            ("DateTime", _) => json!("2027-01-31"),
            ("Currency", _) => json!("eur"),
            ("JSON", "metadata") => json!([]),
            ("String", "idempotencyKey" | "name" | "unitName" | "eventType" | "externalId") => json!(""),
            ("String", "key") => json!("A b"),
            ("String", "email") => json!("none"),
            ("String", "description" | "reason" | "reference") => json!("\0"),
            ("Int", "priority" | "ttlSeconds" | "quantity" | "dailyLimit" | "days") => json!(-1),
            _ => return self.right(schema, path, name),
        };
        self.paths.push(path.to_vec());
        wrong
    }

    fn right(&mut self, schema: &Schema, path: &[String], name: &str) -> Value {
        match schema.0.get(name) {
            Some(TypeKind::InputObject(input)) => {
                let is_one_of = ["CustomerBy", "KeyBy", "ItemOptionsInput"].contains(&name);
                let fields = input.fields.iter().filter(|field| wants(&field.node));
                let fields = fields.take(if is_one_of { 1 } else { usize::MAX });
                let mut object = Map::new();
                for field in fields {
                    let name = field.node.name.node.to_string();
                    let path = [path, std::slice::from_ref(&name)].concat();
                    object.insert(name, self.value(schema, &path, &field.node.ty.node));
                }
                Value::Object(object)
            }
            Some(TypeKind::Enum(known)) => json!(known.values[0].node.value.node.as_str()),
            _ => match name {
                "Int" => json!(1),
                "Boolean" => json!(true),
                "JSON" => json!({}),
                _ => json!("x"),
            },
        }
    }
}

/// Conditions of filters are told one by one, and a property goes with SUM only.
fn wants(field: &InputValueDefinition) -> bool {
    !["filter", "property", "returnUrl"].contains(&field.name.node.as_str())
}

on_sqlite!(all_that_is_wrong_with_an_input_is_told_at_once_in_the_order_of_its_fields, async |db| {
    let api = Api::on(db).await;
    let schema = Schema::read(&api).await;
    let mut checked = 0;
    for (mutation, kind) in schema.mutations() {
        // Each of its events has a receipt of its own.
        if mutation == "ingestEvents" {
            continue;
        }
        let mut wrong = Wrong::default();
        let input = wrong.right(&schema, &[], &kind);
        let query = format!(
            "mutation($input: {kind}!) {{ answer: {mutation}(input: $input) {{ errors {{ __typename path message }} }} }}"
        );
        let answer = api.ask(&query, json!({"input": input})).await;
        let errors = answer["data"]["answer"]["errors"].as_array();
        let errors = errors.unwrap_or_else(|| panic!("{mutation} {input}: {answer}"));
        let told: Vec<Vec<String>> =
            errors.iter().map(|error| serde_json::from_value(error["path"].clone()).expect("a path")).collect();
        assert_eq!(told, wrong.paths, "{mutation} {input}: {errors:#?}");
        assert!(errors.iter().all(|error| error["__typename"] == "InvalidInput"), "{mutation}: {errors:#?}");
        checked += wrong.paths.len();
    }
    assert!(checked > 150, "only {checked} wrong values were sent");
});

on_sqlite!(text_that_cannot_be_read_changes_nothing_wherever_it_stands, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    // In the input by a variable of its own, beside a mutation that could run.
    let query = "mutation($id: ID!, $credits: Decimal!, $end: DateTime) {
        first: topUpCredits(input: {balanceId: $id, credits: $credits, expiresAt: $end, idempotencyKey: \"a\"}) { ...P }
        second: topUpCredits(input: {balanceId: $id, credits: \"1\", idempotencyKey: \"b\"}) { ...P } }
        fragment P on LedgerPayload { balance { available } errors { path message } }";
    let answer = api.ask(query, json!({"id": balance, "credits": "", "end": "tomorrow"})).await;
    let paths: Vec<&Value> =
        answer["data"]["first"]["errors"].as_array().expect("errors").iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, [&json!(["credits"]), &json!(["expiresAt"])], "{answer}");
    assert_eq!(answer["data"]["second"]["balance"]["available"], "11", "{answer}");
    // In an argument of the answer it is refused before anything has run, also by way of a variable.
    for (definition, given) in [("", "\"yesterday\""), (", $time: DateTime!", "$time")] {
        let query = format!(
            "mutation($id: ID!{definition}) {{ topUpCredits(input: {{balanceId: $id, credits: \"1\", idempotencyKey: \"c\"}})
             {{ balance {{ at(time: {given}) {{ available }} }} }} }}"
        );
        let answer = api.ask(&query, json!({"id": balance, "time": "yesterday"})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        assert!(answer.get("data").is_none_or(Value::is_null), "{answer}");
    }
    let found = api.ask("query($id: ID!) { creditBalance(id: $id) { available } }", json!({"id": balance})).await;
    assert_eq!(found["data"]["creditBalance"]["available"], "11");
});
