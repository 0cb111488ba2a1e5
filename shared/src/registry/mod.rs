//! Runs, model versions and aliases, shaped after MLflow's registry.
//!
//! The registered model is [`MODEL`]. Its aliases say which version is in use; stages are deprecated in MLflow and not
//! used here. A version is never changed after registration.

mod embedded;

use std::{collections::BTreeMap, fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use embedded::EmbeddedRegistry;

use crate::{
    address::ObjectPath,
    baseline::{DataSet, DataSetName},
    store::Store,
};

/// The name of the registered model.
pub const MODEL: &str = "bike-traffic-champion";

/// The registry of models.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Registers the model of a run and returns its version. The same run name gets the same version again.
    async fn register(&self, run: &Run) -> Result<Version, RegistryError>;

    /// Returns a version.
    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError>;

    /// Returns all versions, oldest first.
    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError>;

    /// Returns the version that an alias points to.
    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError>;

    /// Points an alias to a version, on condition that it still points to `expected`.
    ///
    /// # Errors
    /// [`RegistryError::AliasMoved`] where it does not; nothing is changed then.
    async fn move_alias(
        &self,
        alias: Alias,
        expected: Option<Version>,
        to: Version,
    ) -> Result<(), RegistryError>;
}

/// Makes the version `to` champion, on condition that `from` still is, and `from` the previous one.
///
/// Done a second time it finishes what the first time left open and changes nothing else.
///
/// # Errors
/// [`RegistryError::AliasMoved`] when the champion is neither of the two.
pub async fn change_champion(
    registry: &dyn Registry,
    from: Version,
    to: Version,
) -> Result<(), RegistryError> {
    match registry.move_alias(Alias::Champion, Some(from), to).await {
        // An earlier try moved the alias and ended before it could say so.
        Err(RegistryError::AliasMoved {
            found: Some(found), ..
        }) if found == to => {}
        moved => moved?,
    }
    let previous = registry.alias(Alias::Previous).await?;
    if previous == Some(from) {
        Ok(())
    } else {
        registry.move_alias(Alias::Previous, previous, from).await
    }
}

/// A training run and the model that came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The name, derived from what caused the run.
    pub name: RunName,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The tags of the training strategy.
    pub tags: BTreeMap<String, String>,
    /// The settings of the training.
    pub params: BTreeMap<String, String>,
    /// What was measured; errors in bicycles an hour.
    pub metrics: BTreeMap<String, f64>,
    /// The folder of the model's files in the store.
    pub artifacts: ObjectPath,
    /// The data sets that it was trained and scored on, in the order of their names.
    #[serde(default)]
    pub inputs: Vec<RunInput>,
}

impl Run {
    /// Makes a run of which nothing is known yet but its name and time; its files are where its name says.
    pub fn new(name: RunName, ended_at: Timestamp) -> Self {
        Self {
            artifacts: name.artifacts(),
            name,
            ended_at,
            tags: BTreeMap::new(),
            params: BTreeMap::new(),
            metrics: BTreeMap::new(),
            inputs: Vec::new(),
        }
    }
}

/// A data set that a run has used, shaped after MLflow's dataset inputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunInput {
    /// The data set's name.
    pub name: DataSetName,
    /// Half of its checksum, which is as much as MLflow keeps.
    pub digest: String,
    /// The address of the counts.
    pub source: String,
}

impl RunInput {
    /// Refers to a data set that is kept in a store.
    pub fn new(data: &DataSet, store: &dyn Store) -> Self {
        Self {
            name: data.name.clone(),
            digest: data.sha256.short(32).to_owned(),
            source: store.address_of(&data.name.object()),
        }
    }
}

/// A registered version of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Its number, from 1.
    pub version: Version,
    /// The run it came of.
    pub run: Run,
}

/// The number of a version of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u32);

impl Version {
    /// Wraps the registry's number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of a run: `fine-tune-2021-W30`. Lowercase letters, digits, `-`, `.` and `_`, at most 100, also a folder's
/// name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

impl RunName {
    /// Returns the folder in which the run keeps its model.
    pub fn artifacts(&self) -> ObjectPath {
        let text = format!("models/bike-traffic/{}", self.0);
        text.parse()
            .unwrap_or_else(|_| unreachable!("{text} is made of valid segments"))
    }
}

impl FromStr for RunName {
    type Err = RunNameError;

    fn from_str(text: &str) -> Result<Self, RunNameError> {
        let is_valid =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
        if text.len() <= 100
            && text.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && text.chars().all(is_valid)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(RunNameError {
            text: text.chars().take(120).collect(),
        })
    }
}

impl TryFrom<String> for RunName {
    type Error = RunNameError;

    fn try_from(text: String) -> Result<Self, RunNameError> {
        text.parse()
    }
}

impl From<RunName> for String {
    fn from(name: RunName) -> Self {
        name.0
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no name of a run.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no name of a run: letters, digits, `-`, `.` and `_`, at most 100")]
pub struct RunNameError {
    text: String,
}

/// A name that points to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alias {
    /// The version that forecasts.
    Champion,
    /// The version trained last, not yet champion.
    Challenger,
    /// The champion before the last promotion.
    Previous,
}

impl fmt::Display for Alias {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Champion => "champion",
            Self::Challenger => "challenger",
            Self::Previous => "previous",
        })
    }
}

/// What a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no such version.
    #[error("there is no version {version} of the model {MODEL}")]
    NotFound {
        /// The version.
        version: Version,
    },
    /// Somebody else was faster: read again and decide again.
    #[error("the alias `{alias}` points to {found}, not to {expected}", found = shown(*.found), expected = shown(*.expected))]
    AliasMoved {
        /// The alias.
        alias: Alias,
        /// What it should have pointed to.
        expected: Option<Version>,
        /// What it points to.
        found: Option<Version>,
    },
    /// The service or disk does not do it at present.
    #[error("cannot {verb} in the registry")]
    Unavailable {
        /// What was attempted.
        verb: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn shown(version: Option<Version>) -> String {
    version.map_or_else(
        || "no version".to_owned(),
        |version| format!("version {version}"),
    )
}
