//! The numbers of the training strategy, and the decisions made by them. Every number can be set.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{features, metrics::Scores};

/// The numbers of the strategy. The setting `POLICY` holds those that differ from the default, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The columns that are compared with the fixed test set: the count and every feature but the calendar's.
    pub drift_columns: Vec<String>,
    /// The share of drifted columns from which on the dataset has drifted.
    pub drift_share: f64,
    /// How far above the champion's error on the fixed test set the live error calls for fine-tuning: 0.10 for 10 %.
    pub live_mae_tolerance: f64,
    /// How far above it a person should retrain.
    pub live_mae_major: f64,
    /// How many days back fine-tuning reaches, the fresh holdout included.
    pub fine_tune_days: i32,
    /// How many of these days, the last ones, are kept from training to compare champion and challenger on.
    pub fresh_holdout_days: i32,
    /// How many days of training data fine-tuning needs at least.
    pub fine_tune_minimum_days: usize,
    /// Which policy decides on promotion.
    pub promotion: PromotionRule,
    /// `fixed-test`: the share by which the challenger's error on the fixed test set must be below the champion's.
    pub fixed_test_improvement: f64,
    /// `guarded`: the same on the fresh holdout.
    pub fresh_improvement: f64,
    /// `guarded`: how much worse the challenger may be on the fixed test set.
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

    /// Reads the numbers that differ from the default, and checks that all make sense together.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_json::from_str(text).map_err(PolicyError::Json)?;
        policy.check()?;
        Ok(policy)
    }
}

impl Policy {
    fn check(&self) -> Result<(), PolicyError> {
        let known = |column: &String| {
            column == features::TARGET || features::COLUMNS.contains(&column.as_str())
        };
        if let Some(column) = self.drift_columns.iter().find(|column| !known(column)) {
            return Err(PolicyError::Nonsense(format!(
                "drift_columns: there is no feature `{column}`"
            )));
        }
        let shares = [
            ("drift_share", self.drift_share),
            ("live_mae_tolerance", self.live_mae_tolerance),
            ("live_mae_major", self.live_mae_major),
            ("fixed_test_improvement", self.fixed_test_improvement),
            ("fresh_improvement", self.fresh_improvement),
            ("fixed_test_tolerance", self.fixed_test_tolerance),
        ];
        if let Some((name, share)) = shares
            .into_iter()
            .find(|(_, share)| !(0.0..=10.0).contains(share))
        {
            return Err(PolicyError::Nonsense(format!(
                "{name} is {share}, which is no share"
            )));
        }
        let wrong = [
            (self.drift_columns.is_empty(), "drift_columns is empty"),
            (
                self.live_mae_major < self.live_mae_tolerance,
                "live_mae_major is below live_mae_tolerance",
            ),
            (
                self.fresh_holdout_days < 2,
                "fresh_holdout_days is below 2, too few to resample days",
            ),
            (
                self.fine_tune_days <= self.fresh_holdout_days,
                "fine_tune_days leaves no day to train on",
            ),
        ];
        let wrong = wrong.into_iter().find(|(is_wrong, _)| *is_wrong);
        wrong.map_or(Ok(()), |(_, reason)| {
            Err(PolicyError::Nonsense(reason.to_owned()))
        })
    }

    /// Judges a week by its drift and by the live error of the champion, where forecasts and counts exist.
    pub fn judge_week(&self, drifted_share: f64, live: Option<LiveError>) -> WeekVerdict {
        let dataset_drift = drifted_share >= self.drift_share;
        let excess = live.map(|live| live.mae / live.test_mae - 1.0);
        let is_above =
            |tolerance: f64| live.is_some_and(|live| live.mae > live.test_mae * (1.0 + tolerance));
        let (worse, major) = (
            is_above(self.live_mae_tolerance),
            is_above(self.live_mae_major),
        );
        let drift = format!(
            "{:.0} % of the columns drifted (limit {:.0} %)",
            drifted_share * 100.0,
            self.drift_share * 100.0
        );
        let error = match (live, excess) {
            (Some(live), Some(excess)) => format!(
                "live MAE {:.1} is {:+.0} % of the champion's {:.1} on the fixed test set (limits +{:.0} % and +{:.0} %)",
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

    /// Decides on promotion by both policies; [`Verdicts::acting`] is the one that the setting chose.
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
                reason: "there is no fresh holdout to compare on".to_owned(),
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
                "the fixed test set's MAE is too much worse",
            ),
        ];
        let failed: Vec<_> = conditions
            .iter()
            .filter(|(holds, _)| !holds)
            .map(|(_, failure)| *failure)
            .collect();
        let summary = if failed.is_empty() {
            "all three conditions hold".to_owned()
        } else {
            failed.join(", ")
        };
        let reason = format!(
            "{summary}: fresh holdout MAE {:.2} against {:.2} ({:+.1} %), 95 % bound {:+.2}; fixed test {:+.1} %",
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

/// Which policy decides on promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionRule {
    /// A better MAE on the fixed test set.
    FixedTest,
    /// A surely better MAE on fresh days, and the fixed test set hardly worse.
    Guarded,
}

/// The champion's mean absolute errors, in bicycles an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveError {
    /// Of the stored forecasts against the counts of the week.
    pub mae: f64,
    /// On the fixed test set.
    pub test_mae: f64,
}

/// What is to be done about a week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeekVerdict {
    /// Whether the dataset has drifted.
    pub dataset_drift: bool,
    /// Whether the champion is to be fine-tuned.
    pub fine_tune: bool,
    /// Whether a person should retrain.
    pub major: bool,
    /// Why, with the figures.
    pub reason: String,
}

/// The scores of champion and challenger on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorePair {
    /// The champion's.
    pub champion: Scores,
    /// The challenger's.
    pub challenger: Scores,
}

impl ScorePair {
    /// Returns the share by which the challenger's MAE is below the champion's; negative where it is above.
    pub fn improvement(&self) -> f64 {
        crate::metrics::improvement(self.champion.mae, self.challenger.mae)
    }
}

/// The comparison on days that neither model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreshComparison {
    /// The scores.
    pub scores: ScorePair,
    /// The 95 % lower bound of the MAE difference, champion less challenger, by resampling days.
    pub bootstrap_lower_bound: f64,
}

/// Everything that promotion is decided by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// On the fixed test set.
    pub fixed_test: ScorePair,
    /// On fresh days, where there are enough.
    pub fresh: Option<FreshComparison>,
}

/// What a policy says of a challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it should become champion.
    pub promote: bool,
    /// Why, with the figures.
    pub reason: String,
}

/// What both policies say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// By the fixed test set.
    pub fixed_test: Verdict,
    /// By fresh days.
    pub guarded: Verdict,
    /// Which of them acts.
    pub acting: PromotionRule,
}

impl Verdicts {
    /// Returns the verdict that acts.
    pub fn acting(&self) -> &Verdict {
        match self.acting {
            PromotionRule::FixedTest => &self.fixed_test,
            PromotionRule::Guarded => &self.guarded,
        }
    }
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No JSON, an unknown name or a wrong type.
    #[error("the policy cannot be read: {0}")]
    Json(serde_json::Error),
    /// A number that makes no sense.
    #[error("the policy makes no sense: {0}")]
    Nonsense(String),
}

#[cfg(test)]
mod tests;
