//! Credits that are bought: by hand, by way of a provider, in the portal, and by balances themselves.

mod auto_top_up;
mod by_hand;
mod by_stripe;
mod portal;
mod random;
mod refusals;

use scrip::app::Settings;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::db::TestDb;
use crate::support::documents;
use crate::support::node::trusting;

/// What tests look at of a purchase.
pub(crate) const PURCHASE: &str = "purchase { id status quantity credits price { amount currency } origin provider paymentUrl \
    failureReason providerReference grant { credits remaining state cost { amount } expiresAt } refunded { amount } \
    paidAt endedAt } balance { available } replayed";

/// Acme's balance of a product that sells 100 credits for 20 EUR.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) api: Api,
    pub(crate) balance: String,
    pub(crate) product: String,
    pub(crate) option: String,
}

impl Shop {
    /// Where people take the money.
    pub(crate) async fn on(db: &TestDb, starting: &str) -> Self {
        Self::set_up(db, starting, trusting()).await
    }

    /// Where somebody does.
    pub(crate) async fn set_up(db: &TestDb, starting: &str, settings: Settings) -> Self {
        let first = Api::on(db).await;
        let shop = Self::at(first.clone(), starting).await;
        Self { api: first.beside(db, settings).await, ..shop }
    }

    /// At a server that is there.
    pub(crate) async fn at(api: Api, starting: &str) -> Self {
        let balance = api.acme(starting).await;
        let found = api.ask("{ products { nodes { id } } }", json!({})).await;
        let product = text(&found["data"]["products"]["nodes"][0]["id"]);
        let option = option(&api, &product, ("100", "20", "EUR"), json!({})).await;
        Self { api, balance, product, option }
    }

    /// Another option of the product; its id.
    pub(crate) async fn option(&self, credits: &str, price: &str, more: Value) -> String {
        option(&self.api, &self.product, (credits, price, "EUR"), more).await
    }

    /// Acme pays in a currency.
    pub(crate) async fn set_currency(&self, currency: &str) {
        self.update_acme(json!({"currency": currency})).await;
    }

    /// Acme's address of email.
    pub(crate) async fn set_email(&self, email: &str) {
        self.update_acme(json!({"email": email})).await;
    }

    async fn update_acme(&self, mut changes: Value) {
        let found = self.api.ask("{ customer(by: {externalId: \"acme\"}) { id } }", json!({})).await;
        changes["id"] = found["data"]["customer"]["id"].clone();
        self.api.make("updateCustomer", "customer { id }", changes).await;
    }

    /// What buying needs.
    pub(crate) fn input(&self, key: &str) -> Value {
        json!({"balanceId": self.balance, "optionId": self.option, "idempotencyKey": key})
    }

    /// Buys so many of the option; the payload.
    pub(crate) async fn buy(&self, quantity: i32, key: &str) -> Value {
        let mut input = self.input(key);
        input["quantity"] = json!(quantity);
        self.api.make("purchaseCredits", PURCHASE, input).await
    }

    /// Asks something of a purchase, which must be possible; the payload.
    pub(crate) async fn ask(&self, mutation: &str, purchase: &str) -> Value {
        self.api.make(mutation, PURCHASE, json!({"purchaseId": purchase})).await
    }

    /// Asks something of a purchase that cannot be; the one error.
    pub(crate) async fn refused(&self, mutation: &str, purchase: &str) -> Value {
        told(&self.api, mutation, json!({"purchaseId": purchase})).await
    }

    /// How a purchase stands.
    pub(crate) async fn purchase(&self, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ purchase(id: $id) {{ {} }} }}", &PURCHASE[11..PURCHASE.len() - 32]);
        self.api.ask(&query, json!({"id": id})).await["data"]["purchase"].take()
    }

    /// Its status, and why it is not another.
    pub(crate) async fn stands(&self, id: &str) -> (String, Option<String>) {
        let purchase = self.purchase(id).await;
        (text(&purchase["status"]), purchase["failureReason"].as_str().map(str::to_owned))
    }

    /// What can be spent.
    pub(crate) async fn available(&self) -> String {
        let query = &documents::balance("available");
        let found = self.api.ask(query, json!({"id": self.balance})).await;
        text(&found["data"]["creditBalance"]["available"])
    }

    /// All purchases, newest first.
    pub(crate) async fn purchases(&self) -> Vec<Value> {
        let query = "{ purchases(first: 100) { nodes { id status quantity origin failureReason price { amount } } } }";
        let found = self.api.ask(query, json!({})).await;
        found["data"]["purchases"]["nodes"].as_array().unwrap_or_else(|| panic!("{found}")).clone()
    }

    /// How the balance buys by itself.
    pub(crate) async fn auto(&self) -> Value {
        let query = &documents::balance(
            "autoTopUp { enabled threshold option { id } target
            dailyLimit status blockedReason }",
        );
        self.api.ask(query, json!({"id": self.balance})).await["data"]["creditBalance"]["autoTopUp"].take()
    }

    /// Its status and why nothing is bought.
    pub(crate) async fn blocked(&self) -> (String, Option<String>) {
        let auto = self.auto().await;
        (text(&auto["status"]), auto["blockedReason"].as_str().map(str::to_owned))
    }

    /// Sets how the balance buys by itself.
    pub(crate) async fn set_auto(&self, more: Value) -> Value {
        let mut input = json!({"balanceId": self.balance, "enabled": true, "threshold": "20", "optionId": self.option});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        self.api.make("setAutoTopUp", "balance { id }", input).await
    }

    /// Nothing is wrong with the ledger.
    pub(crate) async fn assert_sound(&self) {
        let health = self.api.ask("{ ledgerHealth(first: 100) { problems { rule detail } } }", json!({})).await;
        assert_eq!(health["data"]["ledgerHealth"]["problems"], json!([]), "{health}");
    }
}

/// An option of a product; its id.
pub(crate) async fn option(
    api: &Api,
    product: &str,
    (credits, price, currency): (&str, &str, &str),
    more: Value,
) -> String {
    let mut input = json!({"productId": product, "name": format!("{credits} credits"), "credits": credits,
                           "price": {"amount": price, "currency": currency}});
    if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
        input.extend(more);
    }
    text(&api.make("createPurchaseOption", "purchaseOption { id }", input).await["purchaseOption"]["id"])
}

/// The one error of a mutation that is refused.
pub(crate) async fn told(api: &Api, mutation: &str, input: Value) -> Value {
    let (first, rest) = mutation.split_at(1);
    let query = format!(
        "mutation($input: {}{rest}Input!) {{ {mutation}(input: $input) {{ balance {{ id }} errors {{ \
         __typename message path ...on NotFound {{ requested }} ...on InvalidState {{ state }} }} }} }}",
        first.to_uppercase()
    );
    let answer = api.ask(&query, json!({"input": input})).await;
    let payload = &answer["data"][mutation];
    assert_eq!((payload["errors"].as_array().map(Vec::len), &payload["balance"]), (Some(1), &Value::Null), "{answer}");
    payload["errors"][0].clone()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}
