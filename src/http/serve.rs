//! Connections: accepted, watched over, and let go.
//!
//! A client that sends its request's head too slowly, or does not take what it is sent, loses its connection; so nobody
//! holds one by doing nothing. Where there are too many, the oldest goes that is idle and whose caller nobody knows.

use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connections::Connections;
use super::router::routed;
use crate::app::App;
use crate::base::chain::chain;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// How long to wait when no connection can be accepted, as when there are too many.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves until the program is told to stop; then lets nothing more in, and finishes what was let in.
pub async fn serve(listener: TcpListener, app: App) {
    let connections = Connections::new(app.settings.connections);
    let router = routed(app.clone(), &connections);
    let timeouts = app.settings.timeouts;
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(timeouts.head).max_buf_size(MAX_HEAD);
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stop.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a connection cannot be accepted");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let Some(peer) = connections.admit(address.ip()) else {
            tracing::debug!(%address, "a connection was not let in: there are too many");
            continue;
        };
        // What is written goes out at once: a stream's messages are small, and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(timeouts.write));
        let io = TokioIo::new(Box::pin(stream));
        let of = peer.clone();
        let service = TowerToHyperService::new(router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(of.clone());
            request
        }));
        let (connection, stop) = (protocol.serve_connection(io, service).with_upgrades(), app.stop.clone());
        open.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let silent = async {
                tokio::time::sleep(timeouts.first).await;
                if peer.has_begun() {
                    std::future::pending::<()>().await;
                }
            };
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = silent => Ok(()),
                () = peer.ended() => Ok(()),
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
