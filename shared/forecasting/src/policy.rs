//! The parameters of the training strategy, and the decisions based on them.

mod comparison;
mod verdict;

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use comparison::{Comparison, FreshComparison, ScorePair};
pub use verdict::{Verdict, Verdicts};

use crate::{features, metrics, time::Week};

/// The parameters of the training strategy.
///
/// The setting `POLICY` overrides defaults with a JSON object of the changed fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The columns that are compared with the fixed test set. By default, these are the count and
    /// all features except those of the calendar.
    pub drift_columns: Vec<String>,
    /// The share of drifted columns at which the data set has drifted, at most 1.
    pub drift_share: f64,
    /// The relative excess of the live MAE over the champion's MAE on the fixed test set that
    /// triggers fine-tuning: 0.10 for 10 %.
    pub live_mae_tolerance: f64,
    /// The relative excess of the live MAE that is major drift, on which someone should retrain the
    /// champion.
    pub live_mae_major: f64,
    /// The number of days after the end of a week during which its judgement waits for missing
    /// days.
    pub judge_after_days: i32,
    /// The number of days of fine-tuning, including the fresh holdout.
    pub fine_tune_days: i32,
    /// The number of the last of these days that form the fresh holdout. They are excluded from
    /// training.
    pub fresh_holdout_days: i32,
    /// The minimum number of days of training data for fine-tuning. At most `fine_tune_days` less
    /// `fresh_holdout_days`.
    pub fine_tune_minimum_days: usize,
    /// The rule that decides on promotion.
    pub promotion: PromotionRule,
    /// `fixed-test`: the required relative improvement of the challenger's MAE on the fixed test
    /// set.
    pub fixed_test_improvement: f64,
    /// `guarded`: the required probability that the challenger is better as served on the fresh
    /// holdout.
    pub fresh_probability: f64,
    /// `guarded`: the required relative improvement of the challenger's MAE as served on the fresh
    /// holdout.
    pub fresh_improvement: f64,
    /// `guarded`: the tolerated relative worsening of the challenger's MAE on the fixed test set.
    pub fixed_test_tolerance: f64,
    /// `guarded`: the share of all counts above which a counter is large. The errors of large
    /// counters are compared one by one.
    pub counter_share: f64,
    /// `guarded`: the tolerated relative worsening of the challenger's MAE at a large counter, as
    /// served on the fresh holdout.
    pub counter_tolerance: f64,
}

impl Default for Policy {
    fn default() -> Self {
        let calendar = [
            "weekday",
            "holiday",
            "holiday_day_before",
            "holiday_week_before",
        ];
        let inputs = features::COLUMNS
            .into_iter()
            .filter(|column| !calendar.contains(column));
        Self {
            drift_columns: std::iter::once(features::TARGET)
                .chain(inputs)
                .map(str::to_owned)
                .collect(),
            drift_share: 0.5,
            live_mae_tolerance: 0.10,
            live_mae_major: 0.30,
            judge_after_days: 2,
            fine_tune_days: 30,
            fresh_holdout_days: 7,
            fine_tune_minimum_days: 7,
            promotion: PromotionRule::FixedTest,
            fixed_test_improvement: 0.05,
            fresh_probability: 0.9,
            fresh_improvement: 0.01,
            fixed_test_tolerance: 0.02,
            counter_share: 0.03,
            counter_tolerance: 0.15,
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    /// Parses a JSON object of the fields that differ from the default, and validates the result.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_json::from_str(text).map_err(PolicyError::Json)?;
        policy.validate()?;
        policy.validate_guard()?;
        Ok(policy)
    }
}

impl Policy {
    fn validate(&self) -> Result<(), PolicyError> {
        let is_known = |column: &String| {
            column == features::TARGET || features::COLUMNS.contains(&column.as_str())
        };
        if let Some(column) = self.drift_columns.iter().find(|column| !is_known(column)) {
            return Err(PolicyError::Invalid(format!(
                "there is no column `{column}` in drift_columns; the columns are {}, {}",
                features::TARGET,
                features::COLUMNS.join(", ")
            )));
        }
        if let Some((name, share)) = self
            .shares()
            .into_iter()
            .find(|(_, share)| !(0.0..=10.0).contains(share))
        {
            return Err(PolicyError::Invalid(format!(
                "{name} is {share}, but must be from 0 to 10"
            )));
        }
        // The fresh holdout is excluded from training.
        let training_days = self.fine_tune_days.saturating_sub(self.fresh_holdout_days);
        let rules = [
            (self.drift_columns.is_empty(), "drift_columns is empty"),
            (
                self.drift_share > 1.0,
                "drift_share is above 1, so no week could drift",
            ),
            (
                self.live_mae_major < self.live_mae_tolerance,
                "live_mae_major is below live_mae_tolerance",
            ),
            (
                !(0..=6).contains(&self.judge_after_days),
                "judge_after_days must be from 0 to 6, because the next week is judged after seven days",
            ),
            (
                self.fresh_holdout_days < 2,
                "fresh_holdout_days is below 2, the minimum for the bootstrap",
            ),
            (
                self.fine_tune_days <= self.fresh_holdout_days,
                "fine_tune_days is not above fresh_holdout_days, so no day is left for training",
            ),
            (
                self.fine_tune_minimum_days > usize::try_from(training_days).unwrap_or(0),
                "fine_tune_minimum_days is above fine_tune_days less fresh_holdout_days, so no week could be fine-tuned",
            ),
        ];
        let violated = rules.into_iter().find(|(is_violated, _)| *is_violated);
        violated.map_or(Ok(()), |(_, reason)| {
            Err(PolicyError::Invalid(reason.to_owned()))
        })
    }

    /// Returns the parameters that are shares, with their names.
    const fn shares(&self) -> [(&'static str, f64); 6] {
        [
            ("drift_share", self.drift_share),
            ("live_mae_tolerance", self.live_mae_tolerance),
            ("live_mae_major", self.live_mae_major),
            ("fixed_test_improvement", self.fixed_test_improvement),
            ("fresh_improvement", self.fresh_improvement),
            ("fixed_test_tolerance", self.fixed_test_tolerance),
        ]
    }

    /// Validates the parameters that only `guarded` has.
    fn validate_guard(&self) -> Result<(), PolicyError> {
        let ranges = [
            ("fresh_probability", self.fresh_probability, 1.0),
            ("counter_share", self.counter_share, 1.0),
            ("counter_tolerance", self.counter_tolerance, 10.0),
        ];
        let violated = ranges
            .into_iter()
            .find(|(_, value, highest)| !(0.0..=*highest).contains(value));
        violated.map_or(Ok(()), |(name, value, highest)| {
            Err(PolicyError::Invalid(format!(
                "{name} is {value}, but must be from 0 to {highest}"
            )))
        })
    }

    /// Returns the instant from which a week is judged even if counts are missing. By default, this
    /// is the start of the next Wednesday in Paris.
    pub fn deadline(&self, week: Week) -> Timestamp {
        week.last_day()
            .plus(self.judge_after_days.saturating_add(1))
            .at(0)
    }

    /// Judges a week by its share of drifted columns and by the champion's live error.
    ///
    /// `drifted_share` is `None` if no column can be compared; then only the live error decides.
    /// `live` is `None` if the week has no forecasts to compare with counts.
    pub fn judge_week(&self, drifted_share: Option<f64>, live: Option<LiveError>) -> WeekVerdict {
        let dataset_drift = drifted_share.is_some_and(|share| share >= self.drift_share);
        let limits = live.map(|live| self.live_limits(live));
        let is_above = |limit: fn(&LiveLimits) -> f64| {
            let pair = live.zip(limits);
            pair.is_some_and(|(live, limits)| live.mae > limit(&limits))
        };
        let (worse, major) = (
            is_above(|limits| limits.alarm),
            is_above(|limits| limits.major),
        );
        let drift = match drifted_share {
            Some(share) => format!(
                "{:.0} % of the columns drifted (alarm from {:.0} %)",
                share * 100.0,
                self.drift_share * 100.0
            ),
            None => "judged by the live error only: no column has values on both sides".to_owned(),
        };
        let error = match live.zip(limits) {
            Some((LiveError { mae, test_mae }, limits)) => format!(
                "live MAE {mae:.1} is {} the champion's {test_mae:.1} on the fixed test set (alarm from {:.1}, major drift from {:.1})",
                verdict::relation(metrics::improvement(test_mae, mae)),
                limits.alarm,
                limits.major
            ),
            None => "no forecasts to compare with counts".to_owned(),
        };
        WeekVerdict {
            dataset_drift,
            fine_tune: dataset_drift || worse,
            major,
            reason: format!("{drift}; {error}"),
            live_mae_limits: limits,
        }
    }

    /// Returns the limits of the live MAE of a champion.
    fn live_limits(&self, live: LiveError) -> LiveLimits {
        LiveLimits {
            alarm: live.test_mae * (1.0 + self.live_mae_tolerance),
            major: live.test_mae * (1.0 + self.live_mae_major),
        }
    }
}

/// The rule that decides on promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionRule {
    /// Promotes a challenger whose MAE on the fixed test set is lower by a given share.
    FixedTest,
    /// Promotes a challenger that is probably better as served on the fresh holdout, if neither the
    /// fixed test set nor a large counter speaks against it.
    Guarded,
}

impl PromotionRule {
    /// Returns the other rule.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::FixedTest => Self::Guarded,
            Self::Guarded => Self::FixedTest,
        }
    }
}

impl fmt::Display for PromotionRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FixedTest => "fixed-test",
            Self::Guarded => "guarded",
        })
    }
}

/// The champion's live error and the error it is compared with, in bicycles per hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveError {
    /// The mean absolute error of the week's stored forecasts.
    pub mae: f64,
    /// The mean absolute error on the fixed test set.
    pub test_mae: f64,
}

/// The limits of a week's live MAE, in bicycles per hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveLimits {
    /// The MAE above which the champion is fine-tuned.
    pub alarm: f64,
    /// The MAE above which the drift is major.
    pub major: f64,
}

/// The verdict on a week, returned by [`Policy::judge_week`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeekVerdict {
    /// `true` if the data set has drifted.
    pub dataset_drift: bool,
    /// `true` if the champion should be fine-tuned, because of drift or of its live error.
    pub fine_tune: bool,
    /// `true` if the live error is so high that someone should retrain the champion.
    pub major: bool,
    /// The reason, with metrics and limits.
    pub reason: String,
    /// The limits of the live MAE; `None` without forecasts to compare with counts. Verdicts
    /// written before this field existed have none.
    #[serde(default)]
    pub live_mae_limits: Option<LiveLimits>,
}

/// The error for an unusable policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The text is not valid JSON, or has an unknown field or a wrong type.
    #[error("cannot parse the policy: {0}")]
    Json(serde_json::Error),
    /// A value is out of range or contradicts another value.
    #[error("invalid policy: {0}")]
    Invalid(String),
}

#[cfg(test)]
mod tests;
