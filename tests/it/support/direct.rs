//! The API as a caller meets it, without a transport.

use async_graphql::{Request, Variables};
use futures_util::{Stream, StreamExt};
use scrip::access::model::Caller;
use scrip::app::{App, Settings};
use scrip::base::clock::Clock;
use scrip::base::ids::Ids;
use scrip::base::time::{SECOND, Time};
use scrip::graphql::context::StreamPosition;
use scrip::graphql::{Schema, build_schema, request_data};
use serde_json::{Value, json};

use super::db::TestDb;
use super::documents;

/// A running program, its schema, and a clock that the test moves.
pub(crate) struct Api {
    pub(crate) app: App,
    schema: Schema,
}

/// An instant, in seconds after the tests' own beginning of time.
pub(crate) fn at(seconds: i64) -> Time {
    Time::from_micros(1_767_225_600 * SECOND + seconds * SECOND).unwrap()
}

impl Api {
    /// Over a database of the test's own; the clock stands at its beginning.
    pub(crate) fn over(db: &TestDb) -> Self {
        let app = App::new((**db).clone(), (Clock::at(at(0)), Ids::seeded(7)), "test", Settings::default());
        tokio::spawn(scrip::worker::hear_all_nodes(app.clone(), "test".to_owned()));
        Self { schema: build_schema(app.clone()), app }
    }

    /// Moves the clock.
    pub(crate) fn set_clock(&self, seconds: i64) {
        self.app.clock.set(at(seconds));
    }

    fn request(&self, document: &str, variables: Value) -> Request {
        let request = Request::new(document).variables(Variables::from_json(variables));
        request_data(request, &self.app, Caller::Local, StreamPosition::default())
    }

    /// The whole response of one operation.
    pub(crate) async fn answer(&self, document: &str, variables: Value) -> Value {
        serde_json::to_value(self.schema.execute(self.request(document, variables)).await).unwrap()
    }

    /// The data of an operation that succeeds.
    pub(crate) async fn data(&self, document: &str, variables: Value) -> Value {
        let mut answer = self.answer(document, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].take()
    }

    /// The one field of an operation that succeeds.
    pub(crate) async fn field(&self, document: &str, variables: Value) -> Value {
        let data = self.data(document, variables).await;
        data.as_object().and_then(|fields| fields.values().next()).cloned().unwrap()
    }

    /// The responses of a subscription.
    pub(crate) fn watch(&self, document: &str, variables: Value) -> impl Stream<Item = Value> + Unpin + use<> {
        self.schema.execute_stream(self.request(document, variables)).map(|r| serde_json::to_value(r).unwrap())
    }

    // --- Builders ------------------------------------------------------------------------------------------------------

    /// A meter that adds up `units` of events of the type `work`, and a product that burns 1 credit for each.
    pub(crate) async fn product(&self, key: &str) -> String {
        let meter = &documents::mutation("createMeter", "meter { id }");
        let input = json!({
            "key": key, "name": key, "eventType": "work", "aggregation": "SUM", "property": "units",
        });
        let meter = self.field(meter, json!({ "input": input })).await["meter"]["id"].take();
        let product = &documents::mutation("createCreditProduct", "product { id }");
        let rule = json!({ "meterId": meter, "creditsPerUnit": "1" });
        let input = json!({ "key": key, "name": key, "consumption": [rule] });
        let made = self.field(product, json!({ "input": input })).await;
        made["product"]["id"].as_str().unwrap().to_owned()
    }

    /// A customer with this external id.
    pub(crate) async fn customer(&self, external_id: &str) -> String {
        let customer = &documents::mutation("createCustomer", "customer { id }");
        let input = json!({ "externalId": external_id, "name": external_id });
        let made = self.field(customer, json!({ "input": input })).await;
        made["customer"]["id"].as_str().unwrap().to_owned()
    }

    /// A balance of the product with that many credits to start with.
    pub(crate) async fn balance(&self, customer: &str, product: &str, credits: &str) -> String {
        let balance = &documents::mutation("createCreditBalance", "balance { id } errors { message }");
        let input = json!({
            "customer": { "externalId": customer }, "productId": product, "startingBalance": credits,
        });
        let made = self.field(balance, json!({ "input": input })).await;
        made["balance"]["id"].as_str().unwrap_or_else(|| panic!("{made:#}")).to_owned()
    }

    /// A customer of that name with a balance of the product.
    pub(crate) async fn account(&self, customer: &str, product: &str, credits: &str) -> String {
        self.customer(customer).await;
        self.balance(customer, product, credits).await
    }

    /// The payload of `topUpCredits` with `credits` and the given fields besides.
    pub(crate) async fn top_up(&self, balance: &str, key: &str, fields: Value) -> Value {
        self.move_credits("topUpCredits", "TopUpCreditsInput", (balance, key, fields)).await
    }

    /// The payload of `retainCredits` with the given fields.
    pub(crate) async fn retain(&self, balance: &str, key: &str, fields: Value) -> Value {
        self.move_credits("retainCredits", "RetainCreditsInput", (balance, key, fields)).await
    }

    async fn move_credits(&self, name: &str, kind: &str, (balance, key, fields): (&str, &str, Value)) -> Value {
        let document = format!(
            "mutation($input: {kind}!) {{ {name}(input: $input) {{
                balance {{ available settled held state }}
                entry {{ id sequence kind credits grant {{ id }} occurredAt }}
                replayed
                errors {{ code message path ... on InvalidState {{ state }}
                    ... on InsufficientCredits {{ available required shortfall balance {{ id }} }} }}
            }} }}"
        );
        let mut input = fields;
        input["balanceId"] = balance.into();
        input["idempotencyKey"] = key.into();
        self.field(&document, json!({ "input": input })).await
    }

    /// The payload of `ingestEvents`: events of the type `work`, by id, customer and units.
    pub(crate) async fn work(&self, events: &[(&str, &str, i64)]) -> Value {
        let event = |(id, customer, units): &(&str, &str, i64)| {
            json!({
                "id": id, "customer": { "externalId": customer }, "type": "work", "properties": { "units": units },
            })
        };
        self.ingest(events.iter().map(event).collect(), "RECORD").await
    }

    /// The payload of `ingestEvents`.
    pub(crate) async fn ingest(&self, events: Vec<Value>, mode: &str) -> Value {
        let document = &documents::mutation(
            "ingestEvents",
            "accepted duplicates refused invalid
            receipts { index eventId status differs event { id eventId } error { code path message
                ... on InsufficientCredits { available required shortfall balance { id } purchaseOptions { id } } } }
            balances { id available }
            errors { code path }",
        );
        self.field(document, json!({ "input": { "events": events, "mode": mode } })).await
    }
}
