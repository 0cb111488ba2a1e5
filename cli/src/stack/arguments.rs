//! The command line of `stack`.

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{StateArguments, StrategyArguments};

/// Options of `stack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic stack --state state/run-1a2b3c4d --live-path live.csv.gz
  bike-traffic stack --open-data-url https://opendata.paris.fr

It goes on until Ctrl-C; what was not delivered by then is delivered when it is started again.")]
pub struct StackArguments {
    /// Where the state lives.
    #[command(flatten)]
    pub state: StateArguments,
    /// Where counts come from.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The numbers of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
}

/// Where counts come from.
#[derive(Debug, Clone, Args)]
pub struct OpenDataArguments {
    /// Serve the counts of this file in the shape of the open data API.
    #[arg(
        long,
        env = "LIVE_DATA_PATH",
        value_name = "PATH",
        conflicts_with = "open_data_url"
    )]
    pub live_path: Option<PathBuf>,
    /// Fetch counts from the open data service at this address; that of Paris is opendata.paris.fr.
    #[arg(long, env = "OPEN_DATA_URL", value_name = "URL")]
    pub open_data_url: Option<reqwest::Url>,
}
