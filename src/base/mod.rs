//! The ground floor: values that mean the same in every room and know nothing of any of them.
//!
//! Invariants
//! - Nothing here imports another room, touches a database, reads the environment or asks the machine for the time,
//!   save [`clock`], the one place that does.
//! - Amounts are integers with a fixed number of fraction digits; there is no float in this crate's money.
//!
//! Not here: SQL types (`db::types`), GraphQL scalars (`graphql::scalars`).

pub mod buying;
pub mod caller;
pub mod chain;
pub mod clock;
pub mod credits;
pub mod decimal;
pub mod fields;
pub mod given;
pub mod idempotency;
pub mod ids;
pub mod json;
pub mod money;
pub mod page;
pub mod patch;
pub mod period;
pub mod problem;
pub mod settings;
pub mod text;
pub mod time;
pub mod tls;
