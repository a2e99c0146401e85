//! What tests build on.

pub(crate) mod answer;
pub(crate) mod api;
pub(crate) mod db;
pub(crate) mod direct;
pub(crate) mod documents;
pub(crate) mod http;
pub(crate) mod node;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod stripe;
