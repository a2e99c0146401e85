//! What tests build on.

pub(crate) mod answer;
pub(crate) mod api;
pub(crate) mod db;
pub(crate) mod direct;
pub(crate) mod socket;
