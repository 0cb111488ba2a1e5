//! Wires the function; see the library for what it does.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(promote::build).await
}
