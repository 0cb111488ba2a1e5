//! The function `promote`, built here because Cargo exposes to a test only the binaries of its own
//! package.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(promote::build).await
}
