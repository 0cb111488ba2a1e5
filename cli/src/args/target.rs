//! Options for the target of a command: the local state, or the services in the environment.

use std::path::PathBuf;

use clap::Args;

/// The target of a command: the local state, or the services in the environment.
#[derive(Debug, Clone, Args)]
pub struct TargetArguments {
    /// The folder of the local state: objects, tables, registry and bus. Files of rejected rows are
    /// written there even with --cloud.
    #[arg(
        long,
        env = "BIKE_TRAFFIC_STATE",
        default_value = "state/local",
        value_name = "FOLDER"
    )]
    pub state: PathBuf,
    /// Work on the services that the environment variables name, as the functions do: GCS_BUCKET,
    /// GOOGLE_CLOUD_PROJECT, MLFLOW_TRACKING_URI and the others in docs/settings.md.
    #[arg(long)]
    pub cloud: bool,
}

/// The location of the local state.
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
