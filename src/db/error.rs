//! What can go wrong with the database, by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error};

use crate::base::credits::Overflow;
use crate::base::problem::{Problem, Problems};

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It cannot be reached, or went away; whether a commit under way took place is then unknown.
    #[error("the database is away")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another transaction was in the way; the same again may succeed.
    #[error("another transaction was in the way")]
    Conflict(#[source] Error),
    /// A value that must be unique is there already.
    #[error("a value that must be unique is there already")]
    Duplicate(#[source] Error),
    /// Anything else: a fault of the program.
    #[error("a query failed")]
    Query(#[source] Error),
    /// A command that could not be applied, told to its caller by the committer that tried it.
    #[error(transparent)]
    Failed(std::sync::Arc<Self>),
    /// What was read is not what was written.
    #[error("the database holds what the program never writes: {0}")]
    Corrupt(String),
}

impl DbError {
    /// Wraps what says that the database is away.
    #[must_use]
    pub fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into())
    }

    /// What was read is not true any more: another transaction changed it meanwhile.
    #[must_use]
    pub const fn overtaken() -> Self {
        Self::Conflict(Error::RollbackTransaction)
    }
}

/// Sums of what is stored stay within what a balance holds, so that one which does not is a fault.
impl From<Overflow> for DbError {
    fn from(overflow: Overflow) -> Self {
        Self::Corrupt(overflow.to_string())
    }
}

/// How the databases say that they are stopping, starting, out of room or out of connections, where Diesel keeps no
/// code of it.
const AWAY: [&str; 9] = [
    "terminating connection",
    "connection closed",
    "the database system is",
    "too many clients",
    "remaining connection slots",
    "unable to open database file",
    "disk I/O error",
    "database or disk is full",
    "attempt to write a readonly database",
];

impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        let Error::DatabaseError(kind, information) = &error else {
            return match error {
                // The commit failed and so did its rollback: nobody knows whether it took place.
                Error::BrokenTransactionManager | Error::RollbackErrorOnCommit { .. } => Self::unavailable(error),
                Error::DeserializationError(why) => Self::Corrupt(why.to_string()),
                other => Self::Query(other),
            };
        };
        let message = information.message();
        match kind {
            DatabaseErrorKind::UniqueViolation => Self::Duplicate(error),
            DatabaseErrorKind::SerializationFailure => Self::Conflict(error),
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => Self::unavailable(error),
            _ if message.contains("deadlock detected") => Self::Conflict(error),
            // SQLite waits for its lock; when that took too long somebody else is busy with it.
            _ if message.contains("database is locked") => Self::unavailable(error),
            _ if AWAY.iter().any(|words| message.contains(words)) => Self::unavailable(error),
            _ => Self::Query(error),
        }
    }
}

/// Why a command of a domain did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The caller can act on it.
    #[error("{0}")]
    Problems(Problems),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Failure {
    /// The same failure, further inside an input.
    #[must_use]
    pub fn within(self, outer: &[&str]) -> Self {
        match self {
            Self::Problems(problems) => Self::Problems(problems.within(outer)),
            Self::Db(error) => Self::Db(error),
        }
    }
}

impl Failure {
    /// As [`Problems::about`].
    #[must_use]
    pub fn about(self, field: &str) -> Self {
        match self {
            Self::Problems(problems) => Self::Problems(problems.about(field)),
            Self::Db(error) => Self::Db(error),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problems(problem.into())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}

impl From<Overflow> for Failure {
    fn from(overflow: Overflow) -> Self {
        Self::Db(overflow.into())
    }
}

impl super::txn::AsDbError for Failure {
    fn as_db_error(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::Problems(_) => None,
        }
    }
}
