//! The command line.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use model::{FineTuneRecipe, TrainRecipe};
use shared::{Timestamp, event::Function, policy::Policy, time::Week};

use crate::{merge::MergeArguments, set_up::Endpoint};

/// Trains, runs and replays the bicycle forecast of Paris on one machine.
#[derive(Debug, Parser)]
#[command(name = "bike-traffic", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which logs to write to standard error, in the syntax of RUST_LOG.
    #[arg(long, global = true, env = "RUST_LOG", default_value = "error,cli=info", value_name = "FILTER")]
    log: String,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says what was attempted, on what, and what to do
  2  the command line cannot be understood
  3  done, but messages became dead letters";

impl Arguments {
    pub(crate) fn log_filter(&self) -> &str {
        &self.log
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a champion, score it on the fixed test set and register it.
    Train(TrainArguments),
    /// Play the whole loop: train, bring up the local stack, live through the weeks of the live data.
    Run(RunArguments),
    /// Bring up all functions and the bus on this machine and keep them running.
    Stack(StackArguments),
    /// Deliver messages of the past again.
    Replay(ReplayArguments),
    /// Show champion and challengers, the last event of each function, unfinished events and dead letters.
    Status(StatusArguments),
    /// Make the version before the last promotion, or any other, champion again.
    Rollback(RollbackArguments),
    /// Make on emulators what terraform makes on Google Cloud: bucket, datasets, topics and subscriptions.
    SetUp(SetUpArguments),
    /// Compare a week with the fixed test set, without writing anything.
    DriftCheck(DriftArguments),
    /// Split an export by time into training data and a fixed test set.
    Split(SplitArguments),
    /// Merge a baseline with newer exports into the next baseline, without the fixed test set.
    MergeBaseline(MergeArguments),
    /// Write data of invented counters in the schema of the public export.
    SampleData(SampleDataArguments),
}

/// The places that a command works on: the local state, or those that the environment names.
#[derive(Debug, Clone, Args)]
pub struct PlaceArguments {
    /// The folder of the local state: objects, tables, registry and bus; reject files in any case.
    #[arg(long, env = "BIKE_TRAFFIC_STATE", default_value = "state/local", value_name = "FOLDER")]
    pub state: PathBuf,
    /// Work on the places that the environment names, as the functions do: GCS_BUCKET, GOOGLE_CLOUD_PROJECT,
    /// MLFLOW_TRACKING_URI and the others of the README.
    #[arg(long)]
    pub cloud: bool,
}

/// Where the local state lives.
#[derive(Debug, Clone, Args)]
pub struct StateArguments {
    /// The folder of the local state: objects, tables, registry and bus.
    #[arg(long, env = "BIKE_TRAFFIC_STATE", default_value = "state/local", value_name = "FOLDER")]
    pub state: PathBuf,
}

/// Options of `train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TRAIN_DATA_PATH=train.csv.gz TEST_DATA_PATH=test.csv.gz bike-traffic train
  bike-traffic train --data-source custom --train-path mine.csv --test-path test.csv.gz --early-stopping 50")]
pub struct TrainArguments {
    /// Where the state lives.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// The kind of model.
    #[arg(long, value_enum, default_value_t = ModelType::Xgboost)]
    pub model_type: ModelType,
    /// Whether the data are the baseline of the strategy or your own.
    #[arg(long, value_enum, default_value_t = DataSource::Baseline)]
    pub data_source: DataSource,
    /// The training data, CSV or CSV in gzip.
    #[arg(long, env = "TRAIN_DATA_PATH", value_name = "PATH")]
    pub train_path: Option<String>,
    /// The fixed test set, CSV or CSV in gzip.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// Where to train; cuda needs the library of the CUDA wheel.
    #[arg(long, value_enum, default_value_t = DeviceArgument::Cpu)]
    pub device: DeviceArgument,
    /// Boosting rounds.
    #[arg(long, default_value_t = TrainRecipe::default().rounds, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// The weight of each round, above 0 and up to 1.
    #[arg(long, value_name = "ETA", default_value_t = TrainRecipe::default().learning_rate, value_parser = learning_rate)]
    pub learning_rate: f64,
    /// Stop after so many rounds without a better MAE on the last 20 % of the time.
    #[arg(long, value_name = "ROUNDS")]
    pub early_stopping: Option<NonZeroU32>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

fn learning_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let is_sound = rate > 0.0 && rate <= 1.0;
    is_sound.then_some(rate).ok_or_else(|| "it must lie above 0 and not above 1".to_owned())
}

/// The kinds of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelType {
    /// Gradient boosting of trees.
    Xgboost,
}

/// Where training data come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataSource {
    /// The baseline of the strategy.
    Baseline,
    /// Files of your own.
    Custom,
}

/// Where to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceArgument {
    /// The processor.
    Cpu,
    /// An NVIDIA graphics card.
    Cuda,
}

/// The numbers of the strategy.
#[derive(Debug, Clone, Args)]
pub struct StrategyArguments {
    /// The numbers of the policy that differ from the default, as JSON.
    #[arg(long, env = "POLICY", default_value = "{}", value_name = "JSON")]
    pub policy: Policy,
    /// What of the fine-tuning recipe differs from the default, as JSON.
    #[arg(long, env = "FINE_TUNE", default_value = "{}", value_name = "JSON")]
    pub fine_tune: FineTuneRecipe,
}

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
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
}

/// Options of `stack`.
#[derive(Debug, Args)]
pub struct StackArguments {
    /// Where the state lives.
    #[command(flatten)]
    pub state: StateArguments,
    /// Where counts come from.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The numbers of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
}

/// Where counts come from.
#[derive(Debug, Clone, Args)]
pub struct OpenDataArguments {
    /// Serve the counts of this file in the shape of the open data API.
    #[arg(long, env = "LIVE_DATA_PATH", value_name = "PATH", conflicts_with = "open_data_url")]
    pub live_path: Option<PathBuf>,
    /// Fetch counts from the open data service at this address; that of Paris is opendata.paris.fr.
    #[arg(long, env = "OPEN_DATA_URL", value_name = "URL")]
    pub open_data_url: Option<reqwest::Url>,
}

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic replay --state state/run-1a2b3c4d --from 2021-07-26T00:00:00Z --to 2021-08-02T12:00:00Z
  bike-traffic replay --cloud --function evaluate --from 2021-08-02T05:00:00Z --dry-run
  bike-traffic replay --cloud --function evaluate --snapshot before-the-release
  bike-traffic replay --cloud --dead-letters --edit

What was done before stays as it is; what was not is finished.")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["from", "snapshot", "dead_letters"]))]
pub struct ReplayArguments {
    /// The places to work on.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Only the messages of this function.
    #[arg(long, value_name = "NAME")]
    pub function: Option<Function>,
    /// Messages published at this instant or later.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Timestamp>,
    /// Only messages published before this instant. In the cloud they are published anew, since a subscription is set back
    /// to an instant, not to a span of time.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<Timestamp>,
    /// What was not acknowledged when this snapshot of the function's subscription was made, and all messages since then.
    #[arg(long, value_name = "NAME", requires = "function", requires = "cloud")]
    pub snapshot: Option<String>,
    /// Dead letters: each goes back to the topic that its function reads.
    #[arg(long)]
    pub dead_letters: bool,
    /// Open each dead letter in an editor first; one that is saved empty stays where it is.
    #[arg(long, requires = "dead_letters")]
    pub edit: bool,
    /// The editor.
    #[arg(long, env = "EDITOR", default_value = "vi", value_name = "PROGRAM")]
    pub editor: String,
    /// List what would be delivered and deliver nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where counts come from, for days that were not ingested yet.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The numbers of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// The places to look at.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Print the status as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic rollback --cloud --reason \"night counts are forecast twice as high\"
  bike-traffic rollback --cloud --to 7

The functions use the other version from their next message on. An evaluation that was made against the champion before
does not promote any more.")]
pub struct RollbackArguments {
    /// The places to work on.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// The version that becomes champion; the one before the last promotion if not given.
    #[arg(long, value_name = "VERSION")]
    pub to: Option<u32>,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "no reason was given")]
    pub reason: String,
    /// Written into the audit row, as in `dev` or `prod`.
    #[arg(long, env = "ENVIRONMENT", default_value = "local", value_name = "NAME")]
    pub environment: String,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `set-up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  make emulators && source state/emulators/env
  export GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local
  bike-traffic set-up --push ingest=http://127.0.0.1:8080/
  PUSH_AUDIENCE=off OPEN_DATA_URL=https://opendata.paris.fr target/release/ingest

It may be done again and then changes endpoints only.")]
pub struct SetUpArguments {
    /// Push the messages of a function to a URL; may be given for each function.
    #[arg(long, value_name = "FUNCTION=URL")]
    pub push: Vec<Endpoint>,
}

/// Options of `drift-check`.
#[derive(Debug, Args)]
pub struct DriftArguments {
    /// Where the state lives.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// The week, as in 2021-W30.
    #[arg(long)]
    pub week: Week,
    /// The numbers of the policy that differ from the default, as JSON.
    #[arg(long, env = "POLICY", default_value = "{}", value_name = "JSON")]
    pub policy: Policy,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `split`.
#[derive(Debug, Args)]
pub struct SplitArguments {
    /// The export, CSV or CSV in gzip.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// The folder for train_baseline.csv.gz, test_baseline.csv.gz and rejects.csv.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The share of rows for training; the split is at the nearest midnight.
    #[arg(long, default_value_t = 0.8, value_parser = share)]
    pub train_share: f64,
}

/// Options of `sample-data`.
#[derive(Debug, Args)]
pub struct SampleDataArguments {
    /// The folder for train_baseline.csv.gz, test_baseline.csv.gz and live.csv.gz.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The number of counters.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub counters: u32,
    /// The same seed gives the same files, byte for byte.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The first day of the training data.
    #[arg(long, default_value = "2020-09-01")]
    pub first_day: Date,
    /// The days of training data.
    #[arg(long, default_value_t = 257)]
    pub train_days: u32,
    /// The days of the fixed test set.
    #[arg(long, default_value_t = 64)]
    pub test_days: u32,
    /// The days of live data.
    #[arg(long, default_value_t = 35)]
    pub live_days: u32,
    /// Make at least so many rows in all, by more days of training data.
    #[arg(long, conflicts_with = "train_days")]
    pub rows: Option<u64>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("a share lies between 0 and 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_option_is_explained() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            for argument in subcommand.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "{} {}", subcommand.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn a_week_or_policy_that_makes_no_sense_is_refused() {
        for arguments in [
            vec!["bike-traffic", "drift-check", "--week", "2021-W60"],
            vec!["bike-traffic", "drift-check", "--week", "2021-W30", "--policy", r#"{"drift_share":-1}"#],
            vec!["bike-traffic", "split", "--input", "a", "--out", "b", "--train-share", "1.5"],
            vec!["bike-traffic", "train", "--rounds", "0"],
        ] {
            assert!(Arguments::try_parse_from(&arguments).is_err(), "{arguments:?}");
        }
    }
}
