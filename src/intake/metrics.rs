//! What is counted of the queue.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// What is counted of the queue; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    batches: Histogram,
    durations: Histogram,
    transactions: Family<Ended, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            batches: Histogram::new([1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0]),
            durations: Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0]),
            transactions: Family::default(),
        }
    }
}

impl Metrics {
    /// A transaction ended that took this long over so many events and commands.
    pub(super) fn ended(&self, outcome: &'static str, weight: usize, took: Duration) {
        self.batches.observe(f64::from(u32::try_from(weight).unwrap_or(u32::MAX)));
        self.durations.observe(took.as_secs_f64());
        self.transactions.get_or_create(&Ended { outcome }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let intake = registry.sub_registry_with_prefix("intake");
        intake.register("batch_size", "Events and commands of one transaction", self.batches.clone());
        intake.register_with_unit("transaction", "How long a transaction took", Unit::Seconds, self.durations.clone());
        let help = "Transactions by how they ended: committed, conflict (tried again), failed";
        intake.register("transactions", help, self.transactions.clone());
    }
}
