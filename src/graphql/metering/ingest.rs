//! How usage events come in.

use std::collections::HashSet;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::events::UsageEvent;
use crate::access::model::Scope;
use crate::base::fields::optional;
use crate::base::given::Given;
use crate::base::ids::{BalanceId, EventKey};
use crate::base::problem::Problem;
use crate::base::time::Time;
use crate::graphql::context::Reach;
use crate::graphql::errors::{Payload, UserError, failed, payload};
use crate::graphql::ids::{CustomerBy, customer_input};
use crate::graphql::ledger::CreditBalance;
use crate::graphql::scalars::Json;
use crate::intake::{IncomingEvent, Receipt, Status, Whose};
use crate::metering::event::Mode;

/// How many events come in at once.
pub(super) const MAX_EVENTS: usize = 1_000;

/// A usage event to be recorded.
#[derive(InputObject, Clone, Debug)]
pub struct EventInput {
    /// Your own id of it: 1 to 255 characters. The same id of the same customer is recorded once, however often it is
    /// sent.
    pub id: String,
    /// Whose usage it is.
    pub customer: CustomerBy,
    /// What happened: 1 to 255 characters, such as `"api.call"`. Meters listen to it.
    #[graphql(name = "type")]
    pub event_type: String,
    /// When it happened, at most an hour ahead of the server's clock; left out, now.
    pub timestamp: Option<Given<Time>>,
    /// What is known of it: a JSON object of at most 64 KiB, such as `{"tokens": 1200}`; left out, `{}`.
    pub properties: Option<Json>,
}

/// Usage events to be recorded.
#[derive(InputObject, Clone, Debug)]
pub struct IngestEventsInput {
    /// At most 1,000 events, in the order in which they burn.
    pub events: Vec<EventInput>,
    /// What happens to an event that is not covered.
    #[graphql(default_with = "IngestMode::Record")]
    pub mode: IngestMode,
}

/// What happens to an event that the customer's credits do not cover.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Mode")]
pub enum IngestMode {
    /// The usage has happened: it is recorded, and burns what policy allows. The entries say what was not covered.
    Record,
    /// Ask first: it is refused and leaves no trace.
    Enforce,
}

/// How an event ended.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub enum EventStatus {
    /// It was recorded.
    Accepted,
    /// An event of the customer with this id is on record; nothing happened.
    Duplicate,
    /// The customer's credits do not cover it; nothing happened.
    Refused,
    /// It is wrong in itself; nothing happened.
    Invalid,
}

/// What became of one event.
pub struct EventReceipt {
    index: i32,
    event_id: String,
    status: Status,
    event: Option<EventKey>,
    differs: bool,
    error: Option<UserError>,
}

/// What became of one event of the input.
#[Object]
impl EventReceipt {
    /// Its place in the input, from 0.
    async fn index(&self) -> i32 {
        self.index
    }

    /// Your own id of it.
    async fn event_id(&self) -> &str {
        &self.event_id
    }

    /// How it ended.
    async fn status(&self) -> EventStatus {
        self.status.into()
    }

    /// The recorded event; the earlier one for a DUPLICATE, which a key with the scope INGEST alone does not see, since another
    /// program may have recorded it. Null when nothing is on record.
    async fn event(&self, ctx: &Context<'_>) -> Option<Result<UsageEvent>> {
        let may_see =
            self.status != Status::Duplicate || ctx.caller().holds_any(&[Scope::Read, Scope::Write, Scope::Admin]);
        let key = self.event.filter(|_| may_see)?;
        Some(ctx.loaders().get(key).await.map(UsageEvent))
    }

    /// For a DUPLICATE: whether its type, timestamp or properties are not those on record, so that the id was used for two
    /// events.
    async fn differs(&self) -> bool {
        self.differs
    }

    /// Why it was not recorded; its path begins with `["events", "<index>"]`.
    async fn error(&self) -> Option<UserError> {
        self.error.clone()
    }
}

impl EventReceipt {
    fn of(index: usize, event_id: String, receipt: Receipt) -> Self {
        let Receipt { status, event, differs, problem, .. } = receipt;
        let error = problem.map(|problem| problem.within(&["events", &index.to_string()]).into());
        Self { index: count(index), event_id, status, event, differs, error }
    }
}

/// What became of the events.
#[derive(SimpleObject, Default)]
pub struct IngestEventsPayload {
    /// How many were recorded.
    pub accepted: i32,
    /// How many were on record already.
    pub duplicates: i32,
    /// How many were not covered.
    pub refused: i32,
    /// How many are wrong in themselves.
    pub invalid: i32,
    /// What became of each event, in the order of the input.
    pub receipts: Vec<EventReceipt>,
    /// Every balance that changed, as it stands now.
    pub balances: Vec<CreditBalance>,
    /// Why nothing happened at all; empty when each event was looked at.
    pub errors: Vec<UserError>,
}
payload!(IngestEventsPayload);

/// There are at most [`MAX_EVENTS`] of anything here.
pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn incoming(input: EventInput) -> Result<IncomingEvent, Problem> {
    let whose = customer_input(&["customer"], &input.customer)?.map_or_else(Whose::ExternalId, Whose::Id);
    let timestamp = optional(input.timestamp.as_ref(), |given| given.read(&["timestamp"]).copied())?;
    Ok(IncomingEvent {
        id: input.id,
        whose,
        event_type: input.event_type,
        timestamp,
        properties: input.properties.map(|properties| properties.0),
    })
}

/// The mutation of usage events.
#[derive(Default)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    /// Records usage and burns credits for it, in one step: the answer holds the new balances. Each event stands or falls
    /// alone, and can be sent again without harm.
    async fn ingest_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The events.")] input: IngestEventsInput,
    ) -> Option<Result<IngestEventsPayload>> {
        ctx.refresh();
        if input.events.len() > MAX_EVENTS {
            let message = format!("events has {} entries; send at most {MAX_EVENTS} at once.", input.events.len());
            return Some(Ok(Payload::refused(vec![Problem::invalid(&["events"], message).into()])));
        }
        Some(ingest(ctx, input).await)
    }
}

async fn ingest(ctx: &Context<'_>, input: IngestEventsInput) -> Result<IngestEventsPayload> {
    let ids: Vec<String> = input.events.iter().map(|event| event.id.clone()).collect();
    let mut events = Vec::with_capacity(ids.len());
    // What cannot be sent in is judged here; the places of the others are filled with what comes back.
    let mut judged: Vec<Option<Receipt>> = Vec::with_capacity(ids.len());
    for event in input.events {
        match incoming(event) {
            Ok(event) => {
                events.push(event);
                judged.push(None);
            }
            Err(problem) => judged.push(Some(Receipt::invalid(problem))),
        }
    }
    let receipts = ctx.intake().ingest(events, input.mode.into()).await.map_err(|error| failed(&error))?;
    let mut receipts = receipts.into_iter();
    let all: Vec<Receipt> = judged.into_iter().filter_map(|judged| judged.or_else(|| receipts.next())).collect();
    ctx.refresh();
    answered(ctx, ids, all).await
}

async fn answered(ctx: &Context<'_>, ids: Vec<String>, receipts: Vec<Receipt>) -> Result<IngestEventsPayload> {
    let ended = |status| count(receipts.iter().filter(|receipt| receipt.status == status).count());
    let (accepted, duplicates) = (ended(Status::Accepted), ended(Status::Duplicate));
    let (refused, invalid) = (ended(Status::Refused), ended(Status::Invalid));
    let mut seen: HashSet<BalanceId> = HashSet::new();
    let changed = receipts.iter().flat_map(|receipt| &receipt.changed).copied().filter(|id| seen.insert(*id));
    let balances: Vec<BalanceId> = changed.collect();
    let balances = balances.into_iter().map(|id| CreditBalance::get(ctx, id));
    let balances = futures_util::future::try_join_all(balances).await?;
    let numbered = receipts.into_iter().zip(ids).enumerate();
    let receipts = numbered.map(|(index, (receipt, id))| EventReceipt::of(index, id, receipt)).collect();
    Ok(IngestEventsPayload { accepted, duplicates, refused, invalid, receipts, balances, errors: Vec::new() })
}
