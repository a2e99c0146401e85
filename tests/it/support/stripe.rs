//! A stand-in for Stripe on loopback, for what no stand-in of others knows: Checkout sessions, idempotency keys, answers that
//! are lost. Its shapes are those of Stripe's API 2025-03-31 (basil) as documented, as far as a client of ours reads or sends them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use hmac::{Hmac, KeyInit, Mac};
use scrip::app::Settings;
use scrip::base::time::SECOND;
use scrip::purchases::stripe::{Account, PATIENCE, Stripe};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::api::Api;
use super::node::trusting;

/// The keys of its one account.
pub(crate) const SECRET_KEY: &str = "sk_test_standin0123456789";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_standin0123456789";
/// Whose pages customers come back to.
pub(crate) const ORIGIN: &str = "https://app.example.com";

/// How the next request fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It is done and answered.
    Well,
    /// Nothing is done.
    Away,
    /// It is done, and the answer is lost.
    Lost,
    /// It is done, and never answered.
    Hung,
}

#[derive(Default)]
struct Books {
    sessions: BTreeMap<String, Value>,
    intents: BTreeMap<String, Value>,
    refunds: BTreeMap<String, Value>,
    /// What each idempotency key was first used for, and the answer.
    keys: HashMap<String, (Form, StatusCode, Value)>,
    moods: Vec<Mood>,
    /// How the next request that makes something fares, however many look before.
    mood_of_posts: Option<Mood>,
    /// Its customers are another account's.
    has_forgotten: bool,
    /// What becomes of refunds.
    refunded: Option<&'static str>,
    /// Requests that made something, in order.
    made: Vec<String>,
    last: usize,
}

type Form = BTreeMap<String, String>;

/// The stand-in. Its clones share what it knows.
#[derive(Clone)]
pub(crate) struct StandIn {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    hung: Arc<Notify>,
}

type Answer = (StatusCode, Value);

fn refused(status: u16, kind: &str, message: &str) -> Answer {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, json!({"error": {"type": kind, "message": message}}))
}

fn metadata(form: &Form, under: &str) -> Value {
    let name = format!("{under}[scrip_purchase]");
    form.get(&name).map_or_else(|| json!({}), |purchase| json!({"scrip_purchase": purchase}))
}

impl Books {
    fn id(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}_test_{}", self.last)
    }

    fn post(&mut self, path: &str, form: &Form) -> Answer {
        self.made.push(path.to_owned());
        match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
            ["checkout", "sessions"] => self.open_session(form),
            ["checkout", "sessions", id, "expire"] => match self.sessions.get_mut(id) {
                Some(session) if session["status"] == "open" => {
                    session["status"] = json!("expired");
                    session["url"] = Value::Null;
                    (StatusCode::OK, session.clone())
                }
                _ => refused(
                    400,
                    "invalid_request_error",
                    "Only Checkout Sessions with a status in [\"open\"] can be expired.",
                ),
            },
            ["payment_intents"] => self.charge(form),
            ["payment_intents", id, "cancel"] => match self.intents.get_mut(id) {
                Some(intent) if !matches!(intent["status"].as_str(), Some("succeeded" | "canceled" | "processing")) => {
                    intent["status"] = json!("canceled");
                    (StatusCode::OK, intent.clone())
                }
                _ => {
                    refused(400, "invalid_request_error", "You cannot cancel this PaymentIntent because of its status.")
                }
            },
            ["refunds"] => self.refund(form),
            _ => refused(404, "invalid_request_error", "Unrecognized request URL."),
        }
    }

    fn open_session(&mut self, form: &Form) -> Answer {
        if let Some(customer) = form.get("customer").filter(|_| self.has_forgotten) {
            let error = json!({"type": "invalid_request_error", "code": "resource_missing", "param": "customer",
                               "message": format!("No such customer: '{customer}'")});
            return (StatusCode::BAD_REQUEST, json!({"error": error}));
        }
        if let Some(email) = form.get("customer_email").filter(|email| !email.contains('.')) {
            let error = json!({"type": "invalid_request_error", "code": "email_invalid", "param": "customer_email",
                               "message": format!("Invalid email address: {email}")});
            return (StatusCode::BAD_REQUEST, json!({"error": error}));
        }
        let number = |name: &str| form[name].parse::<i64>().expect("a number");
        let total = number("line_items[0][price_data][unit_amount]") * number("line_items[0][quantity]");
        if total < 50 {
            let message = "The Checkout Session's total amount due must add up to at least €0.50 eur";
            return refused(400, "invalid_request_error", message);
        }
        let id = self.id("cs");
        let session = json!({
            "id": id, "object": "checkout.session", "mode": form["mode"], "status": "open", "payment_status": "unpaid",
            "amount_total": total, "currency": form["line_items[0][price_data][currency]"],
            "url": format!("https://checkout.stripe.com/c/pay/{id}"), "payment_intent": null,
            "customer": form.get("customer"), "customer_email": form.get("customer_email"),
            "success_url": form["success_url"], "client_reference_id": form["client_reference_id"],
            "metadata": metadata(form, "metadata"),
            "of_intent": metadata(form, "payment_intent_data[metadata]"),
        });
        self.sessions.insert(id, session.clone());
        (StatusCode::OK, session)
    }

    fn intent(&mut self, (amount, currency): (i64, &str), (customer, method): (&str, &str), about: &Value) -> Value {
        let id = self.id("pi");
        let intent = json!({
            "id": id, "object": "payment_intent", "amount": amount, "currency": currency, "customer": customer,
            "payment_method": method, "status": "succeeded", "last_payment_error": null, "metadata": about,
            "latest_charge": {"id": id.replace("pi_", "ch_"), "object": "charge", "amount": amount, "amount_refunded": 0,
                              "disputed": false},
        });
        self.intents.insert(id, intent.clone());
        intent
    }

    fn charge(&mut self, form: &Form) -> Answer {
        let redirects = form.get("automatic_payment_methods[allow_redirects]").map(String::as_str);
        if redirects != Some("never") || form["off_session"] != "true" || form["confirm"] != "true" {
            return refused(400, "invalid_request_error", "You must provide a `return_url`.");
        }
        let method = form.get("payment_method").map_or("pm_none", String::as_str);
        let amount = form["amount"].parse().expect("a number");
        let mut intent =
            self.intent((amount, &form["currency"]), (&form["customer"], method), &metadata(form, "metadata"));
        let id = intent["id"].as_str().expect("an id").to_owned();
        let mut put = |status: &str, error: Value| {
            intent["status"] = json!(status);
            intent["last_payment_error"] = error;
            self.intents.insert(id.clone(), intent.clone());
            intent.clone()
        };
        match method {
            "pm_declined" => {
                let error =
                    json!({"type": "card_error", "code": "card_declined", "message": "Your card was declined."});
                put("requires_payment_method", error.clone());
                (StatusCode::PAYMENT_REQUIRED, json!({"error": error}))
            }
            "pm_asks" => (StatusCode::OK, put("requires_action", Value::Null)),
            "pm_slow" => (StatusCode::OK, put("processing", Value::Null)),
            _ => (StatusCode::OK, intent),
        }
    }

    fn refund(&mut self, form: &Form) -> Answer {
        let amount: i64 = form["amount"].parse().expect("a number");
        let payment = &form["payment_intent"];
        let Some(intent) = self.intents.get_mut(payment) else {
            return refused(404, "invalid_request_error", "No such payment_intent.");
        };
        let charge = &mut intent["latest_charge"];
        let gone = charge["amount_refunded"].as_i64().expect("an amount");
        if gone + amount > charge["amount"].as_i64().expect("an amount") {
            return refused(400, "invalid_request_error", "Refund amount is greater than unrefunded amount on charge.");
        }
        let status = self.refunded.unwrap_or("succeeded");
        if status != "failed" {
            charge["amount_refunded"] = json!(gone + amount);
        }
        let id = self.id("re");
        let refund = json!({"id": id, "object": "refund", "amount": amount, "payment_intent": payment, "status": status,
                            "metadata": metadata(form, "metadata")});
        self.refunds.insert(id, refund.clone());
        (StatusCode::OK, refund)
    }

    fn get(&self, path: &str, query: &Form) -> Answer {
        let missing = || refused(404, "invalid_request_error", "No such object.");
        // Newest first, and fewer on a page than are asked for.
        let list = |all: &BTreeMap<String, Value>, field: &str| {
            let number = |id: &str| id.rsplit('_').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
            let before = query.get("starting_after").map_or(usize::MAX, |after| number(after));
            let is_of = |one: &Value| one[field].as_str() == query.get(field).map(String::as_str);
            let mut rest: Vec<_> = all.iter().filter(|(id, one)| number(id) < before && is_of(one)).collect();
            rest.sort_by_key(|(id, _)| std::cmp::Reverse(number(id)));
            let page: Vec<&Value> = rest.iter().map(|(_, one)| *one).take(2).collect();
            (StatusCode::OK, json!({"object": "list", "has_more": page.len() < rest.len(), "data": page}))
        };
        let found = |found: Option<&Value>| found.map_or_else(missing, |one| (StatusCode::OK, one.clone()));
        match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
            ["checkout", "sessions", id] => {
                let mut session = self.sessions.get(id).cloned();
                if let Some(session) = &mut session
                    && let Some(intent) = session["payment_intent"].as_str()
                    && query.values().any(|expand| expand == "payment_intent")
                {
                    session["payment_intent"] = self.intents[intent].clone();
                }
                found(session.as_ref())
            }
            ["payment_intents"] => list(&self.intents, "customer"),
            ["payment_intents", id] => found(self.intents.get(id)),
            ["refunds"] => list(&self.refunds, "payment_intent"),
            _ => missing(),
        }
    }
}

async fn told(
    State(stand_in): State<StandIn>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, StatusCode> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mood = {
        let mut books = stand_in.books();
        books.mood_of_posts.take().or_else(|| books.moods.pop())
    };
    if mood == Some(Mood::Away) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let form: Form = serde_urlencoded::from_str(&body).expect("a form");
    let answer = if header("authorization").as_deref() == Some(&format!("Bearer {SECRET_KEY}")) {
        let mut books = stand_in.books();
        match header("idempotency-key") {
            None => books.post(&path, &form),
            Some(key) => match books.keys.get(&key) {
                Some((first, _, _)) if *first != form => refused(
                    400,
                    "idempotency_error",
                    "Keys for idempotent requests can only be used with the same parameters.",
                ),
                Some((_, status, answer)) => (*status, answer.clone()),
                None => {
                    let (status, answer) = books.post(&path, &form);
                    books.keys.insert(key, (form, status, answer.clone()));
                    (status, answer)
                }
            },
        }
    } else {
        refused(
            401,
            "invalid_request_error",
            &format!("Invalid API Key provided: {}", SECRET_KEY.replace("sk_test", "***")),
        )
    };
    match mood {
        Some(Mood::Lost) => return Err(StatusCode::BAD_GATEWAY),
        Some(Mood::Hung) => {
            stand_in.hung.notify_one();
            std::future::pending::<()>().await;
        }
        Some(Mood::Well | Mood::Away) | None => {}
    }
    Ok((answer.0, Json(answer.1)).into_response())
}

async fn asked(
    State(stand_in): State<StandIn>,
    Path(path): Path<String>,
    Query(query): Query<Form>,
) -> Result<Response, StatusCode> {
    let mood = stand_in.books().moods.pop();
    match mood {
        Some(Mood::Hung) => {
            stand_in.hung.notify_one();
            std::future::pending::<()>().await;
        }
        Some(Mood::Away | Mood::Lost) => return Err(StatusCode::SERVICE_UNAVAILABLE),
        Some(Mood::Well) | None => {}
    }
    let (status, answer) = stand_in.books().get(&path, &query);
    Ok((status, Json(answer)).into_response())
}

impl StandIn {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let stand_in = Self { address, books: Arc::default(), hung: Arc::default() };
        let router = Router::new().route("/v1/{*path}", get(asked).post(told)).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        stand_in
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its API's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// A node whose money it takes.
    pub(crate) fn settings(&self) -> Settings {
        self.settings_of(PATIENCE)
    }

    /// A node whose money it takes, and that waits no longer than this for an answer.
    pub(crate) fn settings_of(&self, patience: Duration) -> Settings {
        let account = Account {
            secret_key: SECRET_KEY.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            url: Some(self.url()),
            patience,
        };
        let stripe = Stripe::new(account).expect("it can be used");
        Settings { stripe: Some(stripe), allowed_origins: vec![ORIGIN.to_owned()], ..trusting() }
    }

    /// How the next requests fare, the first first; those behind are answered.
    pub(crate) fn fare(&self, moods: &[Mood]) {
        self.books().moods = moods.iter().rev().copied().collect();
    }

    /// How the next request that makes something fares.
    pub(crate) fn fare_of_posts(&self, mood: Mood) {
        self.books().mood_of_posts = Some(mood);
    }

    /// How often money went back.
    pub(crate) fn refunds(&self) -> usize {
        self.books().refunds.len()
    }

    /// Waits until a request hangs.
    pub(crate) async fn hangs(&self) {
        self.hung.notified().await;
    }

    /// How many requests made something at a path.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.books().made.iter().filter(|made| *made == path).count()
    }

    /// The page of a purchase, newest first.
    pub(crate) fn page_of(&self, purchase: &str) -> Option<String> {
        let books = self.books();
        let mine = books.sessions.iter().rev().find(|(_, session)| session["metadata"]["scrip_purchase"] == purchase);
        mine.map(|(id, _)| id.clone())
    }

    /// Another page for the same purchase, as nobody should have made one.
    pub(crate) fn twin_of(&self, page: &str) -> String {
        let mut books = self.books();
        let id = books.id("cs");
        let mut session = books.sessions[page].clone();
        session["id"] = json!(id);
        books.sessions.insert(id.clone(), session);
        id
    }

    /// The pages of a balance's purchases, in order.
    pub(crate) fn pages_of(&self, balance: &str) -> Vec<String> {
        of(&self.books().sessions, balance)
    }

    /// The pages and payments of a balance's purchases.
    pub(crate) fn objects_of(&self, balance: &str) -> Vec<String> {
        let books = self.books();
        [of(&books.sessions, balance), of(&books.intents, balance)].concat()
    }

    /// A page's time is over, if it is still open.
    pub(crate) fn expire(&self, page: &str) {
        let mut books = self.books();
        let session = books.sessions.get_mut(page).expect("it is there");
        if session["status"] == "open" {
            session["status"] = json!("expired");
        }
    }

    /// How a page was asked for.
    pub(crate) fn page(&self, id: &str) -> Value {
        self.books().sessions[id].clone()
    }

    /// The customer pays on a page, if it is still open, by what will be called so from now on; answers whether.
    pub(crate) fn pay(&self, page: &str, method: &str) -> bool {
        self.pay_as(page, method, |_| {})
    }

    /// The same, where the page has become another one.
    pub(crate) fn pay_as(&self, page: &str, method: &str, change: impl FnOnce(&mut Value)) -> bool {
        let mut books = self.books();
        let mut session = books.sessions[page].clone();
        if session["status"] != "open" {
            return false;
        }
        change(&mut session);
        let customer = session["customer"].as_str().map_or_else(|| books.id("cus"), str::to_owned);
        let total = session["amount_total"].as_i64().expect("an amount");
        let currency = session["currency"].as_str().expect("a currency").to_owned();
        let intent = books.intent((total, &currency), (&customer, method), &session["of_intent"]);
        session["status"] = json!("complete");
        session["payment_status"] = json!("paid");
        session["customer"] = json!(customer);
        session["payment_intent"] = intent["id"].clone();
        books.sessions.insert(page.to_owned(), session);
        true
    }

    /// What is under way succeeds, or fails.
    pub(crate) fn decide(&self, has_come: bool) {
        for intent in self.books().intents.values_mut().filter(|intent| intent["status"] == "processing") {
            intent["status"] = json!(if has_come { "succeeded" } else { "requires_payment_method" });
        }
    }

    /// The keys of yesterday are forgotten.
    pub(crate) fn forget_keys(&self) {
        self.books().keys.clear();
    }

    /// It knows no customer and no page any more, as another account would.
    pub(crate) fn forget(&self) {
        let mut books = self.books();
        books.has_forgotten = true;
        books.sessions.clear();
    }

    /// How refunds stand, those that there are and those to come.
    pub(crate) fn refunds_are(&self, status: &'static str) {
        let mut books = self.books();
        books.refunded = Some(status);
        books.refunds.values_mut().for_each(|refund| refund["status"] = json!(status));
    }

    /// Changes all payments.
    pub(crate) fn change_payments(&self, change: impl Fn(&mut Value)) {
        self.books().intents.values_mut().for_each(change);
    }

    /// The money of a purchase that it has, in the currency's least unit, and how often it took some.
    pub(crate) fn money(&self, purchase: &str) -> (i64, usize) {
        let books = self.books();
        let taken = books
            .intents
            .values()
            .filter(|intent| intent["metadata"]["scrip_purchase"] == purchase && intent["status"] == "succeeded");
        taken.fold((0, 0), |(sum, times), intent| {
            let charge = &intent["latest_charge"];
            let kept = charge["amount"].as_i64().unwrap_or(0) - charge["amount_refunded"].as_i64().unwrap_or(0);
            (sum + kept, times + 1)
        })
    }

    /// All payments, by their ids.
    pub(crate) fn payments(&self) -> Vec<Value> {
        self.books().intents.values().cloned().collect()
    }

    /// Tells a node that something became of an object; answers the status.
    pub(crate) async fn hint(&self, api: &Api, kind: &str, id: &str) -> u16 {
        let (object, seconds) = {
            let books = self.books();
            let object = books.sessions.get(id).or_else(|| books.intents.get(id)).cloned();
            (object.expect("it is there"), api.app.clock.now().micros() / SECOND)
        };
        let body = json!({"id": "evt_test", "object": "event", "type": kind, "data": {"object": object}}).to_string();
        let signature = sign(WEBHOOK_SECRET, seconds, &body);
        deliver(api, body, &signature).await
    }
}

/// The ids of those objects that are about purchases of a balance: a purchase's id begins as its balance's.
fn of(objects: &BTreeMap<String, Value>, balance: &str) -> Vec<String> {
    let begins = balance.replacen("bal_", "pur_", 1);
    // The last letter holds bits of what comes behind.
    let begins = &begins[..begins.len() - 1];
    let is_of = |object: &&Value| {
        object["metadata"]["scrip_purchase"].as_str().is_some_and(|purchase| purchase.starts_with(begins))
    };
    objects.values().filter(is_of).map(|object| object["id"].as_str().expect("an id").to_owned()).collect()
}

/// The header of a webhook.
pub(crate) fn sign(secret: &str, seconds: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key does");
    let signed = mac.chain_update(seconds.to_string()).chain_update(".").chain_update(body).finalize();
    format!("t={seconds},v1={}", data_encoding::HEXLOWER.encode(&signed.into_bytes()))
}

/// Sends a webhook; answers the status.
pub(crate) async fn deliver(api: &Api, body: String, signature: &str) -> u16 {
    let request = api.post("/v1/webhooks/stripe").header("stripe-signature", signature).body(body);
    request.send().await.expect("the server answers").status().as_u16()
}
