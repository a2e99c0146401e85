//! The work that a point of cost buys: the server's CPU and the objects answered, for each root field and each heavy field.
//!
//! ```sh
//! cargo bench --bench prices
//! ```
//!
//! The program with its demo data, asked one thing over and over by one connection. A price is fair when a point of it buys about
//! as much work as a point of the others: none is to be more than five times cheaper than the median.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::print_stderr, reason = "and who waits for it sees what went wrong")]

#[path = "../load/http.rs"]
mod http;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use http::{Head, Http};

/// An error, for the person who reads it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long the demo data may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Hundredths of a second are what the system counts CPU in.
const TICK: u64 = 10_000;

/// Measures the work that a point of cost buys.
#[derive(Parser)]
struct Args {
    /// For how long each thing is asked.
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Only what begins so.
    #[arg(long)]
    only: Option<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
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

/// The program, until this is dropped.
struct Server {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    async fn start() -> Result<Self, Failure> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("prices-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let child = Command::new(env!("CARGO_BIN_EXE_scrip"))
            .arg("dev")
            .current_dir(&folder)
            .env("SCRIP_LISTEN", address.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { child, folder, address };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(mut http) = Http::connect(address).await {
                let answer = http.send(&Head::get(address, "/readyz"), b"").await;
                if answer.is_ok_and(|answer| answer.status == 200) {
                    return Ok(server);
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the server did not become ready".into())
    }

    /// The microseconds of CPU that it has used.
    fn cpu(&self) -> Result<u64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).ok_or("no CPU is told");
        Ok((ticks(11)? + ticks(12)?) * TICK)
    }
}

/// The measured cost of one query.
struct Price {
    name: &'static str,
    points: u64,
    micros: u64,
    objects: usize,
}

async fn run(args: &Args) -> Result<String, Failure> {
    let server = Server::start().await?;
    let mut http = Http::connect(server.address).await?;
    // The machine's own server wants no key.
    let head = Head::post((server.address, ""), "/graphql", "application/json");
    // Purchases are the last of the demo data.
    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        let found = ask(&mut http, &head, IDS, &json!({})).await?;
        if found.pointer("/data/purchases/nodes/0/id").is_some() || Instant::now() > deadline {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let id = |place: &str| found.pointer(place).cloned().unwrap_or_default();
    let ids = json!({
        "balance": id("/data/creditBalances/nodes/0/id"), "customer": id("/data/customers/nodes/0/id"),
        "meter": id("/data/meters/nodes/0/key"), "product": id("/data/products/nodes/0/key"),
        "plan": id("/data/plans/nodes/0/key"), "subscription": id("/data/planSubscriptions/nodes/0/id"),
        "purchase": id("/data/purchases/nodes/0/id"),
    });
    let mut prices = Vec::new();
    let wanted = |(name, _): &&(&str, &str)| args.only.as_ref().is_none_or(|only| name.starts_with(only.as_str()));
    for (name, query) in QUERIES.iter().filter(wanted) {
        prices.push(price(&server, (&mut http, &head), (name, query, &ids), args.millis).await?);
    }
    Ok(table(&prices))
}

async fn price(
    server: &Server,
    (http, head): (&mut Http, &Head),
    (name, query, ids): (&'static str, &str, &Value),
    millis: u64,
) -> Result<Price, Failure> {
    let variables: Vec<&str> = ["balance", "customer", "meter", "product", "plan", "subscription", "purchase"]
        .into_iter()
        .filter(|name| query.contains(&format!("${name}")))
        .collect();
    let declared: Vec<String> = variables
        .iter()
        .map(|name| {
            format!("${name}: {}", if matches!(*name, "meter" | "product" | "plan") { "String!" } else { "ID!" })
        })
        .collect();
    let text = if declared.is_empty() { query.to_owned() } else { format!("query({}) {query}", declared.join(", ")) };
    let given: serde_json::Map<String, Value> =
        variables.iter().map(|name| ((*name).to_owned(), ids.get(*name).cloned().unwrap_or_default())).collect();
    let given = Value::Object(given);
    let first = ask(http, head, &text, &given).await?;
    let points = first.pointer("/extensions/cost/requested").and_then(Value::as_u64).ok_or("no cost is told")?;
    let (began, before) = (Instant::now(), server.cpu()?);
    let mut times = 0_u64;
    while began.elapsed() < Duration::from_millis(millis) {
        ask(http, head, &text, &given).await?;
        times += 1;
    }
    let micros = (server.cpu()? - before) / times;
    Ok(Price { name, points, micros, objects: objects(&first) })
}

async fn ask(http: &mut Http, head: &Head, query: &str, variables: &Value) -> Result<Value, Failure> {
    let body = json!({"query": query, "variables": variables}).to_string();
    loop {
        let answer: Value = serde_json::from_str(&http.send(head, body.as_bytes()).await?.body)?;
        match answer.pointer("/errors/0/extensions/retryAfterMs").and_then(Value::as_u64) {
            Some(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
            None if answer.get("errors").is_some() => return Err(format!("{query}: {answer}").into()),
            None => return Ok(answer),
        }
    }
}

/// How many objects an answer holds.
fn objects(answer: &Value) -> usize {
    match answer {
        Value::Array(items) => items.iter().map(objects).sum(),
        Value::Object(fields) => 1 + fields.values().map(objects).sum::<usize>(),
        _ => 0,
    }
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]
fn table(prices: &[Price]) -> String {
    let each = |price: &Price| price.micros as f64 / price.points.max(1) as f64;
    let mut all: Vec<f64> = prices.iter().map(each).collect();
    all.sort_by(f64::total_cmp);
    let median = all.get(all.len() / 2).copied().unwrap_or_default();
    let mut lines = vec![format!(
        "{:<44} {:>8} {:>9} {:>9} {:>11} {:>10}",
        "asked", "points", "objects", "us of CPU", "us a point", "of median"
    )];
    lines.extend(prices.iter().map(|price| {
        format!(
            "{:<44} {:>8} {:>9} {:>9} {:>11.1} {:>10.2}",
            price.name,
            price.points,
            price.objects,
            price.micros,
            each(price),
            each(price) / median
        )
    }));
    format!("\n{}", lines.join("\n"))
}

/// The query that finds ids for the others.
const IDS: &str = "{ creditBalances(first: 1) { nodes { id } } customers(first: 1) { nodes { id } } meters(first: 1) { nodes { key } }
    products(first: 1) { nodes { key } } plans(first: 1) { nodes { key } } planSubscriptions(first: 1) { nodes { id } }
    purchases(first: 1) { nodes { id } } }";

/// Each root field, as a screen would ask for it, and each heavy field.
const QUERIES: &[(&str, &str)] = &[
    ("viewer", "{ viewer { kind } }"),
    ("apiKeys", "{ apiKeys { nodes { id name } } }"),
    (
        "charges",
        "{ charges(from: \"2026-01-01T00:00:00Z\", until: \"2028-01-01T00:00:00Z\", first: 50) { nodes { id description } } }",
    ),
    ("creditBalance", "{ creditBalance(id: $balance) { available settled state } }"),
    (
        "creditBalance.entries",
        "{ creditBalance(id: $balance) { entries(first: 50) { nodes { kind credits recordedAt } } } }",
    ),
    (
        "creditBalance.entries.allocations",
        "{ creditBalance(id: $balance) { entries(first: 50) { nodes { kind credits allocations { credits grant { id } } } } } }",
    ),
    ("creditBalance.grants", "{ creditBalance(id: $balance) { grants(first: 50) { nodes { remaining expiresAt } } } }"),
    ("creditBalance.holds", "{ creditBalance(id: $balance) { holds(first: 50) { nodes { credits state } } } }"),
    (
        "creditBalance.at",
        "{ creditBalance(id: $balance) { at(time: \"2026-11-25T00:00:00Z\") { available grants { remaining } } } }",
    ),
    (
        "creditBalance.consumed",
        "{ creditBalance(id: $balance) { consumed(from: \"2026-11-01T00:00:00Z\", until: \"2027-11-01T00:00:00Z\", bucket: DAY) { \
         credits } } }",
    ),
    ("creditBalances", "{ creditBalances(state: ACTIVE, first: 50) { nodes { available state } } }"),
    ("customer", "{ customer(by: {id: $customer}) { name } }"),
    ("customers", "{ customers(first: 50) { nodes { name } } }"),
    (
        "customers, nested",
        "{ customers(first: 50) { nodes { name creditBalances { available entries(first: 5) { nodes { kind credits } } } } } }",
    ),
    ("customers(search:)", "{ customers(first: 50, search: \"a\") { nodes { name } } }"),
    ("eventTypes", "{ eventTypes }"),
    ("ledgerHealth", "{ ledgerHealth { healthy } }"),
    ("meter", "{ meter(by: {key: $meter}) { name } }"),
    ("meters", "{ meters { nodes { name } } }"),
    ("node", "{ node(id: $balance) { id } }"),
    ("nodes", "{ nodes(ids: [$balance, $customer, $purchase]) { id } }"),
    ("plan", "{ plan(by: {key: $plan}) { name latestVersion { version } } }"),
    ("planSubscription", "{ planSubscription(id: $subscription) { status } }"),
    ("planSubscriptions", "{ planSubscriptions(first: 50) { nodes { status } } }"),
    ("plans", "{ plans { nodes { name } } }"),
    ("product", "{ product(by: {key: $product}) { name } }"),
    ("products", "{ products { nodes { name } } }"),
    ("purchase", "{ purchase(id: $purchase) { status } }"),
    ("purchases", "{ purchases(first: 50) { nodes { status } } }"),
    ("previewEvents", "{ previewEvents(events: [{id: \"p\", customer: {id: $customer}, type: \"call\"}]) { status } }"),
    ("__schema", "{ __schema { types { name fields { name type { name kind } } } } }"),
];
