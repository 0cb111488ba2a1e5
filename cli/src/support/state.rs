//! The local state: one folder, with a folder for each port.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use google_cloud::CloudSettings;
use shared::{
    clock::Clock,
    ports::Ports,
    settings::{PortAddresses, ProcessVariables},
    store::{FileStore, Store},
};

use crate::args::TargetArguments;

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
        Ok(Arc::new(opened.with_context(|| {
            format!("cannot open the bus in {}", self.folder.display())
        })?))
    }
}

impl TargetArguments {
    /// Opens the ports: those of the environment, or those of the folder.
    ///
    /// # Errors
    /// When the environment names no place, or a place cannot be opened.
    pub async fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        if !self.cloud {
            return State::at(&self.state)?.open(clock);
        }
        let (addresses, cloud) = (
            PortAddresses::read(&ProcessVariables)?,
            CloudSettings::read(&ProcessVariables)?,
        );
        Ok(runtime::open(&addresses, &cloud, clock).await?)
    }

    /// Says where the models are, for messages.
    pub fn describe(&self) -> String {
        if self.cloud {
            "the registry that MLFLOW_TRACKING_URI names".to_owned()
        } else {
            self.state.display().to_string()
        }
    }
}
