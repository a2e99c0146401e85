//! Whether the program lives, and whether it can work.

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::db::is_migrated;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether requests should be sent here: the database answers and is at this program's version, the queue has room, and
/// nobody has told the program to stop.
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, (StatusCode, &'static str)> {
    let not = |why| Err((StatusCode::SERVICE_UNAVAILABLE, why));
    if app.stop.is_cancelled() {
        return not("the server stops\n");
    }
    if app.intake.is_full() {
        return not("the intake is full\n");
    }
    let away = |_| (StatusCode::SERVICE_UNAVAILABLE, "the database is away\n");
    let mut conn = app.db.read().await.map_err(away)?;
    if !is_migrated(&mut conn).await.map_err(away)? {
        return not("the database is not at this program's version\n");
    }
    Ok("ready\n")
}
