//! The local state: one folder, with a folder for each port.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use shared::{address::Address, clock::Clock, runtime::Ports, settings::PortAddresses, store};

/// A folder with the state of the embedded ports.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// Names a state, which is made when its ports are opened.
    ///
    /// # Errors
    /// When the working folder, from which a relative path counts, is gone.
    pub fn at(folder: &Path) -> anyhow::Result<Self> {
        let folder = std::path::absolute(folder)
            .with_context(|| format!("cannot find the state folder {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the addresses of the ports.
    pub fn addresses(&self) -> PortAddresses {
        let part = |name: &str| Address::File(self.folder.join(name));
        PortAddresses {
            store: part("objects"),
            warehouse: part("warehouse"),
            registry: part("registry"),
            bus: part("bus"),
        }
    }

    /// Opens the ports.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        Ports::open(&self.addresses(), clock)
            .with_context(|| format!("cannot open the state in {}", self.folder.display()))
    }

    /// Opens the store in which the bus keeps its log.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open_bus_store(&self) -> anyhow::Result<Arc<dyn store::Store>> {
        store::open(&self.addresses().bus).with_context(|| format!("cannot open the bus in {}", self.folder.display()))
    }
}
