//! The program: the front door and nothing else.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    scrip::cli::run().await
}
