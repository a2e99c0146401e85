//! Usage events and previews of them.

mod ingest;
mod previews;
