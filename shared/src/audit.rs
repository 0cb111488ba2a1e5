//! The audit log: one row per event and function, with the decision and its reason.

use forecasting::metrics::Scores;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    event::{EventId, Function},
    registry::Version,
};

/// A row of `monitoring_audit.logs`, identified by function, event id and decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// The time of the decision.
    pub timestamp: Timestamp,
    /// The function that decided. For an operator's decision, the function whose decision it
    /// replaces.
    pub function: Function,
    /// The event that led to the decision.
    pub event_id: EventId,
    /// The environment, for example `dev` or `prod`.
    pub env: String,
    /// The author of the decision. Rows written before this column existed are those of functions.
    #[serde(default)]
    pub actor: Option<Actor>,
    /// The decision.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// The author of an audit row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// A function, while handling an event.
    Function,
    /// A person, with a command of `bike-traffic`.
    Operator,
}

/// The part of an audit row that its author knows. The runtime adds time, function, event and
/// environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The decision in a word or two, for example `promoted`.
    pub decision: String,
    /// The reason, in a sentence with its numbers.
    pub reason: String,
    /// `true` if the dataset has drifted; absent if that was not checked.
    pub drift_detected: Option<bool>,
    /// The mean absolute error in bicycles per hour, if it was measured.
    pub mae: Option<f64>,
    /// The root mean squared error in bicycles per hour.
    pub rmse: Option<f64>,
    /// The coefficient of determination.
    pub r2: Option<f64>,
    /// `true` if fine-tuning was requested.
    pub fine_tune_triggered: Option<bool>,
    /// `true` if fine-tuning produced a challenger.
    pub fine_tune_success: Option<bool>,
    /// The fraction by which the challenger's MAE on the fixed test set is below the champion's.
    pub model_improvement: Option<f64>,
    /// The error with all its causes.
    pub error_message: Option<String>,
    /// The champion after the decision.
    pub champion_version: Option<Version>,
    /// The challenger.
    pub challenger_version: Option<Version>,
    /// Further facts, as JSON.
    pub detail: serde_json::Value,
}

impl AuditEntry {
    /// Creates an entry from the decision and its reason.
    pub fn new(decision: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            decision: decision.into(),
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// Creates the row of a function.
    pub fn into_row(
        self,
        timestamp: Timestamp,
        function: Function,
        event_id: EventId,
        env: &str,
    ) -> AuditRow {
        AuditRow {
            timestamp,
            function,
            event_id,
            env: env.to_owned(),
            actor: Some(Actor::Function),
            entry: self,
        }
    }
}

impl AuditRow {
    /// Marks the row as an operator's.
    #[must_use]
    pub fn by_operator(self) -> Self {
        Self {
            actor: Some(Actor::Operator),
            ..self
        }
    }
}

/// A decision about the champion, by the function `promote` or by an operator.
///
/// All such decisions have the same columns in the audit log.
#[derive(Clone, Debug)]
pub struct ChampionDecision {
    /// The decision, for example `promoted` or `kept`.
    pub decision: &'static str,
    /// The reason, in a sentence.
    pub reason: String,
    /// The champion after the decision.
    pub champion: Version,
    /// The version that was considered, or replaced in a rollback.
    pub challenger: Option<Version>,
    /// The scores of the considered version on the fixed test set, if it was scored.
    pub scores: Option<Scores>,
    /// The MAE of the version it was compared with, on the same rows.
    pub compared_mae: Option<f64>,
    /// Further facts, as JSON.
    pub detail: serde_json::Value,
}

impl From<ChampionDecision> for AuditEntry {
    fn from(decided: ChampionDecision) -> Self {
        let mae = decided.scores.map(|scores| scores.mae);
        Self {
            mae,
            rmse: decided.scores.map(|scores| scores.rmse),
            r2: decided.scores.map(|scores| scores.r2),
            model_improvement: mae
                .zip(decided.compared_mae)
                .map(|(mae, before)| 1.0 - mae / before),
            champion_version: Some(decided.champion),
            challenger_version: decided.challenger,
            detail: decided.detail,
            ..Self::new(decided.decision, decided.reason)
        }
    }
}
