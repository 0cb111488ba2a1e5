//! Options of `data`.

use clap::{Args, Subcommand};

use crate::args::TargetArguments;

/// Options of `data`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic data verify --cloud
  bike-traffic data history --json

docs/data.md describes the manifests, and how to keep the files in DVC as well.")]
pub struct DataArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// What to do with data sets.
#[derive(Clone, Debug, Subcommand)]
pub enum DataCommand {
    /// Read every data set and find those that are missing or not what their manifest says.
    Verify(VerifyArguments),
    /// Show the training data in use and all that they continue.
    History(HistoryArguments),
}

/// Options of `data verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic data verify --cloud
  bike-traffic data verify --state state/run-1a2b3c4d --json

It ends with 1 where something is missing or changed.")]
pub struct VerifyArguments {
    /// The places to look at.
    #[command(flatten)]
    pub place: TargetArguments,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `data history`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic data history
  bike-traffic data history --cloud --json | jq '.train[].name'")]
pub struct HistoryArguments {
    /// The places to look at.
    #[command(flatten)]
    pub place: TargetArguments,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
