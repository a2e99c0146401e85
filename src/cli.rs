//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::app::App;
use crate::base::clock::Clock;
use crate::base::ids::Ids;
use crate::config::{Config, log_filter};
use crate::db::{Db, migrate};
use crate::{http, worker};

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

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program; the process ends with what it answers.
pub async fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Dev);
    let result = match command {
        Command::Dev => dev().await,
        Command::Serve => serve().await,
        Command::Migrate => migrate_only().await,
        Command::Schema => schema(),
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

fn log() {
    let filter = tracing_subscriber::EnvFilter::new(log_filter());
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
}

async fn dev() -> Result<(), Failure> {
    serve().await
}

async fn serve() -> Result<(), Failure> {
    log();
    let config = Config::from_env()?;
    let db = open(&config).await?;
    run_server(config, db).await
}

/// Opens a database that is at the program's version.
async fn open(config: &Config) -> Result<Db, Failure> {
    let db = Db::connect(&config.database)?;
    for migration in migrate(&config.database).await? {
        tracing::info!(migration, "migrated");
    }
    Ok(db)
}

/// Serves until it is told to stop; then lets nothing more in, and finishes what was let in.
async fn run_server(config: Config, db: Db) -> Result<(), Failure> {
    let ids = Ids::from_entropy();
    let node = ids.uuid(Clock::System.now()).simple().to_string();
    let app = App::new(db, Clock::System, ids, &node);
    let listener = TcpListener::bind(config.listen).await?;
    tracing::info!(listen = %listener.local_addr()?, database = ?config.database, "listening, on loopback only: there is no access control yet");
    tokio::spawn(worker::keep_time(app.clone()));
    tokio::spawn(worker::hear_other_nodes(app.clone(), node));
    axum::serve(listener, http::router(app.clone())).with_graceful_shutdown(told_to_stop()).await?;
    app.intake.drain().await;
    Ok(())
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

fn schema() -> Result<(), Failure> {
    Ok(())
}

async fn verify() -> Result<(), Failure> {
    Ok(())
}
