//! Usage events: what a caller sends, what is checked about it alone, and what is kept.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::model::RuleOutcome;
use crate::base::ids::{CustomerId, EntryId, EventKey};
use crate::base::json::CanonicalJson;
use crate::base::problem::Problem;
use crate::base::text;
use crate::base::time::{HOUR, Time};

/// The longest properties of an event, in bytes of their canonical form.
pub const MAX_PROPERTIES: usize = 64 * 1024;

/// An event as a caller sends it, its customer found.
#[derive(Clone, Debug, PartialEq)]
pub struct RawEvent {
    /// The caller's id of the event.
    pub id: String,
    /// Whose usage it is.
    pub customer: CustomerId,
    /// Its type.
    pub event_type: String,
    /// When the usage happened; now when absent.
    pub timestamp: Option<Time>,
    /// An object; empty when absent.
    pub properties: Option<Value>,
}

/// An event that is right in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Which event it is.
    pub key: EventKey,
    /// The caller's id of the event.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// When the usage happened; now when absent.
    pub timestamp: Option<Time>,
    /// Its properties, in the form in which they are kept.
    pub properties: CanonicalJson,
    /// Its properties, to be read.
    pub values: Value,
    /// What tells a repeat from an id that is used twice.
    pub content: [u8; 16],
}

/// An event on record.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageEvent {
    /// Which event it is.
    pub key: EventKey,
    /// The caller's id of the event.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// When the usage happened.
    pub occurred_at: Time,
    /// When it was recorded.
    pub received_at: Time,
    /// Its properties.
    pub properties: CanonicalJson,
    /// What each rule made of it.
    pub outcomes: Vec<RuleOutcome>,
    /// The entries that it made.
    pub entries: Vec<EntryId>,
}

/// Whether an event that is not covered is recorded all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The usage has happened: it is recorded and burns what policy allows.
    #[default]
    Record,
    /// It is refused and leaves no trace.
    Enforce,
}

/// Which event a caller's id names.
#[must_use]
pub fn event_key(customer: CustomerId, event_id: &str) -> EventKey {
    let digest: [u8; 32] = Sha256::digest(event_id.as_bytes()).into();
    let key = digest.first_chunk::<8>().copied().unwrap_or_default();
    EventKey { customer, key: i64::from_be_bytes(key) }
}

impl NewEvent {
    /// Checks what can be said of an event alone.
    ///
    /// # Errors
    /// A [`Problem`] whose path is within the event.
    pub fn check(raw: RawEvent, now: Time) -> Result<Self, Problem> {
        let short = |field: &str, value: &str| {
            text::check(value, text::MAX_REFERENCE)
                .map_err(|error| Problem::invalid(&[field], format!("{} {error}.", capital(field))))
        };
        short("id", &raw.id)?;
        short("type", &raw.event_type)?;
        if raw.timestamp.is_some_and(|time| time.micros() > now.micros().saturating_add(HOUR)) {
            let message = "The timestamp is more than an hour ahead of the server's clock.";
            return Err(Problem::invalid(&["timestamp"], message));
        }
        let values = raw.properties.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let properties = CanonicalJson::object(&values, MAX_PROPERTIES)
            .map_err(|error| Problem::invalid(&["properties"], format!("The properties' value {error}.")))?;
        let content = content_hash(&raw.event_type, raw.timestamp, &properties);
        Ok(Self {
            key: event_key(raw.customer, &raw.id),
            event_id: raw.id,
            event_type: raw.event_type,
            timestamp: raw.timestamp,
            properties,
            values,
            content,
        })
    }
}

fn capital(field: &str) -> String {
    format!("The event's {field}")
}

/// 16 bytes of a SHA-256 over type, timestamp as given, and properties.
fn content_hash(event_type: &str, timestamp: Option<Time>, properties: &CanonicalJson) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(event_type.as_bytes());
    // U+0000 stands in no text, so the parts cannot run into each other.
    hasher.update([0]);
    if let Some(time) = timestamp {
        hasher.update(time.micros().to_be_bytes());
    }
    hasher.update([0]);
    hasher.update(properties.as_str().as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    digest.first_chunk::<16>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn raw() -> RawEvent {
        RawEvent {
            id: "e1".into(),
            customer: CustomerId(Uuid::nil()),
            event_type: "llm.tokens".into(),
            timestamp: None,
            properties: Some(json!({"b": 1.0, "a": 2})),
        }
    }

    fn now() -> Time {
        Time::parse("2026-01-01T00:00:00Z").unwrap()
    }

    #[test]
    fn an_event_says_where_it_is_wrong() {
        let late = Time::parse("2026-01-01T01:00:00.000001Z");
        let long = "x".repeat(MAX_PROPERTIES);
        let cases: [(RawEvent, &str); 6] = [
            (RawEvent { id: String::new(), ..raw() }, "id"),
            (RawEvent { id: "a\0".into(), ..raw() }, "id"),
            (RawEvent { event_type: "t".repeat(256), ..raw() }, "type"),
            (RawEvent { timestamp: late, ..raw() }, "timestamp"),
            (RawEvent { properties: Some(json!([1])), ..raw() }, "properties"),
            (RawEvent { properties: Some(json!({"a": long})), ..raw() }, "properties"),
        ];
        for (event, field) in cases {
            assert_eq!(NewEvent::check(event, now()).unwrap_err().path, [field]);
        }
        let hour = Time::parse("2026-01-01T01:00:00Z");
        assert!(NewEvent::check(RawEvent { timestamp: hour, ..raw() }, now()).is_ok());
    }

    #[test]
    fn the_content_of_an_event_is_its_type_timestamp_and_properties_however_they_are_written() {
        let content = |event: RawEvent| NewEvent::check(event, now()).unwrap().content;
        let first = content(raw());
        assert_eq!(first, content(RawEvent { properties: Some(json!({"a": 2.0, "b": 1})), ..raw() }));
        assert_eq!(first, content(RawEvent { id: "e2".into(), ..raw() }));
        assert_ne!(first, content(RawEvent { timestamp: Some(now()), ..raw() }));
        assert_ne!(first, content(RawEvent { properties: None, ..raw() }));
        assert_ne!(first, content(RawEvent { event_type: "x".into(), ..raw() }));
    }
}
