//! Options for the source of daily counts.

use std::path::PathBuf;

use clap::Args;

/// The source of counts.
#[derive(Debug, Clone, Args)]
pub struct OpenDataArguments {
    /// Read counts from this file, served in the format of the open data API.
    #[arg(
        long,
        env = "LIVE_DATA_PATH",
        value_name = "PATH",
        conflicts_with = "open_data_url"
    )]
    pub live_path: Option<PathBuf>,
    /// Fetch counts from the open data service at this URL. The service of Paris is at opendata.paris.fr.
    #[arg(long, env = "OPEN_DATA_URL", value_name = "URL")]
    pub open_data_url: Option<reqwest::Url>,
}
