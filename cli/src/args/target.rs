//! What a command works on: the local state, or the services that the environment names.

use std::path::PathBuf;

use clap::Args;

/// The places that a command works on: the local state, or those that the environment names.
#[derive(Debug, Clone, Args)]
pub struct TargetArguments {
    /// The folder of the local state: objects, tables, registry and bus; reject files in any case.
    #[arg(
        long,
        env = "BIKE_TRAFFIC_STATE",
        default_value = "state/local",
        value_name = "FOLDER"
    )]
    pub state: PathBuf,
    /// Work on the places that the environment names, as the functions do: GCS_BUCKET, GOOGLE_CLOUD_PROJECT,
    /// MLFLOW_TRACKING_URI and the others of the README.
    #[arg(long)]
    pub cloud: bool,
}

/// Where the local state lives.
#[derive(Debug, Clone, Args)]
pub struct StateArguments {
    /// The folder of the local state: objects, tables, registry and bus.
    #[arg(
        long,
        env = "BIKE_TRAFFIC_STATE",
        default_value = "state/local",
        value_name = "FOLDER"
    )]
    pub state: PathBuf,
}
