//! Fields of updates: absent keeps what is there, null clears it.

use async_graphql::{InputType, MaybeUndefined};

use crate::base::patch::Patch;
use crate::base::problem::Problem;

/// A field of an update as a domain reads it.
pub fn patch<T: InputType, U>(given: MaybeUndefined<T>, read: impl FnOnce(T) -> U) -> Patch<U> {
    match given {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => Patch::Set(read(value)),
    }
}

/// As [`patch`], where reading the value may fail.
///
/// # Errors
/// Those of `read`.
pub fn try_patch<T: InputType, U>(
    given: MaybeUndefined<T>,
    read: impl FnOnce(T) -> Result<U, Problem>,
) -> Result<Patch<U>, Problem> {
    patch(given, |value| value).try_map(read)
}
