//! The mapping between a [`Run`] and MLflow; it is lossless in both directions.
//!
//! Parameters and metrics are those of the MLflow run. The tags of the training strategy are set on
//! the run and on the model version, where users see them. Three further tags have the run's name,
//! the exact time of its end, and the folder of its files. A version is created together with its
//! tags, so these tags are always present.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    baseline::Role,
    registry::{RunInput, RunNotes},
};

use super::{MlflowError, ModelVersion, Run, Version, notes, wire};

/// The tag from which MLflow's user interface reads the role of a data set.
const CONTEXT_TAG: &str = "mlflow.data.context";
const ENDED_AT_TAG: &str = "bike_traffic.ended_at";
const ARTIFACTS_TAG: &str = "bike_traffic.artifacts";
/// Prefixes that tags of the training strategy must not have.
const RESERVED_PREFIXES: [&str; 2] = ["bike_traffic.", "mlflow."];
/// The type of each column of a data set.
const COLUMNS: [(&str, &str, bool); 5] = [
    ("string", "Identifiant du compteur", false),
    ("string", "Nom du compteur", true),
    ("long", "Comptage horaire", true),
    ("datetime", "Date et heure de comptage", true),
    ("string", "Coordonnées géographiques", false),
];

/// The maximum length of a parameter; MLflow silently truncates longer values.
const PARAM_CHARACTERS: usize = 6000;

/// The data that MLflow stores with the run but not with the version.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RunDetails {
    params: BTreeMap<String, String>,
    metrics: BTreeMap<String, f64>,
    inputs: Vec<RunInput>,
    /// The description of the model, in Markdown.
    pub(super) description: String,
}

impl RunDetails {
    /// Reads the data of a run.
    pub(super) fn of(run: wire::Run) -> Self {
        let metrics = run.data.metrics.into_iter();
        let description = texts(run.data.tags).remove(notes::DESCRIPTION_TAG);
        Self {
            params: texts(run.data.params),
            metrics: metrics
                .filter(|metric| !metric.key.starts_with(notes::CURVE_PREFIX))
                .filter_map(|metric| metric.value().map(|value| (metric.key, value)))
                .collect(),
            inputs: read_inputs(&run.inputs),
            description: description.unwrap_or_default(),
        }
    }
}

/// Returns the data sets of a run in MLflow's format.
pub(super) fn inputs(run: &Run) -> Vec<wire::DatasetInput> {
    let input = |input: &RunInput| wire::DatasetInput {
        tags: vec![wire::Text {
            key: CONTEXT_TAG.to_owned(),
            value: context(input.name.role()).to_owned(),
        }],
        dataset: wire::Dataset {
            name: input.name.to_string(),
            digest: input.digest.clone(),
            source_type: source_type(&input.source).to_owned(),
            source: json!({ "uri": input.source }).to_string(),
            schema: Some(schema()),
            profile: (!input.profile.is_empty()).then(|| json!(input.profile).to_string()),
        },
    };
    run.inputs.iter().map(input).collect()
}

fn source_type(address: &str) -> &'static str {
    if address.starts_with("gs://") {
        "gs"
    } else {
        "local"
    }
}

/// Returns the columns of a data set in MLflow's format.
fn schema() -> String {
    let column = |(kind, name, required): (&str, &str, bool)| json!({ "type": kind, "name": name, "required": required });
    json!({ "mlflow_colspec": COLUMNS.map(column) }).to_string()
}

/// Reads the data sets of a run and skips malformed ones, which users may have added by hand.
fn read_inputs(inputs: &wire::RunInputs) -> Vec<RunInput> {
    let read = |wire::DatasetInput { dataset, .. }: &wire::DatasetInput| {
        let source: Value = serde_json::from_str(&dataset.source).ok()?;
        Some(RunInput {
            name: dataset.name.parse().ok()?,
            digest: dataset.digest.clone(),
            source: source.get("uri")?.as_str()?.to_owned(),
            profile: dataset
                .profile
                .as_deref()
                .and_then(|profile| serde_json::from_str(profile).ok())
                .unwrap_or_default(),
        })
    };
    let mut read: Vec<_> = inputs.dataset_inputs.iter().filter_map(read).collect();
    // MLflow returns them in unspecified order.
    read.sort_unstable();
    read
}

const fn context(role: Role) -> &'static str {
    match role {
        Role::Train => "training",
        Role::Test => "evaluation",
    }
}

/// Checks that MLflow stores the run without loss.
///
/// Constraints that MLflow reports itself, such as invalid characters in a name, are not checked.
pub(super) fn check(run: &Run) -> Result<(), MlflowError> {
    let unsupported = |reason| {
        Err(MlflowError::Unsupported {
            run: run.name.clone(),
            reason,
        })
    };
    let too_long = |texts: &BTreeMap<String, String>, limit| {
        texts
            .iter()
            .find(|(_, text)| text.chars().count() > limit)
            .map(|(name, _)| name.clone())
    };
    if let Some(name) = too_long(&run.params, PARAM_CHARACTERS) {
        return unsupported(format!(
            "the parameter `{name}` has more than {PARAM_CHARACTERS} characters"
        ));
    }
    if let Some(name) = too_long(&run.tags, wire::TAG_CHARACTERS) {
        return unsupported(format!(
            "the tag `{name}` has more than {} characters",
            wire::TAG_CHARACTERS
        ));
    }
    if let Some(name) = run.tags.keys().find(|name| is_reserved(name)) {
        return unsupported(format!("the tag name `{name}` is reserved"));
    }
    if let Some((name, value)) = run.metrics.iter().find(|(_, value)| !value.is_finite()) {
        return unsupported(format!("the metric `{name}` is {value}"));
    }
    if let Some(name) = run
        .metrics
        .keys()
        .find(|name| name.starts_with(notes::CURVE_PREFIX))
    {
        return unsupported(format!("the metric name `{name}` is reserved"));
    }
    Ok(())
}

/// Returns the tags of a run and of its version.
pub(super) fn tags(run: &Run) -> Vec<wire::Text> {
    let own = [
        (wire::RUN_TAG, run.name.to_string()),
        (ENDED_AT_TAG, run.ended_at.to_string()),
        (ARTIFACTS_TAG, run.artifacts.to_string()),
    ];
    let own = own.map(|(key, value)| wire::Text {
        key: key.to_owned(),
        value,
    });
    own.into_iter().chain(pairs(&run.tags)).collect()
}

/// Returns parameters or tags in MLflow's format.
pub(super) fn pairs(texts: &BTreeMap<String, String>) -> impl Iterator<Item = wire::Text> {
    texts.iter().map(|(key, value)| wire::Text {
        key: key.clone(),
        value: value.clone(),
    })
}

/// Returns `true` if the MLflow run contains nothing but data of `run`.
///
/// Such a run is left by an interrupted registration and can be completed, although MLflow
/// parameters are immutable and metrics cannot be deleted. Tags of the same names are overwritten:
/// another attempt has another end, and perhaps another program version.
pub(super) fn is_part(data: &wire::RunData, run: &Run) -> bool {
    let wanted = tags(run);
    let is_param = |param: &wire::Text| run.params.get(&param.key) == Some(&param.value);
    let is_metric = |metric: &wire::Metric| match metric.key.strip_prefix(notes::CURVE_PREFIX) {
        Some(curve) => run.notes.curves.contains_key(curve),
        None => metric
            .value()
            .is_some_and(|value| run.metrics.get(&metric.key) == Some(&value)),
    };
    let is_tag = |tag: &wire::Text| match tag.key.as_str() {
        wire::RUN_TAG => tag.value == run.name.to_string(),
        key => key.starts_with("mlflow.") || wanted.iter().any(|wanted| wanted.key == key),
    };
    data.params.iter().all(is_param)
        && data.metrics.iter().all(is_metric)
        && data.tags.iter().all(is_tag)
}

/// Builds a version from MLflow's version and the data of its run.
pub(super) fn version(
    listed: wire::ModelVersion,
    details: &RunDetails,
) -> Result<ModelVersion, MlflowError> {
    let version = listed.number()?;
    let mut tags = texts(listed.tags);
    let name = remove_tag(&mut tags, version, wire::RUN_TAG)?;
    let ended_at = remove_tag(&mut tags, version, ENDED_AT_TAG)?;
    let artifacts = remove_tag(&mut tags, version, ARTIFACTS_TAG)?;
    let decision = notes::remove_decision(&mut tags);
    tags.retain(|name, _| !is_reserved(name));
    let RunDetails {
        params,
        metrics,
        inputs,
        description: _,
    } = details;
    Ok(ModelVersion {
        decision,
        version,
        run: Run {
            name,
            ended_at,
            tags,
            params: params.clone(),
            metrics: metrics.clone(),
            artifacts,
            inputs: inputs.clone(),
            notes: RunNotes::default(),
        },
    })
}

fn remove_tag<T>(
    tags: &mut BTreeMap<String, String>,
    version: Version,
    name: &str,
) -> Result<T, MlflowError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let foreign = |reason| MlflowError::Foreign { version, reason };
    let text = tags
        .remove(name)
        .ok_or_else(|| foreign(format!("it has no tag `{name}`")))?;
    text.parse()
        .map_err(|error: T::Err| foreign(format!("cannot parse its tag `{name}`: {error}")))
}

fn is_reserved(tag: &str) -> bool {
    RESERVED_PREFIXES
        .iter()
        .any(|prefix| tag.starts_with(prefix))
        || notes::is_decision(tag)
}

fn texts(pairs: Vec<wire::Text>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect()
}
