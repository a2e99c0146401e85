//! What tests build on.

pub(crate) mod db;
pub(crate) mod node;
pub(crate) mod proxy;
pub(crate) mod server;
