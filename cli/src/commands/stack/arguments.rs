//! Options of `stack`.

use clap::Args;
use shared::Timestamp;

use super::pages::DEFAULT_PORT;
use crate::args::{OpenDataArguments, StateArguments, StrategyArguments, day_or_instant};

/// Options of `stack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic stack --state state/run-1a2b3c4d --live-path live.csv.gz
  bike-traffic stack --now 2021-08-23 --port 8500
  bike-traffic stack --open-data-url https://opendata.paris.fr
  bike-traffic stack --cloud --policy '{\"promotion\":\"guarded\"}'

The stack runs until Ctrl-C. Messages that were not delivered by then are delivered after the \
next start. It serves the on-call page at http://127.0.0.1:8400/, and the pages of weeks and months \
below it.

A simulated run ends in the past, and the forecasts of /v1/predict need the counts of the last \
weeks. With --now, the stack's clock begins on the day after the last counts, and that day can be \
forecast.

With --cloud, the functions are processes on emulators of Google Cloud and an MLflow server, which \
`make emulators` starts, and Pub/Sub pushes to them. The command creates the bucket, tables, topics \
and subscriptions, trains a champion and plays a week. Without data paths, it generates sample data \
that end yesterday. `make emulators-run` does all of this.")]
pub struct StackArguments {
    /// The local state.
    #[command(flatten)]
    pub state: StateArguments,
    /// Run the functions as processes on the emulators that the environment variables name:
    /// GCS_BUCKET, GOOGLE_CLOUD_PROJECT, MLFLOW_TRACKING_URI and those of the emulators. The folder
    /// of --state has only data and logs then [default: state/stack-cloud].
    #[arg(long, conflicts_with = "now")]
    pub cloud: bool,
    /// Begin the stack's clock at this time, from which it advances with real time: a day, for 06:00
    /// in Paris, when the counts of the day before have been requested, or an instant such as
    /// 2021-08-23T04:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = start_of_clock)]
    pub now: Option<Timestamp>,
    /// The port of the pages on 127.0.0.1; 0 for a free one.
    #[arg(long, default_value_t = DEFAULT_PORT, value_name = "PORT")]
    pub port: u16,
    /// With --cloud, the training data of the champion: a CSV file, optionally gzipped.
    #[arg(long, env = "TRAIN_DATA_PATH", value_name = "PATH")]
    pub train_path: Option<String>,
    /// With --cloud, the fixed test set: a CSV file, optionally gzipped.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// The source of counts.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The parameters of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
}

/// The hour in Paris at which the clock begins on a given day: that of the daily ingest request.
const MORNING: i8 = 6;

/// Parses an instant, or a day, which stands for its morning.
fn start_of_clock(text: &str) -> Result<Timestamp, String> {
    day_or_instant(text, MORNING)
}
