//! Who is asking.

use async_graphql::{Enum, ID, Object, SimpleObject};

use super::customers::Customer;

/// What kind of caller it is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerKind {
    /// A program with an API key.
    ApiKey,
    /// A customer with a token of the portal.
    PortalSession,
    /// Anybody on this machine: the server was told to trust loopback.
    Local,
}

/// What a caller may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, API keys included.
    Admin,
    /// Reads and writes everything but API keys.
    Write,
    /// Reads everything but API keys.
    Read,
    /// Sends usage events and reads what that answers, nothing else.
    Ingest,
}

/// Who is asking, and what they may do.
#[derive(SimpleObject, Clone)]
pub struct Viewer {
    /// The id of the API key or of the portal session's customer; `"local"` for a caller on this machine.
    pub id: ID,
    /// What kind of caller it is.
    pub kind: ViewerKind,
    /// For people: the name of the API key or of the customer.
    pub name: String,
    /// What they may do; empty for a portal session, which sees and buys for its customer alone.
    pub scopes: Vec<Scope>,
    /// The one customer that a portal session sees; null for everybody else.
    pub customer: Option<Customer>,
}

/// The query of who is asking.
#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who is asking: the API key or portal session that the request came with.
    async fn viewer(&self) -> Viewer {
        Viewer {
            id: ID::from("local"),
            kind: ViewerKind::Local,
            name: "Local".to_owned(),
            scopes: vec![Scope::Admin],
            customer: None,
        }
    }
}
