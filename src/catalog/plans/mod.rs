//! Plans: what customers subscribe to, in published versions that never change.
//!
//! Invariants
//! - **P1** A version is checked as a whole when it is published: each product once, options of its product's kind, a price
//!   in the version's currency for each priced item, rules and purchase options that exist.
//! - **P2** What a version sets never changes; what it leaves out follows the product, whose prices never change either.
//! - **P3** Publishing what the latest version says already makes no new one.
//!
//! Not here: subscriptions, and what they set for themselves (`subscriptions`); they use the same options and rules.

pub mod input;
pub mod model;
pub mod options;
pub mod service;
pub mod store;
