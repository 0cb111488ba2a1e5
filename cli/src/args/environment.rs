//! The environment that an audit row names.

use clap::Args;

/// The environment that an audit row names.
#[derive(Debug, Clone, Args)]
pub struct EnvironmentArgument {
    /// The environment to name in the audit row, such as `dev` or `prod`.
    #[arg(
        id = "environment",
        long = "environment",
        env = "ENVIRONMENT",
        default_value = "local",
        value_name = "NAME"
    )]
    pub name: String,
}
