//! The program: the front door and nothing else.

use std::process::ExitCode;

/// A sixth more events a second than with the system's: events are many small values that come in by one thread and are
/// let go by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    scrip::cli::run().await
}
