//! The whole ledger through the API: holds, corrections, previews, consumption, history, proof.

#![expect(clippy::too_many_lines, reason = "a whole answer is as long as it is")]

mod corrections;
mod desk;
mod holds;
mod refusals;
