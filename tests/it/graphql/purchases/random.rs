//! Random timelines: commands, payments, webhooks and sweeps in any order and as often as they like, while the provider is
//! away now and then or its answers are lost. Credits come once for each payment, none comes unpaid, and in the end nobody
//! has paid for nothing.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy};
use proptest::prop_oneof;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use scrip::base::time::{HOUR, MINUTE};
use serde_json::{Value, json};

use super::{Shop, text};
use crate::support::db::TestDb;
use crate::support::documents;
use crate::support::stripe::{Mood, StandIn};

/// How many timelines are played on each database; PROPTEST_CASES raises it.
const CASES: u32 = 16;

#[expect(clippy::disallowed_methods, reason = "who runs the tests says how many")]
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

/// One thing that happens; numbers choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Buy {
        quantity: i32,
    },
    Pay(usize),
    /// Money comes, and not as asked for.
    PayOdd(usize),
    Expire(usize),
    /// The provider tells of a page or a payment, again or for the first time.
    Hint(usize),
    Sweep,
    Wait {
        minutes: i64,
    },
    Cancel(usize),
    Refund(usize),
    MarkPaid(usize),
    Burn(i64),
    SetAuto {
        threshold: i64,
        target: i64,
    },
    Fare(Vec<Mood>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = || 0_usize..6;
    let mood = prop_oneof![Just(Mood::Away), Just(Mood::Lost)];
    let step = prop_oneof![
        4 => (1..4).prop_map(|quantity| Step::Buy { quantity }),
        4 => any().prop_map(Step::Pay),
        1 => any().prop_map(Step::PayOdd),
        1 => any().prop_map(Step::Expire),
        4 => any().prop_map(Step::Hint),
        4 => Just(Step::Sweep),
        3 => prop_oneof![1_i64..10, 55_i64..70, 1300_i64..1600].prop_map(|minutes| Step::Wait { minutes }),
        2 => any().prop_map(Step::Cancel),
        2 => any().prop_map(Step::Refund),
        1 => any().prop_map(Step::MarkPaid),
        4 => (1_i64..400).prop_map(Step::Burn),
        2 => (0_i64..200, 200_i64..500).prop_map(|(threshold, target)| Step::SetAuto { threshold, target }),
        4 => vec(mood, 1..4).prop_map(Step::Fare),
    ];
    vec(step, 8..40)
}

struct Play<'a> {
    shop: Shop,
    stripe: &'a StandIn,
    customer: String,
    steps: usize,
    /// Pages that somebody can pay on: their addresses were answered.
    handed_out: BTreeSet<String>,
}

impl Play<'_> {
    async fn purchases(&self) -> Vec<Value> {
        let query =
            "query($customer: String!) { customer(by: {externalId: $customer}) { purchases(first: 100) { nodes {
            id status paymentUrl price { amount } refunded { amount } failureReason grant { id } } } } }";
        let found = self.shop.api.ask(query, json!({"customer": self.customer})).await;
        found["data"]["customer"]["purchases"]["nodes"].as_array().unwrap_or_else(|| panic!("{found}")).clone()
    }

    /// Asks something of a purchase; whether it may be is the program's to say.
    async fn try_ask(&self, mutation: &str, place: usize) {
        let purchases = self.purchases().await;
        let Some(purchase) = purchases.get(place % purchases.len().max(1)) else { return };
        let (first, rest) = mutation.split_at(1);
        let query = format!(
            "mutation($input: {}{rest}Input!) {{ {mutation}(input: $input) {{ replayed errors {{ message }} }} }}",
            first.to_uppercase()
        );
        self.shop.api.ask(&query, json!({"input": {"purchaseId": purchase["id"]}})).await;
    }

    async fn step(&mut self, step: &Step) {
        self.steps += 1;
        let pages: Vec<String> = self.handed_out.iter().cloned().collect();
        let page = |place: usize| pages.get(place % pages.len().max(1));
        let api = &self.shop.api;
        match step {
            Step::Buy { quantity } => drop(self.shop.buy(*quantity, &format!("k{}", self.steps)).await),
            Step::Pay(place) => drop(page(*place).map(|page| self.stripe.pay(page, "pm_card"))),
            Step::PayOdd(place) => drop(
                page(*place)
                    .map(|page| self.stripe.pay_as(page, "pm_card", |session| session["amount_total"] = json!(77))),
            ),
            Step::Expire(place) => drop(page(*place).map(|page| self.stripe.expire(page))),
            Step::Hint(place) => {
                let objects = self.stripe.objects_of(&self.shop.balance);
                if let Some(object) = objects.get(place % objects.len().max(1)) {
                    let kind = if object.starts_with("cs_") {
                        "checkout.session.completed"
                    } else {
                        "payment_intent.succeeded"
                    };
                    self.stripe.hint(api, kind, object).await;
                }
            }
            Step::Sweep => drop(api.sweep().await),
            Step::Wait { minutes } => {
                api.app.clock.set(api.app.clock.now().plus_micros(minutes * MINUTE).expect("a time"));
                api.work().await;
            }
            Step::Cancel(place) => self.try_ask("cancelPurchase", *place).await,
            Step::Refund(place) => self.try_ask("refundPurchase", *place).await,
            Step::MarkPaid(place) => self.try_ask("markPurchasePaid", *place).await,
            Step::Burn(credits) => {
                let event = json!({"id": format!("{}-{}", self.customer, self.steps), "type": "tokens",
                                   "customer": {"externalId": self.customer}, "properties": {"count": credits}});
                api.make("ingestEvents", "accepted", json!({"events": [event]})).await;
            }
            Step::SetAuto { threshold, target } => {
                let input = json!({"threshold": threshold.to_string(), "target": target.to_string()});
                self.shop.set_auto(input).await;
            }
            Step::Fare(moods) => self.stripe.fare(moods),
        }
        self.compare(step).await;
    }

    /// Whatever happened: credits came once for what is paid, and for nothing else.
    async fn compare(&mut self, step: &Step) {
        let query = &documents::balance(
            "entries(kind: [PURCHASE], first: 100) { nodes {
            credits purchase { id } } }",
        );
        let found = self.shop.api.ask(query, json!({"id": self.shop.balance})).await;
        let entries = found["data"]["creditBalance"]["entries"]["nodes"].as_array().expect("a list").clone();
        for purchase in self.purchases().await {
            let id = text(&purchase["id"]);
            if let Some(url) = purchase["paymentUrl"].as_str() {
                self.handed_out.extend(url.rsplit('/').next().map(str::to_owned));
            }
            let came = entries.iter().filter(|entry| entry["purchase"]["id"] == purchase["id"]).count();
            let is_paid = matches!(purchase["status"].as_str(), Some("PAID" | "REFUNDED"));
            assert_eq!(
                (came, purchase["grant"].is_object()),
                (usize::from(is_paid), is_paid),
                "{purchase} after {step:?}"
            );
            let taken = self.stripe.money(&id).1;
            assert!(taken <= 1 && taken >= came, "{taken} payments of {purchase} after {step:?}");
        }
    }

    /// Once the provider is there and everything has been asked, everybody has what he paid for, or his money.
    async fn finish(&mut self) {
        self.stripe.fare(&[]);
        let clock = self.shop.api.app.clock.clone();
        // The auto top-up might buy for ever.
        self.shop.set_auto(json!({"enabled": false})).await;
        for _ in 0..30 {
            for page in self.stripe.pages_of(&self.shop.balance) {
                self.stripe.expire(&page);
            }
            clock.set(clock.now().plus_micros(HOUR).expect("a time"));
            while self.shop.api.sweep().await > 0 {}
        }
        self.compare(&Step::Sweep).await;
        for purchase in self.purchases().await {
            let cents = |field: &str| text(&purchase[field]["amount"]).replace('.', "").parse::<i64>().expect("cents");
            let kept = self.stripe.money(&text(&purchase["id"])).0;
            let right = match purchase["status"].as_str() {
                Some("PAID") => cents("price"),
                Some("REFUNDED") => cents("price") - cents("refunded"),
                Some("FAILED" | "CANCELED") => 0,
                // Another amount came while it was open: people decide.
                _ => 77,
            };
            assert_eq!(kept, right, "{purchase}");
        }
        let health = self.shop.api.ask("{ ledgerHealth(first: 1000) { problems { rule detail } } }", json!({})).await;
        assert_eq!(health["data"]["ledgerHealth"]["problems"], json!([]));
    }
}

/// Plays timelines on one database, each on a customer of its own.
fn play_all(make: impl AsyncFn() -> TestDb) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (db, stripe, shop) = runtime.block_on(async {
        let db = make().await;
        let stripe = StandIn::start().await;
        let shop = Shop::set_up(&db, "0", stripe.settings()).await;
        (db, stripe, shop)
    });
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let played = std::cell::Cell::new(0);
    // The same timelines each time, unless somebody asks for more.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        if config.cases == CASES { TestRunner::new_with_rng(config, rng) } else { TestRunner::new(config) };
    runner
        .run(&steps(), |steps| {
            played.set(played.get() + 1);
            runtime.block_on(async {
                let customer = format!("c{}", played.get());
                shop.api.customer(&customer).await;
                let balance = shop.api.balance(&customer, &shop.product, "100", json!({})).await;
                let shop = Shop { balance, ..shop.clone() };
                let mut play = Play { shop, stripe: &stripe, customer, steps: 0, handed_out: BTreeSet::new() };
                for step in &steps {
                    play.step(step).await;
                }
                play.finish().await;
            });
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // The pools' tasks end with their runtime.
    drop((shop, db));
}

mod property_credits_come_once_for_what_is_paid_whatever_happens_in_whatever_order {
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
