//! What usage events would do.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};

use super::events::RuleOutcome;
use super::ingest::{EventInput, EventStatus, IngestMode, MAX_EVENTS, count, incoming};
use crate::base::problem::Problem;
use crate::graphql::context::Reach;
use crate::graphql::errors::{UserError, bad_input, failed};
use crate::graphql::ledger::CreditBalance;
use crate::graphql::ledger::entries::{GrantAllocation, Rating};
use crate::graphql::ledger::enums::BalanceState;
use crate::graphql::scalars::Decimal;
use crate::intake::{Preview, Receipt};
use crate::ledger::entry::Entry;

/// What one event of the input would do.
pub struct EventPreview {
    index: i32,
    preview: Preview,
}

/// What one event of the input would do now.
#[Object]
impl EventPreview {
    /// Its place in the input, from 0.
    async fn index(&self) -> i32 {
        self.index
    }

    /// How it would end.
    async fn status(&self) -> EventStatus {
        self.preview.receipt.status.into()
    }

    /// What each rule whose meter has the event's type comes to, also where it burns nothing; of a REFUSED event, what it
    /// would burn if it were covered. Empty for a DUPLICATE, and for what is wrong in itself.
    async fn outcomes(&self) -> Vec<RuleOutcome> {
        self.preview.outcomes.iter().cloned().map(RuleOutcome).collect()
    }

    /// The entries that it would make, with the events before it in the input taken into account.
    async fn entries(&self) -> Vec<EntryPreview> {
        self.preview.entries.iter().cloned().map(EntryPreview).collect()
    }

    /// Why it would not be recorded; its path begins with `["events", "<index>"]`.
    async fn error(&self) -> Option<UserError> {
        let problem = self.preview.receipt.problem.clone()?;
        Some(problem.within(&["events", &self.index.to_string()]).into())
    }
}

/// An entry that is not written.
#[derive(Clone)]
pub struct EntryPreview(Arc<Entry>);

/// An entry that an event would make.
#[Object]
impl EntryPreview {
    /// The balance that it would change, as it stands now.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.0.balance).await
    }

    /// Credits that it would add to `settled`; negative for a deduction, such as `"-4.8"`.
    async fn credits(&self) -> Decimal {
        self.0.posting.credits.into()
    }

    /// Credits of the event that policy would not let it take: a magnitude.
    async fn uncovered(&self) -> Decimal {
        self.0.posting.uncovered.into()
    }

    /// What could be spent right after it.
    async fn available_after(&self) -> Decimal {
        self.0.posting.available_after.into()
    }

    /// The balance's state right after it.
    async fn state_after(&self) -> BalanceState {
        self.0.posting.state_after.into()
    }

    /// Which grants would lose credits: one item a grant, in the order in which they burn.
    async fn allocations(&self) -> Vec<GrantAllocation> {
        GrantAllocation::of(&self.0)
    }

    /// How the credits would come about.
    async fn rating(&self) -> Option<Rating> {
        Rating::of(&self.0)
    }
}

/// The query of previews.
#[derive(Default)]
pub struct PreviewQuery;

#[Object]
impl PreviewQuery {
    /// What these events would do if they were sent in now, one behind the other. Nothing is done: it is computed by what
    /// records events, and not written. What is due by now is taken into account.
    async fn preview_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 1,000 events, in the order in which they would burn.")] events: Vec<EventInput>,
        #[graphql(desc = "What would happen to an event that is not covered.", default_with = "IngestMode::Record")]
        mode: IngestMode,
    ) -> Option<Result<Vec<EventPreview>>> {
        if events.len() > MAX_EVENTS {
            let message = format!("events has {} entries; preview at most {MAX_EVENTS} at once.", events.len());
            return Some(Err(bad_input("events", message)));
        }
        Some(preview(ctx, events, mode).await)
    }
}

async fn preview(ctx: &Context<'_>, events: Vec<EventInput>, mode: IngestMode) -> Result<Vec<EventPreview>> {
    let events: Vec<Result<_, Problem>> = events.into_iter().map(incoming).collect();
    let readable: Vec<_> = events.iter().filter_map(|event| event.as_ref().ok().cloned()).collect();
    let previews = ctx.intake().preview(readable, mode.into(), ctx.now()).await.map_err(|error| failed(&error))?;
    let mut previews = previews.into_iter();
    let all = events.into_iter().filter_map(|event| match event {
        Ok(_) => previews.next(),
        Err(problem) => Some(Preview::of(Receipt::invalid(problem))),
    });
    Ok(all.enumerate().map(|(index, preview)| EventPreview { index: count(index), preview }).collect())
}
