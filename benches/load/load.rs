//! What the server is sent: usage events in batches, top-ups one by one, each answer looked at.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::Failure;
use crate::figure::Figure;
use crate::http::{Answer, Head, Http};
use crate::measure::{self, Sample, Span, Worker};
use crate::server::Server;
use crate::setup::{Catalog, EVENT_TYPE, MODEL};

/// Callers side by side, each with a connection of its own that it keeps.
const CONNECTIONS: usize = 64;
/// Events in a request.
const BATCH: u64 = 100;

const TOP_UP: &str = "mutation T($input: TopUpCreditsInput!) { topUpCredits(input: $input) { \
                      balance { available } entry { id } errors { code message } } }";

/// Measures the server.
pub(crate) async fn run(figure: Figure, span: Span, (server, catalog): (&Server, &Catalog)) -> Result<Sample, Failure> {
    let connections = try_join_all((0..CONNECTIONS).map(|_| Http::connect(server.address))).await?;
    let callers = connections.into_iter().map(|http| Caller { http, body: Vec::new(), draw: Draw::new(figure) });
    match figure {
        Figure::EventsSpread | Figure::EventsHot => {
            let head = Head::post(server.door(), "/v1/events", "application/cloudevents-batch+json");
            measure::run(span, callers.map(|caller| Events { caller, head: &head }).collect()).await
        }
        Figure::TopUps => {
            let head = Head::post(server.door(), "/graphql", "application/json");
            let balances = &catalog.balances;
            measure::run(span, callers.map(|caller| TopUps { caller, head: &head, balances }).collect()).await
        }
    }
}

/// Somebody with a connection.
struct Caller {
    http: Http,
    body: Vec<u8>,
    draw: Draw,
}

/// Sends usage in batches.
struct Events<'a> {
    caller: Caller,
    head: &'a Head,
}

/// Tops balances up.
struct TopUps<'a> {
    caller: Caller,
    head: &'a Head,
    balances: &'a [String],
}

impl Worker for Events<'_> {
    const EACH: u64 = BATCH;

    async fn step(&mut self) -> Result<(), Failure> {
        let Caller { http, body, draw } = &mut self.caller;
        body.clear();
        for place in 0..BATCH {
            let before = if place == 0 { "[" } else { "," };
            write!(
                body,
                "{before}{{\"specversion\":\"1.0\",\"id\":\"evt-{:016x}\",\"source\":\"/load\",\"type\":\"{EVENT_TYPE}\",\
                 \"subject\":\"c{}\",\"data\":{{\"model\":\"{MODEL}\",\"tokens\":1200}}}}",
                Draw::unique(),
                draw.customer(),
            )?;
        }
        body.push(b']');
        let answer = http.send(self.head, body).await?;
        let accepted = u64::try_from(answer.body.matches("\"ACCEPTED\"").count())?;
        if answer.status != 200 || accepted != BATCH {
            let Answer { status, body } = answer;
            let why = first_not_accepted(&body).unwrap_or(body);
            return Err(format!("{accepted} of {BATCH} events were accepted; the answer was {status}: {why}").into());
        }
        Ok(())
    }
}

/// The first receipt of an answer that says anything else than `ACCEPTED`.
fn first_not_accepted(body: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(body).ok()?;
    let accepted = |receipt: &&Value| receipt.get("status").and_then(Value::as_str) == Some("ACCEPTED");
    answer.get("receipts")?.as_array()?.iter().find(|receipt| !accepted(receipt)).map(Value::to_string)
}

impl Worker for TopUps<'_> {
    const EACH: u64 = 1;

    async fn step(&mut self) -> Result<(), Failure> {
        let Caller { http, body, draw } = &mut self.caller;
        let balance = self.balances.get(draw.customer()).ok_or("a customer without a balance")?;
        body.clear();
        write!(
            body,
            "{{\"query\":\"{TOP_UP}\",\"variables\":{{\"input\":{{\"balanceId\":\"{balance}\",\"credits\":\"25\",\
             \"idempotencyKey\":\"top-up-{:016x}\"}}}}}}",
            Draw::unique(),
        )?;
        let answer = http.send(self.head, body).await?;
        let done = answer.body.contains("\"entry\":{\"id\":") && answer.body.contains("\"errors\":[]");
        if answer.status != 200 || !done {
            return Err(format!("a top-up was answered {} {}", answer.status, answer.body).into());
        }
        Ok(())
    }
}

/// Draws customers, all alike, and makes up ids.
pub(crate) struct Draw {
    state: u64,
    customers: u64,
}

impl Draw {
    /// Draws from the figure's customers.
    pub(crate) fn new(figure: Figure) -> Self {
        Self { state: Self::unique(), customers: u64::try_from(figure.customers()).unwrap_or(u64::MAX) }
    }

    /// The number of a customer.
    pub(crate) fn customer(&mut self) -> usize {
        self.state = self.state.wrapping_add(1);
        let place = (u128::from(scramble(self.state)) * u128::from(self.customers)) >> 64;
        usize::try_from(place).unwrap_or_default()
    }

    /// A number that was not there before, and looks like any other.
    pub(crate) fn unique() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        scramble(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Makes another number of each number, no two alike, that looks drawn by lot: the last steps of SplitMix64.
const fn scramble(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
