//! Usage events: what they burn, and which are refused (L10).

mod service;
