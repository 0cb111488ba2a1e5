//! The audit log: one row per event and function, with the decision and its reason.

use forecasting::metrics::Scores;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    event::{EventId, Function},
    program::Program,
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
    /// The mean absolute error in bicycles per hour, if it was measured. In a decision about the
    /// champion, it is that of the champion after the decision, as are `rmse` and `r2`.
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
    /// Further facts, as JSON. [`AuditEntry::made_by`] adds the program and the start of the work;
    /// rows of earlier versions do not have them.
    pub detail: Value,
    /// The decision in the strategy's words. Rows written before this column existed have none.
    #[serde(default)]
    pub strategy_decision: Option<StrategyDecision>,
    /// The challenger's mean absolute error in a decision about the champion, where `mae` is the
    /// champion's.
    #[serde(default)]
    pub challenger_mae: Option<f64>,
}

/// A decision about the champion, in the words of the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyDecision {
    /// A version became champion, because it is better than the previous one or the first one.
    ChampionPromoted,
    /// The champion was compared and kept.
    ChampionKept,
}

impl StrategyDecision {
    /// Returns the strategy's words for a decision; `None` for a rollback.
    fn of(decision: &str) -> Option<Self> {
        match decision {
            "promoted" | "trained" | "retrained" => Some(Self::ChampionPromoted),
            "kept" => Some(Self::ChampionKept),
            _ => None,
        }
    }
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

    /// Adds the fields `program` and `started_at` to the details. Details that are neither absent
    /// nor a JSON object stay as they are.
    #[must_use]
    pub fn made_by(mut self, program: &Program, started_at: Timestamp) -> Self {
        if self.detail.is_null() {
            self.detail = json!({});
        }
        if let Value::Object(detail) = &mut self.detail {
            detail.insert("program".to_owned(), json!(program));
            detail.insert("started_at".to_owned(), json!(started_at));
        }
        self
    }

    /// Returns `true` for a further event about a challenger that is champion already. It decides
    /// nothing: an earlier event or an operator has.
    pub fn is_repetition(&self) -> bool {
        let is_champion = self
            .challenger_version
            .is_some_and(|version| self.champion_version == Some(version));
        self.decision == "kept" && is_champion
    }

    /// Returns `true` for a promotion after which the champion changed again before its row was
    /// written. The later change has a row of its own.
    pub fn is_overtaken(&self) -> bool {
        let is_champion = self.challenger_version == self.champion_version;
        self.decision == "promoted" && self.challenger_version.is_some() && !is_champion
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
    /// The version it was compared with, and its scores on the same rows.
    pub compared: Option<Compared>,
    /// Further facts, as JSON.
    pub detail: Value,
}

/// The scores of a version that a challenger was compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// The version.
    pub version: Version,
    /// Its mean absolute error.
    pub mae: f64,
    /// Its root mean squared error, if known.
    pub rmse: Option<f64>,
    /// Its coefficient of determination, if known.
    pub r2: Option<f64>,
}

impl Compared {
    /// Creates the record of a version with all its scores.
    pub fn new(version: Version, scores: &Scores) -> Self {
        Self {
            version,
            mae: scores.mae,
            rmse: Some(scores.rmse),
            r2: Some(scores.r2),
        }
    }
}

impl ChampionDecision {
    /// Returns the scores of the champion after the decision; `None` if another version than the
    /// compared ones is champion.
    fn champion_scores(&self) -> Option<Compared> {
        let of_challenger = self
            .challenger
            .zip(self.scores)
            .map(|(version, scores)| Compared::new(version, &scores));
        [of_challenger, self.compared]
            .into_iter()
            .flatten()
            .find(|scored| scored.version == self.champion)
    }
}

impl From<ChampionDecision> for AuditEntry {
    fn from(decided: ChampionDecision) -> Self {
        let champion = decided.champion_scores();
        let challenger_mae = decided.scores.map(|scores| scores.mae);
        Self {
            mae: champion.map(|scores| scores.mae),
            rmse: champion.and_then(|scores| scores.rmse),
            r2: champion.and_then(|scores| scores.r2),
            model_improvement: challenger_mae
                .zip(decided.compared)
                .map(|(mae, compared)| 1.0 - mae / compared.mae),
            champion_version: Some(decided.champion),
            challenger_version: decided.challenger,
            detail: decided.detail,
            strategy_decision: StrategyDecision::of(decided.decision),
            challenger_mae,
            ..Self::new(decided.decision, decided.reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(mae: f64) -> Scores {
        // The reversed forecast of two hours has the error of their difference.
        let difference = mae as f32;
        Scores::new(&[difference, 0.0], &[0.0, difference]).unwrap()
    }

    /// Returns the row of a decision between version 1 with MAE 10 and version 2 with MAE 12.
    fn decided(decision: &'static str, champion: u32) -> AuditEntry {
        ChampionDecision {
            decision,
            reason: "a reason".to_owned(),
            champion: Version::new(champion),
            challenger: Some(Version::new(2)),
            scores: Some(scores(12.0)),
            compared: Some(Compared::new(Version::new(1), &scores(10.0))),
            detail: Value::Null,
        }
        .into()
    }

    #[test]
    fn row_has_the_scores_of_the_champion_and_the_mae_of_the_challenger() {
        let kept = decided("kept", 1);
        assert_eq!(
            (kept.mae, kept.rmse, kept.challenger_mae),
            (Some(10.0), Some(10.0), Some(12.0))
        );
        let promoted = decided("promoted", 2);
        assert_eq!(
            (promoted.mae, promoted.rmse, promoted.challenger_mae),
            (Some(12.0), Some(12.0), Some(12.0))
        );
        for entry in [kept, promoted] {
            assert!((entry.model_improvement.unwrap() + 0.2).abs() < 1e-9);
        }
        // Version 3 became champion after the comparison.
        let stale = decided("kept", 3);
        assert_eq!((stale.mae, stale.challenger_mae), (None, Some(12.0)));
    }

    #[test]
    fn kept_champion_that_is_the_challenger_itself_is_a_repetition() {
        assert!(decided("kept", 2).is_repetition());
        assert!(!decided("kept", 1).is_repetition());
        assert!(!decided("promoted", 2).is_repetition());
        assert!(decided("promoted", 1).is_overtaken());
        for entry in [decided("promoted", 2), decided("kept", 1)] {
            assert!(!entry.is_overtaken(), "{entry:?}");
        }
        assert!(!AuditEntry::new("kept", "a reason").is_repetition());
    }

    #[test]
    fn program_and_start_are_added_to_the_details() {
        let program = Program {
            version: "0.1.0".to_owned(),
            commit: None,
        };
        let with = |detail: Value| {
            let entry = AuditEntry {
                detail,
                ..AuditEntry::new("drift", "a reason")
            };
            entry.made_by(&program, Timestamp::UNIX_EPOCH).detail
        };
        let (program, start) = (json!(program), "1970-01-01T00:00:00Z");
        assert_eq!(
            with(json!({ "days": 7 })),
            json!({ "days": 7, "program": program, "started_at": start })
        );
        assert_eq!(
            with(Value::Null),
            json!({ "program": program, "started_at": start })
        );
        assert_eq!(with(json!([7])), json!([7]));
    }

    #[test]
    fn decision_has_the_words_of_the_strategy() {
        for (decision, expected) in [
            ("promoted", Some("champion_promoted")),
            ("trained", Some("champion_promoted")),
            ("retrained", Some("champion_promoted")),
            ("kept", Some("champion_kept")),
            ("rolled-back", None),
        ] {
            let entry = serde_json::to_value(decided(decision, 2)).unwrap();
            assert_eq!(entry["strategy_decision"].as_str(), expected, "{decision}");
        }
    }
}
