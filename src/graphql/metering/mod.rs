//! Metering on the wire: usage events, what became of them, and how they come in.

pub mod events;
pub mod ingest;
pub mod preview;

pub use events::UsageEvent;
