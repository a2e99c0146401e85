//! Latency of a well-behaved caller while an attacker takes as much as it can.
//!
//! ```sh
//! cargo bench --bench bystander -- --store sqlite
//! DURABLE=1 tests/support/postgres.sh run cargo bench --bench bystander -- --store postgres
//! ```
//!
//! The caller has a thread and connections of its own: it reads a balance, sends an event, and asks `/readyz`, one behind the
//! other, with a short pause. First alone, then while each attacker works for ten seconds over 24 to 1,000 connections: with a
//! portal token, with a key that sends events, or with nothing.
//!
//! - `attacks`: the attackers.
//! - `caller`: the well-behaved caller.
//! - `shop`: the data in the server.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::print_stderr, reason = "and who waits for it sees how far it is")]

mod attacks;
mod caller;
#[path = "../load/database.rs"]
#[expect(dead_code, reason = "the bare database is not needed here")]
mod database;
#[path = "../load/http.rs"]
mod http;
#[path = "../load/server.rs"]
mod server;
mod shop;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use attacks::Attack;
use caller::{Seen, Watch};
use database::{Databases, Store};
use server::Server;
use shop::Shop;

/// An error, for the person who reads it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long the caller is alone before anything else.
const ALONE: Duration = Duration::from_secs(10);

/// Measures a caller's latency while an attacker takes as much as it can.
#[derive(Parser)]
struct Args {
    /// The database.
    #[arg(long)]
    store: Store,
    /// How long each attack lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only the attacks whose name begins so.
    #[arg(long)]
    only: Option<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

// One thread for all attackers: what they do not use is left to the server, the database and the caller.
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

async fn run(args: &Args) -> Result<String, Failure> {
    let databases = Databases::create(args.store).await?;
    let measured = measure(&databases, args).await;
    databases.remove().await?;
    let lines: Vec<String> = measured?.iter().map(|(name, seen)| seen.line(name)).collect();
    Ok(format!("\n{}\n{}\n{}", args.store.name(), Seen::head(), lines.join("\n")))
}

async fn measure(databases: &Databases, args: &Args) -> Result<Vec<(&'static str, Seen)>, Failure> {
    let server = Server::start(databases).await?;
    let shop = Shop::fill(&server).await.map_err(|error| server.blame(&error))?;
    let mut table = vec![("alone", Watch::start(&shop)?.after(ALONE).await?)];
    let wanted = |attack: &&Attack| args.only.as_ref().is_none_or(|only| attack.name.starts_with(only.as_str()));
    for attack in attacks::ALL.iter().filter(wanted) {
        eprintln!("{}", attack.name);
        let watch = Watch::start(&shop)?;
        let mut attackers = attack.begin(&shop);
        let seen = watch.after(Duration::from_secs(args.seconds)).await?;
        attackers.abort_all();
        table.push((attack.name, seen));
        // The server works off what is left before the next attack.
        Watch::start(&shop)?.after(Duration::from_secs(2)).await?;
    }
    Ok(table)
}
