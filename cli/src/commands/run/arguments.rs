//! Options of `run`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{StrategyArguments, state_folder};

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic run
  bike-traffic run --policy '{\"promotion\":\"guarded\"}'
  bike-traffic run --train-path train.csv.gz --test-path test.csv.gz \\
    --live-path live.csv.gz --json > summary.json

Without data paths, the command generates sample data. Each combination of data and settings has \
its own state folder, so a second run on the same data finds all work done. The file last-run \
beside these folders names that of the last finished run, in which `status` and `stack` find it.")]
pub struct RunArguments {
    /// The training data, as CSV, gzipped CSV or Parquet.
    #[arg(long, env = "TRAIN_DATA_PATH", value_name = "PATH", requires_all = ["test_path", "live_path"])]
    pub train_path: Option<String>,
    /// The fixed test set, as CSV, gzipped CSV or Parquet.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// The live data, which arrive day by day after the training, as CSV, gzipped CSV or Parquet.
    #[arg(long, env = "LIVE_DATA_PATH", value_name = "PATH")]
    pub live_path: Option<String>,
    /// The folder that contains the state folder of each run.
    #[arg(long, default_value = "state", value_name = "FOLDER", value_parser = state_folder())]
    pub states: PathBuf,
    /// The parameters of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
    /// Print the summary as JSON, and the timeline to standard error.
    #[arg(long)]
    pub json: bool,
}
