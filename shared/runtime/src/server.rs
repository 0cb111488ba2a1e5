//! Start-up and shutdown of a function's process.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    process::ExitCode,
    sync::Arc,
};

use axum::{Router, serve::ListenerExt};
use google_cloud::CloudSettings;
use jiff::SignedDuration;
use shared::{
    address::OpenError,
    clock::SystemClock,
    ports::Ports,
    settings::{PortAddresses, ProcessVariables, SettingsError, Variables, optional},
};
use tokio::{net::TcpListener, signal::unix::SignalKind};

use super::{Handler, PushAuthentication, deliver::Service, open};

/// The default lease of a ledger entry. It is renewed after each third of its duration. It is
/// shorter than the total time of a subscription's attempts, so that a crash does not cause a dead
/// letter.
const DEFAULT_LEASE: SignedDuration = SignedDuration::from_secs(60);
const DEFAULT_PORT: u16 = 8080;

/// The exit code for invalid settings, `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: u8 = 78;
/// The exit code if a port or the listening address cannot be opened, `EX_UNAVAILABLE` of
/// sysexits.h.
const EXIT_UNAVAILABLE: u8 = 69;

/// The settings that all functions have in common.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// `ENVIRONMENT`: the name in audit rows, for example `dev` or `prod`. Defaults to `local`.
    pub environment: String,
    /// `GOOGLE_CLOUD_PROJECT`: the project in the trace names of logs. Defaults to `local`.
    pub project: String,
    /// `LEASE_SECONDS`: the lease after which another delivery may claim an event if it is not
    /// renewed. Defaults to 60 s. Must be shorter than the total time of the subscription's
    /// attempts.
    pub lease: SignedDuration,
    /// `PORT`: the port to listen on, on all interfaces, as Cloud Run requires. Defaults to
    /// 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// `PUSH_AUDIENCE` and its related variables: the authentication of deliveries.
    pub push: PushAuthentication,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            environment: "local".to_owned(),
            project: "local".to_owned(),
            lease: DEFAULT_LEASE,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
            push: PushAuthentication::Off,
        }
    }
}

impl ServiceSettings {
    /// Reads the settings from environment variables.
    ///
    /// # Errors
    /// Returns an error that names the first invalid or missing variable.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        let default = Self::default();
        let listen = match optional::<u16>(variables, "PORT")? {
            Some(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            None => default.listen,
        };
        Ok(Self {
            environment: optional(variables, "ENVIRONMENT")?.unwrap_or(default.environment),
            project: optional(variables, "GOOGLE_CLOUD_PROJECT")?.unwrap_or(default.project),
            lease: optional::<NonZeroU16>(variables, "LEASE_SECONDS")?
                .map_or(default.lease, |seconds| {
                    SignedDuration::from_secs(seconds.get().into())
                }),
            listen,
            push: PushAuthentication::read(variables)?,
        })
    }
}

/// Returns the HTTP router of a function: `POST /` for deliveries, `/livez`, `/readyz`, and the
/// handler's own routes.
pub fn router<H: Handler>(handler: Arc<H>, ports: &Ports, settings: &ServiceSettings) -> Router {
    Service::router(handler, ports.clone(), settings.clone())
}

/// Runs a function until SIGTERM or Ctrl-C, then finishes the deliveries in flight.
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
    super::init_logs(
        &variables
            .get("RUST_LOG")
            .unwrap_or_else(|| "info".to_owned()),
    );
    match serve(&variables, build).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Settings(error)) => {
            tracing::error!(error = %error, function = %H::FUNCTION, "cannot start");
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(error = %error, cause, function = %H::FUNCTION, "cannot start");
            ExitCode::from(EXIT_UNAVAILABLE)
        }
    }
}

async fn serve<H, B>(variables: &dyn Variables, build: B) -> Result<(), StartError>
where
    H: Handler,
    B: FnOnce(&dyn Variables, &Ports) -> Result<H, SettingsError>,
{
    let settings = ServiceSettings::read(variables)?;
    let addresses = PortAddresses::read(variables)?;
    let cloud = CloudSettings::read(variables)?;
    let ports = open(&addresses, &cloud, Arc::new(SystemClock)).await?;
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
    // Responses are small and complete, so Nagle's algorithm would only delay them.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(shutdown())
        .await;
    served.map_err(cannot_listen)
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
