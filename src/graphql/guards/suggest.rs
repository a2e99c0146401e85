//! "Did you mean …?": for a name that the schema has not, the one that was most likely meant.

use async_graphql::ServerError;
use async_graphql::registry::{MetaType, Registry};

/// The directives of documents; each has the argument `if`.
const DIRECTIVES: [&str; 2] = ["include", "skip"];

/// The known name that is nearest to a wrong one: at most a third of its characters are typed wrong, in any case of the
/// letters.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let most = wrong.chars().count().div_euclid(3).max(1);
    let distances = known.into_iter().map(|name| (strsim::osa_distance(&wrong, &name.to_lowercase()), name));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// The question as the end of a message; empty when there is none to ask.
pub(super) fn question<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map_or_else(String::new, |name| format!(" Did you mean `{name}`?"))
}

/// Adds the question to an error by which the library's validation names a field, argument or type that is not there.
pub(super) fn complete(registry: &Registry, error: &mut ServerError) {
    // Every other piece between quotes is a name: what is wrong, then where.
    let mut pieces = error.message.split('"');
    let (Some(kind), Some(wrong)) = (pieces.next(), pieces.next()) else { return };
    let places: Vec<&str> = pieces.skip(1).step_by(2).collect();
    let kind_of = |name: &str| registry.types.get(name);
    let question = match (kind, places.as_slice()) {
        ("Unknown field ", [parent]) => {
            let fields = kind_of(parent).and_then(MetaType::fields);
            let fields = fields.into_iter().flat_map(|fields| fields.keys()).map(String::as_str);
            question(wrong, fields.chain(["__typename", "__schema", "__type"]))
        }
        ("Unknown argument ", [field, parent]) => {
            let field = kind_of(parent).and_then(|parent| parent.field_by_name(field));
            question(wrong, field.into_iter().flat_map(|field| field.args.keys()).map(String::as_str))
        }
        ("Unknown argument ", [directive]) if DIRECTIVES.contains(directive) => question(wrong, ["if"]),
        ("Unknown type ", []) => question(wrong, registry.types.keys().map(String::as_str)),
        ("Unknown directive ", []) => question(wrong, DIRECTIVES),
        _ => return,
    };
    if !error.message.ends_with('.') {
        error.message.push('.');
    }
    error.message.push_str(&question);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::guards::Guards;

    #[test]
    fn nearest_name_is_the_one_with_the_fewest_wrong_characters() {
        let known = ["creditBalance", "creditBalances", "customer", "id"];
        for (wrong, meant) in [
            ("creditBalnce", Some("creditBalance")),
            ("creditbalances", Some("creditBalances")),
            ("cutsomer", Some("customer")),
            ("ID", Some("id")),
            ("ik", Some("id")),
            ("product", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
    }

    #[test]
    fn unknown_field_argument_and_type_are_told_with_what_was_meant() {
        let guards = Guards::default();
        for (message, question) in [
            ("Unknown field \"viewr\" on type \"Query\".", " Did you mean `viewer`?"),
            ("Unknown argument \"idd\" on field \"node\" of type \"Query\".", " Did you mean `id`?"),
            ("Unknown type \"CreditBalanse\"", ". Did you mean `CreditBalance`?"),
            ("Unknown directive \"inclde\"", ". Did you mean `include`?"),
            ("Unknown argument \"fi\" on directive \"include\".", " Did you mean `if`?"),
            ("Unknown field \"__shema\" on type \"Query\".", " Did you mean `__schema`?"),
            ("Unknown field \"nothing\" on type \"Query\".", ""),
            ("Unknown field \"a\" on type \"Nothing\".", ""),
            ("Something else \"viewr\".", ""),
        ] {
            let mut error = ServerError::new(message, None);
            complete(&guards.registry, &mut error);
            assert_eq!(error.message, format!("{message}{question}"));
        }
    }
}
