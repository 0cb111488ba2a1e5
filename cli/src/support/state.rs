//! The local state: a folder with a subfolder for each port.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use google_cloud::CloudSettings;
use shared::{
    clock::Clock,
    ports::Ports,
    settings::{PortAddresses, ProcessVariables},
    store::{FileStore, Store},
};

use super::{last_run, progress};
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

    /// Returns the state in a folder that an earlier command has created. Commands that work on
    /// earlier results use it, so that a wrong path is an error and not an empty state.
    ///
    /// # Errors
    /// Returns an error if the folder does not exist, cannot be read, or has no state in it.
    pub fn existing(folder: &Path) -> anyhow::Result<Self> {
        let state = Self::at(folder)?;
        let folder = state.folder.display();
        let advice = advice(&state.folder);
        match fs::metadata(&state.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("the state folder {folder} does not exist; {advice}")
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the state folder {folder}"));
            }
            Ok(_) => {}
        }
        if state.is_new() {
            bail!("there is no state in {folder}; {advice}")
        }
        Ok(state)
    }

    /// Returns `true` if the folder has no state: opening the ports creates one.
    pub fn is_new(&self) -> bool {
        // The folders of the ports, as `Ports::in_folder` creates them.
        let ports = ["objects", "warehouse", "registry", "bus"];
        !ports.iter().any(|name| self.folder.join(name).is_dir())
    }

    /// Returns the line that a command prints after it has created this state. A mistyped folder is
    /// noticed by it.
    pub(crate) fn creation_notice(&self) -> String {
        format!("created the state folder {}", self.folder.display())
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

/// Returns the next step if `folder` has no state: the state of the last run beside it, or commands
/// that create one.
fn advice(folder: &Path) -> String {
    let last_run = folder
        .parent()
        .and_then(|states| last_run::find(states).ok().flatten())
        .filter(|run| run.is_dir());
    match last_run {
        Some(run) => format!(
            "for the state of the last run, pass `--state {}`",
            run.display()
        ),
        None => {
            "pass the folder of a state with --state, or create one with `bike-traffic train` or \
                 `bike-traffic run`"
                .to_owned()
        }
    }
}

impl TargetArguments {
    /// Opens the ports of the target: the local state, or the services set in the environment.
    ///
    /// # Errors
    /// Returns an error if an environment variable is missing or invalid, or if a port cannot be
    /// opened. With `--cloud`, also returns an error if this build has no clients.
    pub async fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        if !self.cloud {
            return State::at(&self.state)?.open(clock);
        }
        Self::open_services(clock).await
    }

    /// Opens the ports of the target for work on earlier results: a local state must exist.
    ///
    /// # Errors
    /// Returns the errors of [`TargetArguments::open`] and [`State::existing`].
    pub async fn open_existing(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        if !self.cloud {
            return State::existing(&self.state)?.open(clock);
        }
        Self::open_services(clock).await
    }

    async fn open_services(clock: Arc<dyn Clock>) -> anyhow::Result<Ports> {
        runtime::require_clients()?;
        let (addresses, cloud) = (
            PortAddresses::read(&ProcessVariables)?,
            CloudSettings::read(&ProcessVariables)?,
        );
        let opened = runtime::open(&addresses, &cloud, clock);
        Ok(progress::noting("connecting to the services", opened).await?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_foreign_folders_are_no_state_and_stay_unchanged() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("no-such-state");
        for (folder, expected) in [
            (missing.as_path(), "no-such-state does not exist"),
            (parent.path(), "there is no state in"),
        ] {
            let error = State::existing(folder).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);

        let run = parent.path().join("run-1");
        fs::create_dir(&run).unwrap();
        last_run::record(parent.path(), "run-1").unwrap();
        let error = State::existing(&missing).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("pass `--state {}`", run.display())),
            "{error}"
        );

        let state = State::at(&missing).unwrap();
        assert!(state.is_new());
        state.open_bus_store().unwrap();
        assert!(!state.is_new());
        assert_eq!(State::existing(&missing).unwrap().folder(), missing);
    }
}
