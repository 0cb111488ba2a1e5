//! The parameters of the training strategy, and the decisions based on them.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{features, metrics::Scores, time::Week};

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
    /// `guarded`: the required relative improvement of the challenger's MAE on the fresh holdout.
    pub fresh_improvement: f64,
    /// `guarded`: the tolerated relative worsening of the challenger's MAE on the fixed test set.
    pub fixed_test_tolerance: f64,
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
            fresh_improvement: 0.05,
            fixed_test_tolerance: 0.02,
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    /// Parses a JSON object of the fields that differ from the default, and validates the result.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_json::from_str(text).map_err(PolicyError::Json)?;
        policy.validate()?;
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
                "drift_columns has the unknown column `{column}`"
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
        let excess = live.map(|live| live.mae / live.test_mae - 1.0);
        let is_above =
            |tolerance: f64| live.is_some_and(|live| live.mae > live.test_mae * (1.0 + tolerance));
        let (worse, major) = (
            is_above(self.live_mae_tolerance),
            is_above(self.live_mae_major),
        );
        let drift = match drifted_share {
            Some(share) => format!(
                "{:.0} % of the columns drifted (limit {:.0} %)",
                share * 100.0,
                self.drift_share * 100.0
            ),
            None => "judged by the live error only: no column has values on both sides".to_owned(),
        };
        let error = match (live, excess) {
            (Some(live), Some(excess)) => format!(
                "live MAE {:.1} differs by {:+.0} % from the champion's {:.1} on the fixed test set (limits +{:.0} % and +{:.0} %)",
                live.mae,
                excess * 100.0,
                live.test_mae,
                self.live_mae_tolerance * 100.0,
                self.live_mae_major * 100.0
            ),
            _ => "no forecasts to compare with counts".to_owned(),
        };
        WeekVerdict {
            dataset_drift,
            fine_tune: dataset_drift || worse,
            major,
            reason: format!("{drift}; {error}"),
        }
    }

    /// Judges a challenger by both promotion rules.
    ///
    /// [`Verdicts::acting`] returns the verdict of the configured rule.
    pub fn judge_challenger(&self, comparison: &Comparison) -> Verdicts {
        Verdicts {
            fixed_test: self.judge_on_fixed_test(&comparison.fixed_test),
            guarded: self.judge_guarded(comparison),
            acting: self.promotion,
        }
    }

    fn judge_on_fixed_test(&self, pair: &ScorePair) -> Verdict {
        let limit = pair.champion.mae * (1.0 - self.fixed_test_improvement);
        let promote = pair.challenger.mae < limit;
        let comparison = if promote { "below" } else { "not below" };
        let reason = format!(
            "on the fixed test set the challenger's MAE {:.2} is {comparison} {limit:.2}, the champion's {:.2} less {:.0} %",
            pair.challenger.mae,
            pair.champion.mae,
            self.fixed_test_improvement * 100.0
        );
        Verdict { promote, reason }
    }

    fn judge_guarded(&self, comparison: &Comparison) -> Verdict {
        let Some(fresh) = &comparison.fresh else {
            return Verdict {
                promote: false,
                reason: "there is no fresh holdout for the comparison".to_owned(),
            };
        };
        let improvement = fresh.scores.improvement();
        let worsening = -comparison.fixed_test.improvement();
        let conditions = [
            (
                improvement >= self.fresh_improvement,
                "the fresh holdout's MAE is not low enough",
            ),
            (
                fresh.bootstrap_lower_bound > 0.0,
                "the bootstrap bound is not above 0",
            ),
            (
                worsening <= self.fixed_test_tolerance,
                "the fixed test set's MAE is too high",
            ),
        ];
        let failed: Vec<_> = conditions
            .iter()
            .filter(|(is_met, _)| !is_met)
            .map(|(_, failure)| *failure)
            .collect();
        let summary = if failed.is_empty() {
            "all three conditions are met".to_owned()
        } else {
            failed.join(", ")
        };
        let reason = format!(
            "{summary}: fresh holdout MAE {:.2}, champion {:.2} ({:+.1} %), 95 % lower bound {:+.2}; fixed test set MAE {:+.1} %",
            fresh.scores.challenger.mae,
            fresh.scores.champion.mae,
            -improvement * 100.0,
            fresh.bootstrap_lower_bound,
            worsening * 100.0
        );
        Verdict {
            promote: failed.is_empty(),
            reason,
        }
    }
}

/// The rule that decides on promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionRule {
    /// Promotes a challenger whose MAE on the fixed test set is lower by a given share.
    FixedTest,
    /// Promotes a challenger whose MAE on the fresh holdout is significantly lower, if its MAE on
    /// the fixed test set is at most slightly higher.
    Guarded,
}

/// The champion's live error and the error it is compared with, in bicycles per hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveError {
    /// The mean absolute error of the week's stored forecasts.
    pub mae: f64,
    /// The mean absolute error on the fixed test set.
    pub test_mae: f64,
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
}

/// The scores of champion and challenger on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorePair {
    /// The champion's scores.
    pub champion: Scores,
    /// The challenger's scores.
    pub challenger: Scores,
}

impl ScorePair {
    /// Returns the challenger's relative improvement over the champion's MAE, negative if the
    /// challenger's MAE is higher.
    pub fn improvement(&self) -> f64 {
        crate::metrics::improvement(self.champion.mae, self.challenger.mae)
    }
}

/// The comparison on the fresh holdout: days that neither model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreshComparison {
    /// The scores of both models on the fresh holdout.
    pub scores: ScorePair,
    /// The 95 % lower bound of the MAE difference, champion minus challenger; see
    /// [`day_block_bootstrap`](crate::metrics::day_block_bootstrap).
    pub bootstrap_lower_bound: f64,
}

/// The scores that a decision on promotion is based on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The scores on the fixed test set.
    pub fixed_test: ScorePair,
    /// The comparison on the fresh holdout, or `None` if there are too few fresh days.
    pub fresh: Option<FreshComparison>,
}

/// The verdict of one promotion rule on a challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `true` if the challenger should be promoted.
    pub promote: bool,
    /// The reason, with metrics and limits.
    pub reason: String,
}

/// The verdicts of both promotion rules on a challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// The verdict of [`PromotionRule::FixedTest`].
    pub fixed_test: Verdict,
    /// The verdict of [`PromotionRule::Guarded`].
    pub guarded: Verdict,
    /// The rule whose verdict decides.
    pub acting: PromotionRule,
}

impl Verdicts {
    /// Returns the verdict that decides on promotion.
    pub fn acting(&self) -> &Verdict {
        match self.acting {
            PromotionRule::FixedTest => &self.fixed_test,
            PromotionRule::Guarded => &self.guarded,
        }
    }
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
