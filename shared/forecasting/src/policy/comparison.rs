//! The scores that a decision on promotion is based on.

use serde::{Deserialize, Serialize};

use crate::metrics::{self, Breakdown, ComparedRow, DifferenceBound, Scores};

/// The scores of champion and challenger on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorePair {
    /// The champion's scores.
    pub champion: Scores,
    /// The challenger's scores.
    pub challenger: Scores,
    /// The scores of the seasonal naive forecast, on the rows that have one. Evaluations written
    /// before this field existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seasonal_naive: Option<Scores>,
}

impl ScorePair {
    /// Scores both models and the seasonal naive forecast.
    ///
    /// # Errors
    /// Returns an error if there are no rows, or if a value is not finite.
    pub fn of(rows: &[ComparedRow]) -> Result<Self, metrics::Error> {
        let counts: Vec<_> = rows.iter().map(|row| row.count).collect();
        let champion: Vec<_> = rows.iter().map(|row| row.champion).collect();
        let challenger: Vec<_> = rows.iter().map(|row| row.challenger).collect();
        let (naive, actuals): (Vec<f64>, Vec<f64>) = rows
            .iter()
            .filter_map(|row| row.seasonal_naive.zip(Some(row.count)))
            .unzip();
        let seasonal_naive = match Scores::new(&naive, &actuals) {
            Ok(scores) => Some(scores),
            Err(metrics::Error::NoRows) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            champion: Scores::new(&champion, &counts)?,
            challenger: Scores::new(&challenger, &counts)?,
            seasonal_naive,
        })
    }

    /// Scores the rows of living counters: those outside of runs of 24 or more zeros. Returns
    /// `None` if there are none.
    ///
    /// # Errors
    /// Returns an error if a value is not finite.
    pub fn of_living(rows: &[ComparedRow]) -> Result<Option<Self>, metrics::Error> {
        let living: Vec<_> = rows.iter().filter(|row| row.is_living).copied().collect();
        if living.is_empty() {
            return Ok(None);
        }
        Self::of(&living).map(Some)
    }

    /// Returns the challenger's relative improvement over the champion's MAE, negative if the
    /// challenger's MAE is higher.
    pub fn improvement(&self) -> f64 {
        metrics::improvement(self.champion.mae, self.challenger.mae)
    }
}

/// The comparison on the fresh holdout: days that neither model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreshComparison {
    /// The scores of both models as served: with the daily correction. Evaluations of earlier
    /// versions are without it, as the forecasts of these versions were.
    pub scores: ScorePair,
    /// The scores as served on the rows of living counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub living: Option<ScorePair>,
    /// The scores of both models alone, without the daily correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_alone: Option<ScorePair>,
    /// The lower 95 % bound of the MAE difference as served, champion minus challenger; see
    /// [`day_block_bootstrap`](crate::metrics::day_block_bootstrap).
    pub bootstrap_lower_bound: f64,
    /// The MAE difference as served, with all its bounds and the probability that the challenger is
    /// better. Evaluations written before this field existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<DifferenceBound>,
    /// The errors as served by counter, hour, day and level. Evaluations written before this field
    /// existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breakdown: Option<Breakdown>,
}

/// The scores that a decision on promotion is based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The scores of both models alone on the fixed test set.
    pub fixed_test: ScorePair,
    /// The scores on the rows of living counters of the fixed test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_test_living: Option<ScorePair>,
    /// The errors on the fixed test set by counter, hour, day and level. Evaluations written before
    /// this field existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_test_breakdown: Option<Breakdown>,
    /// The comparison on the fresh holdout, or `None` if there are too few fresh days.
    pub fresh: Option<FreshComparison>,
}

impl Comparison {
    /// Returns the comparison without its breakdowns, for records that should stay small.
    #[must_use]
    pub fn without_breakdowns(&self) -> Self {
        let fresh = self.fresh.as_ref().map(|fresh| FreshComparison {
            breakdown: None,
            ..fresh.clone()
        });
        Self {
            fixed_test_breakdown: None,
            fresh,
            ..self.clone()
        }
    }
}
