//! Stripe's HTTP API: forms in, JSON out, errors sorted by what the caller can do about them.
//!
//! One call is one attempt. The caller decides when to retry, and under which idempotency key.

use std::error::Error as _;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Account, Trouble};
use crate::base::tls;

/// Stripe's own address.
const API_URL: &str = "https://api.stripe.com/";
/// The version of the API that `objects` reads. Stripe then answers in this version's shapes, whatever the account's default is.
const API_VERSION: &str = "2025-03-31.basil";

/// Sends requests for one account.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    /// Ends in `/v1`.
    url: String,
}

impl Client {
    /// # Errors
    /// A sentence, when the secret key or the address cannot be used.
    pub(super) fn new(account: &Account) -> Result<Self, String> {
        tls::install_provider();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", account.secret_key))
            .map_err(|_| "the secret key holds characters that an HTTP header cannot carry".to_owned())?;
        authorization.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization);
        headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
        let http = reqwest::Client::builder()
            .user_agent(concat!("Scrip/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .timeout(account.patience)
            .redirect(reqwest::redirect::Policy::none())
            // A reused connection may be closed by Stripe just as a charge is sent, whose outcome is then unknown.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| {
                // reqwest's own message is "builder error"; what went wrong is in its source.
                let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                format!("TLS cannot be set up: {cause}. Install CA certificates (Debian: ca-certificates)")
            })?;
        let url = format!("{}v1", account.url.as_deref().unwrap_or(API_URL));
        Ok(Self { http, url })
    }

    /// Reads an object or a list.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, Trouble> {
        let query = encode(query)?;
        send(self.http.get(format!("{}{path}?{query}", self.url))).await
    }

    /// Sends a form. Stripe carries it out once per `idempotency_key`, within the day for which it remembers keys.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &impl Serialize,
        idempotency_key: Option<&str>,
    ) -> Result<T, Trouble> {
        let mut request = self.http.post(format!("{}{path}", self.url));
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(encode(form)?)).await
    }
}

/// Fields as Stripe writes them: `line_items[0][quantity]=1`, brackets escaped.
fn encode(fields: &impl Serialize) -> Result<String, Trouble> {
    let encoded = serde_qs::Config::new().use_form_encoding(true).serialize_string(fields);
    encoded.map_err(|error| Trouble::Refused(format!("The request cannot be written as a form: {error}.")))
}

async fn send<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Trouble> {
    let response = request.send().await.map_err(connection_trouble)?;
    let status = response.status();
    let body = response.bytes().await.map_err(connection_trouble)?;
    if status.is_success() {
        serde_json::from_slice(&body).map_err(|_| not_stripe())
    } else {
        Err(refusal(status, &body))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn connection_trouble(error: reqwest::Error) -> Trouble {
    Trouble::Away(if error.is_timeout() { "it takes too long" } else { "the connection failed" }.to_owned())
}

fn not_stripe() -> Trouble {
    Trouble::Away("what answers is not Stripe's API (see STRIPE_API_URL)".to_owned())
}

/// Sorts an error response. What Stripe refuses, it refuses again; all else may succeed the next time.
fn refusal(status: StatusCode, body: &[u8]) -> Trouble {
    #[derive(Deserialize)]
    struct Body {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "type")]
        kind: Option<String>,
        code: Option<String>,
        message: Option<String>,
    }
    let Ok(Body { error }) = serde_json::from_slice(body) else {
        // A proxy on the way answers in its own words, also when Stripe is fine.
        return if status.is_server_error() {
            Trouble::Away(format!("it answers {}", status.as_u16()))
        } else {
            not_stripe()
        };
    };
    let message_or = |default: &str| error.message.clone().unwrap_or_else(|| default.to_owned());
    match status.as_u16() {
        402 => Trouble::Refused(message_or("The payment was declined.")),
        401 | 403 => Trouble::Away("it does not accept the key that is set here".to_owned()),
        409 => Trouble::Away("it is busy with the same request".to_owned()),
        // The same key with other fields: the outcome of the first request is unknown.
        _ if error.kind.as_deref() == Some("idempotency_error") => Trouble::Reworded,
        404 => Trouble::Missing(message_or("The payment provider does not know it any more.")),
        _ if error.code.as_deref() == Some("resource_missing") => {
            Trouble::Missing(message_or("The payment provider does not know it any more."))
        }
        code @ 400..=499 if !matches!(code, 408 | 424 | 429) => {
            Trouble::Refused(message_or(&format!("The payment provider refused it ({code}).")))
        }
        code => Trouble::Away(message_or(&format!("it answers {code}")).trim_end_matches('.').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_nested_by_escaped_brackets() {
        #[derive(Serialize)]
        struct Form {
            customer: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            email: Option<&'static str>,
            items: [Item; 1],
            confirm: bool,
        }
        #[derive(Serialize)]
        struct Item {
            name: &'static str,
            quantity: i32,
        }
        #[derive(Serialize)]
        struct Nothing {}
        let form =
            Form {
                customer: "cus_1", email: None, items: [Item { name: "500 & mehr ü", quantity: 2 }], confirm: true
            };
        let encoded = encode(&form).unwrap();
        assert_eq!(
            encoded,
            "customer=cus_1&items%5B0%5D%5Bname%5D=500%20%26%20mehr%20%C3%BC&items%5B0%5D%5Bquantity%5D=2&confirm=true"
        );
        assert_eq!(encode(&Nothing {}).unwrap(), "");
    }

    #[test]
    fn error_is_sorted_by_what_the_caller_can_do() {
        let of = |status: u16, kind: &str, code: &str| {
            let body = format!(r#"{{"error": {{"type": "{kind}", "code": "{code}", "message": "Told."}}}}"#);
            refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        let (refused, missing) = (Trouble::Refused("Told.".into()), Trouble::Missing("Told.".into()));
        for (status, kind, code, expected) in [
            (402, "card_error", "card_declined", refused.clone()),
            (400, "invalid_request_error", "parameter_missing", refused),
            (400, "invalid_request_error", "resource_missing", missing.clone()),
            (404, "invalid_request_error", "", missing),
            (400, "idempotency_error", "", Trouble::Reworded),
            (401, "invalid_request_error", "", Trouble::Away("it does not accept the key that is set here".into())),
            (409, "idempotency_error", "", Trouble::Away("it is busy with the same request".into())),
            (424, "api_error", "", Trouble::Away("Told".into())),
            (429, "invalid_request_error", "rate_limit", Trouble::Away("Told".into())),
            (500, "api_error", "", Trouble::Away("Told".into())),
        ] {
            assert_eq!(of(status, kind, code), expected, "{status} {kind} {code}");
        }
    }

    #[test]
    fn error_body_that_is_not_stripes_counts_as_away() {
        for body in ["", "<html>not found</html>", r#"{"message": "no route"}"#] {
            assert_eq!(refusal(StatusCode::NOT_FOUND, body.as_bytes()), not_stripe(), "{body}");
            let gone = Trouble::Away("it answers 502".into());
            assert_eq!(refusal(StatusCode::BAD_GATEWAY, body.as_bytes()), gone, "{body}");
        }
    }
}
