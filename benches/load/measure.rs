//! What is counted: what was answered between the end of the warm-up and the end of the run.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::Failure;

/// How long is warmed up before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long a run takes.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    measured: Duration,
}

impl Span {
    /// The warm-up, and then so many seconds.
    pub(crate) const fn of_seconds(seconds: u64) -> Self {
        Self { measured: Duration::from_secs(seconds) }
    }
}

/// What a run showed.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Events or top-ups a second.
    pub(crate) per_second: u64,
    /// The median of the latency of requests, in microseconds.
    pub(crate) p50: u64,
    /// The latency that one request in a hundred exceeded, in microseconds.
    pub(crate) p99: u64,
    /// What the load itself used of one core, in hundredths.
    pub(crate) client_percent: u64,
}

/// Somebody who does one thing after another.
pub(crate) trait Worker {
    /// How many events or top-ups one step is.
    const EACH: u64;

    /// One request or transaction, until it is answered.
    async fn step(&mut self) -> Result<(), Failure>;
}

/// Lets all workers work side by side, on this thread.
pub(crate) async fn run<W: Worker>(span: Span, mut workers: Vec<W>) -> Result<Sample, Failure> {
    let run = Run::begin(span);
    let latencies = try_join_all(workers.iter_mut().map(|worker| async {
        let mut tally = run.tally();
        while tally.goes_on() {
            worker.step().await?;
            tally.count();
        }
        Ok::<_, Failure>(tally)
    }));
    Ok(run.end(&latencies.await?, W::EACH))
}

/// A run that has begun.
pub(crate) struct Run {
    from: Instant,
    until: Instant,
    measured: Duration,
    used_before: Option<Duration>,
}

/// What one worker has done.
pub(crate) struct Tally {
    from: Instant,
    until: Instant,
    last: Instant,
    latencies: Vec<u64>,
}

impl Run {
    /// Begins now, with the warm-up.
    pub(crate) fn begin(span: Span) -> Self {
        let from = Instant::now() + WARM_UP;
        Self { from, until: from + span.measured, measured: span.measured, used_before: own_cpu_time() }
    }

    /// A new worker's tally.
    pub(crate) fn tally(&self) -> Tally {
        Tally { from: self.from, until: self.until, last: Instant::now(), latencies: Vec::new() }
    }

    /// What it came to.
    pub(crate) fn end(&self, tallies: &[Tally], each: u64) -> Sample {
        let mut latencies: Vec<u64> = tallies.iter().flat_map(|tally| tally.latencies.iter().copied()).collect();
        latencies.sort_unstable();
        let steps = u64::try_from(latencies.len()).unwrap_or(u64::MAX);
        let used = own_cpu_time().zip(self.used_before).map(|(now, before)| now.saturating_sub(before));
        Sample {
            per_second: steps * each * 1_000 / millis(self.measured).max(1),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            client_percent: millis(used.unwrap_or_default()) * 100 / millis(self.measured + WARM_UP),
        }
    }
}

impl Tally {
    /// Whether the run is not over, asked before each step.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.last = Instant::now();
        self.last < self.until
    }

    /// Counts the step that was just answered.
    pub(crate) fn count(&mut self) {
        let now = Instant::now();
        if self.from <= now && now < self.until {
            self.latencies.push(micros(now - self.last));
        }
    }
}

/// The value that so many percent of the sorted values do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// How long this thread, the program's first and the one that makes the load, has used a core. Only Linux tells.
fn own_cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
