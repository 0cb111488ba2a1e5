//! The registry of runs, model versions and aliases, modelled on MLflow's registry.
//!
//! The registered model is [`MODEL`]. Aliases name the versions in use. Stages are not supported,
//! because MLflow has deprecated them. A version is immutable after registration.

mod champion;
mod embedded;
mod input;
mod notes;
mod promotion;
mod tables;

use std::{collections::BTreeMap, fmt, str::FromStr};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

pub use champion::{
    ChampionChange, ChampionError, ChampionState, EventPromotion, REMEMBERED_PROMOTIONS, champion,
    find_champion_problem,
};
pub use embedded::EmbeddedRegistry;
pub use input::RunInput;
pub use notes::{CurvePoint, RunNotes, RunSource, VersionDecision};
pub use promotion::{
    AliasChange, Kept, Operator, Promoted, Promotion, PromotionStep, complete_last_change, promote,
};
pub use tables::TrainingTables;

use crate::{address::ObjectPath, program::Program};

/// The name of the registered model.
pub const MODEL: &str = "bike-traffic-champion";

/// The port for the registry of models.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Registers the model of a run and returns its version. A registered run name returns its
    /// existing version.
    async fn register(&self, run: &Run) -> Result<Version, RegistryError>;

    /// Returns a registered version with its run.
    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError>;

    /// Returns all versions, oldest first.
    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError>;

    /// Returns the version that an alias points to, or `None` if the alias is not set.
    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError>;

    /// Moves an alias, if it still points to the expected version.
    ///
    /// # Errors
    /// Returns [`RegistryError::AliasMoved`] if the alias points to another version; nothing is
    /// changed then.
    async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError>;

    /// Returns the alias `champion` with its history.
    async fn champion_state(&self) -> Result<ChampionState, RegistryError>;

    /// Moves `champion` to the version of a promotion, and `previous` to the version that it
    /// replaces, as one change. Does what [`Promotion::step`] returns for the present state. A
    /// repeated call completes an interrupted one.
    ///
    /// # Errors
    /// Returns an error if the version does not exist, its run cannot be read, or the registry is
    /// not available. A missing or unreadable version never becomes champion: nothing is changed.
    async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError>;

    /// Records the decision about a version for people who look at the version. The last decision
    /// counts, so a repeated call changes nothing.
    ///
    /// # Errors
    /// Returns an error if the version does not exist or the registry is not available.
    async fn record_decision(
        &self,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<(), RegistryError>;

    /// Adds a file to the run of a version, for people who look at the run. It replaces an earlier
    /// file of this path, so a repeated call changes nothing. A registry that shows no files to
    /// people ignores it.
    ///
    /// # Errors
    /// Returns an error if the version does not exist or the registry is not available.
    async fn attach(
        &self,
        _version: Version,
        _path: &str,
        _contents: Bytes,
    ) -> Result<(), RegistryError> {
        Ok(())
    }

    /// Returns the address of the page that shows the runs to people, or `None` if there is none.
    async fn runs_page(&self) -> Result<Option<String>, RegistryError> {
        Ok(None)
    }

    /// Describes the lock that keeps changes waiting, or returns `None` if there is none. A registry
    /// without locks never has one.
    async fn describe_lock(&self) -> Result<Option<String>, RegistryError> {
        Ok(None)
    }

    /// Breaks the lock that keeps changes waiting, and returns its description, or `None` if there
    /// was none. A process that holds it changes nothing more.
    async fn break_lock(&self) -> Result<Option<String>, RegistryError> {
        Ok(None)
    }
}

/// A training run with the description of its model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The name, derived from the cause of the run.
    pub name: RunName,
    /// The time at which the training ended.
    pub ended_at: Timestamp,
    /// The tags of the training strategy, and those of the [program](crate::program).
    pub tags: BTreeMap<String, String>,
    /// The parameters of the training.
    pub params: BTreeMap<String, String>,
    /// The metrics of the model. Errors are in bicycles per hour.
    pub metrics: BTreeMap<String, f64>,
    /// The folder of the model's files in the store.
    pub artifacts: ObjectPath,
    /// The data sets of training and scoring, sorted by name.
    #[serde(default)]
    pub inputs: Vec<RunInput>,
    /// Facts for people, which are written and not read.
    #[serde(skip)]
    pub notes: RunNotes,
}

impl Run {
    /// Creates a run without tags, parameters, metrics, inputs and notes. Its artifacts are in the
    /// folder of its name.
    pub fn new(name: RunName, ended_at: Timestamp) -> Self {
        Self {
            artifacts: name.artifacts(),
            name,
            ended_at,
            tags: BTreeMap::new(),
            params: BTreeMap::new(),
            metrics: BTreeMap::new(),
            inputs: Vec::new(),
            notes: RunNotes::default(),
        }
    }

    /// Adds the [tags](Program::tags) of the program that has made the run, and of its start.
    #[must_use]
    pub fn made_by(mut self, program: &Program, started_at: Timestamp) -> Self {
        self.tags.extend(program.tags(started_at));
        self
    }
}

/// A registered version of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The number of the version, starting at 1.
    pub version: Version,
    /// The run that produced the version.
    pub run: Run,
    /// The last decision about the version. `None` before the first one, and for versions of
    /// earlier program versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<VersionDecision>,
}

/// The number of a version of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u32);

impl Version {
    /// Creates a version from its number in the registry.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of a run, as in `fine-tune-2021-W30`: at most 100 ASCII alphanumerics, `-`, `.` and
/// `_`, starting with an alphanumeric. It is also the name of the run's folder.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct RunName(String);

impl RunName {
    /// Returns the folder of the run's model in the store.
    pub fn artifacts(&self) -> ObjectPath {
        ObjectPath::new(format_args!("models/bike-traffic/{}", self.0))
    }
}

impl FromStr for RunName {
    type Err = RunNameError;

    fn from_str(text: &str) -> Result<Self, RunNameError> {
        let is_valid = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_')
        };
        if text.len() <= 100
            && text.starts_with(|character: char| character.is_ascii_alphanumeric())
            && text.chars().all(is_valid)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(RunNameError {
            text: text.chars().take(120).collect(),
        })
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The error returned when a text is not a valid [`RunName`].
#[derive(Debug, thiserror::Error)]
#[error(
    "invalid run name `{text}`: expected at most 100 ASCII alphanumerics, `-`, `.` and `_`, not starting with a symbol"
)]
pub struct RunNameError {
    text: String,
}

/// A named pointer to a version.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Alias {
    /// The version that makes the forecasts.
    Champion,
    /// The version that was fine-tuned last.
    Challenger,
    /// The champion before the last promotion.
    Previous,
}

/// The error type of [`Registry`], with one variant per reaction of the caller.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The version is not registered.
    #[error("version {version} not found in the registry")]
    NotFound {
        /// The version.
        version: Version,
    },
    /// The version exists, but it has no run of bike-traffic.
    #[error("cannot use version {version}; choose another version")]
    Unusable {
        /// The version.
        version: Version,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A concurrent call has moved the alias. Read it again before the next move.
    #[error("the alias `{alias}` points to {found}, not to {expected}", found = describe(*.found), expected = describe(*.expected))]
    AliasMoved {
        /// The alias.
        alias: Alias,
        /// The version that the caller expected.
        expected: Option<Version>,
        /// The version that the alias points to.
        found: Option<Version>,
    },
    /// The service or the disk is not available.
    #[error("cannot {verb} in the registry")]
    Unavailable {
        /// The failed operation, as in `move an alias`.
        verb: &'static str,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn describe(version: Option<Version>) -> String {
    version.map_or_else(
        || "no version".to_owned(),
        |version| format!("version {version}"),
    )
}
