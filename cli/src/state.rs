//! The local state: one folder, with a folder for each port.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use shared::{
    clock::Clock,
    runtime::Ports,
    store::{FileStore, Store},
};

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

    /// Opens the ports.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        Ports::in_folder(&self.folder, clock)
            .with_context(|| format!("cannot open the state in {}", self.folder.display()))
    }

    /// Opens the store in which the bus keeps its log.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open_bus_store(&self) -> anyhow::Result<Arc<dyn Store>> {
        let opened = FileStore::open(&self.folder.join("bus"));
        Ok(Arc::new(opened.with_context(|| format!("cannot open the bus in {}", self.folder.display()))?))
    }
}
