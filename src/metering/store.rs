//! The SQL of usage events, and nobody else's.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel_async::RunQueryDsl;

use super::event::UsageEvent;
use super::model;
use crate::base::ids::{BalanceId, CustomerId, EntryId, EventKey};
use crate::base::json::CanonicalJson;
use crate::base::time::Time;
use crate::db::bulk::{Column, SelectOverArrays, bulk_insert};
use crate::db::schema::{event_types, events};
use crate::db::types::{Id, Micros};
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
        entries: String as Text,
        content_hash: Vec<u8> as Binary,
    }
}

bulk_insert! {
    /// A type of events.
    struct EventTypeRow of event_types {
        event_type: String as Text,
    }
}

/// What is on record under an event's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEvent {
    /// Which event it is.
    pub key: EventKey,
    /// The caller's id of the event.
    pub event_id: String,
    /// What tells a repeat from an id that is used twice.
    pub content: Vec<u8>,
}

/// The entries of an event, as text.
pub(super) fn write_entries(entries: &[EntryId]) -> String {
    let pairs: Vec<(i32, i64)> = entries.iter().map(|entry| (entry.balance.number, entry.sequence)).collect();
    // Pairs of integers always have a JSON form.
    serde_json::to_string(&pairs).unwrap_or_default()
}

impl EventRow {
    fn into_event(self) -> Result<UsageEvent, DbError> {
        let customer = self.customer_id;
        let pairs: Vec<(i32, i64)> =
            serde_json::from_str(&self.entries).map_err(|error| DbError::Corrupt(error.to_string()))?;
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
pub async fn find_known(conn: &mut Conn, keys: Vec<EventKey>) -> Result<Vec<KnownEvent>, DbError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    conn.count_statement();
    let rows: Vec<(CustomerId, i64, String, Vec<u8>)> = match conn {
        Conn::Postgres { conn, .. } => {
            let columns = vec![
                Column::<Id, CustomerId>::boxed(keys.iter().map(|event| event.customer).collect()),
                Column::<BigInt, i64>::boxed(keys.iter().map(|event| event.key).collect()),
            ];
            let names = ["customer_id", "key", "event_id", "content_hash"];
            let query = SelectOverArrays::<(Id, BigInt, Text, Binary)>::by_keys(
                "events",
                &["customer_id", "key"],
                &names,
                columns,
            );
            query.load(conn).await?
        }
        Conn::Sqlite { conn, .. } => {
            conn.spawn_blocking(move |conn| {
                let mut found = Vec::new();
                for event in keys {
                    let query = events::table
                        .filter(events::customer_id.eq(event.customer))
                        .filter(events::key.eq(event.key))
                        .select((events::customer_id, events::key, events::event_id, events::content_hash));
                    found.extend(diesel::RunQueryDsl::load(query, conn)?);
                }
                Ok(found)
            })
            .await?
        }
    };
    let known = |(customer, key, event_id, content)| KnownEvent { key: EventKey { customer, key }, event_id, content };
    Ok(rows.into_iter().map(known).collect())
}

/// Those of the events that are on record.
///
/// # Errors
/// Those of the database.
pub async fn find_events(conn: &mut Conn, keys: &[EventKey]) -> Result<Vec<UsageEvent>, DbError> {
    let customers: std::collections::BTreeSet<CustomerId> = keys.iter().map(|event| event.customer).collect();
    let numbers: Vec<i64> = keys.iter().map(|event| event.key).collect();
    let rows: Vec<EventRow> = on!(conn, |c| events::table
        .filter(events::customer_id.eq_any(customers))
        .filter(events::key.eq_any(numbers))
        .select(EventRow::as_select())
        .load(c))?;
    rows.into_iter().map(EventRow::into_event).collect()
}

/// Adds types that were not known yet.
///
/// # Errors
/// Those of the database.
pub async fn insert_types(conn: &mut Conn, types: impl Iterator<Item = String>) -> Result<(), DbError> {
    let mut rows: Vec<EventTypeRow> = types.map(|event_type| EventTypeRow { event_type }).collect();
    rows.sort_by(|a, b| a.event_type.cmp(&b.event_type));
    EventTypeRow::insert_all(conn, rows).await.map(drop)
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
