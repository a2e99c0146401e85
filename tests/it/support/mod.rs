//! What tests build on.

pub(crate) mod api;
pub(crate) mod db;
