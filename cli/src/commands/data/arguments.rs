//! Options of `data`.

use clap::{Args, Subcommand};

use crate::args::TargetArguments;

/// Options of `data`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic data verify --cloud
  bike-traffic data history --json

docs/data.md describes the manifests and how to track the files with DVC.")]
pub struct DataArguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// The subcommands of `data`.
#[derive(Clone, Debug, Subcommand)]
pub enum DataCommand {
    /// Compare every data set with its manifest and report missing and changed objects.
    Verify(VerifyArguments),
    /// Show the training data in use and all data sets that it continues.
    History(HistoryArguments),
}

/// Options of `data verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic data verify --cloud
  bike-traffic data verify --state state/run-1a2b3c4d --json

The exit code is 1 if an object is missing, changed or unreadable, or has no manifest.")]
pub struct VerifyArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print the report as JSON.
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
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}
