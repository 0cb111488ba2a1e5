//! The service binary: reads the settings and serves deliveries.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(promote::build).await
}
