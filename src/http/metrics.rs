//! What is counted of the wire, and `/metrics`, where Prometheus reads it.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::connections::Connections;
use super::door;
use crate::access::model::Scope;
use crate::access::shares::Held;
use crate::app::App;

/// Seconds.
const LATENCIES: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPath {
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ran {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transport {
    transport: &'static str,
}

/// What is counted of the wire; clones count together.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Answered, Counter>,
    latencies: Family<OfPath, Histogram>,
    operations: Family<Ran, Counter>,
    refusals: Family<Reason, Counter>,
    streams: Family<Transport, Gauge<i64, AtomicI64>>,
}

/// A stream that is open until this is dropped.
pub(super) struct Open(Gauge<i64, AtomicI64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(super) fn new(app: &App, connections: &Connections) -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            latencies: Family::new_with_constructor(|| Histogram::new(LATENCIES)),
            operations: Family::default(),
            refusals: Family::default(),
            streams: Family::default(),
        };
        let mut registry = Registry::with_prefix("scrip");
        registry.register("http_requests", "Requests by path, method and status", metrics.requests.clone());
        let help = "How long a request took, by path; of a stream, until it began";
        registry.register_with_unit("http_request", help, Unit::Seconds, metrics.latencies.clone());
        let help = "GraphQL operations by kind (query, mutation, subscription) and outcome (data, error)";
        registry.register("graphql_operations", help, metrics.operations.clone());
        let help = "Requests that were refused before they ran, by the error's code";
        registry.register("refusals", help, metrics.refusals.clone());
        registry.register("streams", "Open streams by transport", metrics.streams.clone());
        app.intake.register(&mut registry);
        registry.register_collector(Box::new(Now { app: app.clone(), connections: connections.clone() }));
        metrics.registry = Arc::new(registry);
        metrics
    }

    pub(super) fn answered(&self, (path, method): (&str, &'static str), status: StatusCode, took: Duration) {
        let path = path.to_owned();
        self.latencies.get_or_create(&OfPath { path: path.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { path, method, status: status.as_u16() }).inc();
    }

    pub(super) fn ran(&self, kind: &'static str, outcome: &'static str) {
        self.operations.get_or_create(&Ran { kind, outcome }).inc();
    }

    pub(super) fn refused(&self, reason: &str) {
        self.refusals.get_or_create(&Reason { reason: reason.to_owned() }).inc();
    }

    pub(super) fn open(&self, transport: &'static str) -> Open {
        let gauge = self.streams.get_or_create(&Transport { transport }).clone();
        gauge.inc();
        Open(gauge)
    }
}

/// Gauges that are read where the values are kept.
struct Now {
    app: App,
    connections: Connections,
}

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Now").finish_non_exhaustive()
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let all = |of| self.app.shares.held(of);
        for (name, help, count) in [
            (
                "intake_waiting",
                "Events and commands that wait or are being worked on; beyond 50000, each caller has room for 10000",
                self.app.intake.waiting(),
            ),
            ("connections", "Open connections", self.connections.open()),
            ("sockets_held", "WebSockets of callers that are known", all(Held::Socket)),
            ("streams_held", "Streams of all callers, over WebSockets and server-sent events", all(Held::Stream)),
        ] {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let ended = ConstCounter::new(self.connections.ended());
        let help = "Connections that were ended to make room for others, or not let in";
        ended.encode(encoder.encode_descriptor("connections_ended", help, None, ended.metric_type())?)
    }
}

/// What Prometheus reads, with a key that reads.
pub(super) async fn show(State((app, metrics)): State<(App, Metrics)>, headers: HeaderMap) -> Response {
    match door::caller(&app, &headers).await {
        Ok(caller) if caller.holds_any(&[Scope::Read, Scope::Write, Scope::Admin]) => {
            let mut text = String::new();
            match encode(&mut text, &metrics.registry) {
                Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        Ok(_) => (StatusCode::FORBIDDEN, "Metrics need a key with the scope READ, WRITE or ADMIN.\n").into_response(),
        Err(turned_away) => (turned_away.status, format!("{}\n", turned_away.message)).into_response(),
    }
}
