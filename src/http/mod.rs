//! The wire of HTTP: the router, GraphQL over HTTP and WebSocket, the events endpoint, the playground, health.
//!
//! Not here: what a field or an event means.

mod api;
mod events;
mod graphql;
mod health;
mod playground;
mod request;
mod router;
mod socket;

pub use router::router;
