//! The playground: GraphiQL, served whole from the program, so that it works without internet.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/playground/dist");

/// The page.
pub(super) async fn index() -> Response {
    match FILES.get_file("index.html").and_then(|file| file.contents_utf8()) {
        Some(page) => ([(CACHE_CONTROL, "no-cache")], Html(page)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the page needs. Names hold a hash of the content, so that they can be kept for ever; the licences have none.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some(file) = FILES.get_file(format!("{name}.gz")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let hashed = name.rsplit_once('.').is_some_and(|(stem, _)| stem.contains('-'));
    let keep = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers: [(HeaderName, &str); 3] = [(CONTENT_TYPE, kind), (CONTENT_ENCODING, "gzip"), (CACHE_CONTROL, keep)];
    (headers, file.contents()).into_response()
}
