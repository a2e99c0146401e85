//! What a request says of its body.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

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
