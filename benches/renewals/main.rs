//! A thousand renewals due at once: how long they take, and what single events meet meanwhile.
//!
//! ```sh
//! make bench
//! cargo bench --bench renewals -- --store sqlite
//! ```
//!
//! The real program in this process, behind real HTTP, with a clock that is moved by hand: a thousand customers subscribe to
//! a plan of credits with a rollover, a flat fee, seats and usage, and send some events each. Then single events are sent one
//! behind the other over a few connections, first with nothing due, then from the instant on at which all thousand periods
//! end: allowances, rollovers, charges in advance and metered usage are posted while they go on.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::print_stderr, reason = "and who waits for it sees what went wrong")]

#[path = "../load/database.rs"]
#[expect(dead_code, reason = "the bare database is not needed here")]
mod database;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::{join_all, try_join_all};
use reqwest::Client;
use scrip::app::{App, Settings};
use scrip::base::clock::Clock;
use scrip::base::ids::Ids;
use scrip::base::time::Time;
use scrip::db::{Db, DbUrl, migrate};
use scrip::{http, worker};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use database::{Databases, Store};

/// What went wrong, for the person who reads it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many subscriptions renew at once.
const SUBSCRIPTIONS: usize = 1_000;
/// How many events each has sent that are to be metered.
const EVENTS: usize = 20;
/// Over how many connections single events are sent.
const CLIENTS: usize = 4;
/// How long single events are sent with nothing due.
const BEFORE: Duration = Duration::from_secs(5);
/// When the subscriptions begin, and when their first period ends.
const BEGIN: &str = "2026-01-01T00:00:00Z";
const END: &str = "2026-02-01T00:00:00Z";
/// When their usage is metered.
const METERED: &str = "2026-02-01T00:05:00Z";

/// Measures renewals.
#[derive(Parser)]
struct Args {
    /// The database.
    #[arg(long)]
    store: Store,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let store = Args::parse().store;
    match run(store).await {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(store: Store) -> Result<String, Failure> {
    let databases = Databases::create(store).await?;
    let measured = measure(&databases).await;
    databases.remove().await?;
    let (before, meanwhile, took) = measured?;
    let line = |name: &str, sample: &Sample| {
        let Sample { count, p50, p99, most } = sample;
        format!("{name:<22} {count:>8} {:>10.1} {:>10.1} {:>10.1}", millis(*p50), millis(*p99), millis(*most))
    };
    Ok(format!(
        "\n{}: {SUBSCRIPTIONS} renewals due at once took {:.2} s\n{:<22} {:>8} {:>10} {:>10} {:>10}\n{}\n{}",
        store.name(),
        took.as_secs_f64(),
        "single events",
        "count",
        "p50 ms",
        "p99 ms",
        "most ms",
        line("nothing due", &before),
        line("while they are posted", &meanwhile),
    ))
}

#[expect(clippy::float_arithmetic, reason = "a figure for people")]
fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn at(text: &str) -> Time {
    Time::parse(text).unwrap_or(Time::MIN)
}

async fn measure(databases: &Databases) -> Result<(Sample, Sample, Duration), Failure> {
    let url = DbUrl::parse(&databases.of_server())?;
    migrate(&url).await?;
    let clock = Clock::at(at(BEGIN));
    let app = App::new(Db::connect(&url)?, (clock.clone(), Ids::seeded(1)), "bench", Settings::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let served = tokio::spawn(axum::serve(listener, http::router(app.clone())).into_future());
    let stage = Stage { client: Client::new(), address };
    stage.fill().await?;

    let before = stage.load("before", &Arc::new(AtomicBool::new(false)), Some(BEFORE)).await?;
    clock.set(at(END));
    let (began, done) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let renewing = async {
        // The worker's own loop, without its rest.
        while worker::post_due(&app).await? > 0 {}
        // Then the usage, which waits for events that are on their way.
        clock.set(at(METERED));
        while worker::post_due(&app).await? > 0 {}
        done.store(true, Ordering::Relaxed);
        Ok::<_, Failure>(began.elapsed())
    };
    let (meanwhile, took) = tokio::try_join!(stage.load("meanwhile", &done, None), renewing)?;
    served.abort();
    Ok((before, meanwhile, took))
}

/// What single events met.
struct Sample {
    count: usize,
    p50: Duration,
    p99: Duration,
    most: Duration,
}

#[derive(Clone)]
struct Stage {
    client: Client,
    address: SocketAddr,
}

impl Stage {
    /// Runs a mutation; answers the id of what it made, which `fields` asks for.
    async fn make(&self, mutation: &str, fields: &str, input: Value) -> Result<Value, Failure> {
        let (first, rest) = mutation.split_at(1);
        let kind = format!("{}{rest}Input", first.to_uppercase());
        let query =
            format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {fields} errors {{ message }} }} }}");
        let body = json!({"query": query, "variables": {"input": input}});
        let sent = self.client.post(format!("http://{}/graphql", self.address)).json(&body).send().await?;
        let answer: Value = sent.json().await?;
        let place = |field: &str| answer.pointer(&format!("/data/{mutation}/{field}"));
        if place("errors") != Some(&json!([])) {
            return Err(answer.to_string().into());
        }
        let made = fields.split(' ').next().unwrap_or_default();
        Ok(place(&format!("{made}/id")).cloned().unwrap_or_default())
    }

    /// Makes the plan, the customers with their subscriptions, and the events that are to be metered.
    async fn fill(&self) -> Result<(), Failure> {
        let meter = json!({"key": "calls", "name": "Calls", "eventType": "call", "aggregation": "COUNT"});
        let meter = self.make("createMeter", "meter { id }", meter).await?;
        let credits = json!({"key": "ai", "name": "AI", "consumption": [{"meterId": meter, "creditsPerUnit": "1"}]});
        let credits = self.make("createCreditProduct", "product { id }", credits).await?;
        let price = json!([{"amount": "10", "currency": "EUR"}]);
        let fee = json!({"key": "fee", "name": "Fee", "prices": price});
        let fee = self.make("createFlatFeeProduct", "product { id }", fee).await?;
        let seats = json!({"key": "seats", "name": "Seats", "prices": price});
        let seats = self.make("createSeatProduct", "product { id }", seats).await?;
        let usage = json!({"key": "usage", "name": "Usage", "meterId": meter, "unitPrices": price});
        let usage = self.make("createUsageProduct", "product { id }", usage).await?;
        let plan = json!({"key": "pro", "name": "Pro", "interval": "MONTH", "currency": "EUR", "items": [
            {"productId": credits, "options": {"credit": {"includedCredits": "1000000", "rolloverLimit": "500000"}}},
            {"productId": fee}, {"productId": seats, "options": {"seat": {"quantity": 3}}}, {"productId": usage},
        ]});
        let plan = self.make("createPlan", "plan { id }", plan).await?;
        let numbers: Vec<usize> = (0..SUBSCRIPTIONS).collect();
        for some in numbers.chunks(100) {
            let subscribe = async |number: &usize| {
                let customer = json!({"name": "Customer", "externalId": format!("c{number}")});
                self.make("createCustomer", "customer { id }", customer).await?;
                let subscription = json!({"customer": {"externalId": format!("c{number}")}, "planId": plan,
                                          "idempotencyKey": "first"});
                self.make("createPlanSubscription", "replayed", subscription).await
            };
            try_join_all(some.iter().map(subscribe)).await?;
            let event = |number: usize, event: usize| {
                json!({"id": format!("e{event}"), "type": "call", "subject": format!("c{number}"), "specversion": "1.0",
                       "source": "bench"})
                .to_string()
            };
            let lines = some.iter().flat_map(|number| (0..EVENTS).map(|place| event(*number, place)));
            let body = lines.collect::<Vec<_>>().join("\n");
            self.send(body, some.len() * EVENTS).await?;
        }
        Ok(())
    }

    /// Sends events, all of which must be accepted.
    async fn send(&self, body: String, count: usize) -> Result<(), Failure> {
        let request = self.client.post(format!("http://{}/v1/events", self.address));
        let sent = request.header("content-type", "application/x-ndjson").body(body).send().await?;
        let answer: Value = sent.json().await?;
        if answer.get("accepted") == Some(&json!(count)) { Ok(()) } else { Err(answer.to_string().into()) }
    }

    /// Sends single events over each connection until something is done, or for so long.
    async fn load(&self, name: &str, done: &Arc<AtomicBool>, span: Option<Duration>) -> Result<Sample, Failure> {
        let began = Instant::now();
        let over = || done.load(Ordering::Relaxed) || span.is_some_and(|span| began.elapsed() > span);
        let client = async |client: usize| {
            let mut latencies = Vec::new();
            for number in 0_usize.. {
                if over() {
                    break;
                }
                let customer = number.wrapping_mul(CLIENTS).wrapping_add(client) % SUBSCRIPTIONS;
                let event = json!({"id": format!("{name}-{client}-{number}"), "type": "call",
                                   "subject": format!("c{customer}"), "specversion": "1.0", "source": "bench"});
                let sent = Instant::now();
                self.send(event.to_string(), 1).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, Failure>(latencies)
        };
        let latencies = join_all((0..CLIENTS).map(client)).await;
        let mut latencies: Vec<Duration> = latencies.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        latencies.sort_unstable();
        let count = latencies.len();
        let nth = |percent: usize| latencies.get(count * percent / 100).or(latencies.last()).copied();
        let [p50, p99, most] = [nth(50), nth(99), nth(100)].map(Option::unwrap_or_default);
        Ok(Sample { count, p50, p99, most })
    }
}
