//! The program itself, as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use scrip::db::DbUrl;
use serde_json::Value;

/// `scrip serve` on a port of its own. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// `scrip COMMAND` on a database.
fn scrip(command: &str, url: &DbUrl) -> Command {
    let database = match url {
        DbUrl::Postgres(url) => url.clone(),
        DbUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
    };
    let mut scrip = Command::new(env!("CARGO_BIN_EXE_scrip"));
    scrip
        .args(command.split(' '))
        .env("DATABASE_URL", database)
        .env("SCRIP_LISTEN", "127.0.0.1:0")
        .env_remove("SCRIP_LOG");
    scrip
}

/// Runs `scrip COMMAND` to its end.
pub(crate) fn run_scrip(command: &str, url: &DbUrl) -> Output {
    scrip(command, url).output().expect("the program can be started")
}

/// `scrip verify` finds nothing wrong.
pub(crate) fn assert_verified(url: &DbUrl) {
    let output = run_scrip("verify", url);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(" 0 problems"), "{said}");
}

impl Server {
    /// Starts it, and waits until it says where it listens. Whoever is on this machine needs no key.
    pub(crate) fn start(url: &DbUrl) -> Self {
        Self::of(scrip("serve --insecure-loopback", url))
    }

    /// The same, and every request needs a key.
    pub(crate) fn start_strict(url: &DbUrl) -> Self {
        Self::of(scrip("serve", url))
    }

    /// The same with variables of the environment besides.
    pub(crate) fn start_with(url: &DbUrl, variables: &[(&str, &str)]) -> Self {
        let mut command = scrip("serve --insecure-loopback", url);
        command.envs(variables.iter().copied());
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it is a pipe")).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("the server ended before it listened: {log:?}") };
            let said: Option<Value> = serde_json::from_str(&line).ok();
            if let Some(address) = said.as_ref().and_then(|said| said["listen"].as_str()) {
                break address.to_owned();
            }
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        };
        let kept = log.clone();
        // A pipe that nobody reads would hold the server up.
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { child, address, log, reader: Some(reader) }
    }

    /// `http://` or `ws://` and a path at it.
    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// What it has logged behind its start.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// SIGKILL; it is gone afterwards.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.wait();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().expect("there is a program called kill");
        assert!(status.success());
    }

    /// Waits until it is gone.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("it can be waited for");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("its log can be read");
        }
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already, or goes now; either way there is nothing more to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
