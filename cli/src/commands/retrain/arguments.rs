//! Options of `retrain`.

use clap::Args;
use forecasting::time::Day;

use super::Quarter;
use crate::args::{RecipeArguments, TargetArguments};

/// Options of `retrain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic retrain --quarterly --cloud --dry-run
  bike-traffic retrain --quarterly --cloud
  bike-traffic retrain --quarterly --cloud --quarter 2021-Q3 --to 2021-09-30

It exports the daily tables, merges them with the baseline, trains on the result, compares the new model with the champion
on the same fixed test set, and only if it is better makes it champion and its data the baseline. What it has done is in
STATE/retrain/QUARTER/journal.json: stopped at any moment and run again, it goes on there.")]
pub struct RetrainArguments {
    /// Retrain the champion from the baseline and all that production has gathered.
    #[arg(long, required = true)]
    pub quarterly: bool,
    /// The places to work on.
    #[command(flatten)]
    pub place: TargetArguments,
    /// The quarter that it is for, as in 2021-Q3; the present one if not given. It names the work.
    #[arg(long)]
    pub quarter: Option<Quarter>,
    /// The first day to export; the first that has a table if not given.
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// The last day to export; yesterday if not given.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// How to train.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Show the plan, and what of it is done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start over, even if the quarter was finished, and take in the counts gathered since.
    #[arg(long, alias = "anew")]
    pub restart: bool,
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
