//! The data of a run: files that were named, or sample data.

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

/// The three files of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The training data.
    pub train: String,
    /// The fixed test set.
    pub test: String,
    /// The data that arrive day by day afterwards.
    pub live: String,
}

impl Inputs {
    /// Takes the files that were named; if none was, makes sample data.
    pub(super) fn choose(
        arguments: &RunArguments,
        tell: &mut dyn FnMut(String),
    ) -> anyhow::Result<Self> {
        let named = (
            &arguments.train_path,
            &arguments.test_path,
            &arguments.live_path,
        );
        match named {
            (Some(train), Some(test), Some(live)) => Ok(Self {
                train: train.clone(),
                test: test.clone(),
                live: live.clone(),
            }),
            (None, None, None) => Self::make(&arguments.states.join("sample-data"), tell),
            _ => bail!(
                "give all of TRAIN_DATA_PATH, TEST_DATA_PATH and LIVE_DATA_PATH, or none for sample data"
            ),
        }
    }

    /// Makes sample data in a folder.
    fn make(folder: &Path, tell: &mut dyn FnMut(String)) -> anyhow::Result<Self> {
        let mut progress = Progress::new("sample data", 0);
        let mut show = |done, total| progress.show(done, total, String::new());
        let written = sample_data::write(&sample_data::Settings::default(), folder, &mut show)?;
        progress.finish();
        tell(format!(
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

    /// Returns a name for the state that stands for the data and the settings: the same cause has the same state.
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
