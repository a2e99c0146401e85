//! The three commonest documents, by what each asks for.

/// `mutation($input: CreateMeterInput!) { createMeter(input: $input) { … } }`. The mutations that archive share one input type.
pub(crate) fn mutation(name: &str, fields: &str) -> String {
    let input = if name.starts_with("archive") { "archive" } else { name };
    let (first, rest) = input.split_at(1);
    let input = format!("{}{rest}Input", first.to_uppercase());
    format!("mutation($input: {input}!) {{ {name}(input: $input) {{ {fields} }} }}")
}

/// `query($id: ID!) { creditBalance(id: $id) { … } }`
pub(crate) fn balance(fields: &str) -> String {
    format!("query($id: ID!) {{ creditBalance(id: $id) {{ {fields} }} }}")
}

/// `subscription($id: ID!, $after: String) { balanceChanges(balanceId: $id, after: $after) { … } }`
pub(crate) fn balance_changes(fields: &str) -> String {
    format!("subscription($id: ID!, $after: String) {{ balanceChanges(balanceId: $id, after: $after) {{ {fields} }} }}")
}
