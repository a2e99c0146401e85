//! Settings of credits: consumption, overdraft, expiration, as products and what overrides them have them.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::Meter;
use crate::base::given::Given;
use crate::base::{decimal, settings};
use crate::catalog::input::{self, GivenExpiration, GivenOverdraft, GivenRule};
use crate::catalog::model;
use crate::graphql::context::Reach;
use crate::graphql::ids::id_given;
use crate::graphql::scalars::Decimal;

/// A rule, as the domain has it.
#[derive(Clone, Copy)]
pub struct ConsumptionRule(pub model::ConsumptionRule);

/// Which usage burns credits, and how many for each unit of it.
#[Object]
impl ConsumptionRule {
    /// What turns events into a quantity.
    async fn meter(&self, ctx: &Context<'_>) -> Result<Meter> {
        ctx.loaders().get(self.0.meter).await.map(Meter)
    }

    /// Credits for each unit of the meter, at most 12 fraction digits. What an event comes to by this rule is rounded half
    /// away from zero to 6 fraction digits, once: 3 units at `"0.0000005"` burn `"0.000002"`.
    async fn credits_per_unit(&self) -> Decimal {
        self.0.credits_per_unit.into()
    }
}

/// Which usage burns credits, and how many for each unit of it. Example: `{meterId: "mtr_…", creditsPerUnit: "0.25"}`.
#[derive(InputObject, Clone, Debug)]
pub struct ConsumptionRuleInput {
    /// The meter, which is not archived; a list of rules names it once.
    pub meter_id: ID,
    /// Credits for each unit: 0 to 1000000000000, at most 12 fraction digits.
    pub credits_per_unit: Given<decimal::Decimal>,
}

/// A list of rules as the catalog reads them.
#[must_use]
pub fn given_rules(rules: Vec<ConsumptionRuleInput>) -> Vec<GivenRule> {
    let rule = |rule: ConsumptionRuleInput| GivenRule {
        meter: id_given(&rule.meter_id),
        credits_per_unit: rule.credits_per_unit,
    };
    rules.into_iter().map(rule).collect()
}

/// What happens when usage exceeds what is available.
#[derive(SimpleObject, Clone)]
pub struct Overdraft {
    /// Whether a balance may go below zero.
    pub policy: OverdraftPolicy,
    /// How far below zero, in credits: `"50"` lets it go down to −50. Null without limit, and with DENY.
    pub limit: Option<Decimal>,
}

/// Whether a balance may go below zero.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "input::OverdraftPolicy")]
pub enum OverdraftPolicy {
    /// It stops at zero.
    Deny,
    /// It may go below zero, down to a limit where one is set.
    Allow,
}

impl From<settings::Overdraft> for Overdraft {
    fn from(overdraft: settings::Overdraft) -> Self {
        match overdraft {
            settings::Overdraft::Deny => Self { policy: OverdraftPolicy::Deny, limit: None },
            settings::Overdraft::Allow { limit } => {
                Self { policy: OverdraftPolicy::Allow, limit: limit.map(Decimal::from) }
            }
        }
    }
}

/// What happens when usage exceeds what is available. Example: `{policy: ALLOW, limit: "50"}`.
#[derive(InputObject, Clone, Debug)]
pub struct OverdraftInput {
    /// Whether a balance may go below zero.
    pub policy: OverdraftPolicy,
    /// How far below zero, in credits: 0 to 1000000000000; only with ALLOW, and without limit when it is left out.
    pub limit: Option<Given<decimal::Decimal>>,
}

impl From<OverdraftInput> for GivenOverdraft {
    fn from(given: OverdraftInput) -> Self {
        Self { policy: given.policy.into(), limit: given.limit }
    }
}

/// How credits end.
#[derive(SimpleObject, Clone, Copy)]
pub struct Expiration {
    /// When they end.
    pub policy: ExpirationPolicy,
    /// After how many days of 24 hours; null unless AFTER_DAYS.
    pub days: Option<i32>,
}

/// When credits end.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "input::ExpirationPolicy")]
pub enum ExpirationPolicy {
    /// They do not end.
    Never,
    /// That many days of 24 hours after they begin.
    AfterDays,
    /// With the period that they are included in: for included credits of a plan alone.
    EndOfPeriod,
}

impl From<model::Expiration> for Expiration {
    fn from(expiration: model::Expiration) -> Self {
        match expiration {
            model::Expiration::Never => Self { policy: ExpirationPolicy::Never, days: None },
            model::Expiration::AfterDays(days) => Self { policy: ExpirationPolicy::AfterDays, days: Some(days) },
        }
    }
}

/// How credits end. Example: `{policy: AFTER_DAYS, days: 365}`.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct ExpirationInput {
    /// When they end.
    pub policy: ExpirationPolicy,
    /// After how many days of 24 hours: 1 to 36500; only with AFTER_DAYS.
    pub days: Option<i32>,
}

impl From<ExpirationInput> for GivenExpiration {
    fn from(given: ExpirationInput) -> Self {
        Self { policy: given.policy.into(), days: given.days }
    }
}
