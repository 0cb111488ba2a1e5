//! The service binary: reads the settings and serves deliveries.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Ends this process if it succeeds. There is no log yet, and training works without it.
    drop(model::restart_for_training([]));
    serve()
}

#[tokio::main]
async fn serve() -> ExitCode {
    runtime::run(fine_tune::build).await
}
