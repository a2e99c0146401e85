//! The command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::access::store::has_key;
use crate::app::{App, Settings};
use crate::base::chain::chain;
use crate::base::clock::Clock;
use crate::base::ids::Ids;
use crate::config::{Config, Trust};
use crate::db::wal::transactions_behind_the_end;
use crate::db::{Db, DbError, DbUrl, check, migrate};
use crate::ledger::health;
use crate::logs::{self, Readers};
use crate::{demo, graphql, http, keys, worker};

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
    /// Start with DATABASE_URL (sqlite:PATH or postgres://…) and SCRIP_LISTEN; every request needs a key.
    Serve {
        /// Let in who shows no key, as an administrator, on loopback addresses alone.
        #[arg(long)]
        insecure_loopback: bool,
    },
    /// Make, list or revoke the keys of DATABASE_URL, the first one above all.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Bring the database of DATABASE_URL to this program's version, and nothing else.
    Migrate,
    /// Print the GraphQL schema.
    Schema {
        /// Print as JSON which types each interface and union stands for, for a client's cache.
        #[arg(long)]
        possible_types: bool,
    },
    /// Audit the books of DATABASE_URL: entries, lots, balances and the hash chain.
    Verify,
}

/// How long requests and sockets get to end when the program is told to stop; told twice, it does not wait.
const GRACE: Duration = Duration::from_secs(10);

/// Why the program ends with an error.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program; the process ends with what it answers.
pub async fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Dev);
    let result = match command {
        Command::Dev => dev().await,
        Command::Serve { insecure_loopback } => {
            serve(if insecure_loopback { Trust::Loopback } else { Trust::Keys }).await
        }
        Command::Key(command) => keys::run(command).await,
        Command::Migrate => migrate_only().await,
        Command::Schema { possible_types } => schema(possible_types).await,
        Command::Verify => verify().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("scrip: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command-line program says on standard error why it ends")]
pub(crate) fn complain(message: &str) {
    eprintln!("{message}");
}

/// Answers on standard output.
pub(crate) fn say(message: &str) {
    // A reader that has seen enough, such as `head`, has closed the pipe.
    let _ = writeln!(std::io::stdout(), "{message}");
}

async fn schema(possible_types: bool) -> Result<(), Failure> {
    let text = if possible_types { graphql::possible_types().await? } else { graphql::sdl() };
    say(text.trim_end());
    Ok(())
}

async fn dev() -> Result<(), Failure> {
    let _logs = logs::begin(&Readers::People)?;
    let config = Config::for_dev()?;
    let server = Server::start(&config).await?;
    say(&format!("Scrip is at http://{0}/ (playground), http://{0}/graphql and http://{0}/v1/events", server.address));
    say(&format!("Its database is {}", config.database));
    let app = server.app.clone();
    tokio::spawn(async move {
        if let Err(error) = play_demo(&app).await {
            tracing::error!(error = %chain(&*error), "the demo ended");
        }
    });
    server.run().await;
    Ok(())
}

async fn play_demo(app: &App) -> Result<(), Failure> {
    if let Some(demo) = demo::prepare(app, demo::SEED).await? {
        tracing::info!("the demo data is there, and a trickle of usage goes on");
        demo.play(app).await?;
    } else {
        tracing::info!("the database holds data of its own: no demo is played");
    }
    Ok(())
}

async fn serve(trust: Trust) -> Result<(), Failure> {
    let _logs = logs::begin(&Readers::Programs)?;
    let config = Config::from_env(trust)?;
    let server = Server::start(&config).await?;
    let app = &server.app;
    if trust == Trust::Keys && !has_key(&mut app.db.read().await?, app.clock.now()).await? {
        let command = "scrip key create --name admin --scope admin";
        return Err(format!(
            "the database holds no key, so nobody could be let in: make one with `{command}`, or \
                            start with --insecure-loopback"
        )
        .into());
    }
    let (listen, database) = (server.address, &config.database);
    match trust {
        Trust::Keys => tracing::info!(%listen, ?database, "listening; every request needs a key"),
        Trust::Loopback => tracing::warn!(%listen, ?database, "listening; whoever is on this machine needs no key"),
    }
    server.run().await;
    Ok(())
}

/// A server that is about to answer.
struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    signals: Signals,
}

impl Server {
    async fn start(config: &Config) -> Result<Self, Failure> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("cannot listen on {} (set SCRIP_LISTEN to another): {error}", config.listen))?;
        let address = listener.local_addr()?;
        config.database.claim().map_err(|error| match error {
            DbError::Unavailable(why) => format!("{} {why}", config.database),
            other => chain(&other).to_string(),
        })?;
        warn_of_lost(&config.database)?;
        for migration in migrate(&config.database).await? {
            tracing::info!(migration, "migrated");
        }
        let db = Db::connect(&config.database)?;
        // Before anybody can know that it is there: who is told to stop at once stops in order.
        let signals = Signals::new()?;
        let settings = Settings { connections: open_files().saturating_sub(OWN_FILES), ..config.settings.clone() };
        let ids = Ids::from_entropy();
        let node = ids.uuid(Clock::System.now()).simple().to_string();
        let app = App::new(db, (Clock::System, ids), &node, settings);
        tokio::spawn(worker::keep_time(app.clone()));
        tokio::spawn(worker::keep_asking(app.clone()));
        tokio::spawn(app.keyring.clone().watch());
        tokio::spawn(worker::hear_all_nodes(app.clone(), node));
        Ok(Self { app, listener, address, signals })
    }

    /// Serves until it is told to stop; then lets nothing more in, and finishes what was let in.
    async fn run(self) {
        let Self { app, listener, mut signals, .. } = self;
        let serving = http::serve(listener, app.clone());
        let hurry = async {
            signals.next().await;
            tracing::info!("stopping: what was begun is finished");
            app.stop.cancel();
            // Who asks twice does not want to wait.
            drop(tokio::time::timeout(GRACE, signals.next()).await);
        };
        tokio::select! {
            () = serving => {}
            () = hurry => tracing::warn!("requests that were still open are cut off"),
        }
        app.intake.drain().await;
        // Which keys were used since the last turn.
        if let Err(error) = app.keyring.turn().await {
            tracing::warn!(error = %chain(&error), "the last uses of keys are not noted");
        }
    }
}

/// Says when an embedded database's log ends before what is in it, before SQLite throws the rest away.
fn warn_of_lost(database: &DbUrl) -> Result<(), Failure> {
    let DbUrl::Sqlite(path) = database else { return Ok(()) };
    let transactions = transactions_behind_the_end(path).map_err(|error| format!("{database}-wal: {error}"))?;
    if transactions > 0 {
        tracing::warn!(
            transactions,
            "the write-ahead log is damaged: these transactions behind the damage are lost, unless the last was being written \
             when the machine stopped"
        );
    }
    Ok(())
}

/// Files that the program opens for itself: its database, the listener, its log.
const OWN_FILES: usize = 128;

/// Lets the program open as many files as the system lets it, and says how many. Each connection is one.
fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the limit of open files cannot be raised");
            limit.current
        }
    };
    let most = current.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    tracing::info!(most, "open files");
    most
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn migrate_only() -> Result<(), Failure> {
    let config = Config::from_env(Trust::Keys)?;
    let run = migrate(&config.database).await?;
    say(&if run.is_empty() { "The database is up to date.".to_owned() } else { run.join("\n") });
    Ok(())
}

/// Audits all books, page by page, and says what does not agree.
async fn verify() -> Result<(), Failure> {
    let config = Config::from_env(Trust::Keys)?;
    check(&config.database).await?;
    let db = Db::connect(&config.database)?;
    let (mut balances, mut entries, mut faults) = (0_usize, 0_u64, 0_usize);
    let mut place = None;
    loop {
        let report = health::audit(&db, place, health::Extent::balances(health::MAX_BALANCES)).await?;
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
