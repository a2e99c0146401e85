//! A well-behaved caller on a thread of its own, and the latencies it sees.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failure;
use crate::http::{Head, Http};
use crate::shop::Shop;

/// How long it rests between two requests.
const REST: Duration = Duration::from_millis(2);

/// A caller that runs until it is stopped.
pub(crate) struct Watch {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Result<Seen, String>>,
}

/// The latencies and failures that a caller saw.
#[derive(Default)]
pub(crate) struct Seen {
    reads: Vec<Duration>,
    events: Vec<Duration>,
    errors: usize,
    not_ready: usize,
}

impl Watch {
    /// Begins.
    pub(crate) fn start(shop: &Shop) -> Result<Self, Failure> {
        let end = Arc::new(AtomicBool::new(false));
        let (told, address, key, balance) =
            (end.clone(), shop.address, shop.caller_key.clone(), shop.caller_balance.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            let seen = runtime.block_on(watch(address, &key, &balance, &told));
            seen.map_err(|error| error.to_string())
        });
        Ok(Self { end, thread })
    }

    /// Stops the caller after a time and returns the latencies it saw.
    pub(crate) async fn after(self, time: Duration) -> Result<Seen, Failure> {
        tokio::time::sleep(time).await;
        self.end.store(true, Ordering::Relaxed);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        Ok(ended.map_err(|_| "the caller's thread panicked")??)
    }
}

async fn watch(address: SocketAddr, key: &str, balance: &str, end: &AtomicBool) -> Result<Seen, Failure> {
    let graphql = Head::post((address, key), "/graphql", "application/json");
    let events = Head::post((address, key), "/v1/events", "application/cloudevents+json");
    let ready = Head::get(address, "/readyz");
    let query = "query($id: ID!) { creditBalance(id: $id) { available settled state } }";
    let read = json!({"query": query, "variables": {"id": balance}}).to_string();
    let mut http = Http::connect(address).await?;
    let (mut seen, run) = (Seen::default(), Instant::now());
    while !end.load(Ordering::Relaxed) {
        let event = json!({
            "specversion": "1.0", "id": format!("{run:?}-{}", seen.events.len()), "source": "bench", "type": "call",
            "subject": "caller",
        });
        let event = event.to_string();
        for (head, body, kind) in [(&graphql, read.as_str(), 0), (&events, event.as_str(), 1), (&ready, "", 2)] {
            let began = Instant::now();
            let answer = http.send(head, body.as_bytes()).await;
            let took = began.elapsed();
            let is_right = answer.as_ref().is_ok_and(|answer| {
                answer.status == 200 && !answer.body.contains("\"errors\"") && !answer.body.contains("\"refused\":1")
            });
            if answer.is_err() {
                http = Http::connect(address).await?;
            }
            match kind {
                0 => seen.reads.push(took),
                1 => seen.events.push(took),
                _ => seen.not_ready += usize::from(!is_right),
            }
            seen.errors += usize::from(!is_right && kind < 2);
            tokio::time::sleep(REST).await;
        }
    }
    Ok(seen)
}

impl Seen {
    /// The table's heading.
    pub(crate) fn head() -> String {
        format!(
            "{:<34} {:>7} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9}",
            "meanwhile", "reads", "p50 ms", "p99 ms", "event p50", "event p99", "errors", "not ready"
        )
    }

    /// A line of the table.
    pub(crate) fn line(&self, name: &str) -> String {
        format!(
            "{name:<34} {:>7} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>7} {:>9}",
            self.reads.len(),
            at(&self.reads, 50),
            at(&self.reads, 99),
            at(&self.events, 50),
            at(&self.events, 99),
            self.errors,
            self.not_ready
        )
    }
}

/// The latency that so many of a hundred were below, in milliseconds.
#[expect(clippy::float_arithmetic, reason = "a figure for people")]
fn at(latencies: &[Duration], percent: usize) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
}
