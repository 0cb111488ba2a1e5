//! The program that has made a stored object: its version and the commit of its sources.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The tag of a run with [`Program::version`].
pub const VERSION_TAG: &str = "program_version";
/// The tag of a run with [`Program::commit`]; absent if the commit is unknown.
pub const COMMIT_TAG: &str = "git_commit";
/// The tag of a run with the time of its start.
pub const STARTED_AT_TAG: &str = "started_at";

/// A build of this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The version of the workspace.
    pub version: String,
    /// The commit of the sources. `None` for development builds, and for release builds without a
    /// repository and without the variable `BIKE_TRAFFIC_COMMIT`.
    pub commit: Option<String>,
}

impl Program {
    /// Returns the running program.
    pub fn current() -> Self {
        let commit = option_env!("BIKE_TRAFFIC_COMMIT").filter(|commit| !commit.is_empty());
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit.map(str::to_owned),
        }
    }

    /// Returns the tags of a run of this program that has started at an instant.
    pub fn tags(&self, started_at: Timestamp) -> BTreeMap<String, String> {
        let commit = self.commit.clone().map(|commit| (COMMIT_TAG, commit));
        let tags = [
            (VERSION_TAG, self.version.clone()),
            (STARTED_AT_TAG, started_at.to_string()),
        ];
        tags.into_iter()
            .chain(commit)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_a_program_without_commit_omit_it() {
        let program = |commit: Option<&str>| Program {
            version: "0.1.0".to_owned(),
            commit: commit.map(str::to_owned),
        };
        let tags = |commit| {
            let tags = program(commit).tags(Timestamp::UNIX_EPOCH);
            serde_json::to_string(&tags).unwrap()
        };
        assert_eq!(
            tags(None),
            r#"{"program_version":"0.1.0","started_at":"1970-01-01T00:00:00Z"}"#
        );
        assert_eq!(
            tags(Some("06a065b")),
            r#"{"git_commit":"06a065b","program_version":"0.1.0","started_at":"1970-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn unknown_commit_is_null() {
        let program = Program {
            commit: None,
            ..Program::current()
        };
        let text = serde_json::to_string(&program).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"version":"{}","commit":null}}"#,
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}
