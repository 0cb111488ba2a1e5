//! Starting and stopping a function's process.

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

/// How long a delivery may be silent before another may take its event over. It is renewed every third of it, and is
/// shorter than the time that a subscription's attempts take, so that a crash does not make a dead letter.
const DEFAULT_LEASE: SignedDuration = SignedDuration::from_secs(60);
const DEFAULT_PORT: u16 = 8080;

/// The exit code for settings that a process cannot start with, as `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: u8 = 78;
/// The exit code for a place or port that cannot be opened, as `EX_UNAVAILABLE` of sysexits.h.
const EXIT_UNAVAILABLE: u8 = 69;

/// The settings that every function has.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// `ENVIRONMENT`: written into audit rows, as in `dev` or `prod`; `local` if not set.
    pub environment: String,
    /// `GOOGLE_CLOUD_PROJECT`: named in the traces of logs; `local` if not set.
    pub project: String,
    /// `LEASE_SECONDS`: how long a delivery may be silent before another may take its event over; 60 if not set. All
    /// attempts of the subscription must take longer.
    pub lease: SignedDuration,
    /// `PORT`: where to listen, on all interfaces, as Cloud Run wants it; without it 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// `PUSH_AUDIENCE` and what belongs to it: whether a delivery must show who sends it.
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
    /// Reads the settings.
    ///
    /// # Errors
    /// When one cannot be used.
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

/// Returns the HTTP interface of a function: `POST /` for deliveries, `/livez`, `/readyz` and the handler's own routes.
pub fn router<H: Handler>(handler: Arc<H>, ports: &Ports, settings: &ServiceSettings) -> Router {
    Service::router(handler, ports.clone(), settings.clone())
}

/// Runs a function: reads the settings, opens the ports, listens, and on SIGTERM finishes what is in flight.
///
/// `build` makes the handler from its settings and the ports. The exit code is 0 after a shutdown that was asked for,
/// 78 for settings and 69 for a place that cannot be used.
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
            tracing::error!(error = %error, "cannot start {}", H::FUNCTION);
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(error = %error, cause, "cannot start {}", H::FUNCTION);
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
    // Answers are small and whole; waiting for more to send only delays them.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(shutdown())
        .await;
    served.map_err(cannot_listen)
}

/// Waits for SIGTERM, which Cloud Run sends ten seconds before it ends a process, or for Ctrl-C.
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
    tracing::info!("shutting down; deliveries in flight are finished");
}

/// Why a function could not start.
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
