//! Usage events on the wire.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result};

use crate::base::ids::CustomerId;
use crate::graphql::catalog::{CreditProduct, Meter};
use crate::graphql::context::{Reach, read};
use crate::graphql::customers::Customer;
use crate::graphql::errors::failed;
use crate::graphql::ledger::LedgerEntry;
use crate::graphql::paging::{List, PageArgs, Rows, connection};
use crate::graphql::scalars::{DateTime, Decimal, Json};
use crate::metering::store::{ListEvents, list_events, list_types};
use crate::metering::{event, model};

/// How many event types are told.
const MAX_TYPES: i64 = 1_000;

/// An event, as the domain has it.
#[derive(Clone)]
pub struct UsageEvent(pub Arc<event::UsageEvent>);

/// One piece of usage as it was recorded, and what it burned. It never changes.
#[Object]
impl UsageEvent {
    /// Its id: `"evt_…"`.
    pub async fn id(&self) -> ID {
        self.0.key.into()
    }

    /// Whose usage it is.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Customer> {
        ctx.loaders().get(self.0.key.customer).await.map(Customer)
    }

    /// Your own id of the event; at most one event of a customer has it.
    async fn event_id(&self) -> &str {
        &self.0.event_id
    }

    /// Its type, which meters listen to: `"api.call"`.
    #[graphql(name = "type")]
    async fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// When the usage happened.
    async fn timestamp(&self) -> DateTime {
        self.0.occurred_at.into()
    }

    /// When it was recorded.
    async fn received_at(&self) -> DateTime {
        self.0.received_at.into()
    }

    /// What is known of the usage: a JSON object, such as `{"tokens": 1200, "model": "large"}`.
    fn properties(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.json(&self.0.properties)
    }

    /// Why it burned what it burned: an item for each rule whose meter has the event's type, also where it burned nothing.
    async fn outcomes(&self) -> Vec<RuleOutcome> {
        self.0.outcomes.iter().cloned().map(RuleOutcome).collect()
    }

    /// The entries that it made.
    async fn entries(&self, ctx: &Context<'_>) -> Result<Vec<LedgerEntry>> {
        let entries = self.0.entries.iter().map(|id| ctx.loaders().get(*id));
        let entries = futures_util::future::try_join_all(entries).await?;
        Ok(entries.into_iter().map(LedgerEntry).collect())
    }
}

connection!(
    UsageEventConnection,
    UsageEventEdge,
    UsageEvent,
    "A page of a customer's usage events by when they happened, newest first.",
    "A usage event in a page."
);

/// How a rule ended for an event.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::RuleResult")]
pub enum RuleResult {
    /// Credits were burned, or the part of them that policy allowed.
    Burned,
    /// It would have burned, but the customer has no open balance of the product.
    NoBalance,
    /// The meter's filter did not let the event through.
    FilteredOut,
    /// The event does not have the property that the meter adds up, or it is null.
    MissingProperty,
    /// The property is no number.
    NotANumber,
    /// The property is less than zero.
    NegativeQuantity,
    /// The quantity, or what it comes to, is more than there can be.
    OutOfRange,
    /// It comes to no credits.
    Zero,
}

/// An outcome, as the domain has it.
#[derive(Clone)]
pub struct RuleOutcome(pub model::RuleOutcome);

/// What became of one rule for one event.
#[Object]
impl RuleOutcome {
    /// The product whose rule it is.
    async fn product(&self, ctx: &Context<'_>) -> Result<CreditProduct> {
        ctx.loaders().get(self.0.product).await.map(CreditProduct)
    }

    /// The rule's meter.
    async fn meter(&self, ctx: &Context<'_>) -> Result<Meter> {
        ctx.loaders().get(self.0.meter).await.map(Meter)
    }

    /// How it ended.
    async fn outcome(&self) -> RuleResult {
        self.0.result.into()
    }

    /// What the meter read, at most 12 fraction digits; null where it read no number in range.
    async fn quantity(&self) -> Option<Decimal> {
        self.0.quantity.map(|quantity| Decimal::written(quantity.text()))
    }

    /// Credits for each unit, as the rule said at the time; null where nothing was weighed.
    async fn credits_per_unit(&self) -> Option<Decimal> {
        self.0.credits_per_unit.map(Decimal::from)
    }

    /// What the rule burned, credits that were not covered included; null where it could not be said.
    async fn credits(&self) -> Option<Decimal> {
        self.0.credits.map(Decimal::from)
    }

    /// The same in words, for the person who asks why: `"1200 units × 0.004 = 4.8 credits"`.
    async fn explanation(&self, ctx: &Context<'_>) -> Result<String> {
        let loaders = ctx.loaders();
        let (meter, product) = futures_util::try_join!(loaders.get(self.0.meter), loaders.get(self.0.product))?;
        Ok(self.0.explanation(&meter, &product.unit_name))
    }
}

/// Which of a customer's events are asked for.
pub struct EventArgs {
    /// Only those of this type.
    pub event_type: Option<String>,
    /// Only what happened then or later.
    pub from: Option<DateTime>,
    /// Only what happened before that.
    pub until: Option<DateTime>,
    /// Which page.
    pub page: PageArgs,
}

/// A page of a customer's events.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for the page's arguments, or the database's.
pub async fn events_of(ctx: &Context<'_>, customer: CustomerId, args: EventArgs) -> Result<UsageEventConnection> {
    let list = List::of("events", customer);
    let wanted = ListEvents {
        customer,
        event_type: args.event_type,
        from: args.from.map(|from| from.0),
        until: args.until.map(|until| until.0),
        page: args.page.request(&list)?,
    };
    let page = list_events(&mut read(ctx).await?, &wanted).await.map_err(|error| failed(&error))?;
    Ok(Rows::of(&list, page, event::UsageEvent::moment, |event| UsageEvent(Arc::new(event))).into())
}

/// The queries of usage events.
#[derive(Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// The types of the events received so far, by name; at most 1,000.
    async fn event_types(&self, ctx: &Context<'_>) -> Option<Result<Vec<String>>> {
        let found = async { list_types(&mut read(ctx).await?, MAX_TYPES).await.map_err(|error| failed(&error)) };
        Some(found.await)
    }
}
