//! The program under load: the real one, as an operator runs it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::database::Databases;
use crate::http::{Head, Http};

/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long to wait before it is asked again.
const TICK: Duration = Duration::from_millis(20);
/// How much of the end of its log is shown when something goes wrong.
const LOG_LINES: usize = 20;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    key: String,
}

impl Server {
    /// Starts it on its database, and waits until it answers.
    pub(crate) async fn start(databases: &Databases) -> Result<Self, Failure> {
        let address = free_address()?;
        let log = databases.folder.join("server.log");
        let file = File::create(&log)?;
        let made = scrip(databases).args(["key", "create", "--name", "load", "--scope", "admin"]).output()?;
        let key = String::from_utf8(made.stdout)?.trim().to_owned();
        let child = scrip(databases)
            .arg("serve")
            .env("SCRIP_LISTEN", address.to_string())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let mut server = Self { child, log, address, key };
        server.wait_until_healthy().await.map_err(|error| server.blame(&error))?;
        Ok(server)
    }

    /// Where it listens, and a key that is let in.
    pub(crate) fn door(&self) -> (SocketAddr, &str) {
        (self.address, &self.key)
    }

    /// The error together with the end of the server's log.
    pub(crate) fn blame(&self, error: &Failure) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n");
        format!("{error}\nThe end of the server's log:\n{end}").into()
    }

    async fn wait_until_healthy(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let head = Head::get(self.address, "/healthz");
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server has ended: {status}").into());
            }
            if let Ok(mut http) = Http::connect(self.address).await
                && http.send(&head, b"").await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(TICK).await;
        }
        Err(format!("the server did not answer /healthz within {} s", PATIENCE.as_secs()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program on its database.
fn scrip(databases: &Databases) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrip"));
    command.env("DATABASE_URL", databases.of_server());
    command
}

/// An address that nobody listened on a moment ago.
fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
