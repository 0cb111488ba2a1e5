//! Options of `publish-baseline`.

use clap::Args;

use crate::args::{EnvironmentArgument, TargetArguments};

/// Options of `publish-baseline`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic train --cloud --data-source custom --train-path merged.csv.gz \\
    --test-path gs://$GCS_BUCKET/data/test_baseline.csv
  bike-traffic publish-baseline --cloud

The previous baseline stays in the store under data/baselines/. `bike-traffic data history` shows \
the ancestors of the baseline.")]
pub struct PublishArguments {
    /// The state or the services to work on.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The environment that the audit row names.
    #[command(flatten)]
    pub environment: EnvironmentArgument,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
