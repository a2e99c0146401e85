//! Meters, products, options and plans.

mod plans;
mod refusals;
mod settings;
