//! What a caller can act on: why a command did nothing, and where in its input.
//!
//! Every room says so in this one shape; one exhaustive match on the wire turns it into the API's errors.

use super::credits::Credits;
use super::ids::{BalanceId, PurchaseId};

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing is wrong.
    pub kind: ProblemKind,
    /// A full sentence: what happened, and what to do about it.
    pub message: String,
    /// Where in the input, outermost first; empty when it is not about one field.
    pub path: Vec<String>,
}

/// What kind of thing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A value that cannot be taken.
    Invalid,
    /// There is no such thing.
    NotFound {
        /// What was looked for, as the caller named it.
        id: String,
    },
    /// It is there already.
    Exists {
        /// The id of what is there.
        existing: String,
    },
    /// Something stands in the way.
    State {
        /// What it is: "ARCHIVED", "CLOSED", …
        state: &'static str,
    },
    /// The credits do not suffice.
    Insufficient {
        /// The balance that does not cover it; none when the customer has no open balance that could.
        balance: Option<BalanceId>,
        /// What was available when it was refused.
        available: Credits,
        /// What was asked for.
        required: Credits,
        /// What must come in first.
        shortfall: Credits,
    },
    /// The idempotency key was used with another input.
    KeyConflict {
        /// The key.
        key: String,
    },
    /// Money could not be moved.
    Payment {
        /// The purchase that it is about.
        purchase: PurchaseId,
    },
    /// A bound was met.
    Limit {
        /// The bound, as a decimal.
        limit: String,
    },
}

impl ProblemKind {
    /// Its stable code in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "INVALID_INPUT",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Exists { .. } => "ALREADY_EXISTS",
            Self::State { .. } => "INVALID_STATE",
            Self::Insufficient { .. } => "INSUFFICIENT_CREDITS",
            Self::KeyConflict { .. } => "IDEMPOTENCY_CONFLICT",
            Self::Payment { .. } => "PAYMENT_FAILED",
            Self::Limit { .. } => "LIMIT_EXCEEDED",
        }
    }
}

impl Problem {
    /// A value that cannot be taken.
    #[must_use]
    pub fn invalid(path: &[&str], message: impl Into<String>) -> Self {
        Self::of(ProblemKind::Invalid, path, message)
    }

    /// There is no such thing: `what` is its name.
    #[must_use]
    pub fn not_found(path: &[&str], what: &str, id: impl Into<String>) -> Self {
        let id = id.into();
        let named = if path.last() == Some(&"externalId") { "the external id" } else { "the id" };
        let message = format!("There is no {what} with {named} \"{id}\".");
        Self::of(ProblemKind::NotFound { id }, path, message)
    }

    /// Something stands in the way.
    #[must_use]
    pub fn state(path: &[&str], state: &'static str, message: impl Into<String>) -> Self {
        Self::of(ProblemKind::State { state }, path, message)
    }

    /// It is there already.
    #[must_use]
    pub fn exists(path: &[&str], existing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(ProblemKind::Exists { existing: existing.into() }, path, message)
    }

    /// A bound was met.
    #[must_use]
    pub fn limit(path: &[&str], limit: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(ProblemKind::Limit { limit: limit.into() }, path, message)
    }

    /// Any kind of problem.
    #[must_use]
    pub fn of(kind: ProblemKind, path: &[&str], message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), path: path.iter().map(|&step| step.to_owned()).collect() }
    }

    /// The same problem, further inside an input.
    #[must_use]
    pub fn within(mut self, outer: &[&str]) -> Self {
        self.path.splice(0..0, outer.iter().map(|&step| step.to_owned()));
        self
    }
}

/// All that is wrong with an input: at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Problems {
    /// All problems of these; `None` when there are none.
    #[must_use]
    pub fn of(problems: impl IntoIterator<Item = Problem>) -> Option<Self> {
        let problems: Vec<Problem> = problems.into_iter().collect();
        if problems.is_empty() { None } else { Some(Self(problems)) }
    }

    /// The problems in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// The same problems, further inside an input.
    #[must_use]
    pub fn within(self, outer: &[&str]) -> Self {
        self.map(|problem| problem.within(outer))
    }

    /// Each problem as something else.
    #[must_use]
    pub fn map(self, change: impl FnMut(Problem) -> Problem) -> Self {
        Self(self.0.into_iter().map(change).collect())
    }

    /// A problem that names no field is said of `field`, where the input names what the command is about.
    #[must_use]
    pub fn about(self, field: &str) -> Self {
        self.map(|problem| {
            let is_about_it = matches!(problem.kind, ProblemKind::NotFound { .. } | ProblemKind::State { .. });
            if is_about_it && problem.path.is_empty() { problem.within(&[field]) } else { problem }
        })
    }

    /// The same problems with those of another check.
    #[must_use]
    pub fn and<T>(mut self, other: Result<T, impl Into<Self>>) -> Self {
        if let Err(other) = other {
            self.0.extend(other.into());
        }
        self
    }
}

/// For people: one sentence after the other.
impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { " " }, problem.message)?;
        }
        Ok(())
    }
}

/// Checks that do not depend on each other.
pub trait Checks {
    /// What they come to when nothing is wrong.
    type Values;
    /// Their values, or all that is wrong.
    ///
    /// # Errors
    /// The problems of all of them, in their order.
    fn all(self) -> Result<Self::Values, Problems>;
}

/// The values of checks that do not depend on each other, or all that is wrong: `let (name, email) = all((a, b))?;`
///
/// # Errors
/// The problems of all of them, in their order.
pub fn all<C: Checks>(checks: C) -> Result<C::Values, Problems> {
    checks.all()
}

/// The same for a list.
///
/// # Errors
/// The problems of all of them, in their order.
pub fn all_of<T, E: Into<Problems>>(checks: impl IntoIterator<Item = Result<T, E>>) -> Result<Vec<T>, Problems> {
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for check in checks {
        match check {
            Ok(value) => values.push(value),
            Err(problems) => wrong.extend(problems.into()),
        }
    }
    Problems::of(wrong).map_or(Ok(values), Err)
}

macro_rules! checks {
    ($($value:ident $error:ident $check:ident),+) => {
        impl<$($value, $error: Into<Problems>),+> Checks for ($(Result<$value, $error>,)+) {
            type Values = ($($value,)+);

            fn all(self) -> Result<Self::Values, Problems> {
                let ($($check,)+) = self;
                match ($($check,)+) {
                    ($(Ok($check),)+) => Ok(($($check,)+)),
                    ($($check,)+) => {
                        let mut wrong: Vec<Problem> = Vec::new();
                        $( wrong.extend($check.err().into_iter().flat_map(Into::into)); )+
                        Err(Problems(wrong))
                    }
                }
            }
        }
    };
}
checks!(A Ea a, B Eb b);
checks!(A Ea a, B Eb b, C Ec c);
checks!(A Ea a, B Eb b, C Ec c, D Ed d);
checks!(A Ea a, B Eb b, C Ec c, D Ed d, F Ef f);
checks!(A Ea a, B Eb b, C Ec c, D Ed d, F Ef f, G Eg g);
checks!(A Ea a, B Eb b, C Ec c, D Ed d, F Ef f, G Eg g, H Eh h);
checks!(A Ea a, B Eb b, C Ec c, D Ed d, F Ef f, G Eg g, H Eh h, I Ei i);
checks!(A Ea a, B Eb b, C Ec c, D Ed d, F Ef f, G Eg g, H Eh h, I Ei i, J Ej j);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_checks_tell_all_that_is_wrong_in_their_order() {
        let ok = |value: i32| Ok::<_, Problem>(value);
        let wrong = |field: &str| Err::<i32, _>(Problem::invalid(&[field], ""));
        let many = Err::<i32, Problems>(Problems(vec![Problem::invalid(&["x"], ""), Problem::invalid(&["y"], "")]));
        assert_eq!(all((ok(1), ok(2))), Ok((1, 2)));
        let fields = |problems: Problems| problems.into_iter().map(|problem| problem.path.concat()).collect::<Vec<_>>();
        assert_eq!(
            all((wrong("a"), ok(1), many, wrong("b"))).map_err(fields),
            Err(vec!["a".into(), "x".into(), "y".into(), "b".into()])
        );
        assert_eq!(all_of([ok(1), ok(2)]), Ok(vec![1, 2]));
        assert_eq!(all_of([wrong("a"), ok(2), wrong("b")]).map_err(fields), Err(vec!["a".into(), "b".into()]));
    }
}
