//! The parts of runs and versions that people read in the registry. No program depends on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Facts about a run for people. A registry that shows runs to people shows them; no registry
/// returns them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunNotes {
    /// The description of the model in Markdown. Lists show its first line, which is a sentence.
    pub description: String,
    /// The person or the function that has started the run.
    pub user: Option<String>,
    /// The program that has trained the model.
    pub source: Option<RunSource>,
    /// The curves of the training by name, for example `holdout_sqrt_mae`.
    pub curves: BTreeMap<String, Vec<CurvePoint>>,
}

/// The program that has trained a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunSource {
    /// A command that a person has run, for example `bike-traffic train`.
    Command(String),
    /// A function that runs without a person, for example `fine-tune`.
    Job(String),
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The number of completed rounds.
    pub step: u32,
    /// The value after this round.
    pub value: f64,
}

/// The decision about a version, shown beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionDecision {
    /// The decision, as in the audit log: for example `promoted` or `kept`.
    pub decision: String,
    /// The reason, in a sentence.
    pub reason: String,
    /// The MAE of the version on the fresh holdout, in bicycles per hour, if it was scored there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_mae: Option<f64>,
    /// The address of the page that shows the decision, for a browser. Decisions of earlier program
    /// versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}
