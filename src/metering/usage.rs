//! What a meter measured of a customer in a time: what usage that is paid for with money is charged by.
//!
//! An event counts by its own timestamp, as its meter reads it: one that the filter stops, or whose property is no
//! quantity, counts nothing. Events are read in bounded steps, by the index of the customer's events over time.

use serde_json::Value;

use super::filter::lets_through;
use super::property::find_property;
use super::quantity::Quantity;
use super::store::{Span, list_properties};
use crate::base::ids::CustomerId;
use crate::base::time::Time;
use crate::catalog::model::{Aggregation, Meter};
use crate::db::{Conn, DbError};

/// How many events are read at a time.
const CHUNK: i64 = 2_000;

/// What a meter reads of one event of its type; nothing when the event does not count.
#[must_use]
pub fn reading(meter: &Meter, properties: &Value) -> Option<Quantity> {
    if !lets_through(&meter.filter, properties) {
        return None;
    }
    match &meter.aggregation {
        Aggregation::Count => Some(Quantity::ONE),
        Aggregation::Sum { property } => Quantity::read(find_property(properties, property)).ok(),
    }
}

/// What a meter measured of a customer's events in [from, until), in 10^-12 of a unit.
///
/// # Errors
/// Those of the database.
pub async fn measure(
    conn: &mut Conn,
    customer: CustomerId,
    meter: &Meter,
    (from, until): (Time, Time),
) -> Result<i128, DbError> {
    let mut sum = 0_i128;
    let mut behind = None;
    loop {
        let span = Span { customer, event_type: &meter.event_type, from, until };
        let events = list_properties(conn, span, (behind, CHUNK)).await?;
        for (_, properties) in &events {
            let quantity = reading(meter, &properties.value()).map_or(0, Quantity::scaled);
            sum = sum.saturating_add(quantity);
        }
        behind = events.last().map(|(moment, _)| *moment);
        if i64::try_from(events.len()).is_ok_and(|read| read < CHUNK) {
            return Ok(sum);
        }
    }
}
