//! The wire types of MLflow's REST API, limited to the fields in use. The server omits empty lists.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Alias, MlflowError, Version};

/// The tag with the run's name; versions are searched by it.
pub(super) const RUN_TAG: &str = "bike_traffic.run";
/// The name of the view of the runs with the columns that matter.
pub(super) const SHARED_VIEW: &str = "weeks";
/// The maximum length of a tag; MLflow silently truncates longer values.
pub(super) const TAG_CHARACTERS: usize = 8000;
/// The error code if an entity does not exist.
pub(super) const MISSING: &str = "RESOURCE_DOES_NOT_EXIST";
/// The error code if an entity already exists.
pub(super) const EXISTS: &str = "RESOURCE_ALREADY_EXISTS";
/// The error code of an invalid parameter.
pub(super) const INVALID: &str = "INVALID_PARAMETER_VALUE";

/// A response without fields in use.
#[derive(Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
pub(super) struct Error {
    pub(super) error_code: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct ExperimentResponse {
    pub(super) experiment: Experiment,
}

#[derive(Deserialize)]
pub(super) struct Experiment {
    pub(super) experiment_id: String,
}

#[derive(Deserialize)]
pub(super) struct ModelResponse {
    pub(super) registered_model: RegisteredModel,
}

#[derive(Deserialize)]
pub(super) struct RegisteredModel {
    #[serde(default)]
    aliases: Vec<ModelAlias>,
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

impl RegisteredModel {
    /// Returns the version that an alias points to.
    ///
    /// # Errors
    /// Returns an error if its number is not a 32-bit integer.
    pub(super) fn alias(&self, alias: Alias) -> Result<Option<Version>, MlflowError> {
        let name = alias.to_string();
        let found = self.aliases.iter().find(|known| known.alias == name);
        found.map(|known| number(&known.version)).transpose()
    }
}

#[derive(Deserialize)]
struct ModelAlias {
    alias: String,
    version: String,
}

#[derive(Deserialize)]
pub(super) struct VersionResponse {
    pub(super) model_version: ModelVersion,
}

#[derive(Deserialize)]
pub(super) struct VersionPage {
    #[serde(default)]
    pub(super) model_versions: Vec<ModelVersion>,
    #[serde(default)]
    pub(super) next_page_token: String,
}

#[derive(Deserialize)]
pub(super) struct ModelVersion {
    pub(super) version: String,
    #[serde(default)]
    pub(super) run_id: String,
    #[serde(default)]
    pub(super) source: String,
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

impl ModelVersion {
    /// Returns the id of the logged model. Versions of earlier program versions have none.
    pub(super) fn logged_model(&self) -> Option<&str> {
        self.source.strip_prefix("models:/")
    }

    /// Returns the version number.
    ///
    /// # Errors
    /// Returns an error if it is not a 32-bit integer.
    pub(super) fn number(&self) -> Result<Version, MlflowError> {
        number(&self.version)
    }

    /// Returns `true` if bike-traffic registered the version.
    pub(super) fn is_ours(&self) -> bool {
        self.tags.iter().any(|tag| tag.key == RUN_TAG)
    }
}

fn number(text: &str) -> Result<Version, MlflowError> {
    text.parse()
        .map(Version::new)
        .map_err(|_| MlflowError::Number {
            text: text.to_owned(),
        })
}

#[derive(Deserialize)]
pub(super) struct RunResponse {
    pub(super) run: Run,
}

#[derive(Deserialize)]
pub(super) struct RunPage {
    #[serde(default)]
    pub(super) runs: Vec<Run>,
}

#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) info: RunInfo,
    #[serde(default)]
    pub(super) data: RunData,
    #[serde(default)]
    pub(super) inputs: RunInputs,
    #[serde(default)]
    pub(super) outputs: RunOutputs,
}

#[derive(Deserialize)]
pub(super) struct RunInfo {
    pub(super) run_id: String,
    #[serde(default)]
    pub(super) artifact_uri: String,
    /// The start in milliseconds since 1970.
    #[serde(default)]
    pub(super) start_time: i64,
}

#[derive(Default, Deserialize)]
pub(super) struct RunData {
    #[serde(default)]
    pub(super) params: Vec<Text>,
    #[serde(default)]
    pub(super) metrics: Vec<Metric>,
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

#[derive(Default, Deserialize)]
pub(super) struct RunInputs {
    #[serde(default)]
    pub(super) dataset_inputs: Vec<DatasetInput>,
}

#[derive(Default, Deserialize)]
pub(super) struct RunOutputs {
    #[serde(default)]
    pub(super) model_outputs: Vec<ModelOutput>,
}

#[derive(Deserialize)]
pub(super) struct ModelOutput {
    pub(super) model_id: String,
}

#[derive(Deserialize)]
pub(super) struct LoggedModelResponse {
    pub(super) model: LoggedModel,
}

#[derive(Deserialize)]
pub(super) struct LoggedModelPage {
    #[serde(default)]
    pub(super) models: Vec<LoggedModel>,
}

#[derive(Deserialize)]
pub(super) struct LoggedModel {
    pub(super) info: LoggedModelInfo,
}

#[derive(Deserialize)]
pub(super) struct LoggedModelInfo {
    pub(super) model_id: String,
    pub(super) artifact_uri: String,
}

/// A data set of a run, with its role in the tags.
#[derive(Deserialize, Serialize)]
pub(super) struct DatasetInput {
    pub(super) tags: Vec<Text>,
    pub(super) dataset: Dataset,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Dataset {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) source_type: String,
    pub(super) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
    /// A flat JSON object, of which the user interface shows each key in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<String>,
}

/// A tag or a parameter.
#[derive(PartialEq, Deserialize, Serialize)]
pub(super) struct Text {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct Metric {
    pub(super) key: String,
    value: Box<RawValue>,
}

impl Metric {
    /// Returns the exact value, which serde_json's own numbers may round. Returns `None` for
    /// `"NaN"` and `"Infinity"`.
    pub(super) fn value(&self) -> Option<f64> {
        self.value.get().parse().ok()
    }
}
