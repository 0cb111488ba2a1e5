//! The command line of `train`.

use clap::{Args, ValueEnum};

use crate::args::{RecipeArguments, TargetArguments};

/// Options of `train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TRAIN_DATA_PATH=train.csv.gz TEST_DATA_PATH=test.csv.gz bike-traffic train
  bike-traffic train --data-source custom --train-path mine.csv --test-path test.csv.gz --early-stopping 50")]
pub struct TrainArguments {
    /// Where the state lives.
    #[command(flatten)]
    pub place: TargetArguments,
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
    /// How to train.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Written into the audit row, as in `dev` or `prod`.
    #[arg(
        long,
        env = "ENVIRONMENT",
        default_value = "local",
        value_name = "NAME"
    )]
    pub environment: String,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
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
