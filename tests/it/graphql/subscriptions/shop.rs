//! A shop with a product of each kind and two plans, and short ways to say what came of a subscription.

use scrip::subscriptions::charges::meter_usage;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::db::TestDb;

/// What every test has before it begins.
pub(crate) struct Shop {
    pub(crate) api: Api,
    /// Credits, of which an event "tokens" burns as many as its property says.
    pub(crate) ai: String,
    /// 29 EUR a period.
    pub(crate) fee: String,
    /// 10 EUR a seat and period.
    pub(crate) seats: String,
    /// 0.01 EUR an event "call".
    pub(crate) calls: String,
    /// A month: 100 credits, of which 30 roll over; the fee; 2 seats; 3 calls included.
    pub(crate) pro: String,
}

impl Shop {
    pub(crate) async fn on(db: &TestDb) -> Self {
        let api = Api::on(db).await;
        let tokens = api.sum("tokens", "tokens", "count").await;
        let called = api.meter("called", "call").await;
        let ai = api.product("ai", &[(&tokens, "1")], json!({"lowBalanceThreshold": "20"})).await;
        let price = |amount: &str| json!([{"amount": amount, "currency": "EUR"}]);
        let made = async |mutation: &str, input: Value| {
            let made = api.make(mutation, "product { id }", input).await;
            made["product"]["id"].as_str().expect("it has an id").to_owned()
        };
        let fee = json!({"key": "platform", "name": "Platform", "prices": price("29")});
        let fee = made("createFlatFeeProduct", fee).await;
        let seats = made("createSeatProduct", json!({"key": "seats", "name": "Seats", "prices": price("10")})).await;
        let calls = json!({"key": "calls", "name": "Calls", "meterId": called, "unitPrices": price("0.01")});
        let calls = made("createUsageProduct", calls).await;
        api.customer("acme").await;
        let mut shop = Self { api, ai, fee, seats, calls, pro: String::new() };
        let items = json!([
            {"productId": shop.ai, "options": {"credit": {"includedCredits": "100", "rolloverLimit": "30"}}},
            {"productId": shop.fee},
            {"productId": shop.seats, "options": {"seat": {"quantity": 2}}},
            {"productId": shop.calls, "options": {"usage": {"includedUnits": "3"}}},
        ]);
        shop.pro = shop.plan("pro", "MONTH", items).await;
        shop
    }

    /// A plan in EUR; answers its id.
    pub(crate) async fn plan(&self, key: &str, interval: &str, items: Value) -> String {
        let input = json!({"key": key, "name": key, "interval": interval, "currency": "EUR", "items": items});
        let made = self.api.make("createPlan", "plan { id }", input).await;
        made["plan"]["id"].as_str().expect("it has an id").to_owned()
    }

    /// A plan of credits alone, with these options.
    pub(crate) async fn credits(&self, key: &str, interval: &str, options: Value) -> String {
        self.plan(key, interval, json!([{"productId": self.ai, "options": {"credit": options}}])).await
    }

    /// A plan that holds no credits.
    pub(crate) async fn without_credits(&self) -> String {
        self.plan("fee_only", "MONTH", json!([{"productId": self.fee}])).await
    }

    /// Acme subscribes; answers the subscription's id.
    pub(crate) async fn subscribe(&self, plan: &str, more: Value) -> String {
        let mut input = json!({"customer": {"externalId": "acme"}, "planId": plan, "idempotencyKey": plan});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        let made = self.api.make("createPlanSubscription", "subscription { id }", input).await;
        made["subscription"]["id"].as_str().expect("it has an id").to_owned()
    }

    /// Asks something of a subscription, which must be possible; answers how it stands then.
    pub(crate) async fn ask(&self, mutation: &str, subscription: &str, more: Value) -> Value {
        let mut input = json!({"subscriptionId": subscription});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        let fields = "replayed subscription { status cancelAt endedAt currentPeriod { index start end } \
                      planVersion { plan { key } } pendingPlanVersion { plan { key } } }";
        self.api.make(mutation, fields, input).await
    }

    /// The same of what is refused: its errors.
    pub(crate) async fn refused(&self, mutation: &str, input: Value) -> Value {
        let kind = if mutation.starts_with("archive") { "Archive" } else { mutation };
        let (first, rest) = kind.split_at(1);
        let kind = format!("{}{rest}Input", first.to_uppercase());
        let query = format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ errors {{ ...Error }} }} }}");
        let answer = self.api.ask(&query, json!({"input": input})).await;
        assert!(answer["errors"].is_null(), "{answer:#}");
        answer["data"][mutation]["errors"].clone()
    }

    /// Overrides an item; the options are given by kind.
    pub(crate) async fn set(&self, subscription: &str, product: &str, options: Value) {
        self.ask("overrideSubscriptionItem", subscription, json!({"productId": product, "options": options})).await;
    }

    /// Events "tokens" of acme, each of so many.
    pub(crate) async fn burn(&self, event: &str, tokens: &str) {
        self.api.burn(event, tokens).await;
    }

    /// So many events "call" of acme, now.
    pub(crate) async fn call(&self, name: &str, count: usize) {
        let event =
            |place: usize| json!({"id": format!("{name} {place}"), "customer": {"externalId": "acme"}, "type": "call"});
        let events: Vec<Value> = (0..count).map(event).collect();
        let payload = self.api.make("ingestEvents", "accepted", json!({"events": events})).await;
        assert_eq!(payload["accepted"], count, "{payload}");
    }

    /// Acme's open balance of credits: available, its settings and where they come from.
    pub(crate) async fn balance(&self) -> Value {
        let query = "query($id: ID!) { customer(by: {externalId: \"acme\"}) { creditBalance(product: {id: $id}) {
            ...Balance lowBalanceThreshold overdraft { policy limit } subscription { planVersion { plan { key } } } } } }";
        self.api.ask(query, json!({"id": self.ai})).await["data"]["customer"]["creditBalance"].clone()
    }

    /// The id of acme's open balance of credits.
    pub(crate) async fn balance_id(&self) -> String {
        let query =
            "query($id: ID!) { customer(by: {externalId: \"acme\"}) { creditBalance(product: {id: $id}) { id } } }";
        let answer = self.api.ask(query, json!({"id": self.ai})).await;
        answer["data"]["customer"]["creditBalance"]["id"].as_str().expect("it has an id").to_owned()
    }

    /// Meters the usage of a subscription's periods that have ended, without the wait that the worker grants.
    pub(crate) async fn meter(&self, subscription: &str) {
        let id = Some(subscription.parse().expect("it is an id"));
        meter_usage(&self.api.app.db, &self.api.app.clock, id, 1_000).await.expect("it can be metered");
    }

    /// What acme can spend; "none" without an open balance.
    pub(crate) async fn available(&self) -> String {
        self.balance().await["available"].as_str().unwrap_or("none").to_owned()
    }

    /// The entries of acme's credits, oldest first: "02-01T00:00 ALLOWANCE 100 SUBSCRIPTION".
    pub(crate) async fn entries(&self) -> Value {
        let query = "query($id: ID!) { customer(by: {externalId: \"acme\"}) { creditBalance(product: {id: $id}) {
            entries(last: 100) { nodes { kind credits occurredAt origin subscription { id } } } } } }";
        let answer = self.api.ask(query, json!({"id": self.ai})).await;
        let nodes = answer["data"]["customer"]["creditBalance"]["entries"]["nodes"].as_array().cloned();
        let line = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().expect("it is a text").to_owned();
            let by = if entry["subscription"].is_null() { "" } else { " by it" };
            format!("{} {} {} {}{by}", moment(&entry["occurredAt"]), text("kind"), text("credits"), text("origin"))
        };
        nodes.unwrap_or_default().iter().rev().map(line).collect::<Vec<_>>().into()
    }

    /// What a subscription was charged, its usage metered now, oldest first: "0 [01-01T00:00, 02-01T00:00) Seats: 2 at 10.00 EUR = 20.00".
    pub(crate) async fn charges(&self, subscription: &str) -> Value {
        self.meter(subscription).await;
        let query = "query($id: ID!) { planSubscription(id: $id) { charges(first: 100) { nodes {
            period { index start end } description quantity amount { amount currency } createdAt } } } }";
        let answer = self.api.ask(query, json!({"id": subscription})).await;
        let nodes = answer["data"]["planSubscription"]["charges"]["nodes"].as_array().cloned();
        let line = |charge: &Value| {
            let period = &charge["period"];
            let (start, end) = (moment(&period["start"]), moment(&period["end"]));
            let (what, amount) = (charge["description"].as_str(), charge["amount"]["amount"].as_str());
            format!("{} [{start}, {end}) {} = {}", period["index"], what.unwrap_or("?"), amount.unwrap_or("?"))
        };
        nodes.unwrap_or_else(|| panic!("{answer:#}")).iter().map(line).collect::<Vec<_>>().into()
    }
}

/// "02-01T00:00" of a time within the year.
fn moment(time: &Value) -> String {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is a time"));
    let seconds = if &text[17..26] == "00.000000" { "" } else { &text[16..26] };
    let year = if text.starts_with("2026") { "" } else { &text[..5] };
    format!("{year}{}{seconds}", &text[5..16])
}
