//! The ports of a function.

use std::{path::Path, sync::Arc};

use crate::{
    address::Address,
    bus::{LogPublisher, Publisher},
    clock::Clock,
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
    /// Where events are published.
    pub publisher: Arc<dyn Publisher>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    /// Makes ports that keep everything in memory, each in a place of its own.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let place = || Arc::new(MemoryStore::default());
        Self::embedded(place(), place(), place(), place(), clock)
    }

    /// Opens ports that keep everything in the folders `objects`, `warehouse`, `registry` and `bus` of a folder.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn in_folder(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let place = |name: &str| FileStore::open(&folder.join(name)).map(Arc::new);
        Ok(Self::embedded(
            place("objects")?,
            place("warehouse")?,
            place("registry")?,
            place("bus")?,
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
            clock,
        }
    }
}

impl PortAddresses {
    /// Names the places that [`Ports::in_folder`] opens, for processes that are given addresses.
    pub fn in_folder(folder: &Path) -> Self {
        let place = |name: &str| Address::File(folder.join(name));
        Self {
            store: place("objects"),
            warehouse: place("warehouse"),
            registry: place("registry"),
            bus: place("bus"),
        }
    }
}
