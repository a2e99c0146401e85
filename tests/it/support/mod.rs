//! What tests build on.

pub(crate) mod db;
pub(crate) mod wire;
