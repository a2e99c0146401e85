//! What payment providers tell: hints that something became of a purchase.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use tokio::sync::Semaphore;

use crate::app::App;
use crate::base::chain::chain;

/// The longest body, in bytes; Stripe's have a few thousand.
const MAX_BODY: usize = 256 * 1024;

/// How many bodies are read at once.
static TURNS: Semaphore = Semaphore::const_new(16);

/// The header that Stripe signs in.
const SIGNATURE: &str = "stripe-signature";

/// Takes a hint of Stripe's: 200 when it was dealt with or is about nothing of ours, 400 when its signature does not hold, 413
/// when it is longer than any of Stripe's, 503 when it is to be sent again. Where Stripe is not set up nothing is read.
pub(super) async fn stripe(State(app): State<App>, headers: HeaderMap, body: Body) -> (StatusCode, String) {
    let Some(stripe) = &app.settings.stripe else {
        return (StatusCode::NOT_FOUND, "Stripe is not set up here: set STRIPE_SECRET_KEY.\n".to_owned());
    };
    // Nobody knows who sends it before it is read.
    let Ok(_turn) = TURNS.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many are being read; send it again later.\n".to_owned());
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let message = format!("The body cannot be read, or is longer than {MAX_BODY} bytes.\n");
        return (StatusCode::PAYLOAD_TOO_LARGE, message);
    };
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let hint = match stripe.read_webhook(&body, signature, app.clock.now()) {
        Ok(Some(hint)) => hint,
        Ok(None) => return (StatusCode::OK, "This is about no purchase of ours.\n".to_owned()),
        Err(not_taken) => return (StatusCode::BAD_REQUEST, format!("{not_taken}\n")),
    };
    match app.cashier.hint(hint.purchase, &hint.object).await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "a webhook could not be dealt with");
            (StatusCode::SERVICE_UNAVAILABLE, "Send it again later.\n".to_owned())
        }
    }
}
