//! What mutations of the ledger answer.

use std::fmt::Display;

use async_graphql::{Context, Result, SimpleObject};
use serde_json::Value;

use super::balances::CreditBalance;
use super::entries::LedgerEntry;
use crate::base::problem::{Problem, Problems, all};
use crate::db::Failure;
use crate::graphql::context::Reach;
use crate::graphql::errors::{Payload, UserError, payload, refused};
use crate::intake::input::{Words, keyed};
use crate::intake::{Action, Done, Order, Provenance};
use crate::ledger::entry::Origin;

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
    ctx.intake().order(order).await.map_err(|failure| failure.about(field))
}

/// An idempotency key as it was given, with the command and the fields of the input that it is for.
pub(super) type GivenKey<'a> = (&'a str, &'static str, Value);

/// A command about what an id names. The key stands for the input as it was given, so that it is found again whatever
/// validation says by then. When the id or the key is none, all that is wrong with the input is told.
pub(super) fn command<I: Copy + Display, C>(
    about: Result<I, Problem>,
    checked: Result<C, Problems>,
    (words, key): (&Words, Option<GivenKey<'_>>),
    action: impl FnOnce(I, C) -> Action,
) -> Result<(I, Result<Action, Problems>, Provenance), Problems> {
    let name = about.as_ref().map_or_else(|_| String::new(), ToString::to_string);
    let key = key.map(|(key, command, fields)| keyed(key, command, (name, fields), words)).transpose();
    match all((about, key)) {
        Ok((about, key)) => {
            let (action, provenance) = words.with(Origin::Api, checked.map(|checked| action(about, checked)));
            Ok((about, action, Provenance { key, ..provenance }))
        }
        Err(problems) => Err(problems.and(checked).and(words.validate())),
    }
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
        Err(failure) => refused(ctx, failure),
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
