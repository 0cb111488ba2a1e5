//! Start-up and shutdown of a function's process.

use std::{error::Error, iter, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use axum::Router;
use google_cloud::CloudSettings;
use shared::{
    address::OpenError,
    clock::SystemClock,
    ports::Ports,
    settings::{PortAddresses, ProcessVariables, SettingsError, Variables},
};
use tokio::{net::TcpListener, signal::unix::SignalKind};

use super::{Handler, HttpLimits, ServiceSettings, Traces, deliver::Service, http, open};

/// The exit code for invalid settings, `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: u8 = 78;
/// The exit code if a port or the listening address cannot be opened, `EX_UNAVAILABLE` of
/// sysexits.h.
const EXIT_UNAVAILABLE: u8 = 69;
/// The time limit of the last export of traces. With the shutdown of the HTTP server, it takes 8 s at
/// most.
const LAST_EXPORT_LIMIT: Duration = Duration::from_secs(1);

/// Returns the HTTP router of a function: `POST /` for deliveries, `/livez`, `/readyz`, and the
/// handler's own routes.
pub fn router<H: Handler>(handler: Arc<H>, ports: &Ports, settings: &ServiceSettings) -> Router {
    Service::router(handler, ports.clone(), settings.clone())
}

/// Runs a function until SIGTERM or Ctrl-C, then finishes the deliveries in flight.
///
/// Deliveries that are not finished in time are cut off. Pub/Sub delivers them again.
///
/// `build` creates the handler from the settings and the ports. The exit code is 0 after a
/// requested shutdown, 78 for invalid settings, and 69 if a port or the listening address cannot be
/// opened.
pub async fn run<H, B>(build: B) -> ExitCode
where
    H: Handler,
    B: FnOnce(&dyn Variables, &Ports) -> Result<H, SettingsError>,
{
    let variables = ProcessVariables;
    let traces = Traces::read(&variables, H::FUNCTION);
    super::init_logs(
        &variables
            .get("RUST_LOG")
            .unwrap_or_else(|| "info".to_owned()),
        traces.as_ref().ok().and_then(Option::as_ref),
    );
    match serve(&variables, traces, build).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            tracing::warn!(function = %H::FUNCTION, "ending with deliveries in flight");
            // Returning would wait for threads that compute.
            std::process::exit(0)
        }
        Err(StartError::Settings(error)) => {
            tracing::error!(error = %error, function = %H::FUNCTION, "cannot start");
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(error) => {
            let causes = iter::successors(error.source(), |cause| (**cause).source());
            let cause = causes
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": ");
            tracing::error!(error = %error, cause, function = %H::FUNCTION, "cannot start");
            ExitCode::from(EXIT_UNAVAILABLE)
        }
    }
}

/// Returns `false` if deliveries were still in flight at the end.
async fn serve<H, B>(
    variables: &dyn Variables,
    traces: Result<Option<Traces>, SettingsError>,
    build: B,
) -> Result<bool, StartError>
where
    H: Handler,
    B: FnOnce(&dyn Variables, &Ports) -> Result<H, SettingsError>,
{
    let traces = traces?;
    let settings = ServiceSettings {
        traces: traces.clone(),
        ..ServiceSettings::read(variables)?
    };
    let addresses = PortAddresses::read(variables)?;
    let cloud = CloudSettings::read(variables)?;
    let mut ports = open(&addresses, &cloud, Arc::new(SystemClock)).await?;
    if let Some(traces) = &traces {
        ports = traces.wrap(ports);
    }
    let handler = Arc::new(build(variables, &ports)?);
    let router = router(handler, &ports, &settings);
    let cannot_listen = |source| StartError::Listen {
        address: settings.listen,
        source,
    };
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(cannot_listen)?;
    let listen = listener.local_addr().map_err(cannot_listen)?;
    tracing::info!(
        function = %H::FUNCTION,
        version = env!("CARGO_PKG_VERSION"),
        listen = %listen,
        store = %addresses.store,
        warehouse = %addresses.warehouse,
        registry = %addresses.registry,
        bus = %addresses.bus,
        "listening"
    );
    let all_finished = http::serve(listener, router, HttpLimits::default(), shutdown()).await;
    if let Some(traces) = &traces {
        // The spans of deliveries that are cut off. The others were exported before the response.
        traces.flush(LAST_EXPORT_LIMIT).await;
    }
    Ok(all_finished)
}

/// Waits for Ctrl-C or for SIGTERM, which Cloud Run sends ten seconds before it kills a process.
async fn shutdown() {
    let terminated = async {
        match tokio::signal::unix::signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::warn!(error = %error, "cannot listen for SIGTERM");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("shutting down");
}

/// An error that prevents a function from starting.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot open a port")]
    Port(#[from] OpenError),
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}
