//! Training by rounds, like Python's `xgboost.train`.

use std::{iter, num::NonZeroU32, ops::ControlFlow};

use crate::{
    booster::Booster,
    error::{Error, Result},
    matrix::DMatrix,
    score::Score,
};

/// The result of a training.
#[derive(Debug)]
pub struct Trained {
    /// The model. After early stopping it ends with the best round.
    pub booster: Booster,
    /// The round with the best score, or the last round without early stopping. Rounds are counted
    /// from 0 over all trainings of the booster.
    pub best_round: u32,
    /// The scores of each round of this training, including those after the best round. A round
    /// that was not scored has none.
    pub history: Vec<Vec<Score>>,
}

/// The progress of a training after a round.
#[derive(Clone, Copy, Debug)]
pub struct RoundProgress<'a> {
    /// The completed round, counted from 0 over all trainings of the booster.
    pub round: u32,
    /// The number of completed rounds of this training.
    pub done: u32,
    /// The number of planned rounds of this training.
    pub planned: u32,
    /// The scores on the evaluation sets, in the order of the sets. Empty after a round that was
    /// not scored.
    pub scores: &'a [Score],
}

/// A training from nothing.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// The parameters, as in XGBoost's documentation.
    pub params: &'a [(&'a str, &'a str)],
    /// The rows to train on.
    pub data: &'a DMatrix,
    /// The number of rounds.
    pub rounds: u32,
    /// The named sets that the model is scored on by the parameter `eval_metric`.
    pub evals: &'a [(&'a str, &'a DMatrix)],
    /// The number of rounds from one scoring to the next. The last round is scored, too. Early
    /// stopping scores every round.
    pub score_every: NonZeroU32,
    /// The number of rounds after which training ends if the last metric of the last evaluation set
    /// has not improved.
    pub early_stopping: Option<NonZeroU32>,
}

impl Training<'_> {
    /// Trains a model.
    ///
    /// `on_round` receives the scores of each round and can end the training. After early stopping,
    /// the model retains the rounds up to the best one. The metric's name determines whether higher
    /// is better, as in Python.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Unsupported`] for zero rounds, or for early stopping without an evaluation
    /// set. Returns [`Error::Xgboost`] if parameters or data are invalid.
    pub fn run(
        &self,
        on_round: &mut dyn FnMut(RoundProgress<'_>) -> ControlFlow<()>,
    ) -> Result<Trained> {
        let evaluated = self.evals.iter().map(|(_, data)| *data);
        let cache: Vec<&DMatrix> = iter::once(self.data).chain(evaluated).collect();
        let mut booster = Booster::new(self.params, &cache)?;
        name_features(&mut booster, self.data)?;
        let plan = Plan {
            dtrain: self.data,
            rounds: self.rounds,
            evals: self.evals,
            score_every: self.score_every,
            early_stopping: self.early_stopping,
        };
        plan.boost(booster, on_round)
    }
}

/// Trains a model like [`Training::run`], and scores it on `evals` after each round.
///
/// # Errors
///
/// Returns the errors of [`Training::run`].
pub fn train(
    params: &[(&str, &str)],
    dtrain: &DMatrix,
    rounds: u32,
    evals: &[(&str, &DMatrix)],
    early_stopping: Option<NonZeroU32>,
    on_round: &mut dyn FnMut(RoundProgress<'_>) -> ControlFlow<()>,
) -> Result<Trained> {
    let training = Training {
        params,
        data: dtrain,
        rounds,
        evals,
        score_every: NonZeroU32::MIN,
        early_stopping,
    };
    training.run(on_round)
}

/// Adds rounds to a model. Otherwise it works like [`train`].
///
/// A model does not contain its parameters, so they are passed again. Continuing with the booster
/// that [`train`] returned yields the same model as one longer training. A saved and loaded booster
/// does so too, unless rounds sample at random (`subsample`, `colsample_*`). Loading resets the
/// random number generator, which has no effect if both trainings use `seed_per_iteration=true`.
///
/// With `process_type=update` and `updater=refresh`, rounds recompute the leaves of the existing
/// trees, starting with the first. Trees beyond `rounds` are dropped.
///
/// # Errors
///
/// Returns the errors of [`train`].
pub fn continue_training(
    mut booster: Booster,
    params: &[(&str, &str)],
    dtrain: &DMatrix,
    rounds: u32,
    evals: &[(&str, &DMatrix)],
    early_stopping: Option<NonZeroU32>,
    on_round: &mut dyn FnMut(RoundProgress<'_>) -> ControlFlow<()>,
) -> Result<Trained> {
    booster.set_params(params)?;
    let plan = Plan {
        dtrain,
        rounds,
        evals,
        score_every: NonZeroU32::MIN,
        early_stopping,
    };
    plan.boost(booster, on_round)
}

fn name_features(booster: &mut Booster, data: &DMatrix) -> Result<()> {
    if !data.feature_names().is_empty() {
        let names: Vec<&str> = data.feature_names().iter().map(String::as_str).collect();
        booster.set_feature_names(&names)?;
    }
    if !data.feature_types().is_empty() {
        booster.set_feature_types(data.feature_types())?;
    }
    Ok(())
}

struct Plan<'a> {
    dtrain: &'a DMatrix,
    rounds: u32,
    evals: &'a [(&'a str, &'a DMatrix)],
    score_every: NonZeroU32,
    early_stopping: Option<NonZeroU32>,
}

impl Plan<'_> {
    fn boost(
        &self,
        mut booster: Booster,
        on_round: &mut dyn FnMut(RoundProgress<'_>) -> ControlFlow<()>,
    ) -> Result<Trained> {
        self.check()?;
        let first = booster.rounds()?;
        let mut history = Vec::new();
        let mut best: Option<Best> = None;
        let mut last = first;
        for done in 1..=self.rounds {
            last = first + done - 1;
            booster.update(last, self.dtrain)?;
            let scores = if self.is_scored(done) {
                booster.eval(last, self.evals)?
            } else {
                Vec::new()
            };
            best = scores.last().map(|score| Best::of(best, last, score));
            let progress = RoundProgress {
                round: last,
                done,
                planned: self.rounds,
                scores: &scores,
            };
            let flow = on_round(progress);
            history.push(scores);
            if flow.is_break() || best.is_some_and(|best| self.is_stale(best, last)) {
                break;
            }
        }
        let best_round = match (self.early_stopping, best) {
            (Some(_), Some(best)) => best.round,
            _ => last,
        };
        if best_round < last {
            booster = booster.slice(0..best_round + 1)?;
        }
        Ok(Trained {
            booster,
            best_round,
            history,
        })
    }

    fn check(&self) -> Result<()> {
        let unsupported = |reason| {
            Err(Error::Unsupported {
                during: "train a model",
                reason,
            })
        };
        if self.rounds == 0 {
            return unsupported("the number of rounds is 0");
        }
        if self.early_stopping.is_some() && self.evals.is_empty() {
            return unsupported("early stopping requires an evaluation set");
        }
        Ok(())
    }

    fn is_scored(&self, done: u32) -> bool {
        self.early_stopping.is_some()
            || done.is_multiple_of(self.score_every.get())
            || done == self.rounds
    }

    fn is_stale(&self, best: Best, round: u32) -> bool {
        self.early_stopping
            .is_some_and(|patience| round - best.round >= patience.get())
    }
}

/// The best round so far.
#[derive(Clone, Copy)]
struct Best {
    round: u32,
    value: f64,
}

impl Best {
    /// Returns the better of the best round and this one. The earlier of equal rounds wins; NaN
    /// never wins.
    fn of(best: Option<Self>, round: u32, score: &Score) -> Self {
        let is_higher_better = is_higher_better(&score.metric);
        let improves = |best: Self| {
            if is_higher_better {
                score.value > best.value
            } else {
                score.value < best.value
            }
        };
        match best {
            Some(best) if !improves(best) => best,
            _ => Self {
                round,
                value: score.value,
            },
        }
    }
}

/// Returns `true` if higher values of a metric are better, like `EarlyStopping` of Python's
/// `xgboost.callback`.
fn is_higher_better(metric: &str) -> bool {
    let high = ["auc", "map", "ndcg", "pre"];
    metric != "mape" && high.iter().any(|prefix| metric.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_round(metric: &str, values: &[f64]) -> u32 {
        let mut best = None;
        for (round, value) in (0..).zip(values) {
            let score = Score {
                dataset: "test".into(),
                metric: metric.into(),
                value: *value,
            };
            best = Some(Best::of(best, round, &score));
        }
        best.unwrap().round
    }

    #[test]
    fn errors_are_minimized_and_rankings_maximized() {
        let values = [0.5, 0.7, 0.3, 0.3, 0.6];
        assert_eq!(best_round("rmse", &values), 2);
        assert_eq!(best_round("mape", &values), 2);
        assert_eq!(best_round("aucpr", &values), 1);
        assert_eq!(best_round("ndcg@10", &values), 1);
    }

    #[test]
    fn undefined_score_never_improves() {
        assert_eq!(best_round("rmse", &[0.5, f64::NAN, 0.6]), 0);
    }
}
