//! What the program tells of itself: lines on standard error, and traces to a collector when one is named.

use std::io::{BufWriter, IsTerminal};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::base::tls;
use crate::config::{log_filter, traces_endpoint};

/// How many bytes of lines go out at once at most.
const LINES: usize = 64 * 1024;

/// Libraries that would tell of messages, headers and rows, whatever is asked for.
const QUIET: [&str; 5] =
    ["hyper=info", "hyper_util=info", "tokio_postgres=info", "tokio_tungstenite=info", "tungstenite=info"];

/// Who reads the lines.
pub(crate) enum Readers {
    /// One JSON object a line.
    Programs,
    /// Text.
    People,
}

/// What is still to be written is written when this is dropped.
pub(crate) struct Logs {
    provider: Option<SdkTracerProvider>,
    _lines: WorkerGuard,
}

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider {
            // There is nobody left to tell that a collector is away.
            let _ = provider.shutdown();
        }
    }
}

/// Begins to tell.
///
/// # Errors
/// The collector's address cannot be used.
pub(crate) fn begin(readers: &Readers) -> Result<Logs, crate::cli::Failure> {
    // Who writes a line does not wait for who reads it, and lines that come together go out together.
    let (out, guard) = tracing_appender::non_blocking(BufWriter::with_capacity(LINES, std::io::stderr()));
    let provider = match traces_endpoint()? {
        None => None,
        Some(_) => Some(provider()?),
    };
    let wanted = EnvFilter::try_new(log_filter()?).map_err(|error| format!("SCRIP_LOG cannot be used: {error}"))?;
    let filter =
        QUIET.iter().try_fold(wanted, |filter, quiet| quiet.parse().map(|quiet| filter.add_directive(quiet)))?;
    let traces = provider.as_ref().map(|provider| {
        let tracer = provider.tracer("scrip");
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(EnvFilter::new("scrip=info"))
    });
    tracing_subscriber::registry().with(lines(readers, out).with_filter(filter)).with(traces).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "the program panicked")));
    Ok(Logs { provider, _lines: guard })
}

fn lines<S>(readers: &Readers, out: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(out).with_ansi(std::io::stderr().is_terminal());
    match readers {
        Readers::Programs => lines.json().flatten_event(true).with_span_list(false).boxed(),
        Readers::People => lines.compact().with_target(false).boxed(),
    }
}

/// Sends spans to the collector; it reads its address from the environment's standard variables.
fn provider() -> Result<SdkTracerProvider, crate::cli::Failure> {
    tls::install_provider();
    let exporter = SpanExporter::builder().with_http().build()?;
    let resource = Resource::builder().with_service_name("scrip").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
