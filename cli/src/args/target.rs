//! Options for the target of a command: the local state, or the services in the environment.

use std::path::{Component, PathBuf};

use clap::{
    Args,
    builder::{PathBufValueParser, TypedValueParser},
};

/// Returns the parser of a state folder, which rejects paths that begin with a tilde.
///
/// A shell expands the tilde, except in quotes. In a value from `.env` or in quotes, it would name a
/// folder `~` in the working folder.
pub(crate) fn state_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(without_tilde)
}

fn without_tilde(folder: PathBuf) -> Result<PathBuf, String> {
    let has_tilde = match folder.components().next() {
        Some(Component::Normal(first)) => first.as_encoded_bytes().starts_with(b"~"),
        _ => false,
    };
    if !has_tilde {
        return Ok(folder);
    }
    let home = folder.strip_prefix("~").map_or_else(
        |_| String::new(),
        |rest| match rest.display().to_string() {
            rest if rest.is_empty() => "`$HOME` or ".to_owned(),
            rest => format!("`$HOME/{rest}` or "),
        },
    );
    Err(format!(
        "the shell has not expanded the tilde; write {home}an absolute path (or `./{}` for a folder with this name)",
        folder.display()
    ))
}

/// The target of a command: the local state, or the services in the environment.
#[derive(Debug, Clone, Args)]
pub struct TargetArguments {
    /// The folder of the local state: objects, tables, registry and bus. Files of rejected rows are
    /// written there even with --cloud.
    #[arg(
        long,
        env = "BIKE_TRAFFIC_STATE",
        default_value = "state/local",
        value_parser = state_folder(),
        value_name = "FOLDER"
    )]
    pub state: PathBuf,
    /// Work on the services that the environment variables name, as the functions do: GCS_BUCKET,
    /// GOOGLE_CLOUD_PROJECT, MLFLOW_TRACKING_URI and the others in docs/settings.md.
    #[arg(long)]
    pub cloud: bool,
}

/// The location of the local state, for commands that find the state of the last run.
#[derive(Debug, Clone, Args)]
pub struct StateArguments {
    /// The folder of the local state: objects, tables, registry and bus [default: state/local, or
    /// the state of the last finished `run` if state/local does not exist].
    #[arg(
        long,
        env = "BIKE_TRAFFIC_STATE",
        value_parser = state_folder(),
        value_name = "FOLDER"
    )]
    pub state: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilde_is_rejected_with_the_path_to_write() {
        for (text, advice) in [
            ("~", "write `$HOME` or an absolute path"),
            ("~/x/y", "write `$HOME/x/y` or an absolute path"),
            ("~ada/x", "write an absolute path"),
        ] {
            let error = without_tilde(PathBuf::from(text)).unwrap_err();
            assert!(error.contains(advice), "{error}");
        }
        for text in ["state/local", "/home/ada/~/x", "./~/x", "x~"] {
            assert_eq!(without_tilde(text.into()), Ok(PathBuf::from(text)));
        }
    }
}
