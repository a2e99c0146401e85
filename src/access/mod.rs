//! Access: who is asking, by what they show.
//!
//! Invariants
//! - **K1** The secret of an API key is shown once. What is kept is its SHA-256: the secret is random, so that nobody can
//!   guess what hashes to it.
//! - **K2** Secrets are compared in constant time, and a secret that is wrong, revoked or expired is answered alike.
//! - **K3** A portal token says for whom and until when, and is signed; nothing is kept of it.
//! - **K4** Keys in use are read again each second, so that what was revoked anywhere ends everywhere within two.
//!
//! Not here: headers, and which field needs which scope.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod budget;
pub mod keyring;
pub mod model;
pub mod service;
pub mod shares;
pub mod store;
mod token;
