//! The ports of a function.

use std::{path::Path, sync::Arc};

use crate::{
    address::Address,
    bus::{LogPublisher, Publisher},
    clock::Clock,
    notifier::{NoNotifier, Notifier},
    registry::{EmbeddedRegistry, Registry},
    settings::PortAddresses,
    store::{FileStore, MemoryStore, Store, StoreError},
    warehouse::{EmbeddedWarehouse, Warehouse},
};

/// The ports of a function, opened once.
#[derive(Clone)]
pub struct Ports {
    /// Artifacts, baselines and the ledger.
    pub store: Arc<dyn Store>,
    /// The daily tables and the audit log.
    pub warehouse: Arc<dyn Warehouse>,
    /// The registry of models.
    pub registry: Arc<dyn Registry>,
    /// The publisher of events.
    pub publisher: Arc<dyn Publisher>,
    /// The notifier of people. Only a function on Google Cloud has one that sends.
    pub notifier: Arc<dyn Notifier>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    /// Creates ports in memory, each with its own store.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let store = || Arc::new(MemoryStore::default());
        Self::embedded(store(), store(), store(), store(), clock)
    }

    /// Opens ports in the subfolders `objects`, `warehouse`, `registry` and `bus` of a folder.
    ///
    /// # Errors
    /// Returns an error if a folder cannot be created.
    pub fn in_folder(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let open = |name: &str| FileStore::open(&folder.join(name)).map(Arc::new);
        Ok(Self::embedded(
            open("objects")?,
            open("warehouse")?,
            open("registry")?,
            open("bus")?,
            clock,
        ))
    }

    fn embedded(
        store: Arc<dyn Store>,
        warehouse: Arc<dyn Store>,
        registry: Arc<dyn Store>,
        bus: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            warehouse: Arc::new(EmbeddedWarehouse::new(warehouse)),
            registry: Arc::new(EmbeddedRegistry::new(registry)),
            publisher: Arc::new(LogPublisher::new(bus, Arc::clone(&clock))),
            notifier: Arc::new(NoNotifier),
            clock,
        }
    }
}

impl PortAddresses {
    /// Returns the addresses of the ports that [`Ports::in_folder`] opens, for processes configured
    /// by address.
    pub fn in_folder(folder: &Path) -> Self {
        let address = |name: &str| Address::File(folder.join(name));
        Self {
            store: address("objects"),
            warehouse: address("warehouse"),
            registry: address("registry"),
            bus: address("bus"),
        }
    }
}
