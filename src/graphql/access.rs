//! Access on the wire: who is asking, the keys of programs, the sessions of customers.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::context::{Reach, read};
use super::customers::{Customer, CustomerPayload, resolve_customer};
use super::errors::{UserError, answer, failed, payload};
use super::ids::{CustomerBy, customer_input, id_input};
use super::paging::{List, PageArgs, Rows, connection};
use super::scalars::DateTime;
use crate::access::model::{self, Caller, PortalSession};
use crate::access::service::{self, NewKey};
use crate::access::store;
use crate::base::given::Given;
use crate::base::ids::{ApiKeyId, CustomerId};
use crate::base::problem::{Problem, all};
use crate::base::time::Time;
use crate::customers::store::find_customer;
use crate::db::Failure;

const KEYS: List = List::all("apiKeys");

// --- Who is asking -----------------------------------------------------------------------------------------------------

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
#[graphql(remote = "model::Scope")]
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

// --- Keys --------------------------------------------------------------------------------------------------------------

/// The key of a program. Its secret is shown once, when it is made.
#[derive(Clone)]
pub struct ApiKey(model::ApiKey);

impl ApiKey {
    /// The key with this id; none when there is none, or when it is not for this caller.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: ApiKeyId) -> Result<Option<Self>> {
        if !ctx.caller().holds_any(&[model::Scope::Admin]) {
            return Ok(None);
        }
        let found = store::find_key(&mut read(ctx).await?, id).await;
        Ok(found.map_err(|error| failed(&error))?.map(Self))
    }
}

/// The key of a program. Send its secret as `Authorization: Bearer sk_…`.
#[Object]
impl ApiKey {
    /// Its id: `"key_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// For people: who uses it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it may do.
    async fn scopes(&self) -> Vec<Scope> {
        self.0.scopes.iter().map(Scope::from).collect()
    }

    /// How its secret begins and ends, such as `"sk_…7f2q"`, to tell keys apart.
    async fn hint(&self) -> &str {
        &self.0.hint
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last used, to the minute; null while it was not.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }

    /// From when on it is taken no more; null when it does not expire.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// When it was revoked; null while it is not.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }
}

connection!(ApiKeyConnection, ApiKeyEdge, ApiKey, "A page of API keys, newest first.", "An API key in a page.");

/// A key to be made; a new one each time.
#[derive(InputObject, Clone, Debug)]
pub struct CreateApiKeyInput {
    /// For people: who uses it, 1 to 200 characters.
    pub name: String,
    /// What it may do; at least one.
    pub scopes: Vec<Scope>,
    /// From when on it is taken no more; left out, it does not expire.
    pub expires_at: Option<Given<Time>>,
}

/// Which key is revoked.
#[derive(InputObject, Clone, Debug)]
pub struct RevokeApiKeyInput {
    /// The key's id.
    pub id: ID,
}

/// What a mutation of a key answers.
#[derive(SimpleObject, Default)]
pub struct ApiKeyPayload {
    /// The key; null when nothing happened.
    pub api_key: Option<ApiKey>,
    /// The secret of a key that was made: keep it, it is shown once.
    pub secret: Option<String>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}

// --- Portal sessions ---------------------------------------------------------------------------------------------------

/// A session of a customer, to be begun; a new one each time.
#[derive(InputObject, Clone, Debug)]
pub struct CreatePortalSessionInput {
    /// Whose it is.
    pub customer: CustomerBy,
    /// How long it lasts in seconds: 60 to 86400.
    #[graphql(default = 3600)]
    pub ttl_seconds: i32,
}

/// The customer whose sessions to end.
#[derive(InputObject, Clone, Debug)]
pub struct RevokePortalSessionsInput {
    /// The customer.
    pub customer: CustomerBy,
}

/// What beginning a session answers.
#[derive(SimpleObject, Default)]
pub struct PortalSessionPayload {
    /// Send it as `Authorization: Bearer ps_…`; null when nothing happened.
    pub token: Option<String>,
    /// From when on the token is taken no more, and its streams end; null when nothing happened.
    pub expires_at: Option<DateTime>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(ApiKeyPayload, PortalSessionPayload);

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The queries of access.
#[derive(Default)]
pub struct AccessQuery;

#[Object]
impl AccessQuery {
    /// Who is asking: the API key or portal session that the request came with.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        Ok(match ctx.caller() {
            Caller::Local => Viewer {
                id: ID::from("local"),
                kind: ViewerKind::Local,
                name: "Local".to_owned(),
                scopes: vec![Scope::Admin],
                customer: None,
            },
            Caller::Key(key) => Viewer {
                id: key.id.into(),
                kind: ViewerKind::ApiKey,
                name: key.name.clone(),
                scopes: key.scopes.iter().map(Scope::from).collect(),
                customer: None,
            },
            Caller::Portal(session) => {
                let customer = Customer(ctx.loaders().get(session.customer).await?);
                Viewer {
                    id: session.customer.into(),
                    kind: ViewerKind::PortalSession,
                    name: customer.0.name.clone(),
                    scopes: Vec::new(),
                    customer: Some(customer),
                }
            }
        })
    }

    /// The keys of programs, newest first, revoked and expired ones too.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<ApiKeyConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&KEYS)?;
            let page = store::list_keys(&mut read(ctx).await?, &page).await.map_err(|error| failed(&error))?;
            Ok(Rows::of(&KEYS, page, |key| key.id, ApiKey).into())
        };
        Some(found.await)
    }
}

/// The mutations of access.
#[derive(Default)]
pub struct AccessMutation;

#[Object]
impl AccessMutation {
    /// Makes a key for a program. Its secret is in this answer, and nowhere afterwards.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] input: CreateApiKeyInput,
    ) -> Option<Result<ApiKeyPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let new = NewKey {
            name: input.name,
            scopes: input.scopes.into_iter().map(model::Scope::from).collect(),
            expires_at: input.expires_at,
        };
        let outcome = db.write(async |txn| service::create_key(txn, ids, now, &new).await).await;
        answer(ctx, outcome, |(key, secret)| ApiKeyPayload {
            api_key: Some(ApiKey(key)),
            secret: Some(secret),
            errors: Vec::new(),
        })
    }

    /// Revokes a key: it is taken no more, and its open streams end within seconds, on all servers. A revoked one is answered as it is.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key.")] input: RevokeApiKeyInput,
    ) -> Option<Result<ApiKeyPayload>> {
        let now = ctx.refresh();
        let app = ctx.app();
        let outcome = async {
            let id = id_input(&["id"], &input.id)?;
            let key = app.db.write(async |txn| service::revoke_key(txn, now, id).await).await?;
            // Here at once; others read it within a second, as this one would.
            let _ = app.keyring.turn().await;
            Ok::<_, Failure>(key)
        };
        answer(ctx, outcome.await, |key| ApiKeyPayload { api_key: Some(ApiKey(key)), ..ApiKeyPayload::default() })
    }

    /// Begins a session for a customer: a token with which one customer sees and buys for themselves, and nothing else.
    /// InvalidState `"ARCHIVED"` for a customer who is archived.
    async fn create_portal_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "For whom, and how long.")] input: CreatePortalSessionInput,
    ) -> Option<Result<PortalSessionPayload>> {
        let now = ctx.refresh();
        let app = ctx.app();
        let outcome = async {
            let nobody = CustomerId(uuid::Uuid::nil());
            let valid = service::portal_session(nobody, now, input.ttl_seconds.into());
            let (named, session) = all((customer_input(&["customer"], &input.customer), valid))?;
            let customer = resolve_customer(ctx, named).await?;
            let found = find_customer(&mut ctx.db().read().await?, customer).await?;
            let missing = || Problem::not_found(&["customer", "id"], "customer", customer.to_string());
            if found.ok_or_else(missing)?.archived_at.is_some() {
                let message = "The customer is archived and gets no new portal session.";
                return Err(Problem::state(&["customer"], "ARCHIVED", message).into());
            }
            let session = PortalSession { customer, ..session };
            Ok::<_, Failure>((app.keyring.sign(session).await?, session.expires_at))
        };
        answer(ctx, outcome.await, |(token, end)| PortalSessionPayload {
            token: Some(token),
            expires_at: Some(end.into()),
            errors: Vec::new(),
        })
    }

    /// Ends all of a customer's portal sessions that have begun: their tokens are taken no more, and their open streams end
    /// within seconds, on all servers.
    async fn revoke_portal_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose sessions.")] input: RevokePortalSessionsInput,
    ) -> Option<Result<CustomerPayload>> {
        let now = ctx.refresh();
        let app = ctx.app();
        let outcome = async {
            let id = resolve_customer(ctx, customer_input(&["customer"], &input.customer)?).await?;
            let customer = app
                .db
                .write(async |txn| {
                    let missing = || Problem::not_found(&["customer", "id"], "customer", id.to_string());
                    let customer = find_customer(txn, id).await?.ok_or_else(missing)?;
                    service::end_portal_sessions(txn, id, now).await?;
                    Ok::<_, Failure>(customer)
                })
                .await?;
            // Here at once; others read it within a second, as this one would.
            let _ = app.keyring.turn().await;
            Ok(customer)
        };
        answer(ctx, outcome.await, CustomerPayload::from)
    }
}
