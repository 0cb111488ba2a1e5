//! The settings that all functions have in common.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
};

use jiff::SignedDuration;
use shared::settings::{SettingsError, Variables, optional};

use crate::{oidc::PushAuthentication, traces::Traces};

/// The default lease of a ledger entry. It is renewed after each third of its duration. It is
/// shorter than the total time of a subscription's attempts, so that a crash does not cause a dead
/// letter.
const DEFAULT_LEASE: SignedDuration = SignedDuration::from_secs(60);
const DEFAULT_PORT: u16 = 8080;

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
    /// The traces of deliveries, if they are exported; see [`Traces::read`].
    pub traces: Option<Traces>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            environment: "local".to_owned(),
            project: "local".to_owned(),
            lease: DEFAULT_LEASE,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
            push: PushAuthentication::Off,
            traces: None,
        }
    }
}

impl ServiceSettings {
    /// Reads the settings from environment variables, except [`ServiceSettings::traces`].
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
            traces: default.traces,
        })
    }
}
