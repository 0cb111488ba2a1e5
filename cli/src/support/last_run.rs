//! The state of the last finished run, which commands use if no state is given.
//!
//! `run` writes the name of its state folder to the file `last-run` beside it.

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use shared::{clock::SystemClock, ports::Ports};

use super::{output::OutputFile, state::State, stdout};
use crate::args::{StateArguments, TargetArguments};

/// The default folder of all states, as in the option `--states` of `run`.
const STATES: &str = "state";
/// The state folder of commands other than `run`.
const DEFAULT: &str = "local";
/// The file with the name of the last run's state folder.
const POINTER: &str = "last-run";

/// The state folder that a command works on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChosenState {
    pub(crate) folder: PathBuf,
    /// `true` if the folder is that of the last run, which the user did not name.
    pub(crate) is_last_run: bool,
}

impl StateArguments {
    /// Returns the absolute path of the given state folder. Without one, returns `state/local`, or
    /// the state of the last run if only that exists.
    ///
    /// # Errors
    /// Returns an error if the file that names the last run cannot be read or is invalid.
    pub(crate) fn choose(self) -> anyhow::Result<ChosenState> {
        let chosen = choose(self.state, Path::new(STATES))?;
        Ok(ChosenState {
            folder: State::at(&chosen.folder)?.folder().to_owned(),
            ..chosen
        })
    }
}

impl StateArguments {
    /// Opens the chosen state, or the services with `cloud`, for work on earlier results, and prints
    /// the path of a local state: to standard error if `as_json` is set.
    ///
    /// # Errors
    /// Returns the errors of [`StateArguments::choose`] and [`TargetArguments::open_existing`].
    pub(crate) async fn open_chosen(
        self,
        cloud: bool,
        as_json: bool,
    ) -> anyhow::Result<(TargetArguments, Ports)> {
        let chosen = self.choose()?;
        let target = TargetArguments {
            state: chosen.folder.clone(),
            cloud,
        };
        let ports = target.open_existing(Arc::new(SystemClock)).await?;
        if !cloud {
            stdout::print_line(&chosen.to_string(), as_json);
        }
        Ok((target, ports))
    }
}

fn choose(given: Option<PathBuf>, states: &Path) -> anyhow::Result<ChosenState> {
    let named = |folder| ChosenState {
        folder,
        is_last_run: false,
    };
    if let Some(folder) = given {
        return Ok(named(folder));
    }
    let default = states.join(DEFAULT);
    if default.exists() {
        return Ok(named(default));
    }
    Ok(find(states)?.map_or(named(default), |folder| ChosenState {
        folder,
        is_last_run: true,
    }))
}

/// Returns the state folder of the last run in `states`, or `None` if no run has finished.
pub(crate) fn find(states: &Path) -> anyhow::Result<Option<PathBuf>> {
    let pointer = states.join(POINTER);
    let text = match fs::read_to_string(&pointer) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", pointer.display()))?,
    };
    let name = Path::new(text.trim());
    let mut components = name.components();
    let (Some(Component::Normal(_)), None) = (components.next(), components.next()) else {
        bail!(
            "cannot find the last run: {} contains no name of a folder; pass a state with --state, or remove the file",
            pointer.display()
        )
    };
    Ok(Some(states.join(name)))
}

/// Records that the run with the state folder `name` in `states` was the last to finish.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(crate) fn record(states: &Path, name: &str) -> anyhow::Result<()> {
    let pointer = states.join(POINTER);
    let mut file = OutputFile::create(&pointer)?;
    writeln!(file, "{name}").with_context(|| format!("cannot write {}", pointer.display()))?;
    file.finish()
}

impl fmt::Display for ChosenState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "state: {}", self.folder.display())?;
        if self.is_last_run {
            formatter.write_str(" (the last run; choose another state with --state)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_state_wins_over_the_default_and_the_default_over_the_last_run() {
        let states = tempfile::tempdir().unwrap();
        let states = states.path();
        let chosen = |given: Option<&str>| {
            let chosen = choose(given.map(PathBuf::from), states).unwrap();
            (chosen.folder, chosen.is_last_run)
        };
        let local = states.join("local");
        assert_eq!(chosen(None), (local.clone(), false), "no run has finished");

        record(states, "run-1").unwrap();
        record(states, "run-2").unwrap();
        assert_eq!(chosen(None), (states.join("run-2"), true));
        assert_eq!(chosen(Some("other")), ("other".into(), false));

        fs::create_dir(&local).unwrap();
        assert_eq!(chosen(None), (local, false));
    }

    #[test]
    fn file_without_a_name_of_a_folder_is_rejected() {
        let states = tempfile::tempdir().unwrap();
        for text in ["", "\n", "..", "/tmp", "a/b"] {
            fs::write(states.path().join(POINTER), text).unwrap();
            let error = find(states.path()).unwrap_err().to_string();
            assert!(
                error.contains("last-run contains no name"),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn chosen_last_run_is_named_as_such() {
        let mut chosen = ChosenState {
            folder: "state/run-1".into(),
            is_last_run: true,
        };
        assert_eq!(
            chosen.to_string(),
            "state: state/run-1 (the last run; choose another state with --state)"
        );
        chosen.is_last_run = false;
        assert_eq!(chosen.to_string(), "state: state/run-1");
    }
}
