//! Ids on the wire: opaque texts outside, typed ids inside. One of the wrong kind is an error that names both kinds; one
//! that names nothing is a null of a query and a `NotFound` of a mutation.

use std::str::FromStr;

use async_graphql::{Error, ID, OneofObject};

use super::errors::bad_input;
use crate::base::fields::{refused, text};
use crate::base::given::Given;
use crate::base::ids::{CustomerId, IdError};
use crate::base::problem::Problem;
use crate::base::text::MAX_REFERENCE;

/// Names a thing of the catalog: by its id, or by the key that you gave it. Exactly one of the two.
#[derive(OneofObject, Clone, Debug)]
pub enum KeyBy {
    /// The id that Scrip gave it, such as `"prd_…"`.
    Id(ID),
    /// The key that you gave it, such as `"ai_credits"`.
    Key(String),
}

/// Names a customer: by its id, or by your own id for it. Exactly one of the two.
#[derive(OneofObject, Clone, Debug)]
pub enum CustomerBy {
    /// The id that Scrip gave it: `"cus_…"`.
    Id(ID),
    /// Your own id for it, as it is now or as it was formerly.
    ExternalId(String),
}

/// An id in an argument of a query.
///
/// # Errors
/// A top-level error with the code `BAD_USER_INPUT` that names the argument.
pub fn id_argument<I: FromStr<Err = IdError>>(argument: &str, id: &ID) -> Result<I, Error> {
    id.parse().map_err(|error| bad_input(argument, format!("{argument} {error}.")))
}

/// An id in a mutation's input, at `path`.
///
/// # Errors
/// Invalid, at `path`.
pub fn id_input<I: FromStr<Err = IdError>>(path: &[&str], id: &ID) -> Result<I, Problem> {
    id.parse().map_err(|error| refused(path, error))
}

/// An id inside a mutation's input, to be told with everything else that is wrong when it is none.
#[must_use]
pub fn id_given<I: FromStr<Err = IdError>>(id: &ID) -> Given<I> {
    id.parse::<I>().map_or_else(|error| Given::unreadable(id.as_str(), error), Given::from)
}

/// A customer's id in a mutation's input, where it is named by one; `Err` holds the external id otherwise.
///
/// # Errors
/// Invalid, at `["…", "id"]` or `["…", "externalId"]` within `path`.
pub fn customer_input(path: &[&str], by: &CustomerBy) -> Result<Result<CustomerId, String>, Problem> {
    match by {
        CustomerBy::Id(id) => id_input(&[path, &["id"]].concat(), id).map(Ok),
        CustomerBy::ExternalId(external_id) => {
            text(&[path, &["externalId"]].concat(), external_id, MAX_REFERENCE).map(Err)
        }
    }
}
