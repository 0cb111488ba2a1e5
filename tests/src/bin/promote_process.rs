//! The function `promote`, as its own program starts it: a test finds only the programs of its own package.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(promote::build).await
}
