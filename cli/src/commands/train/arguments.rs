//! Options of `train`.

use clap::{Args, ValueEnum};

use super::Allowances;
use crate::args::{EnvironmentArgument, RecipeArguments, TargetArguments};

/// Options of `train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TRAIN_DATA_PATH=train.csv.gz TEST_DATA_PATH=test.csv.gz bike-traffic train
  bike-traffic train --data-source custom --early-stopping 50 \\
    --train-path mine.csv --test-path test.csv.gz")]
pub struct TrainArguments {
    /// The state or the services to work on.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The kind of model.
    #[arg(long, value_enum, default_value_t = ModelType::Xgboost)]
    pub model_type: ModelType,
    /// The kind of training data: the baseline of the strategy, or custom files.
    #[arg(long, value_enum, default_value_t = DataSource::Baseline)]
    pub data_source: DataSource,
    /// The training data: CSV, gzipped CSV or Parquet, as a local path or a gs:// address.
    #[arg(long, env = "TRAIN_DATA_PATH", value_name = "PATH")]
    pub train_path: Option<String>,
    /// The fixed test set: CSV, gzipped CSV or Parquet, as a local path or a gs:// address.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// The recipe of the training.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// The refusals to override.
    #[command(flatten)]
    pub allow: Allowances,
    /// The environment that the audit row names.
    #[command(flatten)]
    pub environment: EnvironmentArgument,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The kinds of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelType {
    /// Gradient-boosted trees of XGBoost.
    Xgboost,
}

/// The kinds of training data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataSource {
    /// The baseline of the strategy.
    Baseline,
    /// Custom files.
    Custom,
}
