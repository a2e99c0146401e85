//! The objects of Stripe's API, as far as anything of them is used. What else they hold, and may hold one day, is let pass.

use serde::Deserialize;
use serde_json::Value;

use super::{Heard, from_stripe};
use crate::base::ids::PurchaseId;
use crate::base::money::Money;
use crate::purchases::model::Method;
use crate::purchases::transitions::Fact;

type Object = serde_json::Map<String, Value>;

/// A page to pay on.
#[derive(Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) url: Option<String>,
    status: Option<String>,
    payment_status: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    customer: Option<Value>,
    payment_intent: Option<Value>,
    metadata: Option<Object>,
}

/// A payment.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    amount: i64,
    amount_received: Option<i64>,
    currency: String,
    customer: Option<Value>,
    payment_method: Option<Value>,
    last_payment_error: Option<Object>,
    latest_charge: Option<Value>,
    metadata: Option<Object>,
}

/// Money that goes back.
#[derive(Deserialize)]
pub(super) struct Refund {
    status: Option<String>,
    metadata: Option<Object>,
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: Option<bool>,
}

/// Anything that has an id.
#[derive(Deserialize)]
pub(super) struct Made {
    #[expect(dead_code, reason = "that it is there says that it was made")]
    id: String,
}

/// An object's id, whether the object stands there or its id alone.
fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(id) => Some(id.clone()),
        Value::Object(object) => text(Some(object), "id"),
        _ => None,
    }
}

fn text(object: Option<&Object>, field: &str) -> Option<String> {
    match object?.get(field)? {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether an object was made for a purchase.
fn is_of(metadata: Option<&Object>, purchase: PurchaseId) -> bool {
    text(metadata, "scrip_purchase").is_some_and(|named| named == purchase.to_string())
}

fn paid(money: Option<Money>, payment: Option<String>) -> Fact {
    let odd = || Fact::Waiting { trouble: Some("The provider names an amount that cannot be read.".to_owned()) };
    money.map_or_else(odd, |money| Fact::Paid { money, payment })
}

impl Session {
    /// Whether it was made for a purchase.
    pub(super) fn is_of(&self, purchase: PurchaseId) -> bool {
        is_of(self.metadata.as_ref(), purchase)
    }

    fn intent_stands(&self, status: &str) -> bool {
        let stands = match &self.payment_intent {
            Some(Value::Object(intent)) => text(Some(intent), "status"),
            _ => None,
        };
        stands.is_some_and(|stands| stands == status)
    }

    /// What it says of its purchase.
    pub(super) fn heard(&self) -> Heard {
        let is_paid = matches!(self.payment_status.as_deref(), Some("paid" | "no_payment_required"));
        let fact = match self.status.as_deref() {
            Some("expired") => {
                Fact::Failed { reason: "The page to pay on was not used in time, or was closed.".to_owned() }
            }
            Some("complete") if is_paid => {
                let money = self.amount_total.zip(self.currency.as_deref());
                let money = money.and_then(|(amount, currency)| from_stripe(amount, currency));
                paid(money, id_of(self.payment_intent.as_ref()))
            }
            // Money that takes days to come, and did not.
            Some("complete") if self.intent_stands("requires_payment_method") || self.intent_stands("canceled") => {
                Fact::Failed { reason: "The customer's bank refused the payment.".to_owned() }
            }
            _ => return Fact::Waiting { trouble: None }.into(),
        };
        let saved = match &self.payment_intent {
            Some(Value::Object(intent)) => id_of(intent.get("payment_method")),
            _ => None,
        };
        let is_paid = matches!(fact, Fact::Paid { .. });
        let customer = id_of(self.customer.as_ref()).filter(|_| is_paid);
        Heard { fact, method: customer.map(|customer| Method { customer, method: saved }) }
    }
}

impl Intent {
    /// Whether it was made for a purchase.
    pub(super) fn is_of(&self, purchase: PurchaseId) -> bool {
        is_of(self.metadata.as_ref(), purchase)
    }

    /// How much of it has come, once it has: in Stripe's own unit.
    fn taken(&self) -> i64 {
        self.amount_received.unwrap_or(self.amount)
    }

    /// What it says of its purchase. On a page the customer may try again; without him there is one try.
    pub(super) fn heard(&self, on_page: bool) -> Heard {
        let failed = |reason: &str| Fact::Failed { reason: reason.to_owned() };
        let fact = match self.status.as_str() {
            "succeeded" => paid(from_stripe(self.taken(), &self.currency), Some(self.id.clone())),
            "requires_payment_method" | "requires_confirmation" | "requires_action" if on_page => {
                Fact::Waiting { trouble: None }
            }
            "requires_payment_method" | "requires_confirmation" => {
                let told = text(self.last_payment_error.as_ref(), "message");
                failed(told.as_deref().unwrap_or("The payment was declined."))
            }
            "requires_action" => failed("The customer's bank wants him to confirm the payment himself."),
            "canceled" => failed("The payment was canceled at the provider."),
            // It is under way.
            _ => Fact::Begun { reference: self.id.clone(), url: None, payment: Some(self.id.clone()) },
        };
        let is_paid = matches!(fact, Fact::Paid { .. });
        let saved = id_of(self.customer.as_ref()).zip(id_of(self.payment_method.as_ref())).filter(|_| is_paid);
        Heard { fact, method: saved.map(|(customer, method)| Method { customer, method: Some(method) }) }
    }
}

impl Intent {
    /// Whether so much of it can go back, in Stripe's own unit.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn can_return(&self, amount: i64) -> Result<(), String> {
        let Some(Value::Object(charge)) = &self.latest_charge else { return Ok(()) };
        if matches!(charge.get("disputed"), Some(Value::Bool(true))) {
            return Err("The customer disputes the payment; the dispute decides about its money.".to_owned());
        }
        let left =
            self.taken().saturating_sub(charge.get("amount_refunded").and_then(Value::as_i64).unwrap_or_default());
        if amount <= left {
            return Ok(());
        }
        let left = from_stripe(left, &self.currency).map_or_else(|| left.to_string(), |left| left.to_string());
        Err(format!("The provider has only {left} of the payment left to give back."))
    }
}

impl Refund {
    /// Whether it was made for a purchase.
    pub(super) fn is_of(&self, purchase: PurchaseId) -> bool {
        is_of(self.metadata.as_ref(), purchase)
    }

    /// Whether the money has gone, or is under way; nothing when it came back.
    pub(super) fn heard(&self) -> Option<Fact> {
        match self.status.as_deref() {
            Some("failed" | "canceled") => None,
            Some("pending" | "requires_action") => Some(Fact::Waiting { trouble: None }),
            _ => Some(Fact::Over),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(text: &str) -> Heard {
        serde_json::from_str::<Session>(text).unwrap().heard()
    }

    fn intent(text: &str) -> Heard {
        serde_json::from_str::<Intent>(text).unwrap().heard(false)
    }

    #[test]
    fn a_paid_page_says_how_much_by_which_payment_and_how_to_pay_again() {
        let heard = session(
            r#"{"id": "cs_1", "object": "checkout.session", "status": "complete", "payment_status": "paid",
                "amount_total": 1999, "currency": "eur", "customer": "cus_1", "metadata": {"scrip_purchase": "pur_x"},
                "payment_intent": {"id": "pi_1", "payment_method": "pm_1", "amount": 1999}}"#,
        );
        let Fact::Paid { money, payment } = heard.fact else { panic!("{heard:?}") };
        assert_eq!((money.amount(), money.currency.code(), payment.as_deref()), ("19.99".into(), "EUR", Some("pi_1")));
        assert_eq!(heard.method, Some(Method { customer: "cus_1".into(), method: Some("pm_1".into()) }));
    }

    #[test]
    fn a_page_that_is_open_or_processed_is_waited_for_and_one_that_is_over_has_failed() {
        for waiting in [
            r#"{"id": "cs_1", "status": "open", "payment_status": "unpaid"}"#,
            r#"{"id": "cs_1", "status": "complete", "payment_status": "unpaid",
                "payment_intent": {"id": "pi_1", "status": "processing"}}"#,
        ] {
            assert_eq!(session(waiting), Fact::Waiting { trouble: None }.into());
        }
        for over in [
            r#"{"id": "cs_1", "status": "expired"}"#,
            r#"{"id": "cs_1", "status": "complete", "payment_status": "unpaid",
                "payment_intent": {"id": "pi_1", "status": "requires_payment_method"}}"#,
            r#"{"id": "cs_1", "status": "complete", "payment_status": "unpaid",
                "payment_intent": {"id": "pi_1", "status": "canceled"}}"#,
        ] {
            assert!(matches!(session(over).fact, Fact::Failed { .. }), "{over}");
        }
    }

    #[test]
    fn a_payment_says_whether_it_has_come() {
        let of = |status: &str| {
            intent(&format!(
                r#"{{"id": "pi_1", "status": "{status}", "amount": 5, "currency": "jpy", "customer": "cus_1",
                     "payment_method": {{"id": "pm_1"}}, "last_payment_error": {{"message": "Insufficient funds."}}}}"#
            ))
        };
        assert!(matches!(of("succeeded").fact, Fact::Paid { money, .. } if money.minor == 5));
        assert_eq!(of("succeeded").method, Some(Method { customer: "cus_1".into(), method: Some("pm_1".into()) }));
        let part = r#"{"id": "pi_1", "status": "succeeded", "amount": 5, "amount_received": 4, "currency": "jpy"}"#;
        assert!(matches!(intent(part).fact, Fact::Paid { money, .. } if money.minor == 4), "not what was asked for");
        assert_eq!(of("requires_payment_method").fact, Fact::Failed { reason: "Insufficient funds.".into() });
        for over in ["requires_action", "canceled"] {
            assert!(matches!(of(over).fact, Fact::Failed { .. }), "{over}");
        }
        let page = r#"{"id": "pi_1", "status": "requires_payment_method", "amount": 5, "currency": "jpy"}"#;
        let page: Intent = serde_json::from_str(page).unwrap();
        assert_eq!(page.heard(true), Fact::Waiting { trouble: None }.into(), "another card may do");
        assert!(matches!(of("processing").fact, Fact::Begun { .. }));
    }
}
