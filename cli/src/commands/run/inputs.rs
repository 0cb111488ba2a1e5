//! The data of a run: given files, or generated sample data.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use forecasting::checksum::Checksum;

use crate::{
    args::StrategyArguments,
    support::{
        progress::Progress,
        sample_data::{self, Settings},
    },
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
    /// Returns the given files: training data, fixed test set and live data. If none is given,
    /// generates sample data with these settings in `folder`.
    pub(crate) fn choose(
        paths: [Option<String>; 3],
        (settings, folder): (&Settings, &Path),
        print_line: &mut dyn FnMut(String),
    ) -> anyhow::Result<Self> {
        match paths {
            [Some(train), Some(test), Some(live)] => Ok(Self { train, test, live }),
            [None, None, None] => Self::generate(settings, folder, print_line),
            _ => bail!(
                "set all of TRAIN_DATA_PATH, TEST_DATA_PATH and LIVE_DATA_PATH, or none of them for sample data"
            ),
        }
    }

    /// Generates sample data in a folder.
    fn generate(
        settings: &Settings,
        folder: &Path,
        print_line: &mut dyn FnMut(String),
    ) -> anyhow::Result<Self> {
        let mut progress = Progress::new("sample data", "rows", 0);
        let mut show = |done, total| progress.show(done, total, String::new());
        let written = sample_data::write(settings, folder, &mut show)?;
        progress.finish();
        print_line(format!(
            "sample data of invented counters: {}",
            folder.display()
        ));
        for event in &written.events {
            print_line(format!("  {event}"));
        }
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
        let settings = serde_json::to_vec(&(&strategy.policy, &strategy.fine_tune))?;
        let all = InputFile::open(&self.train)?
            .chain(InputFile::open(&self.test)?)
            .chain(InputFile::open(&self.live)?)
            .chain(&settings[..]);
        let checksum = Checksum::from_reader(all)?;
        Ok(format!("run-{}", checksum.short(8)))
    }
}

/// A file whose errors name its path.
struct InputFile<'a> {
    path: &'a str,
    file: File,
}

impl<'a> InputFile<'a> {
    fn open(path: &'a str) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
        Ok(Self { path, file })
    }
}

impl Read for InputFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let path = self.path;
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot read {path}: {error}"));
        self.file.read(buffer).map_err(named)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Strategy {
        #[command(flatten)]
        strategy: StrategyArguments,
    }

    #[test]
    fn state_is_named_by_the_checksum_of_data_and_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let inputs = Inputs {
            train: path("train.csv"),
            test: path("test.csv"),
            live: path("live.csv"),
        };
        for (path, text) in [
            (&inputs.train, "one\n"),
            (&inputs.test, "two\n"),
            (&inputs.live, "three\n"),
        ] {
            fs::write(path, text).unwrap();
        }
        let strategy = Strategy::parse_from(["test"]).strategy;
        let settings = serde_json::to_string(&(&strategy.policy, &strategy.fine_tune)).unwrap();
        let expected = Checksum::of(format!("one\ntwo\nthree\n{settings}").as_bytes());
        assert_eq!(
            inputs.state_name(&strategy).unwrap(),
            format!("run-{}", expected.short(8))
        );

        let missing = Inputs {
            live: path("missing.csv"),
            ..inputs.clone()
        };
        let unreadable = Inputs {
            live: folder.path().to_string_lossy().into_owned(),
            ..inputs
        };
        for inputs in [missing, unreadable] {
            let error = inputs.state_name(&strategy).unwrap_err();
            assert!(format!("{error:#}").contains(&inputs.live), "{error:#}");
        }
    }
}
