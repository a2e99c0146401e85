//! Fields of updates: absent keeps what is there, null clears it.

use async_graphql::{InputType, MaybeUndefined};

use crate::base::patch::Patch;

/// A field of an update as a domain reads it.
pub fn patch<T: InputType, U>(given: MaybeUndefined<T>, read: impl FnOnce(T) -> U) -> Patch<U> {
    match given {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => Patch::Set(read(value)),
    }
}
