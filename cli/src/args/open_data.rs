//! The source of daily counts.

use std::path::PathBuf;

use clap::Args;

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
