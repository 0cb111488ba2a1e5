//! Options of `data`.

use clap::{Args, Subcommand};

use crate::arguments::PlaceArguments;

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
    /// The places to look at.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Print the result as JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with data sets.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum DataCommand {
    /// Read every data set and find those that are missing or not what their manifest says.
    Verify,
    /// Show the training data in use and all that they continue.
    History,
}
