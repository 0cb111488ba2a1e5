//! Options of `publish-baseline`.

use clap::Args;

use crate::args::TargetArguments;

/// Options of `publish-baseline`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bike-traffic train --cloud --data-source custom --train-path merged.csv.gz --test-path gs://BUCKET/data/test_baseline.csv
  bike-traffic publish-baseline --cloud

The previous baseline stays in the bucket under data/baselines/, and `bike-traffic data history` shows the chain.")]
pub struct PublishArguments {
    /// The places to work on.
    #[command(flatten)]
    pub place: TargetArguments,
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
