//! The data of a run: given files, or generated sample data.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::RunArguments;
use crate::{
    args::StrategyArguments,
    support::{progress::Progress, sample_data},
};

/// The paths of the three data files of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The training data.
    pub train: String,
    /// The fixed test set.
    pub test: String,
    /// The live data, which arrive day by day after the training.
    pub live: String,
}

impl Inputs {
    /// Returns the given files. If none is given, generates sample data.
    pub(super) fn choose(
        arguments: &RunArguments,
        print_line: &mut dyn FnMut(String),
    ) -> anyhow::Result<Self> {
        let paths = (
            &arguments.train_path,
            &arguments.test_path,
            &arguments.live_path,
        );
        match paths {
            (Some(train), Some(test), Some(live)) => Ok(Self {
                train: train.clone(),
                test: test.clone(),
                live: live.clone(),
            }),
            (None, None, None) => Self::generate(&arguments.states.join("sample-data"), print_line),
            _ => bail!(
                "set all of TRAIN_DATA_PATH, TEST_DATA_PATH and LIVE_DATA_PATH, or none of them for sample data"
            ),
        }
    }

    /// Generates sample data in a folder.
    fn generate(folder: &Path, print_line: &mut dyn FnMut(String)) -> anyhow::Result<Self> {
        let mut progress = Progress::new("sample data", 0);
        let mut show = |done, total| progress.show(done, total, String::new());
        let written = sample_data::write(&sample_data::Settings::default(), folder, &mut show)?;
        progress.finish();
        print_line(format!(
            "sample data of invented counters: {}",
            folder.display()
        ));
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Ok(Self {
            train: text(written.train.path),
            test: text(written.test.path),
            live: text(written.live.path),
        })
    }

    /// Returns the name of the state folder, a digest of the data and the settings. The same inputs
    /// always use the same state.
    pub(super) fn state_name(&self, strategy: &StrategyArguments) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        for path in [&self.train, &self.test, &self.live] {
            let mut file = File::open(path).with_context(|| format!("cannot open {path}"))?;
            io::copy(&mut file, &mut hash).with_context(|| format!("cannot read {path}"))?;
        }
        hash.update(serde_json::to_vec(&(
            &strategy.policy,
            &strategy.fine_tune,
        ))?);
        let digits: String = hash
            .finalize()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(format!("run-{digits}"))
    }
}
