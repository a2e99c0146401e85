//! The catalog: meters, credit products, purchase options.

#![deny(clippy::arithmetic_side_effects)]

pub mod model;
