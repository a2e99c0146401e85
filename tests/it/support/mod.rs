//! What tests build on.

#[cfg(feature = "wire")]
pub(crate) mod answer;
#[cfg(feature = "wire")]
pub(crate) mod api;
#[cfg_attr(
    not(feature = "wire"),
    expect(dead_code, unused_imports, unused_macros, reason = "only tests of the wire use some of it")
)]
pub(crate) mod db;
#[cfg(feature = "wire")]
pub(crate) mod direct;
#[cfg(feature = "wire")]
pub(crate) mod documents;
#[cfg(feature = "wire")]
pub(crate) mod http;
pub(crate) mod node;
#[cfg(feature = "wire")]
pub(crate) mod proxy;
#[cfg(feature = "wire")]
pub(crate) mod server;
#[cfg(feature = "wire")]
pub(crate) mod socket;
#[cfg(feature = "wire")]
pub(crate) mod stripe;
