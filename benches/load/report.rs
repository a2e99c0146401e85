//! The table.

use std::fmt::Write as _;

use crate::database::Store;
use crate::figure::Figure;
use crate::measure::Sample;

/// What was measured for one figure.
pub(crate) struct Row {
    figure: Figure,
    /// Runs of the server; none when it was left out.
    pub(crate) served: Vec<Sample>,
    /// Runs of the bare database, each beside the server's.
    pub(crate) bare: Vec<Sample>,
}

impl Row {
    /// A figure that is still to be measured.
    pub(crate) const fn of(figure: Figure) -> Self {
        Self { figure, served: Vec::new(), bare: Vec::new() }
    }

    /// How many times the bare database's figure the server reached, in hundredths.
    fn ratio(&self) -> Option<u64> {
        let ratio = |(served, bare): (&Sample, &Sample)| served.per_second * 100 / bare.per_second.max(1);
        median(self.served.iter().zip(&self.bare).map(ratio))
    }
}

/// All of it as text, one line a figure.
pub(crate) fn table(store: Store, rows: &[Row]) -> String {
    let mut text = format!(
        "{:14} {:>10} {:>9} {:>9} {:>9} {:>7}  {}",
        "figure", "scrip/s", "p50 ms", "p99 ms", "bare/s", "ratio", "first mark"
    );
    for row in rows {
        let served = |field: fn(&Sample) -> u64| median(row.served.iter().map(field));
        let bare = median(row.bare.iter().map(|sample| sample.per_second));
        let mark = row.ratio().zip(row.figure.first_mark(store)).map_or_else(String::new, |(ratio, mark)| {
            format!("{} {}", hundredths(mark), if ratio >= mark { "met" } else { "MISSED" })
        });
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n{:14} {:>10} {:>9} {:>9} {:>9} {:>7}  {mark}",
            row.figure.name(),
            or_dash(served(|sample| sample.per_second), |value| value.to_string()),
            or_dash(served(|sample| sample.p50), milliseconds),
            or_dash(served(|sample| sample.p99), milliseconds),
            or_dash(bare, |value| value.to_string()),
            or_dash(row.ratio(), hundredths),
        );
    }
    text
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn or_dash(value: Option<u64>, text: impl Fn(u64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

fn milliseconds(micros: u64) -> String {
    hundredths(micros / 10)
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
