//! The whole ledger through the API: holds, corrections, previews, consumption, history, proof.

mod corrections;
mod desk;
mod holds;
mod previews;
mod refusals;
