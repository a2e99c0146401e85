//! What goes wrong, on the wire: errors that a caller can act on, in a payload, and top-level errors for the rest.
//!
//! One exhaustive match turns every [`ProblemKind`] into its type of the API. A top-level error has a code that stays, and
//! never the words of the database: those go to the log.

use std::fmt::Display;

use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{Context, Enum, Error, ErrorExtensions, Interface, Object, Pos, Result, ServerError, Value};

use super::catalog::PurchaseOption;
use super::context::MAX_ANSWER;
use super::ledger::CreditBalance;
use super::node::{self, Node};
use super::purchases::Purchase;
use super::scalars::{self, Decimal};
use crate::base::chain::chain;
use crate::base::ids::{BalanceId, PurchaseId};
use crate::base::problem::{Problem, ProblemKind};
use crate::db::{DbError, Failure};

// --- Top-level errors --------------------------------------------------------------------------------------------------

/// The code of an argument or input that cannot be read.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
/// The code of a caller who is not known.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// The code of what this caller may not ask for.
pub const FORBIDDEN: &str = "FORBIDDEN";
/// The code of a hash that was sent in place of a document.
pub const PERSISTED_QUERY_NOT_SUPPORTED: &str = "PERSISTED_QUERY_NOT_SUPPORTED";
/// The code of a request that asks for too much at once.
pub const QUERY_TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
/// The code of a caller who asks for too much in a time.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// The code of a request that took too long.
pub const TIMEOUT: &str = "TIMEOUT";
/// The code of a database that is away, or of a server that has too much to do.
pub const UNAVAILABLE: &str = "UNAVAILABLE";
/// The code of a fault of the program.
pub const INTERNAL: &str = "INTERNAL";

/// An error with a code in its extensions.
#[must_use]
pub fn coded(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// The code of an error, where it has one.
#[must_use]
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// An error of a request as a whole, which stands nowhere in its document.
#[must_use]
pub fn of_request(error: Error) -> ServerError {
    let mut error = error.into_server_error(Pos::default());
    error.locations.clear();
    error
}

/// An argument of a query that cannot be taken: a full sentence that names it.
#[must_use]
pub fn bad_input(argument: &str, message: impl Into<String>) -> Error {
    coded(BAD_USER_INPUT, message).extend_with(|_, extensions| extensions.set("argument", argument))
}

/// Completes a top-level error: with a code where it has none, since it then comes from reading the document or its
/// values, which are the caller's; with the argument that it is about and what to write there, where the validation of
/// documents says a type alone; and with the id under which the log tells of the request.
pub fn complete(error: &mut ServerError, request_id: &str) {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", BAD_USER_INPUT);
    }
    extensions.set("requestId", request_id);
    let wrong = error.message.strip_prefix("Invalid value for argument \"").and_then(|rest| rest.split_once('"'));
    let Some((argument, reason)) = wrong else { return };
    extensions.set("argument", argument);
    let wanted = reason.strip_prefix(", expected type \"").and_then(|rest| rest.strip_suffix('"'));
    if let Some(advice) = wanted.and_then(scalars::advice) {
        error.message = format!("{}: {advice}.", error.message);
    }
}

/// A failure of the database. What it says itself goes to the log alone.
#[must_use]
pub fn failed(error: &DbError) -> Error {
    match error {
        DbError::Unavailable(_) | DbError::Conflict(_) => {
            tracing::warn!(error = %chain(error), "the database did not answer");
            let message = "The server cannot do this just now. Try again: with the same idempotency key or event id, \
                           nothing happens twice.";
            coded(UNAVAILABLE, message).extend_with(|_, extensions| extensions.set("retryable", true))
        }
        DbError::Duplicate(_) | DbError::Query(_) | DbError::Failed(_) | DbError::Corrupt(_) => {
            tracing::error!(error = %chain(error), "a query failed");
            internal()
        }
    }
}

/// Somebody whose answer is needed does not give one; nothing happened. Says who, and why.
#[must_use]
pub fn away(why: &impl Display) -> Error {
    let message = format!("{why} Nothing happened; try again.");
    coded(UNAVAILABLE, message).extend_with(|_, extensions| extensions.set("retryable", true))
}

/// A row that another row says is there, and that is not: a fault of the program.
#[must_use]
pub fn missing(key: &impl Display) -> Error {
    tracing::error!(%key, "a row that must be there is not");
    internal()
}

/// An answer that is longer than answers may be.
#[must_use]
pub fn too_long() -> Error {
    let message =
        format!("The answer has more than {MAX_ANSWER} bytes; ask for fewer rows, or fewer long values, at once.");
    coded(QUERY_TOO_COMPLEX, message).extend_with(|_, extensions| {
        extensions.set("bound", "bytes of the answer");
        extensions.set("limit", MAX_ANSWER);
    })
}

fn internal() -> Error {
    coded(INTERNAL, "Something went wrong on the server. Its log has the details, under this request's id.")
}

/// A failure of a query: what the caller can correct names its argument.
#[must_use]
pub fn refused_query(failure: Failure) -> Error {
    match failure {
        Failure::Db(error) => failed(&error),
        Failure::Problems(problems) => {
            let argument = problems.as_slice().first().map(|problem| problem.path.join(".")).unwrap_or_default();
            bad_input(&argument, problems.to_string())
        }
    }
}

// --- Payloads ----------------------------------------------------------------------------------------------------------

/// What a mutation answers. Its default is what it answers when nothing happened: null, false, 0, empty.
pub trait Payload: Default {
    /// The payload of a mutation that did nothing, because of these.
    #[must_use]
    fn refused(errors: Vec<UserError>) -> Self;
}

/// Declares that a payload's `errors` are where refusals go.
macro_rules! payload {
    ($($payload:ident),+) => {
        $(impl $crate::graphql::errors::Payload for $payload {
            fn refused(errors: Vec<$crate::graphql::errors::UserError>) -> Self {
                Self { errors, ..Self::default() }
            }
        })+
    };
}
pub(crate) use payload;

/// A mutation's answer: its payload, done or refused, or a top-level error when the database failed.
pub fn answer<T, P: Payload>(
    ctx: &Context<'_>,
    outcome: Result<T, Failure>,
    done: impl FnOnce(T) -> P,
) -> Option<Result<P>> {
    Some(match outcome {
        Ok(value) => Ok(done(value)),
        Err(failure) => refused(ctx, failure),
    })
}

/// The payload of a mutation that did nothing: its problems in the order of the input's fields, or a top-level error when the
/// database failed.
///
/// # Errors
/// The top-level error.
pub fn refused<P: Payload>(ctx: &Context<'_>, failure: Failure) -> Result<P> {
    match failure {
        Failure::Problems(problems) => {
            let registry = &ctx.schema_env.registry;
            let mutation = registry.types.get("Mutation").and_then(|root| root.field_by_name(ctx.field().name()));
            let input = mutation.and_then(|field| field.args.get("input")).map_or("", |input| input.ty.as_str());
            let mut problems: Vec<Problem> = problems.into_iter().collect();
            problems.sort_by_cached_key(|problem| place_in_input(registry, input, &problem.path));
            Ok(P::refused(problems.into_iter().map(UserError::from).collect()))
        }
        Failure::Db(error) => Err(failed(&error)),
    }
}

/// The places of a path's steps: those of fields in their input type, and those of a list's entries.
fn place_in_input(registry: &Registry, kind: &str, path: &[String]) -> Vec<usize> {
    let mut kind = kind;
    let step = |step: &String| {
        if let Ok(index) = step.parse() {
            return index;
        }
        let known = registry.types.get(MetaTypeName::concrete_typename(kind));
        let Some(MetaType::InputObject { input_fields, .. }) = known else { return usize::MAX };
        let found = input_fields.get_full(step.as_str());
        kind = found.map_or("", |(_, _, field)| field.ty.as_str());
        found.map_or(usize::MAX, |(place, ..)| place)
    };
    path.iter().map(step).collect()
}

// --- Errors that a caller can act on -----------------------------------------------------------------------------------

/// What kind of thing is wrong, as a code that stays.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A value cannot be taken: `path` says which, `message` what to write instead.
    InvalidInput,
    /// There is no such thing, or not for you.
    NotFound,
    /// It is there already: `existing` is it.
    AlreadyExists,
    /// Something stands in the way, such as that it is archived: `state` names it.
    InvalidState,
    /// The credits do not suffice: `shortfall` says how many must come in first.
    InsufficientCredits,
    /// The idempotency key was used before with another input: take a new key.
    IdempotencyConflict,
    /// Money could not be moved: `purchase` says for what.
    PaymentFailed,
    /// A bound was met: `limit` is it.
    LimitExceeded,
}

/// An error that you can act on. Ask for `code` and `message` of all of them, and for more by their types.
#[derive(Interface, Clone)]
#[graphql(
    field(name = "code", ty = "ErrorCode", desc = "What kind of thing is wrong."),
    field(name = "message", ty = "String", desc = "What happened and what to do about it, as a full sentence."),
    field(
        name = "path",
        ty = "Vec<String>",
        desc = "Where in the input, outermost first, such as `[\"consumption\", \"0\", \"meterId\"]`; empty when it is not \
                about one field."
    )
)]
pub enum UserError {
    /// A value that cannot be taken.
    InvalidInput(InvalidInput),
    /// There is no such thing.
    NotFound(NotFound),
    /// It is there already.
    AlreadyExists(AlreadyExists),
    /// Something stands in the way.
    InvalidState(InvalidState),
    /// The credits do not suffice.
    InsufficientCredits(InsufficientCredits),
    /// The idempotency key was used with another input.
    IdempotencyConflict(IdempotencyConflict),
    /// Money could not be moved.
    PaymentFailed(PaymentFailed),
    /// A bound was met.
    LimitExceeded(LimitExceeded),
}

impl From<Problem> for UserError {
    fn from(problem: Problem) -> Self {
        let Problem { kind, message, path } = problem;
        let said = Said { message, path };
        match kind {
            ProblemKind::Invalid => Self::InvalidInput(InvalidInput { said }),
            ProblemKind::NotFound { id } => Self::NotFound(NotFound { said, requested: id }),
            ProblemKind::Exists { existing } => Self::AlreadyExists(AlreadyExists { said, existing }),
            ProblemKind::State { state } => Self::InvalidState(InvalidState { said, state: state.to_owned() }),
            ProblemKind::Insufficient { balance, available, required, shortfall } => {
                let (available, required, shortfall) = (available.into(), required.into(), shortfall.into());
                Self::InsufficientCredits(InsufficientCredits { said, balance, available, required, shortfall })
            }
            ProblemKind::KeyConflict { key } => {
                Self::IdempotencyConflict(IdempotencyConflict { said, idempotency_key: key })
            }
            ProblemKind::Payment { purchase } => Self::PaymentFailed(PaymentFailed { said, purchase }),
            ProblemKind::Limit { limit } => Self::LimitExceeded(LimitExceeded { said, limit: Decimal::written(limit) }),
        }
    }
}

/// What every error says.
#[derive(Clone, Debug)]
struct Said {
    message: String,
    path: Vec<String>,
}

/// A value of the input cannot be taken; nothing happened.
#[derive(Clone, Debug)]
pub struct InvalidInput {
    said: Said,
}

/// A value of the input cannot be taken; nothing happened.
#[Object]
impl InvalidInput {
    /// Always `INVALID_INPUT`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::InvalidInput
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }
}

/// What the input names is not there, or not for you; nothing happened.
#[derive(Clone, Debug)]
pub struct NotFound {
    said: Said,
    requested: String,
}

/// What the input names is not there, or not for you; nothing happened.
#[Object]
impl NotFound {
    /// Always `NOT_FOUND`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::NotFound
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// What was looked for, as the input named it: an id, a key or an external id.
    async fn requested(&self) -> String {
        self.requested.clone()
    }
}

/// What was to be made is there already; nothing happened.
#[derive(Clone, Debug)]
pub struct AlreadyExists {
    said: Said,
    existing: String,
}

/// What was to be made is there already; nothing happened.
#[Object]
impl AlreadyExists {
    /// Always `ALREADY_EXISTS`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::AlreadyExists
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// What is there already.
    async fn existing(&self, ctx: &Context<'_>) -> Option<Result<Node>> {
        node::find(ctx, "existing", &self.existing).await.transpose()
    }
}

/// Something stands in the way of what was asked for; nothing happened.
#[derive(Clone, Debug)]
pub struct InvalidState {
    said: Said,
    state: String,
}

/// Something stands in the way of what was asked for; nothing happened.
#[Object]
impl InvalidState {
    /// Always `INVALID_STATE`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::InvalidState
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// What stands in the way: `"ARCHIVED"`, `"CLOSED"`, `"IN_USE"`, `"LAPSED"` …
    async fn state(&self) -> String {
        self.state.clone()
    }
}

/// The credits do not suffice; nothing was burned.
#[derive(Clone, Debug)]
pub struct InsufficientCredits {
    said: Said,
    /// The balance that does not cover it; none when no open balance of the customer could burn this.
    pub balance: Option<BalanceId>,
    available: Decimal,
    required: Decimal,
    shortfall: Decimal,
}

/// The credits do not suffice; nothing was burned.
#[Object]
impl InsufficientCredits {
    /// Always `INSUFFICIENT_CREDITS`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::InsufficientCredits
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// Credits that could be spent when it was refused, after the earlier events of the same batch; `"0"` when no open
    /// balance of the customer could burn this.
    async fn available(&self) -> Decimal {
        self.available.clone()
    }

    /// Credits that were asked for.
    async fn required(&self) -> Decimal {
        self.required.clone()
    }

    /// Credits that must come in first: what was required, less what was available and what overdraft allows.
    async fn shortfall(&self) -> Decimal {
        self.shortfall.clone()
    }

    /// The balance that does not suffice, as it stands now; null when no open balance of the customer could burn this.
    async fn balance(&self, ctx: &Context<'_>) -> Option<Result<CreditBalance>> {
        CreditBalance::find(ctx, self.balance?).await.transpose()
    }

    /// What the customer could buy to go on; empty without a balance.
    async fn purchase_options(&self, ctx: &Context<'_>) -> Result<Vec<PurchaseOption>> {
        match self.balance {
            Some(id) => CreditBalance::get(ctx, id).await?.options(ctx).await,
            None => Ok(Vec::new()),
        }
    }
}

/// The idempotency key was used before, with another input; nothing happened.
#[derive(Clone, Debug)]
pub struct IdempotencyConflict {
    said: Said,
    idempotency_key: String,
}

/// The idempotency key was used before, with another input; nothing happened.
#[Object]
impl IdempotencyConflict {
    /// Always `IDEMPOTENCY_CONFLICT`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::IdempotencyConflict
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// The key that was used before.
    async fn idempotency_key(&self) -> String {
        self.idempotency_key.clone()
    }
}

/// The provider refuses to give the money of a refund back, since it is disputed, say; nothing happened. Only
/// `refundPurchase` answers it: a payment that fails is a purchase that is `FAILED`.
#[derive(Clone, Debug)]
pub struct PaymentFailed {
    said: Said,
    purchase: PurchaseId,
}

/// The provider refuses to give the money of a refund back, since it is disputed, say; nothing happened. Only
/// `refundPurchase` answers it: a payment that fails is a purchase that is `FAILED`.
#[Object]
impl PaymentFailed {
    /// Always `PAYMENT_FAILED`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::PaymentFailed
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// The purchase that it is about, as it stands now; null when the caller may not see it.
    async fn purchase(&self, ctx: &Context<'_>) -> Result<Option<Purchase>> {
        Purchase::find(ctx, self.purchase).await
    }
}

/// A bound was met; nothing happened.
#[derive(Clone, Debug)]
pub struct LimitExceeded {
    said: Said,
    limit: Decimal,
}

/// A bound was met; nothing happened.
#[Object]
impl LimitExceeded {
    /// Always `LIMIT_EXCEEDED`.
    async fn code(&self) -> ErrorCode {
        ErrorCode::LimitExceeded
    }

    /// What happened and what to do about it, as a full sentence.
    async fn message(&self) -> String {
        self.said.message.clone()
    }

    /// Where in the input, outermost first; empty when it is not about one field.
    async fn path(&self) -> Vec<String> {
        self.said.path.clone()
    }

    /// The bound: the greatest that would have been taken.
    async fn limit(&self) -> Decimal {
        self.limit.clone()
    }
}
