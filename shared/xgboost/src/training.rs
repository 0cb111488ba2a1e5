//! Training by rounds: what Python's `xgboost.train` does around the booster.

use std::iter;
use std::num::NonZeroU32;
use std::ops::ControlFlow;

use crate::booster::Booster;
use crate::error::{Error, Result};
use crate::matrix::DMatrix;
use crate::score::Score;

/// What a training has made.
#[derive(Debug)]
pub struct Trained {
    /// The model. After early stopping it ends with the best round.
    pub booster: Booster,
    /// The round with the best score, or the last one without early stopping; counted from 0 over
    /// the booster's whole life.
    pub best_round: u32,
    /// The scores of each round of this training, also of those after the best.
    pub history: Vec<Vec<Score>>,
}

/// How far a training is.
#[derive(Clone, Copy, Debug)]
pub struct RoundProgress<'a> {
    /// The round just boosted, counted from 0 over the booster's whole life.
    pub round: u32,
    /// The rounds of this training so far, this one included.
    pub done: u32,
    /// The rounds of this training if nothing stops it.
    pub planned: u32,
    /// The scores on the evaluation sets, in their order.
    pub scores: &'a [Score],
}

/// Trains a model.
///
/// After each round the model is scored on `evals`, by the parameter `eval_metric`, and `on_round`
/// is told, which may end the training. With `early_stopping` it also ends when the last metric of
/// the last evaluation set has not improved for so many rounds, and the model keeps the rounds up
/// to the best. Whether more is better follows from the metric's name, as in Python.
///
/// # Errors
///
/// [`Error::Unsupported`] for no rounds, or for early stopping without an evaluation set;
/// [`Error::Xgboost`] if parameters or data do not fit.
pub fn train(
    params: &[(&str, &str)],
    dtrain: &DMatrix,
    rounds: u32,
    evals: &[(&str, &DMatrix)],
    early_stopping: Option<NonZeroU32>,
    on_round: &mut dyn FnMut(RoundProgress<'_>) -> ControlFlow<()>,
) -> Result<Trained> {
    let evaluated = evals.iter().map(|(_, data)| *data);
    let cache: Vec<&DMatrix> = iter::once(dtrain).chain(evaluated).collect();
    let mut booster = Booster::new(params, &cache)?;
    name_features(&mut booster, dtrain)?;
    let plan = Plan {
        dtrain,
        rounds,
        evals,
        early_stopping,
    };
    plan.boost(booster, on_round)
}

/// Adds rounds to a model, otherwise as [`train`].
///
/// Parameters are not part of a model and are given again. Going on with the booster that
/// [`train`] returned gives the very model of one longer training. Going on with one that was
/// saved and loaded does so too, unless rounds draw at random (`subsample`, `colsample_*`): their
/// generator starts anew, except with `seed_per_iteration=true` in both trainings.
///
/// With `process_type=update` and `updater=refresh`, rounds renew the leaves of the trees that
/// are there, from the first on; trees beyond `rounds` are dropped.
///
/// # Errors
///
/// As [`train`].
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
            let scores = booster.eval(last, self.evals)?;
            best = scores.last().map(|score| Best::of(best, last, score));
            let progress = RoundProgress {
                round: last,
                done,
                planned: self.rounds,
                scores: &scores,
            };
            let wish = on_round(progress);
            history.push(scores);
            if wish.is_break() || best.is_some_and(|best| self.is_stale(best, last)) {
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
        let refuse = |reason| {
            Err(Error::Unsupported {
                during: "train a model",
                reason,
            })
        };
        if self.rounds == 0 {
            return refuse("there are no rounds to boost");
        }
        if self.early_stopping.is_some() && self.evals.is_empty() {
            return refuse("early stopping needs an evaluation set");
        }
        Ok(())
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
    /// Keeps the earlier of equals; NaN never improves.
    fn of(best: Option<Self>, round: u32, score: &Score) -> Self {
        let high = is_better_high(&score.metric);
        let improves = |best: Self| {
            if high {
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

/// Follows `EarlyStopping` of Python's `xgboost.callback`.
fn is_better_high(metric: &str) -> bool {
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
    fn errors_are_best_low_and_ranks_best_high() {
        let values = [0.5, 0.7, 0.3, 0.3, 0.6];
        assert_eq!(best_round("rmse", &values), 2);
        assert_eq!(best_round("mape", &values), 2);
        assert_eq!(best_round("aucpr", &values), 1);
        assert_eq!(best_round("ndcg@10", &values), 1);
    }

    #[test]
    fn an_undefined_score_never_improves() {
        assert_eq!(best_round("rmse", &[0.5, f64::NAN, 0.6]), 0);
    }
}
