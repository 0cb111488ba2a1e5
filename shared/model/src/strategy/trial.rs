//! The comparison of strategies on days that none of them was trained on.

use std::error::Error;

use forecasting::{
    features::Frame,
    metrics::{Scores, improvement},
};
use serde::{Deserialize, Serialize};

use super::{Rows, Strategy, StrategyName};
use crate::ModelError;

/// The relative improvement of the MAE at which a strategy wins against the sliding window.
const MINIMUM_IMPROVEMENT: f64 = 0.01;

/// The result of one strategy on the selection days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The strategy.
    pub strategy: StrategyName,
    /// The scores of the model alone, without the daily correction. `None` if the strategy failed.
    pub selection_scores: Option<Scores>,
    /// The error of a strategy that failed.
    #[serde(default)]
    pub error: Option<String>,
}

/// The results of strategies on the selection days, and of the champion for comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trials {
    /// The scores of the unchanged champion.
    pub champion: Scores,
    /// The results of the strategies, in the order of the trials.
    pub strategies: Vec<Trial>,
}

impl Trials {
    /// Returns the strategy with the lowest MAE and its scores. The sliding window wins against
    /// strategies whose MAE is less than 1 % lower, and the first of equal strategies wins.
    ///
    /// A week cannot tell such small differences apart: on real weeks, the strategy with the lowest
    /// MAE on the selection days was the best of the next week no more often than by chance, and
    /// the sliding window had the lowest MAE on average.
    ///
    /// # Errors
    /// Returns [`ModelError::NoStrategy`] if each strategy failed.
    pub fn best(&self) -> Result<(StrategyName, Scores), ModelError> {
        let scored = |trial: &Trial| Some((trial.strategy, trial.selection_scores?));
        let trials: Vec<_> = self.strategies.iter().filter_map(scored).collect();
        let lowest = trials
            .iter()
            .copied()
            .min_by(|(_, one), (_, other)| one.mae.total_cmp(&other.mae))
            .ok_or_else(|| ModelError::NoStrategy {
                failures: self.failures().join("; "),
            })?;
        let is_close = |(strategy, scores): &&(StrategyName, Scores)| {
            *strategy == StrategyName::SlidingWindow
                && improvement(scores.mae, lowest.1.mae) < MINIMUM_IMPROVEMENT
        };
        Ok(trials.iter().find(is_close).copied().unwrap_or(lowest))
    }

    /// Returns the names of the strategies that failed, each with its error.
    pub fn failures(&self) -> Vec<String> {
        let failure =
            |trial: &Trial| Some(format!("{}: {}", trial.strategy, trial.error.as_ref()?));
        self.strategies.iter().filter_map(failure).collect()
    }
}

/// Trains each strategy on `rows`, and scores it on `selection`, whose rows are later.
///
/// A strategy that fails has an error as its result.
///
/// # Errors
/// Returns an error if the champion cannot be scored, for example because `selection` has no rows.
pub fn try_strategies(
    strategies: &[Box<dyn Strategy>],
    rows: &Rows<'_>,
    selection: &Frame,
) -> Result<Trials, ModelError> {
    let champion = rows.champion.score(selection)?;
    let attempt = |strategy: &dyn Strategy| {
        let scores = strategy
            .train(rows)
            .and_then(|challenger| challenger.score(selection));
        let (selection_scores, error) = match scores {
            Ok(scores) => (Some(scores), None),
            Err(error) => (None, Some(chain(&error))),
        };
        Trial {
            strategy: strategy.name(),
            selection_scores,
            error,
        }
    };
    Ok(Trials {
        champion,
        strategies: strategies
            .iter()
            .map(|strategy| attempt(&**strategy))
            .collect(),
    })
}

/// Returns an error and its causes, separated by colons.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
