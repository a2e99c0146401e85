//! What a customer may be, and what a search looks for.

use super::input::{CustomerChanges, NewCustomer};
use super::model::Customer;
use crate::base::fields::{self, refused};
use crate::base::ids::CustomerId;
use crate::base::json::CanonicalJson;
use crate::base::problem::Problem;
use crate::base::text::{self, MAX_REFERENCE};
use crate::base::time::Time;

/// The longest email address, in characters.
pub const MAX_EMAIL: usize = 320;

/// The customer that was asked for.
///
/// # Errors
/// Invalid, at the field that cannot be taken.
pub fn created(id: CustomerId, now: Time, new: &NewCustomer) -> Result<Customer, Problem> {
    Ok(Customer {
        id,
        external_id: new.external_id.as_deref().map(external_id).transpose()?,
        name: fields::name(&["name"], &new.name)?,
        email: new.email.as_deref().map(email).transpose()?,
        currency: new.currency,
        metadata: fields::metadata(&["metadata"], new.metadata.as_ref())?,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The customer with its changes; whether it may have the external id is still to be found out.
///
/// # Errors
/// Invalid, at the field that cannot be taken.
pub fn changed(customer: &Customer, now: Time, changes: &CustomerChanges) -> Result<Customer, Problem> {
    let was = customer.clone();
    let external = changes.external_id.as_ref().try_map(|given| external_id(given))?;
    let name = fields::not_cleared(&["name"], changes.name.as_ref())?;
    let email = changes.email.as_ref().try_map(|given| email(given))?;
    let metadata = changes.metadata.as_ref().try_map(|given| fields::metadata(&["metadata"], Some(given)))?;
    let next = Customer {
        external_id: external.over_optional(was.external_id),
        name: name.map_or_else(|| Ok(was.name), |name| fields::name(&["name"], name))?,
        email: email.over_optional(was.email),
        currency: changes.currency.over_optional(was.currency),
        metadata: metadata.over(was.metadata, CanonicalJson::empty_object()),
        ..was
    };
    Ok(if next == *customer { next } else { Customer { updated_at: now, ..next } })
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

/// The range of folded texts that a search looks for: `[from, until)`. `None` when it looks for everything.
///
/// # Errors
/// Invalid, at `search`, when it is longer than what it could find, or holds U+0000.
pub fn search_range(search: &str) -> Result<Option<(String, String)>, Problem> {
    let search = search.trim();
    if search.is_empty() {
        return Ok(None);
    }
    fields::text(&["search"], search, MAX_EMAIL)?;
    let from = text::fold(search);
    // Only a search for U+10FFFF alone has no end; then what is longer than any text comes behind them all.
    let until = text::prefix_end(&from).unwrap_or_else(|| "\u{10FFFF}".repeat(MAX_EMAIL.saturating_mul(2)));
    Ok(Some((from, until)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::money::Currency;
    use crate::base::patch::Patch;

    fn ada() -> Customer {
        let new = NewCustomer {
            external_id: Some("ada-1".into()),
            name: "Ada".into(),
            email: Some("ada@example.com".into()),
            currency: Currency::parse("EUR"),
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
        assert_eq!(changed(&ada(), Time::MAX, &nameless).unwrap_err().path, ["name"]);
    }

    #[test]
    fn a_search_is_folded_and_a_blank_one_finds_all() {
        assert_eq!(search_range(" \t"), Ok(None));
        assert_eq!(search_range(" ÄB "), Ok(Some(("äb".into(), "äc".into()))));
        assert_eq!(search_range("a\0").unwrap_err().path, ["search"]);
        let (from, until) = search_range("\u{10FFFF}").unwrap().unwrap();
        assert!(from < until);
    }
}
