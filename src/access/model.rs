//! The shapes of access: keys, scopes, callers.

use std::sync::Arc;

use crate::base::caller::CallerId;
use crate::base::ids::{ApiKeyId, CustomerId};
use crate::base::time::Time;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, keys included.
    Admin,
    /// Reads and writes everything but keys.
    Write,
    /// Reads everything but keys.
    Read,
    /// Sends usage events and reads what that answers.
    Ingest,
}

impl Scope {
    /// All of them, the widest first.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Write, Self::Read, Self::Ingest];

    /// Its name on the wire and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Write => "WRITE",
            Self::Read => "READ",
            Self::Ingest => "INGEST",
        }
    }

    const fn bit(self) -> i16 {
        match self {
            Self::Admin => 1,
            Self::Write => 2,
            Self::Read => 4,
            Self::Ingest => 8,
        }
    }
}

/// A set of scopes; in the database, a sum of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(pub(super) i16);

impl Scopes {
    /// Sends events, and nothing else.
    pub const INGEST: Self = Self(Scope::Ingest.bit());

    /// Whether it has this one.
    #[must_use]
    pub const fn holds(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its scopes, the widest first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.holds(*scope))
    }

    /// Whether it may do what one of these may.
    #[must_use]
    pub fn holds_any(self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| self.holds(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::default(), |set, scope| Self(set.0 | scope.bit()))
    }
}

/// A key of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// How its secret begins and ends, for people.
    pub hint: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Time>,
    /// From when on it is taken no more.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl ApiKey {
    /// Whether it is taken at this instant.
    #[must_use]
    pub fn is_taken(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A customer who looks for himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortalSession {
    /// Who.
    pub customer: CustomerId,
    /// Since when.
    pub began_at: Time,
    /// Until when.
    pub expires_at: Time,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anybody on this machine, where the server was told to trust it.
    Local,
    /// A program with a key.
    Key(Arc<ApiKey>),
    /// A customer.
    Portal(PortalSession),
}

impl Caller {
    /// Whether it may do what one of these scopes may. A portal session has none.
    #[must_use]
    pub fn holds_any(&self, scopes: &[Scope]) -> bool {
        match self {
            Self::Local => true,
            Self::Key(key) => key.scopes.holds_any(scopes),
            Self::Portal(_) => false,
        }
    }

    /// Whom what it holds and causes is counted for: all portal sessions of a customer are one.
    #[must_use]
    pub fn id(&self) -> CallerId {
        match self {
            Self::Local => CallerId::Local,
            Self::Key(key) => CallerId::Key(key.id),
            Self::Portal(session) => CallerId::Customer(session.customer),
        }
    }

    /// The one customer that it sees, if it does not see all.
    #[must_use]
    pub const fn only(&self) -> Option<CustomerId> {
        match self {
            Self::Portal(session) => Some(session.customer),
            Self::Local | Self::Key(_) => None,
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Key(key) => key.id.fmt(f),
            Self::Portal(session) => session.customer.fmt(f),
        }
    }
}
