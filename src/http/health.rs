//! Whether the program lives, and whether it can work.

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::catalog::store::catalog_version;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers too.
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, (StatusCode, &'static str)> {
    let away = |_| (StatusCode::SERVICE_UNAVAILABLE, "the database is away\n");
    let mut conn = app.db.read().await.map_err(away)?;
    catalog_version(&mut conn).await.map_err(away)?;
    Ok("ready\n")
}
