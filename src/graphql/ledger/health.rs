//! The audit of the ledger on the wire.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::balances::CreditBalance;
use crate::base::ids::BalanceId;
use crate::graphql::context::Reach;
use crate::graphql::errors::{bad_input, failed};
use crate::graphql::ids::id_argument;
use crate::graphql::paging::List;
use crate::graphql::scalars::BigInt;
use crate::ledger::health::{Extent, Finding, MAX_BALANCES, Place, Report, audit, audit_one};

/// How many balances are audited when nothing is said.
const DEFAULT_BALANCES: usize = 100;

/// What an audit of the ledger came to.
#[derive(SimpleObject)]
pub struct LedgerHealth {
    /// Whether everything that was looked at agrees.
    pub healthy: bool,
    /// How many balances were gone through to their end.
    pub balances_checked: i32,
    /// How many entries were read.
    pub entries_checked: BigInt,
    /// What does not agree, at most 100.
    pub problems: Vec<LedgerProblem>,
    /// Pass it as `after` to go on; it may lie inside a balance. Null when all is done.
    pub end_cursor: Option<String>,
}

impl LedgerHealth {
    fn of(list: &List, report: Report) -> Self {
        Self {
            healthy: report.findings.is_empty(),
            balances_checked: i32::try_from(report.balances).unwrap_or(i32::MAX),
            entries_checked: i64::try_from(report.entries).unwrap_or(i64::MAX).into(),
            problems: report.findings.into_iter().map(LedgerProblem).collect(),
            end_cursor: report.end.map(|place| list.cursor(&place)),
        }
    }
}

/// A finding, as the domain has it.
#[derive(Clone)]
pub struct LedgerProblem(Finding);

/// Something that does not agree.
#[Object]
impl LedgerProblem {
    /// In which balance.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.0.balance).await
    }

    /// At which entry; null when it is about the balance as a whole.
    async fn sequence(&self) -> Option<BigInt> {
        self.0.sequence.map(BigInt)
    }

    /// The rule that is broken: `"L2"` for a gap, `"L3"` for a sum, `"L5"` for a key, `"L6"` for a rating, `"L7"` for the order
    /// in which grants burn, `"L8"` for what begins, ends and is due, `"L9"` for a hold, `"L10"` for what was not covered,
    /// `"L11"` for the order of time, `"L12"` for the chain of hashes, `"L13"` for a reversal, `"L14"` for a void, `"L15"` for
    /// a state.
    async fn rule(&self) -> &str {
        self.0.rule
    }

    /// What does not agree, as a full sentence.
    async fn detail(&self) -> &str {
        &self.0.detail
    }
}

/// The query of the audit.
#[derive(Default)]
pub struct HealthQuery;

#[Object]
impl HealthQuery {
    /// Proves that entries, grants, holds, balances and the chain of hashes agree: for one balance, or for all of them in
    /// bounded pages. A page ends after `first` balances or 50,000 entries, whichever comes first. Null when there is no
    /// such balance.
    async fn ledger_health(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this balance.")] balance_id: Option<ID>,
        #[graphql(desc = "How many balances at most: 1 to 1000, by default 100.")] first: Option<i32>,
        #[graphql(desc = "Where an earlier audit of the same stopped.")] after: Option<String>,
    ) -> Option<Result<LedgerHealth>> {
        let found = async {
            let first = first.map_or(Ok(DEFAULT_BALANCES), size)?;
            match balance_id {
                Some(id) => one(ctx, id_argument("balanceId", &id)?, after.as_deref()).await,
                None => all(ctx, first, after.as_deref()).await.map(Some),
            }
        };
        found.await.transpose()
    }
}

fn size(given: i32) -> Result<usize> {
    let size = usize::try_from(given).ok().filter(|size| (1..=MAX_BALANCES).contains(size));
    size.ok_or_else(|| bad_input("first", format!("first is {given}; ask for 1 to {MAX_BALANCES} balances.")))
}

async fn all(ctx: &Context<'_>, first: usize, after: Option<&str>) -> Result<LedgerHealth> {
    let list = List::all("ledgerHealth");
    let from: Option<Place> = after.map(|cursor| list.position("after", cursor)).transpose()?;
    let report = audit(ctx.db(), from, Extent::balances(first)).await.map_err(|error| failed(&error))?;
    Ok(LedgerHealth::of(&list, report))
}

async fn one(ctx: &Context<'_>, id: BalanceId, after: Option<&str>) -> Result<Option<LedgerHealth>> {
    let list = List::of("ledgerHealth", id);
    let from: Option<Place> = after.map(|cursor| list.position("after", cursor)).transpose()?;
    if ctx.loaders().find(id).await?.is_none() {
        return Ok(None);
    }
    let within = from.filter(|place| place.balance == id).and_then(|place| place.within);
    let report = audit_one(ctx.db(), id, within).await.map_err(|error| failed(&error))?;
    Ok(Some(LedgerHealth::of(&list, report)))
}
