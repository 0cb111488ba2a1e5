//! Opening of ports; the address selects the implementation.

#[cfg(feature = "cloud")]
mod clients;
#[cfg(not(feature = "cloud"))]
#[path = "open/no_clients.rs"]
mod clients;

use std::sync::Arc;

use google_cloud::{CloudSettings, Webhook};
use shared::{
    address::{Address, OpenError},
    bus::LogPublisher,
    clock::Clock,
    notifier::{NoNotifier, Notifier},
    ports::Ports,
    registry::EmbeddedRegistry,
    settings::PortAddresses,
    store::{self, Store},
    warehouse::EmbeddedWarehouse,
};

/// The error of a build without the feature `cloud`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build has no Google Cloud and MLflow clients; to build them, run `make build`")]
pub struct NoClients;

/// Checks that this build can open ports on Google Cloud and MLflow.
///
/// # Errors
/// Returns an error if the feature `cloud` is disabled.
pub const fn require_clients() -> Result<(), NoClients> {
    if cfg!(feature = "cloud") {
        Ok(())
    } else {
        Err(NoClients)
    }
}

/// Opens the ports at their addresses.
///
/// # Errors
/// Returns an error that names the first address that cannot be opened.
pub async fn open(
    addresses: &PortAddresses,
    cloud: &CloudSettings,
    clock: Arc<dyn Clock>,
) -> Result<Ports, OpenError> {
    let store = open_store(&addresses.store, cloud).await?;
    Ok(Ports {
        warehouse: match &addresses.warehouse {
            Address::BigQuery(project) => clients::warehouse(project, cloud).await?,
            other => Arc::new(EmbeddedWarehouse::new(store::open_embedded(other)?)),
        },
        registry: match &addresses.registry {
            Address::Mlflow(url) => clients::registry(url, cloud, &store, &clock)?,
            other => Arc::new(EmbeddedRegistry::new(store::open_embedded(other)?)),
        },
        publisher: match &addresses.bus {
            Address::PubSub(project) => clients::publisher(project, cloud).await?,
            other => Arc::new(LogPublisher::new(
                store::open_embedded(other)?,
                Arc::clone(&clock),
            )),
        },
        notifier: open_notifier(cloud),
        store,
        clock,
    })
}

/// Returns the notifier of the webhook, or one that sends nothing without a webhook. No function
/// depends on it, so an error is only logged.
fn open_notifier(cloud: &CloudSettings) -> Arc<dyn Notifier> {
    let Some(address) = cloud.notify_webhook.clone() else {
        return Arc::new(NoNotifier);
    };
    match Webhook::new(address) {
        Ok(webhook) => Arc::new(webhook),
        Err(error) => {
            tracing::warn!(error = %error, "cannot open the webhook, sending no notifications");
            Arc::new(NoNotifier)
        }
    }
}

/// Opens the store at an address.
///
/// # Errors
/// Returns an error if the folder or bucket cannot be opened, or the address is that of another
/// port.
pub async fn open_store(
    address: &Address,
    cloud: &CloudSettings,
) -> Result<Arc<dyn Store>, OpenError> {
    match address {
        Address::Bucket(bucket) => clients::store(bucket, cloud).await,
        other => store::open_embedded(other),
    }
}
