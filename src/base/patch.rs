//! What an update says of one field: nothing, that it goes, or what it becomes.

/// One field of an update. Absent keeps what is there, null clears it, a value replaces it whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Nothing was said: it stays.
    #[default]
    Keep,
    /// Null: an optional value goes, a setting returns to its default.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// From "absent, null or a value" as nested options.
    #[must_use]
    pub fn of(given: Option<Option<T>>) -> Self {
        match given {
            None => Self::Keep,
            Some(None) => Self::Clear,
            Some(Some(value)) => Self::Set(value),
        }
    }

    /// The same of a reference.
    #[must_use]
    pub const fn as_ref(&self) -> Patch<&T> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(value),
        }
    }

    /// The same of what the value becomes, where that may fail.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map<U, E>(self, change: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(change(value)?),
        })
    }

    /// What a setting with a default becomes.
    #[must_use]
    pub fn over(self, current: T, default: T) -> T {
        match self {
            Self::Keep => current,
            Self::Clear => default,
            Self::Set(value) => value,
        }
    }

    /// What an optional value becomes.
    #[must_use]
    pub fn over_optional(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keeps_null_clears_and_a_value_replaces() {
        let becomes = |given| Patch::of(given).over_optional(Some(1));
        assert_eq!([becomes(None), becomes(Some(None)), becomes(Some(Some(2)))], [Some(1), None, Some(2)]);
        let setting = |given| Patch::of(given).over(1, 0);
        assert_eq!([setting(None), setting(Some(None)), setting(Some(Some(2)))], [1, 0, 2]);
    }
}
