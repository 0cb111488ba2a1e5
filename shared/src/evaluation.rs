//! The stored evaluation of a challenger: written by `evaluate`, read by `promote`.

use std::fmt;

use forecasting::{
    coverage::Coverage,
    policy::{Comparison, Verdicts},
    time::Week,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{address::ObjectPath, baseline::DataSetName, program::Program, registry::Version};

/// The folder of the evaluations.
pub const FOLDER: &str = "evaluations/";

/// The comparison of the champion and a challenger on the same rows, stored at
/// `evaluations/WEEK.json`, or `evaluations/WEEK@INSTANT.json` if the week was judged again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The week whose drift triggered the fine-tuning.
    pub week: Week,
    /// The champion that was scored.
    pub champion: Version,
    /// The challenger that was scored.
    pub challenger: Version,
    /// The number of changes of the alias `champion` before the comparison. A later change makes
    /// the evaluation stale. Evaluations of earlier program versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion_changes: Option<u64>,
    /// The scores of both models.
    pub comparison: Comparison,
    /// The days, hours and counters of the fresh holdout. Evaluations written before this field
    /// existed have none.
    #[serde(default)]
    pub fresh_coverage: Option<Coverage>,
    /// The fixed test set. Evaluations written before this field existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_test_set: Option<DataSetName>,
    /// The number of evaluations on this fixed test set up to this one. The more decisions a test
    /// set has made, the less its scores say about other data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_test_uses: Option<u32>,
    /// The publish time of the event that started the evaluation. Evaluations written before this
    /// field existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The program that made the evaluation. Evaluations written before this field existed have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// The verdict of each policy, with the thresholds at the time of the evaluation.
    pub verdicts: Verdicts,
}

impl Evaluation {
    /// Returns the path of the evaluation of a week, or of the
    /// [subject](crate::event::EventId::subject_of_week) of its events.
    pub fn path(subject: impl fmt::Display) -> ObjectPath {
        ObjectPath::new(format_args!("{FOLDER}{subject}.json"))
    }
}
