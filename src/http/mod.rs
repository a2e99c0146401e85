//! The wire of HTTP: the router, who is let in, GraphQL over HTTP, WebSocket and server-sent events, the events endpoint,
//! the playground, health.
//!
//! Not here: what a field or an event means.

mod api;
mod connections;
mod door;
mod events;
mod graphql;
mod health;
mod metrics;
mod observe;
mod playground;
mod price;
mod request;
mod router;
mod serve;
mod socket;
mod sse;
mod webhooks;

pub use router::router;
pub use serve::serve;
