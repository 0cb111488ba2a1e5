//! The ancestors of the versions in use: from the baseline to the champion and its challengers.

use shared::{
    audit::AuditRow,
    event::Function,
    registry::{ModelVersion, Version},
};

/// A version with its origin and its fate.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRecord {
    /// The version.
    pub version: Version,
    /// The training run.
    pub run: String,
    /// The version that it was fine-tuned from; `None` for a champion that was trained.
    pub base: Option<Version>,
    /// The strategy of the fine-tuning, or the kind of training.
    pub trained_as: String,
    /// The training data set of a trained champion.
    pub baseline: Option<String>,
    /// The mean absolute error on the fixed test set, in bicycles per hour.
    pub test_mae: Option<f64>,
    /// The last decision about the version.
    pub decision: Option<String>,
    /// The number of days of the month whose forecasts it made.
    pub days: usize,
}

impl VersionRecord {
    pub(super) fn of(version: &ModelVersion, rows: &[AuditRow], days: usize) -> Self {
        let run = &version.run;
        let tag = |name: &str| run.tags.get(name);
        let decided = rows
            .iter()
            .filter(|row| row.function == Function::Promote && is_about(row, version.version))
            .max_by_key(|row| row.timestamp);
        let baseline = run.inputs.iter().map(|input| input.name.to_string());
        Self {
            version: version.version,
            run: run.name.to_string(),
            base: tag("base_model").and_then(|base| base_version(base)),
            trained_as: tag("strategy")
                .or_else(|| tag("training_type"))
                .cloned()
                .unwrap_or_default(),
            baseline: baseline.into_iter().find(|name| name.starts_with("train-")),
            test_mae: run.metrics.get("test_mae").copied(),
            decision: decided.map(|row| row.entry.decision.clone()),
            days,
        }
    }
}

/// Returns `true` for a decision that a version was considered in, or became champion by.
fn is_about(row: &AuditRow, version: Version) -> bool {
    let entry = &row.entry;
    entry.challenger_version == Some(version)
        || entry.decision != "kept" && entry.champion_version == Some(version)
}

/// Parses the base of a fine-tuned version, written `3` or `champion_v3`.
fn base_version(text: &str) -> Option<Version> {
    let digits = text.strip_prefix("champion_v").unwrap_or(text);
    digits.parse().ok().map(Version::new)
}

/// Returns the records from a version back to the one it was trained from first, in this order
/// reversed: the oldest first.
pub fn ancestors(records: &[VersionRecord], of: Version) -> Vec<&VersionRecord> {
    let mut line: Vec<&VersionRecord> = Vec::new();
    let mut next = Some(of);
    while let Some(version) = next {
        let found = records.iter().find(|record| record.version == version);
        let Some(record) =
            found.filter(|record| !line.iter().any(|known| known.version == record.version))
        else {
            break;
        };
        line.push(record);
        next = record.base;
    }
    line.reverse();
    line
}
