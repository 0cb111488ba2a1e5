//! The command line of `run`.

use std::path::PathBuf;

use clap::Args;

use crate::args::StrategyArguments;

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic run
  bike-traffic run --train-path train.csv.gz --test-path test.csv.gz --live-path live.csv.gz --json > summary.json

Without data paths, sample data are made. The state lives in a folder of its own for each set of data and settings, so a
second run on the same data finds everything done.")]
pub struct RunArguments {
    /// The training data.
    #[arg(long, env = "TRAIN_DATA_PATH", value_name = "PATH", requires_all = ["test_path", "live_path"])]
    pub train_path: Option<String>,
    /// The fixed test set.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// The data that arrive day by day afterwards.
    #[arg(long, env = "LIVE_DATA_PATH", value_name = "PATH")]
    pub live_path: Option<String>,
    /// The folder in which the state of each run gets a folder.
    #[arg(long, default_value = "state", value_name = "FOLDER")]
    pub states: PathBuf,
    /// The numbers of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
    /// Print the summary as JSON; the timeline goes to standard error.
    #[arg(long)]
    pub json: bool,
}
