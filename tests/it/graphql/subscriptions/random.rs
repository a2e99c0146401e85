//! Random timelines: whatever is asked of a subscription, whenever, and whether the server was there or down, its periods
//! bring and cost what the reference model says, on both databases.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::model::{Every, Model, Plan, Time};
use super::shop::Shop;
use crate::support::db::TestDb;

/// How many timelines are played on each database; PROPTEST_CASES raises it.
const CASES: u32 = 24;

#[expect(clippy::disallowed_methods, reason = "who runs the tests says how many")]
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

const PLANS: [Plan; 5] = [
    Plan {
        every: Every::Month,
        credits: Some(100),
        rollover: 30,
        ends_after: Some(0),
        fee: Some(2900),
        seats: Some(2),
        calls: Some(3),
    },
    Plan {
        every: Every::Days(7),
        credits: Some(50),
        rollover: 0,
        ends_after: None,
        fee: None,
        seats: None,
        calls: None,
    },
    Plan {
        every: Every::Days(1),
        credits: Some(10),
        rollover: 10,
        ends_after: Some(0),
        fee: None,
        seats: None,
        calls: Some(0),
    },
    Plan {
        every: Every::Month,
        credits: None,
        rollover: 0,
        ends_after: None,
        fee: Some(2900),
        seats: Some(1),
        calls: None,
    },
    Plan {
        every: Every::Month,
        credits: Some(200),
        rollover: 0,
        ends_after: Some(10),
        fee: None,
        seats: None,
        calls: Some(1),
    },
];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Wait { hours: i64 },
    Burn(i64),
    Call,
    Work,
    Included(Option<i64>),
    Rollover(Option<i64>),
    Threshold(Option<i64>),
    Seats(Option<i64>),
    Change { plan: usize, now: bool },
    Cancel { now: bool },
    Resume,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = |most: i64| proptest::option::weighted(0.8, 0..most);
    let step = prop_oneof![
        6 => (1_i64..24 * 12).prop_map(|hours| Step::Wait { hours }),
        3 => (1_i64..90).prop_map(Step::Burn),
        2 => Just(Step::Call),
        2 => Just(Step::Work),
        1 => value(150).prop_map(Step::Included),
        1 => value(60).prop_map(Step::Rollover),
        1 => value(90).prop_map(Step::Threshold),
        1 => value(9).prop_map(Step::Seats),
        2 => (0..PLANS.len(), any::<bool>()).prop_map(|(plan, now)| Step::Change { plan, now }),
        1 => proptest::bool::weighted(0.25).prop_map(|now| Step::Cancel { now }),
        1 => Just(Step::Resume),
    ];
    vec(step, 5..25)
}

/// A timeline: the plan, when it starts in hours from the beginning, and what happens.
fn timelines() -> impl Strategy<Value = (usize, i64, Vec<Step>)> {
    (0..PLANS.len(), -24_i64 * 45..24 * 10, steps())
}

/// Half past eight on the last day of a month.
fn beginning() -> Time {
    DateTime::parse_from_rfc3339("2026-01-31T08:30:00Z").unwrap().to_utc()
}

fn text(time: Time) -> String {
    time.to_rfc3339()
}

struct Play<'a> {
    shop: &'a Shop,
    plans: &'a [String],
    customer: String,
    subscription: String,
    model: Model,
    events: usize,
    /// What the last read at each instant said.
    seen: Vec<(DateTime<Utc>, Value)>,
}

impl Play<'_> {
    /// Asks the same of the program and of the model; both do it, or both refuse.
    async fn ask(&self, mutation: &str, more: Value, done: bool) {
        let mut input = json!({"subscriptionId": self.subscription});
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        let errors = self.shop.refused(mutation, input.clone()).await;
        assert_eq!(errors == json!([]), done, "{mutation} {input}: {errors}");
    }

    async fn set(&self, product: &str, options: Value, done: bool) {
        self.ask("overrideSubscriptionItem", json!({"productId": product, "options": options}), done).await;
    }

    async fn event(&mut self, kind: &str, count: i64) {
        self.events += 1;
        let event = json!({"id": format!("e{}", self.events), "customer": {"externalId": self.customer}, "type": kind,
                           "properties": {"count": count}});
        let payload = self.shop.api.make("ingestEvents", "accepted", json!({"events": [event]})).await;
        assert_eq!(payload["accepted"], 1);
    }

    async fn step(&mut self, step: &Step) {
        let timing = |now: bool| if now { "NOW" } else { "PERIOD_END" };
        let number = |value: Option<i64>| value.map(|value| value.to_string());
        match step {
            Step::Wait { hours } => {
                let to = self.model.now + TimeDelta::hours(*hours);
                self.shop.api.at(&text(to));
                self.model.live(to);
            }
            Step::Burn(credits) => {
                self.event("tokens", *credits).await;
                self.model.burn(*credits);
            }
            Step::Call => {
                self.event("call", 0).await;
                self.model.call();
            }
            Step::Work => self.shop.api.work().await,
            Step::Included(value) => {
                let done = self.model.set_credits(|own| own.credits = *value);
                self.set(&self.shop.ai, json!({"credit": {"includedCredits": number(*value)}}), done).await;
            }
            Step::Rollover(value) => {
                let done = self.model.set_credits(|own| own.rollover = *value);
                self.set(&self.shop.ai, json!({"credit": {"rolloverLimit": number(*value)}}), done).await;
            }
            Step::Threshold(value) => {
                let done = self.model.set_credits(|own| own.threshold = *value);
                self.set(&self.shop.ai, json!({"credit": {"lowBalanceThreshold": number(*value)}}), done).await;
            }
            Step::Seats(value) => {
                let done = self.model.set_seats(*value);
                self.set(&self.shop.seats, json!({"seat": {"quantity": value}}), done).await;
            }
            Step::Change { plan, now } => {
                let done = self.model.change(*plan, *now);
                let input = json!({"planId": self.plans[*plan], "effective": timing(*now)});
                self.ask("changeSubscriptionPlan", input, done).await;
            }
            Step::Cancel { now } => {
                let done = self.model.cancel(*now);
                self.ask("cancelPlanSubscription", json!({"effective": timing(*now)}), done).await;
            }
            Step::Resume => {
                let done = self.model.resume();
                self.ask("resumePlanSubscription", json!({}), done).await;
            }
        }
        self.compare(step).await;
    }

    /// What can be spent, and by which threshold, is what the model says.
    async fn compare(&mut self, step: &Step) {
        let query = "query($customer: String!, $id: ID!) { customer(by: {externalId: $customer}) {
            creditBalance(product: {id: $id}) { id available settled held lastSequence lowBalanceThreshold
                grants(state: ACTIVE, first: 100) { nodes { id remaining held } } } } }";
        let mut shown = self.shop.api.ask(query, json!({"customer": self.customer, "id": self.shop.ai})).await;
        let balance = &mut shown["data"]["customer"]["creditBalance"];
        let mut seen = balance.take();
        if seen.is_object() {
            let threshold = seen.as_object_mut().and_then(|seen| seen.remove("lowBalanceThreshold"));
            *balance = json!({"available": seen["available"], "lowBalanceThreshold": threshold});
            let grants = seen["grants"]["nodes"].as_array_mut().expect("a page");
            grants.retain(|grant| grant["remaining"] != "0");
            // What is read last at an instant is what is remembered of it.
            self.seen.retain(|(at, _)| *at != self.model.now);
            self.seen.push((self.model.now, seen));
        }
        let (available, threshold) = (self.model.available().to_string(), self.model.threshold().to_string());
        let expected = json!({"available": available, "lowBalanceThreshold": threshold});
        let expected = if self.model.opened { expected } else { Value::Null };
        assert_eq!(shown["data"]["customer"]["creditBalance"], expected, "at {} after {step:?}", self.model.now);
    }

    /// What history says of each instant is what a read said then.
    async fn remember(&self, still: bool) {
        // More may be recorded at the present instant.
        for (at, seen) in self.seen.iter().filter(|(at, _)| still || *at < self.model.now) {
            let query = "query($id: ID!, $time: DateTime!) { creditBalance(id: $id) { at(time: $time) {
                available settled held lastSequence grants { grant { id } remaining held } } } }";
            let told = self.shop.api.ask(query, json!({"id": seen["id"], "time": text(*at)})).await;
            let then = &told["data"]["creditBalance"]["at"];
            for field in ["available", "settled", "held", "lastSequence"] {
                assert_eq!(then[field], seen[field], "{field} at {at}: {told:#}");
            }
            let flat = |grant: &Value| json!({"id": grant["grant"]["id"], "remaining": grant["remaining"], "held": grant["held"]});
            let grants = then["grants"].as_array().map_or(&[][..], Vec::as_slice).iter().take(100).map(flat);
            assert_eq!(grants.collect::<Value>(), seen["grants"]["nodes"], "at {at}: {told:#}");
        }
    }

    /// In the end, each period has brought and cost what it should, once.
    async fn finish(&self) {
        self.remember(true).await;
        for _ in 0..10 {
            self.shop.api.work().await;
        }
        self.remember(false).await;
        self.shop.meter(&self.subscription).await;
        let query = "query($customer: String!, $id: ID!, $subscription: ID!, $after: String) {
            planSubscription(id: $subscription) { charges(first: 100, after: $after) { pageInfo { hasNextPage endCursor }
                nodes { period { index start end } product { key } amount { amount } } } }
            customer(by: {externalId: $customer}) { creditBalance(product: {id: $id}) {
                entries(kind: [ALLOWANCE, ROLLOVER], first: 100) { nodes { kind credits occurredAt } } } } }";
        let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap().to_utc();
        let variables = json!({"customer": self.customer, "id": self.shop.ai, "subscription": self.subscription});
        let shown = self.shop.api.ask(query, variables.clone()).await["data"].clone();
        let entries = shown["customer"]["creditBalance"]["entries"]["nodes"].as_array().cloned().unwrap_or_default();
        let line = |entry: &Value| {
            let (kind, credits) = (entry["kind"].as_str().unwrap(), entry["credits"].as_str().unwrap());
            format!("{kind} {credits} at {}", time(&entry["occurredAt"]))
        };
        let brought: Vec<String> = entries.iter().rev().map(line).collect();
        let from = self.model.brought.len().saturating_sub(100);
        same(&brought, &self.model.brought[from..]);
        let mut charged = Vec::new();
        let mut page = shown["planSubscription"]["charges"].clone();
        loop {
            for charge in page["nodes"].as_array().unwrap() {
                let (period, product) = (&charge["period"], charge["product"]["key"].as_str().unwrap());
                let cents = charge["amount"]["amount"].as_str().unwrap().replace('.', "");
                let cents: i64 = cents.parse().unwrap();
                let (start, end) = (time(&period["start"]), time(&period["end"]));
                charged.push(format!("{} [{start}, {end}) {product} {cents}", period["index"]));
            }
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            let mut next = variables.clone();
            next["after"] = page["pageInfo"]["endCursor"].clone();
            page = self.shop.api.ask(query, next).await["data"]["planSubscription"]["charges"].clone();
        }
        charged.sort();
        same(&charged, &self.model.charged.iter().cloned().collect::<Vec<_>>());
        let health = self.shop.api.ask("{ ledgerHealth(first: 1000) { problems { rule detail } } }", json!({})).await;
        assert_eq!(health["data"]["ledgerHealth"]["problems"], json!([]));
    }
}

/// Two lists are the same; else only the first difference is shown, since they are long.
fn same(found: &[String], expected: &[String]) {
    let place = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    assert_eq!((found.get(place), found.len()), (expected.get(place), expected.len()), "at {place}");
}

async fn play(shop: &Shop, plans: &[String], name: &str, (plan, start, steps): (usize, i64, &[Step])) {
    shop.api.at(&text(beginning()));
    shop.api.customer(name).await;
    let start = beginning() + TimeDelta::hours(start);
    let input = json!({"customer": {"externalId": name}, "planId": plans[plan], "startsAt": text(start),
                       "idempotencyKey": "first"});
    let made = shop.api.make("createPlanSubscription", "subscription { id }", input).await;
    let subscription = made["subscription"]["id"].as_str().unwrap().to_owned();
    let model = Model::new(&PLANS, plan, (start, beginning()));
    let mut timeline =
        Play { shop, plans, customer: name.to_owned(), subscription, model, events: 0, seen: Vec::new() };
    for step in steps {
        timeline.step(step).await;
    }
    timeline.finish().await;
}

/// The model's plans, in the shop.
async fn make_plans(shop: &Shop) -> Vec<String> {
    let mut plans = Vec::new();
    for (place, plan) in PLANS.iter().enumerate() {
        let interval = match plan.every {
            Every::Month => "MONTH",
            Every::Days(7) => "WEEK",
            Every::Days(_) => "DAY",
        };
        let expiration = match plan.ends_after {
            None => json!({"policy": "NEVER"}),
            Some(0) => json!({"policy": "END_OF_PERIOD"}),
            Some(days) => json!({"policy": "AFTER_DAYS", "days": days}),
        };
        let credits = plan.credits.map(|credits| {
            json!({"productId": shop.ai, "options": {"credit": {"includedCredits": credits.to_string(),
                   "rolloverLimit": plan.rollover.to_string(), "includedExpiration": expiration}}})
        });
        let fee = plan.fee.map(|_| json!({"productId": shop.fee}));
        let seats = plan.seats.map(|seats| json!({"productId": shop.seats, "options": {"seat": {"quantity": seats}}}));
        let calls = plan
            .calls
            .map(|calls| json!({"productId": shop.calls, "options": {"usage": {"includedUnits": calls.to_string()}}}));
        let items: Vec<Value> = [credits, fee, seats, calls].into_iter().flatten().collect();
        plans.push(shop.plan(&format!("plan{place}"), interval, items.into()).await);
    }
    plans
}

/// Plays timelines on one database, each on a customer of its own.
fn play_all(make: impl AsyncFn() -> TestDb) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (db, shop, plans) = runtime.block_on(async {
        let db = make().await;
        let shop = Shop::on(&db).await;
        let plans = make_plans(&shop).await;
        (db, shop, plans)
    });
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let played = std::cell::Cell::new(0);
    // The same timelines each time, unless somebody asks for more.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        if config.cases == CASES { TestRunner::new_with_rng(config, rng) } else { TestRunner::new(config) };
    runner
        .run(&timelines(), |(plan, start, steps)| {
            played.set(played.get() + 1);
            let name = format!("c{}", played.get());
            runtime.block_on(play(&shop, &plans, &name, (plan, start, &steps)));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // The pools' tasks end with their runtime.
    drop((shop, db));
}

mod property_periods_bring_and_cost_what_the_model_says {
    use super::{TestDb, play_all};

    #[test]
    fn sqlite() {
        play_all(TestDb::sqlite);
    }

    #[test]
    fn postgres() {
        play_all(TestDb::postgres);
    }
}
