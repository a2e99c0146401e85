//! What a request says of itself.

use std::marker::PhantomData;
use std::net::IpAddr;

use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The header with a request's id.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header with the cursor that a reader of events has come to.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The media type of the body in lower case, empty when none is said; `None` when it is in another charset than UTF-8.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut parts = said.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let utf8 = |part: &str| {
        part.split_once('=').is_none_or(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    parts.all(utf8).then_some(kind)
}

/// What a client is told whose body is compressed.
pub(super) const NOT_ENCODED: &str = "Send the body as it is, without a Content-Encoding.";

/// How many bytes the body has, where that is said.
pub(super) fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body comes in a coding, such as gzip.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    let coding = headers.get(CONTENT_ENCODING).map_or(b"identity".as_slice(), HeaderValue::as_bytes);
    !coding.eq_ignore_ascii_case(b"identity")
}

/// A body without the mark that some programs write before UTF-8.
pub(super) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A JSON text in which halves of surrogate pairs, such as half an emoji, are U+0000; `None` when it has none. JSON readers
/// refuse the whole text for one of them. U+0000 is refused wherever texts are checked, so that the fault is told at its
/// field, or as its event's own.
pub(super) fn without_half_characters(json: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let digits = json.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let length = match (byte, unit(at)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(unit(at.saturating_add(6)), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(0xd800..=0xdfff)) => {
                if let Some(half) = mended.get_or_insert_with(|| json.to_vec()).get_mut(at..at.saturating_add(6)) {
                    half.copy_from_slice(b"\\u0000");
                }
                6
            }
            (b'\\', _) => 2,
            _ => 1,
        };
        at = at.saturating_add(length);
    }
    mended
}

/// Whether a request was sent to this very machine by name. A page from elsewhere can make its own name lead here, and
/// would then be as close as a page from here.
pub(super) fn is_to_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The id of a request, which the outermost layer gives to those that bring none.
pub(super) fn request_id(headers: &HeaderMap) -> &str {
    headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// What is written as an object. A list of its fields' values in their order would be taken for it otherwise.
pub(super) struct AnObject<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AnObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = AnObject<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(AnObject)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// How many values a text of JSON holds at most, counted without reading them.
pub(super) fn count_values(json: &[u8]) -> usize {
    let (mut values, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values = values.saturating_add(1),
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn values_are_counted_without_being_read() {
        for (json, count) in [
            (r#"{"a": [1, 2, {"b": "x,[{\\\",["}]}"#, 5),
            ("[", 1),
            (r#""a, b"#, 0),
            (r#"{"query": "{ a(b: [1, 2]) }", "variables": {"c": 1}}"#, 3),
        ] {
            assert_eq!(count_values(json.as_bytes()), count, "{json}");
        }
    }

    #[test]
    fn half_a_character_becomes_one_that_is_refused_where_texts_are_checked() {
        let mended = |json: &str| {
            without_half_characters(json.as_bytes()).map(|mended| serde_json::from_slice::<String>(&mended).unwrap())
        };
        assert_eq!(mended(r#""\ud83d""#).as_deref(), Some("\0"));
        assert_eq!(mended(r#""a\ude00b\ud83d\ud83d\ude00""#).as_deref(), Some("a\0b\0😀"));
        for whole in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\u00e4 \" \n""#, "\"", "\\", "\\u", "\\ud8"] {
            assert_eq!(without_half_characters(whole.as_bytes()), None, "{whole}");
        }
    }

    #[test]
    fn only_names_of_loopback_lead_here() {
        let is_taken =
            |host: &'static str| is_to_loopback(&[(HOST, HeaderValue::from_static(host))].into_iter().collect());
        for host in ["127.0.0.1:4000", "127.8.0.1", "localhost:1", "LOCALHOST", "[::1]:4000"] {
            assert!(is_taken(host), "{host}");
        }
        for host in ["example.com:4000", "127.0.0.1.example.com", "localhost.example", "10.0.0.1", "", "[::2]"] {
            assert!(!is_taken(host), "{host}");
        }
        assert!(is_to_loopback(&HeaderMap::new()), "no browser leaves it out");
    }
}
