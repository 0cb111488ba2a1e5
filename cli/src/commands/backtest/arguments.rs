//! Options of `backtest`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forecasting::{
    policy::{Policy, PromotionRule},
    time::Day,
};
use model::FineTuneRecipe;
use serde_json::Value;

use crate::args::RecipeArguments;

/// Options of `backtest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic backtest --from 2021-02-01 --to 2021-05-15 \\
    --champion-until 2021-01-31 --train-path train.csv.gz \\
    --test-path test.csv.gz
  bike-traffic backtest --from 2021-07-19 --to 2021-08-22 --policy guarded \\
    --strategy append --strategy sliding-window --train-path train.csv.gz \\
    --test-path test.csv.gz --live-path live.csv.gz --svg tracks.svg --json

The functions play each combination of policy and strategy in memory, with a simulated clock. No \
state is read or written. Hours of the fixed test set are in no training.")]
pub struct BacktestArguments {
    /// The first day, for example 2021-02-01.
    #[arg(long, value_name = "DAY")]
    pub from: Day,
    /// The last day.
    #[arg(long, value_name = "DAY")]
    pub to: Day,
    /// The last day that the first champion is trained on. Defaults to the day before --from.
    #[arg(long, value_name = "DAY")]
    pub champion_until: Option<Day>,
    /// The rule that decides on promotion; can be repeated. Defaults to both.
    #[arg(long, value_enum, value_name = "RULE")]
    pub policy: Vec<RuleArgument>,
    /// The strategy of the fine-tuning; can be repeated. Defaults to that of --fine-tune.
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub strategy: Vec<StrategyName>,
    /// The training data, as CSV, gzipped CSV or Parquet.
    #[arg(
        long,
        alias = "train-data",
        env = "TRAIN_DATA_PATH",
        value_name = "PATH"
    )]
    pub train_path: Option<String>,
    /// The fixed test set, as CSV, gzipped CSV or Parquet.
    #[arg(long, alias = "test-data", env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// Later counts, as CSV, gzipped CSV or Parquet.
    #[arg(long, alias = "live-data", env = "LIVE_DATA_PATH", value_name = "PATH")]
    pub live_path: Option<String>,
    /// The parameters of both policies, as JSON; missing fields have their default values.
    #[arg(
        long = "policy-parameters",
        env = "POLICY",
        default_value = "{}",
        value_name = "JSON"
    )]
    pub parameters: Policy,
    /// The recipe of the fine-tuning, as JSON; missing fields have their default values.
    #[arg(long, env = "FINE_TUNE", default_value = "{}", value_name = "JSON")]
    pub fine_tune: FineTuneRecipe,
    /// The recipe of the first champion.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write a chart of the weekly errors to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The rules that decide on promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuleArgument {
    /// The MAE on the fixed test set.
    FixedTest,
    /// The evidence of the fresh holdout, guarded by the fixed test set.
    Guarded,
}

impl From<RuleArgument> for PromotionRule {
    fn from(rule: RuleArgument) -> Self {
        match rule {
            RuleArgument::FixedTest => Self::FixedTest,
            RuleArgument::Guarded => Self::Guarded,
        }
    }
}

/// The strategies of the fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyName {
    /// New rounds on the last days, after the champion's.
    Append,
    /// A new model of the baseline and all days since.
    SlidingWindow,
    /// The champion's trees with new values in their leaves.
    LeafRefit,
    /// All of them, of which the best becomes the challenger; sliding-window is kept unless another
    /// is at least 1 % better.
    Auto,
}

impl StrategyName {
    /// Returns the name, as in the setting `FINE_TUNE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::SlidingWindow => "sliding-window",
            Self::LeafRefit => "leaf-refit",
            Self::Auto => "auto",
        }
    }

    /// Returns a recipe with this strategy and the other parameters of `recipe`.
    ///
    /// # Errors
    /// Returns an error if the parameters do not fit the strategy.
    pub(super) fn of_recipe(self, recipe: &FineTuneRecipe) -> Result<FineTuneRecipe, String> {
        let mut fields = serde_json::to_value(recipe).map_err(|error| error.to_string())?;
        if let Value::Object(fields) = &mut fields {
            fields.insert("strategy".to_owned(), self.name().into());
        }
        fields.to_string().parse()
    }
}

/// Returns the name of a recipe's strategy.
pub(super) fn strategy_of(recipe: &FineTuneRecipe) -> String {
    let fields = serde_json::to_value(recipe).unwrap_or_default();
    let name = fields.get("strategy").and_then(Value::as_str);
    name.unwrap_or(StrategyName::Append.name()).to_owned()
}
