//! Access rules and limits, as callers meet them.

mod access;
mod limits;
mod suggestions;
