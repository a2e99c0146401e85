//! Webhooks: Stripe's hints that something became of a purchase, signed.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::base::ids::PurchaseId;
use crate::base::time::{MINUTE, SECOND, Time};

/// How old a signature may be, or how far ahead the other clock.
const TOLERANCE: i64 = 5 * MINUTE;

/// What a webhook hints at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The purchase.
    pub purchase: PurchaseId,
    /// What Stripe calls what it is about: a session or a payment.
    pub object: String,
}

/// Why a webhook is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It was not signed with the secret that is set here.
    #[error("The signature does not match: is the endpoint's own signing secret (whsec_…) set here?")]
    Signature,
    /// It was signed too long ago, or the clocks differ.
    #[error("The signature is more than five minutes old, or the clocks differ.")]
    Age,
    /// It is no event.
    #[error("The body is not an event of Stripe's.")]
    Form,
}

/// Reads a webhook whose signature holds; `None` when it is about nothing of ours.
///
/// # Errors
/// Why it is not taken.
pub fn read(body: &[u8], signature: &str, (secret, now): (&str, Time)) -> Result<Option<Hint>, NotTaken> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        object: Map<String, Value>,
    }
    check(body, signature, (secret, now))?;
    let event: Event = serde_json::from_slice(body).map_err(|_| NotTaken::Form)?;
    if !event.kind.starts_with("checkout.session.") && !event.kind.starts_with("payment_intent.") {
        return Ok(None);
    }
    let Some(Value::String(object)) = event.data.object.get("id") else { return Err(NotTaken::Form) };
    let Some(Value::Object(metadata)) = event.data.object.get("metadata") else { return Ok(None) };
    let Some(Value::String(purchase)) = metadata.get("scrip_purchase") else { return Ok(None) };
    Ok(purchase.parse().ok().map(|purchase| Hint { purchase, object: object.clone() }))
}

/// Checks a header `t=…,v1=…`: one of the signatures is that of the time and the body.
fn check(body: &[u8], header: &str, (secret, now): (&str, Time)) -> Result<(), NotTaken> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let stamp = parts().find(|(name, _)| *name == "t").map(|(_, stamp)| stamp).ok_or(NotTaken::Signature)?;
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| NotTaken::Signature)?;
    let signed = mac.chain_update(stamp).chain_update(".").chain_update(body);
    let holds = |given: &str| {
        let bytes = data_encoding::HEXLOWER.decode(given.as_bytes()).unwrap_or_default();
        // In a time that does not depend on where they differ.
        signed.clone().verify_slice(&bytes).is_ok()
    };
    if !parts().any(|(name, given)| name == "v1" && holds(given)) {
        return Err(NotTaken::Signature);
    }
    let at = stamp.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(SECOND)).ok_or(NotTaken::Signature)?;
    if now.micros().abs_diff(at) > TOLERANCE.unsigned_abs() { Err(NotTaken::Age) } else { Ok(()) }
}

/// The header of a body that is signed as Stripe signs, at that second since 1970.
#[cfg(test)]
pub(crate) fn header(secret: &str, seconds: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let signed = mac.chain_update(seconds.to_string()).chain_update(".").chain_update(body).finalize();
    format!("t={seconds},v0=ab,v1={}", data_encoding::HEXLOWER.encode(&signed.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{BalanceId, CustomerId};

    fn now() -> Time {
        Time::parse("2026-01-01T00:00:00Z").unwrap()
    }

    fn read_at(body: &str, header: &str) -> Result<Option<Hint>, NotTaken> {
        read(body.as_bytes(), header, ("whsec_1", now()))
    }

    #[test]
    fn only_what_was_signed_here_and_now_is_taken() {
        let id = BalanceId { customer: CustomerId(uuid::Uuid::from_u128(7)), number: 1 }.purchase(3);
        let body = format!(
            r#"{{"id": "evt_1", "type": "checkout.session.completed", "data": {{"object":
                 {{"id": "cs_1", "metadata": {{"scrip_purchase": "{id}"}}}}}}}}"#
        );
        let seconds = now().micros() / SECOND;
        let hint = Some(Hint { purchase: id, object: "cs_1".into() });
        for offset in [-300, 0, 300] {
            assert_eq!(read_at(&body, &header("whsec_1", seconds + offset, &body)), Ok(hint.clone()), "{offset}");
        }
        for offset in [-301, 301] {
            assert_eq!(read_at(&body, &header("whsec_1", seconds + offset, &body)), Err(NotTaken::Age), "{offset}");
        }
        let changed = body.replace("cs_1", "cs_2");
        let right = header("whsec_1", seconds, &body);
        for (body, header) in [
            (&body, header("whsec_2", seconds, &body)),
            (&changed, right.clone()),
            (&body, right.replace("t=", "t=1")),
            (&body, right.replace("v1=", "v0=")),
            (&body, String::new()),
            (&body, format!("t={seconds},v1=")),
            (&body, format!("t={seconds},v1=zz")),
        ] {
            assert_eq!(read_at(body, &header), Err(NotTaken::Signature), "{header}");
        }
    }

    #[test]
    fn what_is_not_about_a_purchase_is_let_pass() {
        for (body, taken) in [
            (r#"{"type": "customer.created", "data": {"object": {"id": "cus_1"}}}"#, Ok(None)),
            (r#"{"type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}"#, Ok(None)),
            (r#"{"type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1", "metadata": {}}}}"#, Ok(None)),
            (
                r#"{"type": "payment_intent.succeeded", "data": {"object":
                    {"id": "pi_1", "metadata": {"scrip_purchase": "another's"}}}}"#,
                Ok(None),
            ),
            (r#"{"type": "payment_intent.succeeded", "data": {"object": {}}}"#, Err(NotTaken::Form)),
            ("[]", Err(NotTaken::Form)),
        ] {
            assert_eq!(read_at(body, &header("whsec_1", now().micros() / SECOND, body)), taken, "{body}");
        }
    }
}
