//! What mutations of the ledger answer.

use async_graphql::{Context, Result, SimpleObject};

use super::balances::CreditBalance;
use super::entries::LedgerEntry;
use crate::base::problem::{Problem, ProblemKind};
use crate::db::Failure;
use crate::graphql::context::Reach;
use crate::graphql::errors::{Payload, UserError, failed, payload};
use crate::intake::{Done, Order};

/// What every mutation that writes to a ledger answers.
#[derive(SimpleObject, Default)]
pub struct LedgerPayload {
    /// The balance as it stands now; null when nothing happened.
    pub balance: Option<CreditBalance>,
    /// The entry that was written; the first one's when this is an earlier result. Null when there was nothing to write.
    pub entry: Option<LedgerEntry>,
    /// True when this is an earlier result: of the same idempotency key, or of what was so already.
    pub replayed: bool,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}

/// What a mutation of a balance's own settings answers.
#[derive(SimpleObject, Default)]
pub struct CreditBalancePayload {
    /// The balance as it is now; null when nothing happened.
    pub balance: Option<CreditBalance>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(LedgerPayload, CreditBalancePayload);

/// Gives an order. A problem that names no field is said of `field`, where the input names what the order is about.
pub(super) async fn give(ctx: &Context<'_>, order: Order, field: &str) -> Result<Done, Failure> {
    ctx.app().intake.order(order).await.map_err(|failure| match failure {
        Failure::Problem(problem) => Failure::Problem(at(problem, field)),
        Failure::Db(error) => Failure::Db(error),
    })
}

fn at(problem: Problem, field: &str) -> Problem {
    let about_it = matches!(problem.kind, ProblemKind::NotFound { .. } | ProblemKind::State { .. });
    if about_it && problem.path.is_empty() { problem.within(&[field]) } else { problem }
}

/// What was done, shown as of now.
pub(super) fn shown<P: Payload>(
    ctx: &Context<'_>,
    outcome: Result<Done, Failure>,
    payload: impl FnOnce(CreditBalance, Done) -> P,
) -> Result<P> {
    match outcome {
        Ok(done) => {
            ctx.refresh();
            let balance = CreditBalance::answered(ctx, &done.balance, &done.catalog)?;
            Ok(payload(balance, done))
        }
        Err(Failure::Problem(problem)) => Ok(P::refused(vec![problem.into()])),
        Err(Failure::Db(error)) => Err(failed(&error)),
    }
}

/// The answer of what writes to the ledger.
pub(super) fn moved(ctx: &Context<'_>, outcome: Result<Done, Failure>) -> Result<LedgerPayload> {
    let payload = |balance, done: Done| LedgerPayload {
        balance: Some(balance),
        entry: done.entry.map(LedgerEntry),
        replayed: done.replayed,
        errors: Vec::new(),
    };
    shown(ctx, outcome, payload)
}

/// The answer of what changes a balance's own settings.
pub(super) fn set(ctx: &Context<'_>, outcome: Result<Done, Failure>) -> Result<CreditBalancePayload> {
    let payload = |balance, _| CreditBalancePayload { balance: Some(balance), errors: Vec::new() };
    shown(ctx, outcome, payload)
}
