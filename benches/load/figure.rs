//! What is measured.

use crate::database::Store;

/// A figure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Usage events of all customers, in batches.
    EventsSpread,
    /// Usage events of one customer, in batches.
    EventsHot,
    /// Top-ups of all balances, one mutation a request.
    TopUps,
}

impl Figure {
    /// In the order in which they are measured: top-ups come last, since every lot makes its balance's row longer.
    pub(crate) const ALL: [Self; 3] = [Self::EventsSpread, Self::EventsHot, Self::TopUps];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EventsSpread => "events/spread",
            Self::EventsHot => "events/hot",
            Self::TopUps => "topups/single",
        }
    }

    /// How many customers it is spread over.
    pub(crate) const fn customers(self) -> usize {
        match self {
            Self::EventsSpread | Self::TopUps => crate::CUSTOMERS,
            Self::EventsHot => 1,
        }
    }

    /// How many times the bare database's figure the server must reach at first, where that was said, in hundredths.
    pub(crate) const fn first_mark(self, store: Store) -> Option<u64> {
        match (self, store) {
            (Self::EventsSpread, Store::Postgres) => Some(200),
            (Self::EventsHot, Store::Postgres) => Some(800),
            (Self::EventsSpread | Self::EventsHot, Store::Sqlite) => Some(400),
            (Self::TopUps, _) => None,
        }
    }
}
