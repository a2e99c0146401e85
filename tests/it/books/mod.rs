//! The whole ledger through the API: holds, corrections, previews, consumption, history, proof.

mod consumption;
mod corrections;
mod desk;
mod history;
mod holds;
mod previews;
mod proof;
mod refusals;
mod rules;
mod verify;
