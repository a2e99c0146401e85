//! What a request says of itself.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};

/// The header with a request's id.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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

/// The id of a request, which the outermost layer gives to those that bring none.
pub(super) fn request_id(headers: &HeaderMap) -> &str {
    headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default()
}
