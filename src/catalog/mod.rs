//! The catalog: meters, credit products, purchase options.

#![deny(clippy::arithmetic_side_effects)]

pub mod filter_rules;
pub mod model;
