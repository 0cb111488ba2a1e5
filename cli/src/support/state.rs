//! The local state: a folder with a subfolder for each port.

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

/// The folder of a local state.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// Returns the state in a folder, which is created when the ports are opened.
    ///
    /// # Errors
    /// Returns an error if `folder` is relative and the working folder cannot be determined.
    pub fn at(folder: &Path) -> anyhow::Result<Self> {
        let folder = std::path::absolute(folder)
            .with_context(|| format!("cannot resolve the state folder {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Returns the absolute path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the ports of the state.
    ///
    /// # Errors
    /// Returns an error if a folder cannot be created.
    pub fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        Ports::in_folder(&self.folder, clock)
            .with_context(|| format!("cannot open the state in {}", self.folder.display()))
    }

    /// Opens the store with the log of the embedded bus.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub fn open_bus_store(&self) -> anyhow::Result<Arc<dyn Store>> {
        let opened = FileStore::open(&self.folder.join("bus"));
        Ok(Arc::new(opened.with_context(|| {
            format!("cannot open the bus in {}", self.folder.display())
        })?))
    }
}

impl TargetArguments {
    /// Opens the ports of the target: the local state, or the services set in the environment.
    ///
    /// # Errors
    /// Returns an error if an environment variable is missing or invalid, or if a port cannot be
    /// opened.
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

    /// Returns the location of the model registry, for messages.
    pub fn describe(&self) -> String {
        if self.cloud {
            "the registry at MLFLOW_TRACKING_URI".to_owned()
        } else {
            self.state.display().to_string()
        }
    }
}
