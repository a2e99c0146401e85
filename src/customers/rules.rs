//! What a customer may be, and what a search looks for.

use std::collections::BTreeSet;

use super::input::{CustomerChanges, NewCustomer};
use super::model::Customer;
use crate::base::fields::{self, optional, refused};
use crate::base::given::Given;
use crate::base::ids::CustomerId;
use crate::base::json::CanonicalJson;
use crate::base::money::Currency;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all};
use crate::base::text::{self, MAX_REFERENCE};
use crate::base::time::Time;

/// The longest email address, in characters.
pub const MAX_EMAIL: usize = 320;

/// The customer that was asked for.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn created(id: CustomerId, now: Time, new: &NewCustomer) -> Result<Customer, Problems> {
    let (external_id, name, email, currency, metadata) = all((
        optional(new.external_id.as_deref(), external_id),
        fields::name(&["name"], &new.name),
        optional(new.email.as_deref(), email),
        optional(new.currency.as_ref(), currency),
        fields::metadata(&["metadata"], new.metadata.as_ref()),
    ))?;
    Ok(Customer {
        id,
        external_id,
        name,
        email,
        currency,
        metadata,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The customer with its changes; whether it may have the external id is still to be found out.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn changed(customer: &Customer, now: Time, changes: &CustomerChanges) -> Result<Customer, Problems> {
    let was = customer.clone();
    let (external_id, name, email, currency, metadata) = checked(changes)?;
    let next = Customer {
        external_id: external_id.over_optional(was.external_id),
        name: name.unwrap_or(was.name),
        email: email.over_optional(was.email),
        currency: currency.over_optional(was.currency),
        metadata: metadata.over(was.metadata, CanonicalJson::empty_object()),
        ..was
    };
    Ok(if next == *customer { next } else { Customer { updated_at: now, ..next } })
}

/// External id, name, email address, currency and metadata.
type Checked = (Patch<String>, Option<String>, Patch<String>, Patch<Currency>, Patch<CanonicalJson>);

fn checked(changes: &CustomerChanges) -> Result<Checked, Problems> {
    all((
        changes.external_id.as_ref().try_map(|given| external_id(given)),
        fields::new_name(changes.name.as_ref()),
        changes.email.as_ref().try_map(|given| email(given)),
        changes.currency.as_ref().try_map(currency),
        fields::new_metadata(changes.metadata.as_ref()),
    ))
}

/// Checks changes as far as that takes no customer.
///
/// # Errors
/// Invalid, at each field that cannot be taken.
pub fn check(changes: &CustomerChanges) -> Result<(), Problems> {
    checked(changes).map(drop)
}

fn currency(given: &Given<Currency>) -> Result<Currency, Problem> {
    given.read(&["currency"]).copied()
}

fn external_id(given: &str) -> Result<String, Problem> {
    fields::text(&["externalId"], given, MAX_REFERENCE)
}

/// An email address as far as it can be told without writing to it: something, one `@`, something; no white space.
fn email(given: &str) -> Result<String, Problem> {
    let given = fields::text(&["email"], given, MAX_EMAIL)?;
    let plain = !given.chars().any(|char| char.is_whitespace() || char.is_control());
    match given.split_once('@') {
        Some((local, host)) if plain && !local.is_empty() && !host.is_empty() && !host.contains('@') => Ok(given),
        _ => Err(refused(&["email"], "is not an email address; write one such as \"ada@example.com\"")),
    }
}

/// The longest search, in words.
pub const MAX_SEARCH_WORDS: usize = 8;

/// A search for customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The customer whose id was typed.
    pub id: Option<CustomerId>,
    /// For each word typed the range `[from, until)` of the words that begin with it. A customer is found who has a word in
    /// each of them.
    pub ranges: Vec<(String, String)>,
}

impl Search {
    /// Reads what was typed; `None` finds everybody.
    ///
    /// # Errors
    /// Invalid, at `search`, when it is longer than what it could find, has too many words, or holds U+0000.
    pub fn read(typed: &str) -> Result<Option<Self>, Problem> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(None);
        }
        fields::text(&["search"], typed, MAX_EMAIL)?;
        // Only a word of U+10FFFF alone has no end; then what is longer than any text comes after them all.
        let until =
            |from: &str| text::prefix_end(from).unwrap_or_else(|| "\u{10FFFF}".repeat(MAX_EMAIL.saturating_mul(2)));
        let folded = text::fold(typed);
        let ranges: Vec<_> = folded.split_whitespace().map(|from| (from.to_owned(), until(from))).collect();
        if ranges.len() > MAX_SEARCH_WORDS {
            return Err(refused(&["search"], format!("has more than {MAX_SEARCH_WORDS} words; write fewer")));
        }
        Ok(Some(Self { id: typed.parse().ok(), ranges }))
    }
}

impl Customer {
    /// The words by whose beginnings a search finds the customer.
    #[must_use]
    pub fn searchable_words(&self) -> BTreeSet<String> {
        let texts = [Some(&self.name), self.email.as_ref(), self.external_id.as_ref()];
        text::searchable_words(texts.into_iter().flatten().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Customer {
        let new = NewCustomer {
            external_id: Some("ada-1".into()),
            name: "Ada".into(),
            email: Some("ada@example.com".into()),
            currency: Currency::parse("EUR").map(Given::from),
            metadata: Some(serde_json::json!({"plan": "pro"})),
        };
        created(CustomerId(uuid::Uuid::nil()), Time::MIN, &new).unwrap()
    }

    #[test]
    fn an_email_address_has_one_at_sign_with_something_on_both_sides() {
        for given in ["", "ada", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "a@b\u{7f}", &format!("a@{}", "b".repeat(319))]
        {
            assert_eq!(email(given).unwrap_err().path, ["email"], "{given}");
        }
        for given in ["a@b", "ada+tag@sub.example.com", &format!("a@{}", "b".repeat(318))] {
            assert_eq!(email(given).as_deref(), Ok(given));
        }
    }

    #[test]
    fn null_clears_what_may_be_empty_and_never_the_name() {
        let clear = CustomerChanges {
            external_id: Patch::Clear,
            email: Patch::Clear,
            currency: Patch::Clear,
            metadata: Patch::Clear,
            ..CustomerChanges::default()
        };
        let bare = Customer {
            external_id: None,
            email: None,
            currency: None,
            metadata: CanonicalJson::empty_object(),
            updated_at: Time::MAX,
            ..ada()
        };
        assert_eq!(changed(&ada(), Time::MAX, &clear), Ok(bare));
        assert_eq!(changed(&ada(), Time::MAX, &CustomerChanges::default()), Ok(ada()), "nothing changed");
        let nameless = CustomerChanges { name: Patch::Clear, ..CustomerChanges::default() };
        let refused = changed(&ada(), Time::MAX, &nameless).unwrap_err();
        assert_eq!(refused.as_slice()[0].path, ["name"]);
    }

    #[test]
    fn a_search_is_folded_and_a_blank_one_finds_all() {
        assert_eq!(Search::read(" \t"), Ok(None));
        let range = |from: &str, until: &str| (from.to_owned(), until.to_owned());
        let ranges = |typed: &str| Search::read(typed).unwrap().unwrap().ranges;
        assert_eq!(ranges(" ÄB  c"), [range("äb", "äc"), range("c", "d")]);
        assert!(ranges("\u{10FFFF}").iter().all(|(from, until)| from < until));
        for typed in ["a\0", "1 2 3 4 5 6 7 8 9", &"x".repeat(MAX_EMAIL + 1)] {
            assert_eq!(Search::read(typed).unwrap_err().path, ["search"], "{typed}");
        }
        let id = ada().id;
        assert_eq!(Search::read(&format!(" {id} ")).unwrap().unwrap().id, Some(id));
    }
}
