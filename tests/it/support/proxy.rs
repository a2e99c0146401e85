//! Stands between the program and PostgreSQL, and takes it away: at once, or between a command and its answer.

use std::sync::{Arc, Mutex, PoisonError};

use scrip::db::DbUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to a database that can be cut.
pub(crate) struct Proxy {
    url: DbUrl,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    /// Whether there is a way; every connection ends when it becomes false.
    open: watch::Sender<bool>,
    /// The next statement that holds this text gets through, and its answer does not.
    swallow: Mutex<Option<&'static [u8]>>,
}

impl Proxy {
    /// A way to the database at a URL.
    pub(crate) async fn to(url: &DbUrl) -> Self {
        let DbUrl::Postgres(url) = url else { panic!("a file is not reached over a network") };
        let (before, rest) = url.split_once('@').expect("the URL names a user");
        let (target, after) = rest.split_once('/').expect("the URL names a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let url = DbUrl::Postgres(format!("{before}@127.0.0.1:{port}/{after}"));
        let (open, _) = watch::channel(true);
        let shared = Arc::new(Shared { target: target.to_owned(), open, swallow: Mutex::default() });
        tokio::spawn(accept(listener, shared.clone()));
        Self { url, shared }
    }

    /// Where the program is to look for the database.
    pub(crate) fn url(&self) -> &DbUrl {
        &self.url
    }

    /// Ends all connections, and every new one at once.
    pub(crate) fn cut(&self) {
        self.shared.open.send_replace(false);
    }

    pub(crate) fn restore(&self) {
        self.shared.open.send_replace(true);
    }

    /// Lets the next statement with this text through, waits until the database has answered it, and ends the
    /// connection instead of passing the answer on. New connections find their way.
    pub(crate) fn lose_the_answer_to(&self, text: &'static [u8]) {
        *self.swallow() = Some(text);
    }

    /// Whether that has happened.
    pub(crate) fn has_lost_it(&self) -> bool {
        self.swallow().is_none()
    }

    fn swallow(&self) -> std::sync::MutexGuard<'_, Option<&'static [u8]>> {
        self.shared.swallow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.open.borrow() {
            tokio::spawn(pass(client, shared.clone()));
        }
    }
}

/// Passes bytes both ways until either side ends, or the way is cut.
async fn pass(mut client: TcpStream, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(&shared.target).await else { return };
    let mut open = shared.open.subscribe();
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut swallowing = false;
    loop {
        let passed = tokio::select! {
            () = async { drop(open.wait_for(|open| !open).await) } => return,
            read = client.read(&mut asked) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    swallowing |= shared.is_to_be_swallowed(&asked[..length]);
                    server.write_all(&asked[..length]).await
                }
            },
            read = server.read(&mut answered) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if swallowing => return,
                Ok(length) => client.write_all(&answered[..length]).await,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

impl Shared {
    fn is_to_be_swallowed(&self, asked: &[u8]) -> bool {
        let mut swallow = self.swallow.lock().unwrap_or_else(PoisonError::into_inner);
        let found = swallow.is_some_and(|text| asked.windows(text.len()).any(|window| window == text));
        if found {
            *swallow = None;
        }
        found
    }
}
