//! What tests build on.

pub(crate) mod db;
