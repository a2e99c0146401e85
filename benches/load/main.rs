//! Throughput of a real server, beside the bare database doing the same work.
//!
//! ```sh
//! make bench                                                    # both databases
//! cargo bench --bench load -- --store sqlite --only events/hot --seconds 5
//! DURABLE=1 tests/support/postgres.sh run cargo bench --bench load -- --store postgres --only bare
//! ```
//!
//! Each figure is measured three times, the server and the bare database by turns, so that a machine that drifts
//! drifts under both; what is printed are medians, and the median of the three ratios. "Bare" is the database itself
//! with the same tables and 10,000 customers, written to directly: each event or top-up is one transaction of prepared
//! statements that writes the rows which the server writes for it, without HTTP, rules and hashes.
//!
//! Load, server and database share the machine, so the load is one thread that does as little as it can: hand-made
//! requests over keep-alive connections. Its share of a core is printed for each run. It fails loudly when an answer
//! is anything but acceptance, since a refusal is cheaper to give.
//!
//! - `load`, `http`: what is sent, and how.
//! - `server`, `setup`, `database`: the program under load, what is in it, and where it keeps it.
//! - `bare`: the same work without it.
//! - `measure`, `report`: what is counted, and how it is told.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::print_stderr, reason = "and who waits for it sees how far it is")]

mod bare;
mod database;
mod figure;
mod http;
mod load;
mod measure;
mod report;
mod server;
mod setup;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use bare::Bare;
use database::{Databases, Store};
use figure::Figure;
use measure::{Sample, Span};
use report::Row;
use server::Server;
use setup::Catalog;

/// What went wrong, for the person who reads it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many customers there are, each with one balance.
const CUSTOMERS: usize = 10_000;
/// How often each figure is measured.
const RUNS: usize = 3;
/// What `--only` calls all that needs no server.
const BARE: &str = "bare";

/// Measures throughput.
#[derive(Parser)]
struct Args {
    /// The database.
    #[arg(long)]
    store: Store,
    /// How long each run is measured, after two seconds of warm-up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only the figures whose name begins so; `bare`: all of them, but without the server.
    #[arg(long)]
    only: Option<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

// One thread: what the load does not use is left to the server and the database.
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

/// Measures, and cleans up whatever happened.
async fn run(args: &Args) -> Result<String, Failure> {
    let only = args.only.as_deref().filter(|only| *only != BARE).unwrap_or_default();
    let figures: Vec<Figure> = Figure::ALL.into_iter().filter(|figure| figure.name().starts_with(only)).collect();
    if figures.is_empty() {
        let names = Figure::ALL.map(Figure::name).join(", ");
        return Err(format!("no figure's name begins with {only:?}: there are {names}, and {BARE}").into());
    }
    let databases = Databases::create(args.store).await?;
    let rows = tokio::select! {
        rows = measure_all(args, &databases, &figures) => rows,
        stopped = told_to_stop() => Err(stopped),
    };
    databases.remove().await?;
    let (store, seconds) = (args.store, args.seconds);
    let table = report::table(store, &rows?);
    Ok(format!("\n{}, {CUSTOMERS} customers, {RUNS} runs of {seconds} s for each figure\n{table}", store.name()))
}

async fn measure_all(args: &Args, databases: &Databases, figures: &[Figure]) -> Result<Vec<Row>, Failure> {
    let span = Span::of_seconds(args.seconds);
    let mut bare = Bare::fill(databases).await?;
    let served = if args.only.as_deref() == Some(BARE) { None } else { Some(serve(databases).await?) };
    let mut rows = Vec::new();
    for figure in figures.iter().copied() {
        let mut row = Row::of(figure);
        for run in 1..=RUNS {
            if let Some((server, catalog)) = &served {
                let sample = load::run(figure, span, (server, catalog)).await.map_err(|error| server.blame(&error))?;
                say(figure, run, "scrip", &sample);
                row.served.push(sample);
            }
            let sample = bare.run(figure, span).await?;
            say(figure, run, BARE, &sample);
            row.bare.push(sample);
        }
        rows.push(row);
    }
    Ok(rows)
}

async fn serve(databases: &Databases) -> Result<(Server, Catalog), Failure> {
    let server = Server::start(databases).await?;
    let catalog = setup::fill(&server).await.map_err(|error| server.blame(&error))?;
    Ok((server, catalog))
}

/// Waits until somebody wants it to end early; answers what to say then.
async fn told_to_stop() -> Failure {
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            "told to stop".into()
        }
        Err(error) => error.into(),
    }
}

fn say(figure: Figure, run: usize, who: &str, sample: &Sample) {
    let Sample { per_second, client_percent, .. } = sample;
    eprintln!("{} run {run}: {who} {per_second}/s, the load took {client_percent} % of a core", figure.name());
}
