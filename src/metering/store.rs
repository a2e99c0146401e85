//! The SQL of usage events, and nobody else's.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel_async::RunQueryDsl;

use super::event::UsageEvent;
use super::model;
use crate::base::ids::{BalanceId, CustomerId, EntryId, EventKey};
use crate::base::json::CanonicalJson;
use crate::base::page::{Page, PageRequest};
use crate::base::text;
use crate::base::time::Time;
use crate::db::bulk::{bulk_insert, bulk_row, select_by_keys};
use crate::db::schema::{event_types, events};
use crate::db::types::{Id, JsonText, Micros};
use crate::db::{Conn, DbError, on};

bulk_insert! {
    /// A usage event.
    pub(super) struct EventRow of events {
        customer_id: CustomerId as Id,
        key: i64 as BigInt,
        event_id: String as Text,
        event_type: String as Text,
        occurred_at: Time as Micros,
        received_at: Time as Micros,
        properties: CanonicalJson as Text,
        outcomes: String as Text,
        entries: JsonText as Text,
        content_hash: Vec<u8> as Binary,
    }
}

bulk_insert! {
    /// A type of events.
    struct EventTypeRow of event_types, "ON CONFLICT DO NOTHING" {
        event_type: String as Text,
    }
}

bulk_row! {
    /// What is on record under an event's key.
    pub struct KnownEvent of events {
        /// Whose event it is.
        customer_id: CustomerId as Id,
        /// Its key.
        key: i64 as BigInt,
        /// The caller's id of the event.
        event_id: String as Text,
        /// What tells a repeat from an id that is used twice.
        content_hash: Vec<u8> as Binary,
    }
}

/// The entries of an event, as pairs of the balance's number and the entry's sequence.
pub(super) fn write_entries(entries: &[EntryId]) -> JsonText {
    let pairs: Vec<(i32, i64)> = entries.iter().map(|entry| (entry.balance.number, entry.sequence)).collect();
    JsonText::of(&pairs)
}

impl EventRow {
    fn into_event(self) -> Result<UsageEvent, DbError> {
        let customer = self.customer_id;
        let pairs: Vec<(i32, i64)> = self.entries.read("an event's entries")?;
        let entry = |(number, sequence)| BalanceId { customer, number }.entry(sequence);
        Ok(UsageEvent {
            key: EventKey { customer, key: self.key },
            event_id: self.event_id,
            event_type: self.event_type,
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            properties: self.properties,
            outcomes: model::decode(&self.outcomes).map_err(|error| DbError::Corrupt(error.to_string()))?,
            entries: pairs.into_iter().map(entry).collect(),
        })
    }
}

/// Which of these events are on record.
///
/// # Errors
/// Those of the database.
pub async fn find_known(conn: &mut Conn, keys: impl Iterator<Item = EventKey>) -> Result<Vec<KnownEvent>, DbError> {
    let wanted = keys.map(|event| (event.customer, event.key)).collect();
    select_by_keys!(conn, KnownEvent of events, wanted, {
        customer_id eq CustomerId as Id,
        key eq i64 as BigInt,
    })
}

/// Those of the events that are on record, in no order.
///
/// # Errors
/// Those of the database.
pub async fn find_events(conn: &mut Conn, keys: &[EventKey]) -> Result<Vec<UsageEvent>, DbError> {
    let wanted = keys.iter().map(|event| (event.customer, event.key)).collect();
    let rows = select_by_keys!(conn, EventRow of events, wanted, {
        customer_id eq CustomerId as Id,
        key eq i64 as BigInt,
    })?;
    rows.into_iter().map(EventRow::into_event).collect()
}

/// Where an event stands among those of its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it happened.
    pub occurred_at: Time,
    /// Tells events of one instant apart.
    pub key: i64,
}

impl UsageEvent {
    /// Where it stands among those of its customer.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        Moment { occurred_at: self.occurred_at, key: self.key.key }
    }
}

/// A page of a customer's events.
#[derive(Clone, Debug)]
pub struct ListEvents {
    /// Whose.
    pub customer: CustomerId,
    /// Only those of this type.
    pub event_type: Option<String>,
    /// Only what happened then or later.
    pub from: Option<Time>,
    /// Only what happened before that.
    pub until: Option<Time>,
    /// Which page.
    pub page: PageRequest<Moment>,
}

/// A page of a customer's events by when they happened, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_events(conn: &mut Conn, list: &ListEvents) -> Result<Page<UsageEvent>, DbError> {
    let page = &list.page;
    // What cannot be a type is that of no event, and PostgreSQL would not even take it.
    if list.event_type.as_ref().is_some_and(|event_type| text::check(event_type, text::MAX_REFERENCE).is_err()) {
        return Ok(Page::of(page, Vec::new()));
    }
    let rows: Vec<EventRow> = on!(conn, |c, B| {
        let of_customer = events::table.filter(events::customer_id.eq(list.customer));
        let mut query = of_customer.select(EventRow::as_select()).into_boxed::<B>();
        if let Some(event_type) = &list.event_type {
            query = query.filter(events::event_type.eq(event_type));
        }
        if let Some(from) = list.from {
            query = query.filter(events::occurred_at.ge(from));
        }
        if let Some(until) = list.until {
            query = query.filter(events::occurred_at.lt(until));
        }
        // The bound on the time alone lets the index begin there.
        if let Some(Moment { occurred_at: time, key }) = page.after {
            let behind = events::occurred_at.lt(time).or(events::key.lt(key));
            query = query.filter(events::occurred_at.le(time)).filter(behind);
        }
        if let Some(Moment { occurred_at: time, key }) = page.before {
            let ahead = events::occurred_at.gt(time).or(events::key.gt(key));
            query = query.filter(events::occurred_at.ge(time)).filter(ahead);
        }
        query = if page.is_backward() {
            query.order((events::occurred_at.asc(), events::key.asc()))
        } else {
            query.order((events::occurred_at.desc(), events::key.desc()))
        };
        query.limit(page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(EventRow::into_event).collect::<Result<_, _>>()?;
    Ok(Page::of(page, found))
}

/// Events of a customer and type that happened in [from, until).
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Whose.
    pub customer: CustomerId,
    /// Their type.
    pub event_type: &'a str,
    /// What happened then or later.
    pub from: Time,
    /// What happened before that.
    pub until: Time,
}

/// The properties of some events, the oldest first, from behind one of them on.
///
/// # Errors
/// Those of the database.
pub async fn list_properties(
    conn: &mut Conn,
    span: Span<'_>,
    (behind, limit): (Option<Moment>, i64),
) -> Result<Vec<(Moment, CanonicalJson)>, DbError> {
    let rows: Vec<(Time, i64, CanonicalJson)> = on!(conn, |c, B| {
        let mut query = events::table
            .filter(events::customer_id.eq(span.customer))
            .filter(events::event_type.eq(span.event_type))
            .filter(events::occurred_at.ge(behind.map_or(span.from, |moment| moment.occurred_at)))
            .filter(events::occurred_at.lt(span.until))
            .select((events::occurred_at, events::key, events::properties))
            .into_boxed::<B>();
        if let Some(Moment { occurred_at: time, key }) = behind {
            query = query.filter(events::occurred_at.gt(time).or(events::key.gt(key)));
        }
        query.order((events::occurred_at, events::key)).limit(limit).load(c)
    })?;
    Ok(rows.into_iter().map(|(occurred_at, key, properties)| (Moment { occurred_at, key }, properties)).collect())
}

/// Adds types that were not known yet.
///
/// # Errors
/// Those of the database.
pub async fn insert_types(conn: &mut Conn, types: impl Iterator<Item = String>) -> Result<(), DbError> {
    let mut rows: Vec<EventTypeRow> = types.map(|event_type| EventTypeRow { event_type }).collect();
    rows.sort_by(|a, b| a.event_type.cmp(&b.event_type));
    EventTypeRow::insert_all(conn, rows).await
}

/// The types of events received so far, by name.
///
/// # Errors
/// Those of the database.
pub async fn list_types(conn: &mut Conn, limit: i64) -> Result<Vec<String>, DbError> {
    on!(conn, |c| event_types::table
        .select(event_types::event_type)
        .order(event_types::event_type)
        .limit(limit)
        .load(c))
}
