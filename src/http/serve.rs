//! Connections: accepted, watched over, and let go.
//!
//! A client that sends its request's head too slowly, or does not take what it is sent, loses its connection; so nobody
//! holds one by doing nothing.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;

use super::router::router;
use crate::app::App;
use crate::base::chain::chain;

/// How long to wait when no connection can be accepted, as when there are too many.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves until the program is told to stop; then lets nothing more in, and finishes what was let in.
pub async fn serve(listener: TcpListener, app: App) {
    let service = TowerToHyperService::new(router(app.clone()));
    let timeouts = app.settings.timeouts;
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(timeouts.head);
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stop.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        // What is written goes out at once: a stream's messages are small, and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(timeouts.write));
        let io = TokioIo::new(Box::pin(stream));
        let (connection, stop) = (protocol.serve_connection(io, service.clone()).with_upgrades(), app.stop.clone());
        open.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = %chain(&error), "a connection ended");
            }
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
    app.sockets.close();
    app.sockets.wait().await;
}
