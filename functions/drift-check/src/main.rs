//! The service binary: reads the settings and serves deliveries.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(drift_check::build).await
}
