//! The command line.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::serve::ListenerExt as _;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::app::App;
use crate::base::clock::Clock;
use crate::base::ids::Ids;
use crate::config::{Config, log_filter};
use crate::db::{Db, migrate};
use crate::ledger::health;
use crate::{demo, graphql, http, worker};

/// Prepaid customer credits: usage events in, exact live balances out.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start on loopback with an embedded database in .scrip/ and demo data (the default).
    Dev,
    /// Start with DATABASE_URL (sqlite:PATH or postgres://…) and SCRIP_LISTEN (loopback only, for now).
    Serve,
    /// Bring the database of DATABASE_URL to this program's version, and nothing else.
    Migrate,
    /// Print the GraphQL schema.
    Schema,
    /// Audit the books of DATABASE_URL: entries, lots, balances and the hash chain.
    Verify,
}

/// Decides what the demo's customers do.
const DEMO_SEED: u64 = 20_261;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program; the process ends with what it answers.
pub async fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Dev);
    let result = match command {
        Command::Dev => dev().await,
        Command::Serve => serve().await,
        Command::Migrate => migrate_only().await,
        Command::Schema => {
            say(graphql::sdl().trim_end());
            Ok(())
        }
        Command::Verify => verify().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("scrip: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command-line program says on standard error why it ends")]
fn complain(message: &str) {
    eprintln!("{message}");
}

#[expect(clippy::print_stdout, reason = "a command-line program answers on standard output")]
fn say(message: &str) {
    println!("{message}");
}

/// Logs one line of JSON each; for people at a terminal, a line of text.
fn log(readers: &Readers) {
    let filter = tracing_subscriber::EnvFilter::new(log_filter());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match readers {
        Readers::Programs => lines.json().flatten_event(true).init(),
        Readers::People => lines.compact().with_target(false).init(),
    }
}

enum Readers {
    Programs,
    People,
}

async fn dev() -> Result<(), Failure> {
    log(&Readers::People);
    let config = Config::for_dev()?;
    let db = open(&config).await?;
    let server = Server::start(&config, db).await?;
    say(&format!("Scrip is at http://{0}/ (playground), http://{0}/graphql and http://{0}/v1/events", server.address));
    let app = server.app.clone();
    tokio::spawn(async move {
        if let Err(error) = demo::play(app, DEMO_SEED).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the demo ended");
        }
    });
    server.run().await
}

async fn serve() -> Result<(), Failure> {
    log(&Readers::Programs);
    let config = Config::from_env()?;
    let db = open(&config).await?;
    let server = Server::start(&config, db).await?;
    let (listen, database) = (server.address, &config.database);
    tracing::info!(%listen, ?database, "listening, on loopback only: there is no access control yet");
    server.run().await
}

/// Opens a database that is at the program's version.
async fn open(config: &Config) -> Result<Db, Failure> {
    let db = Db::connect(&config.database)?;
    for migration in migrate(&config.database).await? {
        tracing::info!(migration, "migrated");
    }
    Ok(db)
}

/// A server that is about to answer.
struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    async fn start(config: &Config, db: Db) -> Result<Self, Failure> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("cannot listen on {} (set SCRIP_LISTEN to another): {error}", config.listen))?;
        let address = listener.local_addr()?;
        let ids = Ids::from_entropy();
        let node = ids.uuid(Clock::System.now()).simple().to_string();
        let app = App::new(db, Clock::System, ids, &node);
        tokio::spawn(worker::keep_time(app.clone()));
        tokio::spawn(worker::hear_other_nodes(app.clone(), node));
        Ok(Self { app, listener, address })
    }

    /// Serves until it is told to stop; then lets nothing more in, and finishes what was let in.
    async fn run(self) -> Result<(), Failure> {
        let Self { app, listener, .. } = self;
        let stop = app.stop.clone();
        let stopping = async move {
            told_to_stop().await;
            stop.cancel();
        };
        // What is written goes out at once: a stream's messages are small, and somebody waits for each.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        axum::serve(listener, http::router(app.clone())).with_graceful_shutdown(stopping).await?;
        app.intake.drain().await;
        Ok(())
    }
}

/// Waits for SIGTERM or Ctrl-C.
async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(interrupted.await),
    }
}

async fn migrate_only() -> Result<(), Failure> {
    let config = Config::from_env()?;
    // The folder of an embedded database is made by whoever opens it first.
    Db::connect(&config.database)?;
    let run = migrate(&config.database).await?;
    say(&if run.is_empty() { "The database is up to date.".to_owned() } else { run.join("\n") });
    Ok(())
}

/// Audits all books, page by page, and says what does not agree.
async fn verify() -> Result<(), Failure> {
    let config = Config::from_env()?;
    let db = open(&config).await?;
    let mut conn = db.read().await?;
    let (mut balances, mut entries, mut faults) = (0_usize, 0_u64, 0_usize);
    let mut place = None;
    loop {
        let report = health::audit(&mut conn, place, health::Extent::balances(health::MAX_BALANCES)).await?;
        balances = balances.saturating_add(report.balances);
        entries = entries.saturating_add(report.entries);
        faults = faults.saturating_add(report.findings.len());
        for found in &report.findings {
            let at = found.sequence.map_or_else(String::new, |sequence| format!(" entry {sequence}"));
            say(&format!("{}{at}: {}: {}", found.balance, found.rule, found.detail));
        }
        place = report.end;
        if place.is_none() {
            break;
        }
    }
    say(&format!("{balances} balances and {entries} entries checked, {faults} problems"));
    if faults == 0 { Ok(()) } else { Err("the books do not agree".into()) }
}
