//! Meters: what turns usage events into quantities.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::ArchiveInput;
use crate::base::problem::all;
use crate::catalog::input::{AggregationKind, ListMeters, MeterChanges, NewMeter};
use crate::catalog::plans::store::list_versions_with;
use crate::catalog::store::lock_catalog;
use crate::catalog::{meter_rules, model, service, store};
use crate::graphql::context::{Reach, read};
use crate::graphql::errors::{UserError, answer, failed, payload};
use crate::graphql::ids::{KeyBy, id_argument, id_input};
use crate::graphql::loaders::MeterKey;
use crate::graphql::paging::{List, PageArgs, Rows, connection};
use crate::graphql::patch::patch;
use crate::graphql::scalars::{DateTime, Json};
use crate::subscriptions::store::meter_is_used;

const METERS: List = List::all("meters");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A meter, as the domain has it.
#[derive(Clone)]
pub struct Meter(pub Arc<model::Meter>);

/// What turns usage events into a quantity: events of one type, narrowed by a filter, counted or added up. Example: the
/// tokens of every `"completion"` event whose `model` is `"large"`.
#[Object]
impl Meter {
    /// Its id: `"mtr_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Your own key for it, unique among meters and never changed, such as `"nova_fast_tokens"`.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// For people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The type of the events that it listens to, such as `"completion"`.
    async fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// How an event becomes a quantity.
    async fn aggregation(&self) -> MeterAggregation {
        match self.0.aggregation {
            model::Aggregation::Count => MeterAggregation::Count,
            model::Aggregation::Sum { .. } => MeterAggregation::Sum,
        }
    }

    /// The event property that SUM adds up; dots descend into objects: `"usage.tokens"`. Null for COUNT.
    async fn property(&self) -> Option<&str> {
        match &self.0.aggregation {
            model::Aggregation::Count => None,
            model::Aggregation::Sum { property } => Some(property),
        }
    }

    /// An event counts when one of these is met; empty lets every event of the type through.
    async fn filter(&self) -> Vec<EventFilter> {
        self.0.filter.iter().map(EventFilter::from).collect()
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// When it was archived; null while it can be used.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// How an event becomes a quantity.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "AggregationKind")]
pub enum MeterAggregation {
    /// Each event is 1.
    Count,
    /// Each event is the number in one of its properties.
    Sum,
}

/// Conditions that are met together.
#[derive(SimpleObject, Clone)]
pub struct EventFilter {
    /// The filter is met when all of these are: 1 to 20.
    pub all: Vec<PropertyFilter>,
}

impl From<&model::EventFilter> for EventFilter {
    fn from(filter: &model::EventFilter) -> Self {
        let condition = |one: &model::PropertyFilter| PropertyFilter {
            name: one.name.clone(),
            operator: one.operator.into(),
            values: one.values.iter().cloned().map(Json).collect(),
        };
        Self { all: filter.all.iter().map(condition).collect() }
    }
}

/// One condition on one property of an event. Numbers compare as exact decimals, strings by code point, and values of
/// different types are never equal.
#[derive(SimpleObject, Clone)]
pub struct PropertyFilter {
    /// The property's name; dots descend into objects: `"request.model"`.
    pub name: String,
    /// How it is compared.
    pub operator: FilterOperator,
    /// With what: none for EXISTS and NOT_EXISTS, 1 to 100 for IN and NOT_IN, one for the others.
    pub values: Vec<Json>,
}

/// How a property is compared. A property that is missing, null, or of another type than the value meets only NEQ, NOT_IN
/// and NOT_EXISTS.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::FilterOperator")]
pub enum FilterOperator {
    /// It equals the value.
    Eq,
    /// It does not equal the value.
    Neq,
    /// It equals one of the values.
    In,
    /// It equals none of the values.
    NotIn,
    /// It is greater than the value: numbers or strings alone.
    Gt,
    /// It is greater than the value or equals it: numbers or strings alone.
    Gte,
    /// It is less than the value: numbers or strings alone.
    Lt,
    /// It is less than the value or equals it: numbers or strings alone.
    Lte,
    /// It is there and not null.
    Exists,
    /// It is missing or null.
    NotExists,
}

connection!(MeterConnection, MeterEdge, Meter, "A page of meters, by key.", "A meter in a page.");

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// Conditions that are met together.
#[derive(InputObject, Clone, Debug)]
pub struct EventFilterInput {
    /// The filter is met when all of these are: 1 to 20.
    pub all: Vec<PropertyFilterInput>,
}

/// One condition on one property of an event. Example: `{name: "model", operator: IN, values: ["large", "huge"]}`.
#[derive(InputObject, Clone, Debug)]
pub struct PropertyFilterInput {
    /// The property's name; dots descend into objects: `"request.model"`.
    pub name: String,
    /// How it is compared.
    pub operator: FilterOperator,
    /// With what: none for EXISTS and NOT_EXISTS, 1 to 100 for IN and NOT_IN, one for the others.
    #[graphql(default)]
    pub values: Vec<Json>,
}

fn given_filter(filter: Vec<EventFilterInput>) -> Vec<model::EventFilter> {
    let condition = |one: PropertyFilterInput| model::PropertyFilter {
        name: one.name,
        operator: one.operator.into(),
        values: one.values.into_iter().map(|value| value.0).collect(),
    };
    let one = |filter: EventFilterInput| model::EventFilter { all: filter.all.into_iter().map(condition).collect() };
    filter.into_iter().map(one).collect()
}

/// A meter to be made. Its key, event type, aggregation and property never change.
#[derive(InputObject, Clone, Debug)]
pub struct CreateMeterInput {
    /// Your own key for it, unique among meters, archived ones included: 1 to 100 characters of `a-z`, `0-9`, `_`, `-` and
    /// `.`, beginning with a letter or digit.
    pub key: String,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// The type of the events that it listens to: 1 to 255 characters.
    pub event_type: String,
    /// How an event becomes a quantity.
    pub aggregation: MeterAggregation,
    /// The event property that SUM adds up; dots descend into objects: `"usage.tokens"`. Leave it out for COUNT.
    pub property: Option<String>,
    /// An event counts when one of these is met: at most 20. Empty lets every event of the type through.
    #[graphql(default)]
    pub filter: Vec<EventFilterInput>,
}

/// What changes about a meter. Usage that was recorded before stays as it was rated.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateMeterInput {
    /// The meter's id.
    pub id: ID,
    /// For people: 1 to 200 characters. It cannot be null.
    pub name: MaybeUndefined<String>,
    /// Which events count from now on, replaced as a whole; null lets every event of the type through.
    pub filter: MaybeUndefined<Vec<EventFilterInput>>,
}

/// What a mutation of a meter answers.
#[derive(SimpleObject, Default)]
pub struct MeterPayload {
    /// The meter as it is now; null when nothing happened.
    pub meter: Option<Meter>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(MeterPayload);

impl From<model::Meter> for MeterPayload {
    fn from(meter: model::Meter) -> Self {
        Self { meter: Some(Meter(Arc::new(meter))), errors: Vec::new() }
    }
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The queries of meters.
#[derive(Default)]
pub struct MeterQuery;

#[Object]
impl MeterQuery {
    /// One meter, archived or not; null when there is none.
    async fn meter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which: by id or by key.")] by: KeyBy,
    ) -> Option<Result<Meter>> {
        let found = async {
            Ok(match by {
                KeyBy::Id(id) => ctx.loaders().find(id_argument::<crate::base::ids::MeterId>("by.id", &id)?).await?,
                KeyBy::Key(key) => ctx.loaders().find(MeterKey(key)).await?,
            })
        };
        found.await.map(|found| found.map(Meter)).transpose()
    }

    /// Meters, by key.
    async fn meters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Archived ones too.", default = false)] include_archived: bool,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<MeterConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&METERS)?;
            let list = ListMeters { page, include_archived };
            let page = store::list_meters(&mut read(ctx).await?, &list).await.map_err(|error| failed(&error))?;
            Ok(Rows::of(&METERS, page, |meter| meter.key.clone(), |meter| Meter(Arc::new(meter))).into())
        };
        Some(found.await)
    }
}

/// The mutations of meters.
#[derive(Default)]
pub struct MeterMutation;

#[Object]
impl MeterMutation {
    /// Makes a meter. AlreadyExists names the one that has the key.
    async fn create_meter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The meter.")] input: CreateMeterInput,
    ) -> Option<Result<MeterPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let new = NewMeter {
            key: input.key,
            name: input.name,
            event_type: input.event_type,
            aggregation: input.aggregation.into(),
            property: input.property,
            filter: given_filter(input.filter),
        };
        let outcome = db.write(async |txn| service::create_meter(txn, ids, now, &new).await).await;
        answer(ctx, outcome, MeterPayload::from)
    }

    /// Changes a meter's name or filter; events that arrive from now on are judged by them.
    async fn update_meter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: UpdateMeterInput,
    ) -> Option<Result<MeterPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let changes = MeterChanges { name: patch(input.name, |name| name), filter: patch(input.filter, given_filter) };
        let outcome = async {
            let (id, ()) = all((id_input(&["id"], &input.id), meter_rules::check(&changes)))?;
            db.write(async |txn| service::update_meter(txn, now, id, &changes).await).await
        };
        answer(ctx, outcome.await, MeterPayload::from)
    }

    /// Archives a meter that nothing uses: it can be read and not used any more, and its key stays taken. InvalidState
    /// `"IN_USE"` while a product or the latest version of a plan that is not archived has a rule for it, or a running
    /// subscription burns by it.
    async fn archive_meter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meter.")] input: ArchiveInput,
    ) -> Option<Result<MeterPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let outcome = async {
            let id = id_input(&["id"], &input.id)?;
            db.write(async |txn| {
                lock_catalog(txn).await?;
                let versions = list_versions_with(txn, id).await?;
                let subscribed = meter_is_used(txn, id, &versions, now).await?;
                service::archive_meter(txn, now, id, subscribed).await
            })
            .await
        };
        answer(ctx, outcome.await, MeterPayload::from)
    }
}
