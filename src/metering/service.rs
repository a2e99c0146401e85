//! The order of steps for one event: rate it, ask whether it is covered, burn, and gather what is to be written.
//!
//! Pure of waiting: everything was loaded before, and everything is written after, for many events at once.

use std::sync::Arc;

use super::event::{Mode, NewEvent};
use super::model::{self, RuleOutcome, RuleResult};
use super::rating::{EXACT_SCALE, Rated, rate};
use super::store::{EventRow, write_entries};
use super::terms::policy_of;
use crate::base::credits::{Credits, Overflow};
use crate::base::decimal;
use crate::base::ids::{BalanceId, EntryId, ProductId};
use crate::base::problem::{Problem, ProblemKind};
use crate::base::time::Time;
use crate::catalog::model::{ConsumptionRule, Meter};
use crate::catalog::snapshot::{EventRule, Snapshot};
use crate::db::{Conn, DbError};
use crate::ledger::command::{Command, Cover, Spend, SpendKind};
use crate::ledger::entry::{Entry, Note, Origin, Rating};
use crate::ledger::error::Refusal;
use crate::ledger::model::Balance;
use crate::ledger::rules;
use crate::ledger::service::{Terms, Writes, post};

/// What one event meets: the catalog, the present, and how it is to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The catalog.
    pub catalog: &'a Snapshot,
    /// The present.
    pub now: Time,
    /// Whether it is recorded though it is not covered.
    pub mode: Mode,
}

/// Why an event was not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRecorded {
    /// ENFORCE: it is not covered.
    Refused(Problem),
    /// ENFORCE: a rule of an open balance cannot be rated.
    Invalid(Problem),
    /// The balance does not take what policy lets it take: its books are broken.
    Broken(BalanceId, Refusal),
}

/// The events that a transaction records.
#[derive(Debug, Default)]
pub struct EventWrites(Vec<EventRow>);

impl EventWrites {
    /// Writes them.
    ///
    /// # Errors
    /// Those of the database; [`DbError::Duplicate`] when another transaction recorded one of them first.
    pub async fn flush(mut self, conn: &mut Conn) -> Result<(), DbError> {
        self.0.sort_by_key(|row| (row.customer_id, row.key));
        EventRow::insert_all(conn, self.0).await
    }
}

/// One rule that listens to the event, and what became of it.
struct Judged {
    /// Where the customer's open balance of the product stands among its balances.
    balance: Option<usize>,
    outcome: RuleOutcome,
    exact: i128,
}

/// Records one event of a customer against its open balances, which are in order of their numbers.
///
/// # Errors
/// [`NotRecorded`]; nothing has changed then, except for a broken balance, whose transaction must not be committed.
pub fn record(
    event: &NewEvent,
    context: Context<'_>,
    balances: &mut [Balance],
    (writes, events): (&mut Writes, &mut EventWrites),
) -> Result<Vec<Arc<Entry>>, NotRecorded> {
    let judged = judge(event, context, balances);
    if context.mode == Mode::Enforce {
        check_covered(&judged, context, balances)?;
    }
    let mut entries = Vec::new();
    for (place, balance) in balances.iter_mut().enumerate() {
        for judged in judged.iter().filter(|judged| judged.balance == Some(place)) {
            let Some((command, note)) = burning(event, judged) else { continue };
            let policy = policy_of(context.catalog, balance, context.now);
            let terms = Terms::of(balance, policy, context.now);
            // Usage that has happened is taken as far as policy allows: books that are right never refuse it.
            let posted = post(balance, &terms, (&command, &note), writes);
            entries.extend(posted.map_err(|refusal| NotRecorded::Broken(balance.account.id, refusal))?);
        }
    }
    let made: Vec<EntryId> =
        entries.iter().filter(|entry| entry.note.event == Some(event.key)).map(|entry| entry.id()).collect();
    events.0.push(row(event, context.now, &judged, &made));
    Ok(entries)
}

/// What each rule says of an event, however the event ends: what is kept with it once it is recorded.
#[must_use]
pub fn outcomes(event: &NewEvent, context: Context<'_>, balances: &[Balance]) -> Vec<RuleOutcome> {
    judge(event, context, balances).into_iter().map(|judged| judged.outcome).collect()
}

/// What each rule says of the event: each rule whose meter listens to its type. The rules are those of the product, or
/// of the balance where it has its own; products in order of their ids, rules in their own order.
fn judge(event: &NewEvent, context: Context<'_>, balances: &[Balance]) -> Vec<Judged> {
    let Context { catalog, now, .. } = context;
    let mut judged = Vec::new();
    let own: Vec<(usize, &Balance, &[ConsumptionRule])> = balances
        .iter()
        .enumerate()
        .filter(|(_, balance)| balance.plan.is_some() && balance.is_open(now))
        .filter_map(|(place, balance)| Some((place, balance, balance.stretch(now)?.layer.consumption.as_deref()?)))
        .collect();
    for listed in catalog.rules_for(&event.event_type) {
        let product = listed.product.id;
        if own.iter().any(|(_, balance, _)| balance.product == product) {
            continue;
        }
        let balance = balances.iter().position(|balance| balance.product == product && balance.is_open(now));
        for EventRule { rule, meter } in &listed.rules {
            judged.push(Judged::of(event, (product, balance), rule, meter));
        }
    }
    if own.is_empty() {
        return judged;
    }
    for (place, balance, consumption) in own {
        for (rule, meter) in catalog.rules_among(consumption, &event.event_type) {
            judged.push(Judged::of(event, (balance.product, Some(place)), rule, meter));
        }
    }
    judged.sort_by_key(|judged| judged.outcome.product);
    judged
}

impl Judged {
    fn of(
        event: &NewEvent,
        (product, balance): (ProductId, Option<usize>),
        rule: &ConsumptionRule,
        meter: &Meter,
    ) -> Self {
        let rated = rate(rule, meter, &event.values);
        let exact = match rated {
            Rated::Burns { exact, .. } => exact,
            _ => 0,
        };
        let outcome = RuleOutcome::of(product, rule, rated);
        let outcome = if balance.is_some() { outcome } else { outcome.without_balance() };
        Self { balance, outcome, exact }
    }
}

/// The command that burns what a rule came to, when it came to something.
fn burning(event: &NewEvent, judged: &Judged) -> Option<(Command, Note)> {
    let outcome = &judged.outcome;
    let credits = outcome.credits.filter(|_| outcome.result == RuleResult::Burned)?;
    let command = Command::Spend(Spend {
        kind: SpendKind::Usage,
        credits,
        cover: Cover::AsFarAsAllowed,
        occurred_at: event.timestamp,
    });
    let rating = Rating {
        meter: outcome.meter,
        quantity: outcome.quantity?.text(),
        credits_per_unit: outcome.credits_per_unit?.text(),
        exact_credits: decimal::text(judged.exact, EXACT_SCALE),
        credits,
    };
    let note = Note { event: Some(event.key), rating: Some(rating), ..Note::of(Origin::Event) };
    Some((command, note))
}

/// ENFORCE (L10): each open balance that has a rule for the event covers the sum of its rules, and when rules match
/// there is at least one.
fn check_covered(judged: &[Judged], context: Context<'_>, balances: &[Balance]) -> Result<(), NotRecorded> {
    if let Some(unratable) = judged.iter().find(|j| j.balance.is_some() && j.outcome.result.is_unratable()) {
        return Err(NotRecorded::Invalid(unratable_problem(unratable, context.catalog)));
    }
    for (place, balance) in balances.iter().enumerate() {
        let required = sum(judged.iter().filter(|j| j.balance == Some(place)))?;
        if required.is_positive() {
            check_balance(balance, required, context)?;
        }
    }
    let matched = || judged.iter().filter(|j| j.outcome.result != RuleResult::FilteredOut);
    match matched().next() {
        Some(first) if matched().all(|j| j.balance.is_none()) => {
            Err(NotRecorded::Refused(no_balance(judged, first.outcome.product, context.catalog)?))
        }
        _ => Ok(()),
    }
}

/// What rules came to together.
fn sum<'a>(judged: impl Iterator<Item = &'a Judged>) -> Result<Credits, NotRecorded> {
    judged.filter_map(|j| j.outcome.credits).try_fold(Credits::ZERO, Credits::plus).map_err(too_much)
}

fn too_much(overflow: Overflow) -> NotRecorded {
    NotRecorded::Invalid(Problem::invalid(&[], format!("The event cannot be charged: {overflow}.")))
}

fn check_balance(balance: &Balance, required: Credits, context: Context<'_>) -> Result<(), NotRecorded> {
    let Terms { policy, renewals, now, .. } =
        Terms::of(balance, policy_of(context.catalog, balance, context.now), context.now);
    let spend = Spend { kind: SpendKind::Usage, credits: required, cover: Cover::Whole, occurred_at: None };
    match rules::apply(&balance.account, &policy, &Command::Spend(spend), now, &renewals) {
        Err(Refusal::Insufficient { available, required, shortfall }) => {
            let balance = Some(balance.account.id);
            let message = format!("The event needs {required} credits and {available} are available.");
            let kind = ProblemKind::Insufficient { balance, available, required, shortfall };
            Err(NotRecorded::Refused(Problem::of(kind, &[], message)))
        }
        Err(refusal) => Err(NotRecorded::Broken(balance.account.id, refusal)),
        Ok(_) => Ok(()),
    }
}

/// The refusal when no open balance of the customer could burn what matched.
fn no_balance(judged: &[Judged], product: ProductId, catalog: &Snapshot) -> Result<Problem, NotRecorded> {
    let exact = |j: &&Judged| j.outcome.product == product && j.outcome.result == RuleResult::NoBalance;
    let required = judged
        .iter()
        .filter(exact)
        .map(|j| {
            let micros = decimal::div_round(j.exact, decimal::pow10(EXACT_SCALE.saturating_sub(Credits::SCALE)));
            micros.and_then(|micros| i64::try_from(micros).ok()).map(Credits::from_micros).ok_or(Overflow)
        })
        .try_fold(Credits::ZERO, |sum, credits| sum.plus(credits?))
        .map_err(too_much)?;
    let name = catalog.product(product).map_or("", |product| product.name.as_str());
    let message = format!(
        "The event needs {required} credits of \"{name}\", and the customer has no open balance that could burn it."
    );
    let kind = ProblemKind::Insufficient { balance: None, available: Credits::ZERO, required, shortfall: required };
    Ok(Problem::of(kind, &[], message))
}

fn unratable_problem(judged: &Judged, catalog: &Snapshot) -> Problem {
    let unit = catalog.product(judged.outcome.product).map_or("credit", |product| product.unit_name.as_str());
    let message = catalog
        .meter(judged.outcome.meter)
        .map_or_else(|| "The event cannot be rated.".to_owned(), |meter| judged.outcome.explanation(meter, unit));
    Problem::invalid(&["properties"], message)
}

fn row(event: &NewEvent, now: Time, judged: &[Judged], entries: &[EntryId]) -> EventRow {
    let outcomes: Vec<RuleOutcome> = judged.iter().map(|judged| judged.outcome.clone()).collect();
    EventRow {
        customer_id: event.key.customer,
        key: event.key.key,
        event_id: event.event_id.clone(),
        event_type: event.event_type.clone(),
        occurred_at: event.timestamp.unwrap_or(now),
        received_at: now,
        properties: event.properties.clone(),
        outcomes: model::encode(&outcomes),
        entries: write_entries(entries),
        content_hash: event.content.to_vec(),
    }
}
