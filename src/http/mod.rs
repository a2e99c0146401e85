//! The wire of HTTP: the router, GraphQL over HTTP and WebSocket, the events endpoint, the playground, health.
//!
//! Not here: what a field or an event means.

mod events;
mod health;
mod playground;
mod router;

pub use router::router;
