//! Options of `retrain`.

use clap::Args;
use forecasting::time::Day;

use super::Quarter;
use crate::args::{EnvironmentArgument, RecipeArguments, TargetArguments};

/// Options of `retrain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic retrain --quarterly --cloud --dry-run
  bike-traffic retrain --quarterly --cloud
  bike-traffic retrain --quarterly --cloud --quarter 2021-Q3 --to 2021-09-30

The command exports the daily tables, merges them with the baseline, trains on the result and \
compares the new model with the champion on the same fixed test set. If the new model is better, \
it becomes champion and its data become the baseline. STATE/retrain/QUARTER/journal.json records \
each finished step. To resume a stopped retraining, run the same command again.")]
pub struct RetrainArguments {
    /// Retrain the champion from the baseline and all daily tables.
    #[arg(long, required = true)]
    pub quarterly: bool,
    /// The state or the services to work on.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The quarter, as in 2021-Q3; it names the folder of the work [default: the current quarter].
    #[arg(long)]
    pub quarter: Option<Quarter>,
    /// The first day to export [default: the first day that has a table].
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// The last day to export [default: yesterday].
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// The recipe of the training.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Show the plan and the finished steps, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start over, even if the quarter is finished, and include the days ingested since.
    #[arg(long, alias = "anew")]
    pub restart: bool,
    /// The environment that the audit row names.
    #[command(flatten)]
    pub environment: EnvironmentArgument,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
