//! Stripe: purchases and money that goes back, as its API knows them.
//!
//! A customer who is there pays on a page of Stripe's (a Checkout session), which saves how he pays; later his balance is topped
//! up by that (a payment intent). Every request that makes something carries the purchase's id as its idempotency key, and all
//! that it says is on record, so that it can be sent again word for word.

mod client;
mod objects;
mod page;
pub mod webhook;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::model::{Method, Page, Purchase};
use super::transitions::Fact;
use crate::base::money::{Currency, Money};
use crate::base::time::{SECOND, Time};
use crate::ledger::entry::Origin;
use client::Client;
use objects::{Intent, List, Made, Refund, Session};
use webhook::{Hint, NotTaken};

/// How long one request may take, where nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What Scrip needs of a Stripe account.
pub struct Account {
    /// The secret key: `sk_…`, or a restricted one that may write Checkout sessions, payment intents and refunds, and read charges.
    pub secret_key: String,
    /// What webhooks are signed with: `whsec_…`.
    pub webhook_secret: String,
    /// Where the API is, when it is not Stripe's own: an address with a slash at its end.
    pub url: Option<String>,
    /// How long one request may take.
    pub patience: Duration,
}

/// Stripe, for one account.
#[derive(Clone)]
pub struct Stripe {
    client: Client,
    webhook_secret: String,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").finish_non_exhaustive()
    }
}

/// What was heard of a purchase, and how its customer can pay from now on, where that was heard too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of the purchase.
    pub fact: Fact,
    /// Of its customer.
    pub method: Option<Method>,
}

impl From<Fact> for Heard {
    fn from(fact: Fact) -> Self {
        Self { fact, method: None }
    }
}

/// Why Stripe did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It is away, too slow, or not in the mood: the same again, later.
    #[error("The payment provider cannot be reached: {0}.")]
    Away(String),
    /// It will not.
    #[error("{0}")]
    Refused(String),
    /// It does not know something that the request names.
    #[error("{0}")]
    Missing(String),
    /// The same was asked for before, in other words.
    #[error("The payment provider was asked for the same before, in other words.")]
    Reworded,
}

impl Trouble {
    /// The same, as something that may be otherwise the next time.
    #[must_use]
    pub fn passing(self) -> Self {
        match self {
            Self::Refused(reason) | Self::Missing(reason) => Self::Away(reason.trim_end_matches('.').to_owned()),
            Self::Away(_) | Self::Reworded => self,
        }
    }
}

/// A form or query without fields.
#[derive(Serialize)]
struct NoFields {}

#[derive(Serialize)]
struct Metadata {
    scrip_purchase: String,
}

impl Metadata {
    fn of(purchase: &Purchase) -> Self {
        Self { scrip_purchase: purchase.id.to_string() }
    }
}

impl Stripe {
    /// For an account.
    ///
    /// # Errors
    /// A sentence, when its address or key cannot be used.
    pub fn new(account: Account) -> Result<Self, String> {
        Ok(Self { client: Client::new(&account)?, webhook_secret: account.webhook_secret })
    }

    /// What a webhook hints at, whose signature holds; `None` when it is about nothing of ours.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read_webhook(&self, body: &[u8], signature: &str, now: Time) -> Result<Option<Hint>, NotTaken> {
        webhook::read(body, signature, (&self.webhook_secret, now))
    }

    /// Opens the page on which a purchase is paid.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open_page(&self, purchase: &Purchase, page: &Page) -> Result<Heard, Trouble> {
        let (path, form) = ("/checkout/sessions", |known, email| page::Form::of(purchase, page, (known, email)));
        let known = purchase.pays_by.as_ref().map(|method| method.customer.as_str());
        let mut email = page.email.as_deref().filter(|_| known.is_none());
        let mut made: Result<Session, Trouble> = self.post(path, &form(known, email)?, Some((purchase, "page"))).await;
        if known.is_some() && matches!(made, Err(Trouble::Missing(_))) {
            // Stripe has forgotten the customer: it makes another one.
            email = page.email.as_deref();
            made = self.post(path, &form(None, email)?, Some((purchase, "page-anew"))).await;
        }
        if email.is_some() && matches!(made, Err(Trouble::Refused(_))) {
            // Stripe is stricter with addresses than Scrip, and only fills a field of its page with it.
            made = self.post(path, &form(None, None)?, Some((purchase, "page-without-email"))).await;
        }
        let made = made?;
        Ok(Fact::Begun { reference: made.id, url: made.url, payment: None }.into())
    }

    /// Takes the money for a purchase by what was saved, without asking.
    ///
    /// # Errors
    /// [`Trouble::Away`]: then it is not known whether the money was taken, and the same is to be asked again.
    pub async fn charge(&self, purchase: &Purchase, method: &Method) -> Result<Heard, Trouble> {
        #[derive(Serialize)]
        struct Form<'a> {
            amount: i64,
            currency: String,
            customer: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            payment_method: Option<&'a str>,
            off_session: bool,
            confirm: bool,
            automatic_payment_methods: Automatic,
            metadata: Metadata,
        }
        /// Any that works without the customer: there is nobody to send to another page.
        #[derive(Serialize)]
        struct Automatic {
            enabled: bool,
            allow_redirects: &'static str,
        }
        let form = Form {
            amount: to_stripe(purchase.price)?,
            currency: lower(purchase.price.currency),
            customer: &method.customer,
            payment_method: method.method.as_deref(),
            off_session: true,
            confirm: true,
            automatic_payment_methods: Automatic { enabled: true, allow_redirects: "never" },
            metadata: Metadata::of(purchase),
        };
        let intent: Intent = match self.post("/payment_intents", &form, Some((purchase, "charge"))).await {
            Ok(intent) => intent,
            Err(Trouble::Refused(reason) | Trouble::Missing(reason)) => return Ok(Fact::Failed { reason }.into()),
            Err(away) => return Err(away),
        };
        if intent.status == "requires_action" {
            // The customer would have to be there. Nobody is to pay it later, unseen.
            self.let_go(&intent.id).await?;
        }
        Ok(intent.heard(false))
    }

    /// How the payment stands that was taken for a purchase without asking, when its answer was lost; `None` when there is none.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn find_charge(&self, purchase: &Purchase, method: &Method) -> Result<Option<Heard>, Trouble> {
        #[derive(Serialize)]
        struct Query<'a> {
            customer: &'a str,
            created: Since,
            limit: i32,
            #[serde(skip_serializing_if = "Option::is_none")]
            starting_after: Option<String>,
        }
        #[derive(Serialize)]
        struct Since {
            gte: i64,
        }
        // Both clocks may differ.
        let gte = purchase.created_at.micros().div_euclid(SECOND).saturating_sub(600);
        let mut starting_after = None;
        loop {
            let query = Query { customer: &method.customer, created: Since { gte }, limit: 100, starting_after };
            let List { data, has_more } = self.client.get::<List<Intent>>("/payment_intents", &query).await?;
            if let Some(mine) = data.iter().find(|intent| intent.is_of(purchase.id)) {
                return Ok(Some(mine.heard(false)));
            }
            match data.into_iter().next_back() {
                Some(last) if has_more == Some(true) => starting_after = Some(last.id),
                _ => return Ok(None),
            }
        }
    }

    /// How a purchase stands that Stripe knows as `id`.
    ///
    /// # Errors
    /// [`Trouble`]; missing also when what has that id is of another purchase.
    pub async fn look(&self, purchase: &Purchase, id: &str) -> Result<Heard, Trouble> {
        #[derive(Serialize)]
        struct Query {
            expand: [&'static str; 1],
        }
        let other = || Trouble::Missing(format!("At the payment provider {id} is of another purchase."));
        if id.starts_with("cs_") {
            let query = Query { expand: ["payment_intent"] };
            let session: Session = self.client.get(&format!("/checkout/sessions/{id}"), &query).await?;
            return if session.is_of(purchase.id) { Ok(session.heard()) } else { Err(other()) };
        }
        let intent: Intent = self.client.get(&format!("/payment_intents/{id}"), &NoFields {}).await?;
        let on_page = purchase.origin != Origin::AutoTopUp;
        if intent.is_of(purchase.id) { Ok(intent.heard(on_page)) } else { Err(other()) }
    }

    /// Makes sure that a purchase is not paid any more. Whoever was first is seen by looking again.
    ///
    /// # Errors
    /// [`Trouble::Away`].
    pub async fn let_go(&self, id: &str) -> Result<(), Trouble> {
        let path = if id.starts_with("cs_") {
            format!("/checkout/sessions/{id}/expire")
        } else {
            format!("/payment_intents/{id}/cancel")
        };
        match self.post::<Made>(&path, &NoFields {}, None).await {
            Ok(_) | Err(Trouble::Refused(_) | Trouble::Missing(_)) => Ok(()),
            Err(away) => Err(away),
        }
    }

    /// Whether so much of a payment has not gone back yet, and nobody disputes it.
    ///
    /// # Errors
    /// [`Trouble`]; refused when it cannot go back.
    pub async fn check_refund(&self, (payment, money): (&str, Money)) -> Result<(), Trouble> {
        #[derive(Serialize)]
        struct Query {
            expand: [&'static str; 1],
        }
        let query = Query { expand: ["latest_charge"] };
        let intent: Intent = self.client.get(&format!("/payment_intents/{payment}"), &query).await?;
        intent.can_return(to_stripe(money)?).map_err(Trouble::Refused)
    }

    /// Sends money back, unless that has happened; answers whether it has gone, or is under way.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn give_back(&self, purchase: &Purchase, (payment, money): (&str, Money)) -> Result<Fact, Trouble> {
        #[derive(Serialize)]
        struct Form<'a> {
            payment_intent: &'a str,
            amount: i64,
            metadata: Metadata,
        }
        #[derive(Serialize)]
        struct Query<'a> {
            payment_intent: &'a str,
            limit: i32,
        }
        // It may have been asked for before and nobody heard, longer ago than keys are remembered there.
        let refunds: List<Refund> = self.client.get("/refunds", &Query { payment_intent: payment, limit: 100 }).await?;
        let mine = refunds.data.iter().filter(|refund| refund.is_of(purchase.id));
        let heard: Vec<Option<Fact>> = mine.map(Refund::heard).collect();
        let failed = heard.iter().filter(|heard| heard.is_none()).count();
        if let Some(fact) = heard.into_iter().flatten().next() {
            return Ok(fact);
        }
        let amount = to_stripe(money)?;
        let form = Form { payment_intent: payment, amount, metadata: Metadata::of(purchase) };
        let purpose = if failed == 0 { "refund".to_owned() } else { format!("refund-{failed}") };
        let refund: Refund = self.post("/refunds", &form, Some((purchase, &purpose))).await?;
        refund.heard().ok_or_else(|| Trouble::Refused("The refund failed; it is tried again.".to_owned()))
    }

    /// Sends a form. Stripe carries it out once per purchase and purpose, however often it is sent.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &impl Serialize,
        once: Option<(&Purchase, &str)>,
    ) -> Result<T, Trouble> {
        let key = once.map(|(purchase, purpose)| format!("{}-{purpose}", purchase.id));
        self.client.post(path, form, key.as_deref()).await
    }
}

fn lower(currency: Currency) -> String {
    currency.code().to_ascii_lowercase()
}

/// Fraction digits that Stripe's amounts of a currency have, where those are not the currency's own.
const OWN_DIGITS: [(&str, u32); 3] = [("ISK", 2), ("UGX", 2), ("MGA", 0)];

/// How many digits Stripe has of a currency more (or fewer) than Scrip.
fn shift(currency: Currency) -> (i64, i64) {
    let stripes = OWN_DIGITS.iter().find(|(code, _)| *code == currency.code()).map_or(currency.digits(), |own| own.1);
    let power = |digits: u32| 10_i64.checked_pow(digits).unwrap_or(1);
    (power(stripes.saturating_sub(currency.digits())), power(currency.digits().saturating_sub(stripes)))
}

/// What all amounts of a currency are multiples of that Stripe moves, in the currency's smallest unit.
#[must_use]
pub fn unit(currency: Currency) -> i64 {
    // Of three-digit currencies the last digit is 0.
    let last = if currency.digits() == 3 { 10 } else { 1 };
    shift(currency).1.max(last)
}

/// An amount as Stripe writes it.
///
/// # Errors
/// Refused, when Stripe cannot write it.
pub fn to_stripe(money: Money) -> Result<i64, Trouble> {
    let (times, per) = shift(money.currency);
    let exact = money.minor.checked_rem(unit(money.currency)) == Some(0);
    let amount = money.minor.checked_mul(times).and_then(|minor| minor.checked_div(per)).filter(|_| exact);
    let (amount_text, code) = (money.amount(), money.currency.code());
    amount.ok_or_else(|| Trouble::Refused(format!("Stripe cannot take {amount_text} {code}: it rounds that currency.")))
}

/// An amount that Stripe wrote; none when it has no such currency, or parts of its unit.
fn from_stripe(amount: i64, currency: &str) -> Option<Money> {
    let currency = Currency::stored(&currency.to_ascii_uppercase())?;
    let (times, per) = shift(currency);
    let minor = amount.checked_mul(per)?;
    (minor.checked_rem(times)? == 0).then_some(Money { minor: minor.checked_div(times)?, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: Currency::parse(code).unwrap() }
    }

    #[test]
    fn amounts_are_written_in_stripes_own_digits() {
        for (minor, code, amount) in
            [(1999, "EUR", 1999), (500, "JPY", 500), (500, "ISK", 50_000), (700, "UGX", 70_000), (700, "MGA", 7)]
        {
            assert_eq!(to_stripe(money(minor, code)), Ok(amount), "{code}");
            assert_eq!(from_stripe(amount, &code.to_lowercase()), Some(money(minor, code)), "{code}");
        }
        assert_eq!(to_stripe(money(12_340, "KWD")), Ok(12_340));
        for (minor, code) in [(12_345, "KWD"), (50, "MGA")] {
            assert!(matches!(to_stripe(money(minor, code)), Err(Trouble::Refused(_))), "{code}");
        }
        assert_eq!((from_stripe(50, "isk"), from_stripe(1, "x")), (None, None));
    }
}
