//! The audit log: one row per event and function, which says what was decided and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    event::{EventId, Function},
    registry::Version,
};

/// A row of `monitoring_audit.logs`. It is identified by function, event id and decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When it was decided.
    pub timestamp: Timestamp,
    /// By which function.
    pub function: Function,
    /// On which event.
    pub event_id: EventId,
    /// What, in a word or two, as in `promoted`.
    pub decision: String,
    /// Why, in a sentence with the figures.
    pub reason: String,
    /// Whether the dataset had drifted, where that was asked.
    pub drift_detected: Option<bool>,
    /// The mean absolute error in bicycles an hour, where one was measured.
    pub mae: Option<f64>,
    /// The root mean squared error in bicycles an hour.
    pub rmse: Option<f64>,
    /// The coefficient of determination.
    pub r2: Option<f64>,
    /// Whether fine-tuning was asked for.
    pub fine_tune_triggered: Option<bool>,
    /// Whether fine-tuning made a challenger.
    pub fine_tune_success: Option<bool>,
    /// The share by which the challenger's error is below the champion's on the fixed test set.
    pub model_improvement: Option<f64>,
    /// The environment, as in `dev` or `prod`.
    pub env: String,
    /// What went wrong, with all causes.
    pub error_message: Option<String>,
    /// The champion at the time.
    pub champion_version: Option<Version>,
    /// The challenger.
    pub challenger_version: Option<Version>,
    /// Everything else that a person may want to know.
    pub detail: serde_json::Value,
}

/// What a handler knows of its audit row; the runtime adds time, function, event and environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditEntry {
    /// See [`AuditRow::decision`].
    pub decision: &'static str,
    /// See [`AuditRow::reason`].
    pub reason: String,
    /// See [`AuditRow::drift_detected`].
    pub drift_detected: Option<bool>,
    /// See [`AuditRow::mae`].
    pub mae: Option<f64>,
    /// See [`AuditRow::rmse`].
    pub rmse: Option<f64>,
    /// See [`AuditRow::r2`].
    pub r2: Option<f64>,
    /// See [`AuditRow::fine_tune_triggered`].
    pub fine_tune_triggered: Option<bool>,
    /// See [`AuditRow::fine_tune_success`].
    pub fine_tune_success: Option<bool>,
    /// See [`AuditRow::model_improvement`].
    pub model_improvement: Option<f64>,
    /// See [`AuditRow::error_message`].
    pub error_message: Option<String>,
    /// See [`AuditRow::champion_version`].
    pub champion_version: Option<Version>,
    /// See [`AuditRow::challenger_version`].
    pub challenger_version: Option<Version>,
    /// See [`AuditRow::detail`].
    pub detail: serde_json::Value,
}

impl AuditEntry {
    /// Begins a entry with what was decided and why.
    pub fn new(decision: &'static str, reason: impl Into<String>) -> Self {
        Self {
            decision,
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// Makes the row.
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
            decision: self.decision.to_owned(),
            reason: self.reason,
            drift_detected: self.drift_detected,
            mae: self.mae,
            rmse: self.rmse,
            r2: self.r2,
            fine_tune_triggered: self.fine_tune_triggered,
            fine_tune_success: self.fine_tune_success,
            model_improvement: self.model_improvement,
            env: env.to_owned(),
            error_message: self.error_message,
            champion_version: self.champion_version,
            challenger_version: self.challenger_version,
            detail: self.detail,
        }
    }
}
