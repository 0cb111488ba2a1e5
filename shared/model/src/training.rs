//! Training a model from nothing, and the parts that the strategies share.

use std::{collections::BTreeMap, num::NonZero, ops::ControlFlow};

use forecasting::{
    checksum::Checksum,
    features::{COLUMNS, FeatureSpec, Frame},
    metrics::Scores,
    time::Hour,
};
use shared::{baseline::DataSet, fixed_test::FixedTest};
use xgboost::{Booster, DMatrix, QuantileOptions, RoundProgress};

use crate::{
    Device, MODEL_TYPE, Model, ModelCard, ModelError, Stage, StrategyName, TrainRecipe, Training,
    Trials, mlflow::Example, target,
};

/// The share of the time range, at its end, that early stopping holds out.
const EARLY_STOPPING_SHARE: f64 = 0.2;
/// The number of rows outside outages that a training requires.
pub const MINIMUM_ROWS: usize = 24;
/// The number of rounds, at equal intervals, whose errors a training without early stopping
/// computes, apart from the last one.
pub const CURVE_POINTS: u32 = 50;

/// The progress of a training after a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// The number of completed rounds.
    pub done: u32,
    /// The number of planned rounds.
    pub planned: u32,
    /// The mean absolute error of the square roots of the counts on the held-out rows, with their
    /// weights. `None` without early stopping.
    pub sqrt_mae: Option<f64>,
    /// The mean absolute error of the square roots of the counts on the rows that the trees are
    /// boosted on, with their weights if they have any. `None` in a round between two of the
    /// [`CURVE_POINTS`].
    pub boosted_sqrt_mae: Option<f64>,
}

/// Trains a model on the rows of a frame and calls `on_round` after each round.
///
/// Leaves out the rows in outages. Early stopping holds out the last 20 % of the time range. The
/// model then ends with the best round on these rows.
///
/// # Errors
/// Returns an error if there are too few rows, the device is not available, or XGBoost fails.
pub fn train(
    frame: Frame,
    spec: FeatureSpec,
    recipe: &TrainRecipe,
    on_round: &mut dyn FnMut(Round),
) -> Result<Model, ModelError> {
    check_device(recipe.device)?;
    let (frame, training) = training_rows(frame, &spec)?;
    let example = Example::of(&frame);
    let (boosted, held_out) = match recipe.early_stopping_rounds {
        None => (frame, None),
        Some(_) => {
            let (early, late) = frame.split_at(holdout_start(training));
            drop(frame);
            describe(&early)?;
            describe(&late)?;
            (early, Some(late))
        }
    };
    let params = recipe.params();
    // Neither the keys of the rows nor, after the matrix, the values are needed.
    let (values, counts) = boosted.into_values_and_targets();
    let matrix = weighted(&values, &counts, None)?;
    drop(values);
    let held_out = held_out
        .map(|late| weighted(late.values(), late.targets(), Some(&matrix)))
        .transpose()?;
    // Early stopping follows the last one.
    let evaluated: Vec<_> = std::iter::once(("boosted", &matrix))
        .chain(held_out.iter().map(|late| ("holdout", late)))
        .collect();
    let mut progress = |round: RoundProgress<'_>| report(round, on_round);
    let boosting = xgboost::Training {
        params: &borrow(&params),
        data: &matrix,
        rounds: recipe.rounds,
        evals: &evaluated,
        score_every: points_every(recipe.rounds),
        early_stopping: recipe.early_stopping_rounds,
    };
    let trained = boosting.run(&mut progress);
    let booster = trained.map_err(ModelError::Train)?.booster;
    // XGBoost knows the predictions of the rows that it boosted on.
    let boosted_roots = booster.predict(&matrix).map_err(ModelError::Predict)?;
    let mut model = finish(booster, spec, params, training, example)?;
    model.card.recipe = TrainRecipe {
        rounds: model.card.rounds,
        early_stopping_rounds: None,
        ..recipe.clone()
    };
    model.card.stages = Stage::of_rates(&model.card.learning_rates());
    model.card.bias_factor = target::bias_factor(&boosted_roots, &counts);
    Ok(model)
}

/// Returns the number of rounds from one of the [`CURVE_POINTS`] to the next.
pub fn points_every(rounds: u32) -> NonZero<u32> {
    NonZero::new(rounds.div_ceil(CURVE_POINTS)).unwrap_or(NonZero::<u32>::MIN)
}

/// Checks that a device is available, because XGBoost silently falls back from `cuda` to the CPU.
///
/// # Errors
/// Returns an error if the library has no CUDA support or finds no GPU.
pub fn check_device(device: Device) -> Result<(), ModelError> {
    if device == Device::Cpu {
        return Ok(());
    }
    if !xgboost::supports_cuda() {
        return Err(ModelError::NoCuda);
    }
    // XGBoost detects the GPU only for a booster with data.
    let data = DMatrix::dense(&[0.0], 1).map_err(ModelError::Train)?;
    let booster = Booster::new(&[("device", device.name())], &[&data]);
    match booster
        .and_then(|booster| booster.device())
        .map_err(ModelError::Train)?
    {
        found if found.starts_with(device.name()) => Ok(()),
        _ => Err(ModelError::NoGpu),
    }
}

/// Creates a model of a booster. The caller completes its card: recipe, stages and bias factor.
pub(crate) fn finish(
    booster: Booster,
    features: FeatureSpec,
    params: impl IntoIterator<Item = (String, String)>,
    training: Training,
    example: Example,
) -> Result<Model, ModelError> {
    // Reload the booster, because the trained one retains its training buffers.
    let bytes = booster.save_ubj().map_err(ModelError::Save)?;
    let booster = Booster::load(&bytes).map_err(ModelError::Train)?;
    let version = xgboost::version();
    let card = ModelCard {
        model_type: MODEL_TYPE.to_owned(),
        xgboost_version: version.to_string(),
        sha256: Checksum::of(&bytes),
        features,
        rounds: booster.rounds().map_err(ModelError::Train)?,
        params: params.into_iter().collect::<BTreeMap<_, _>>(),
        training,
        bias_factor: 1.0,
        recipe: TrainRecipe::default(),
        stages: Vec::new(),
        baseline: None,
        test_scores: None,
        fixed_test: None,
        strategy: None,
        strategies: Vec::new(),
        champion_selection_scores: None,
    };
    Ok(Model::new(booster, &bytes, card, example))
}

/// The forecasts of a model for the fixed test set, with their scores.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The forecast of each row, as of [`Model::predict`].
    pub forecasts: Vec<f32>,
    /// The scores of the forecasts.
    pub scores: Scores,
}

impl Model {
    /// Scores the model on the fixed test set and records the scores and the test set in its card.
    ///
    /// # Errors
    /// Returns the errors of [`Model::score`].
    pub fn scored_on(mut self, fixed_test: &FixedTest) -> Result<(Self, Tested), ModelError> {
        let forecasts = self.predict(&fixed_test.frame)?;
        let scores =
            Scores::new(&forecasts, fixed_test.frame.targets()).map_err(ModelError::Score)?;
        self.card.test_scores = Some(scores);
        self.card.fixed_test = Some(fixed_test.data.clone());
        Ok((self, Tested { forecasts, scores }))
    }

    /// Records the training baseline in the model card.
    #[must_use]
    pub fn with_baseline(mut self, baseline: Option<DataSet>) -> Self {
        self.card.baseline = baseline;
        self
    }

    /// Records in the model card the strategy that made the model, and the trials that chose it.
    #[must_use]
    pub fn with_strategy(mut self, strategy: StrategyName, trials: Option<&Trials>) -> Self {
        self.card.strategy = Some(strategy);
        self.card.strategies = trials.map_or_else(Vec::new, |trials| trials.strategies.clone());
        self.card.champion_selection_scores = trials.map(|trials| trials.champion);
        self
    }
}

/// Returns the matrix of a frame whose rows weigh equally.
pub(crate) fn unweighted(frame: &Frame) -> Result<DMatrix, ModelError> {
    matrix(frame.values(), frame.targets(), QuantileOptions::default())
}

/// Returns the matrix of rows that have the weights of their counts.
fn weighted(
    values: &[f32],
    counts: &[f32],
    reference: Option<&DMatrix>,
) -> Result<DMatrix, ModelError> {
    let weights = target::weights(counts);
    let options = QuantileOptions {
        weights: Some(&weights),
        reference,
        ..QuantileOptions::default()
    };
    matrix(values, counts, options)
}

fn matrix(
    values: &[f32],
    counts: &[f32],
    options: QuantileOptions<'_>,
) -> Result<DMatrix, ModelError> {
    let mut matrix =
        DMatrix::quantile(values, COLUMNS.len(), options).map_err(ModelError::Train)?;
    // The bins do not depend on the labels. Set later, they take no memory while XGBoost makes them.
    matrix
        .set_labels(&target::labels(counts))
        .map_err(ModelError::Train)?;
    matrix
        .set_feature_names(&COLUMNS)
        .map_err(ModelError::Train)?;
    Ok(matrix)
}

/// Returns the rows of a frame that a model learns from, with the category codes of `spec`.
pub(crate) fn training_rows(
    frame: Frame,
    spec: &FeatureSpec,
) -> Result<(Frame, Training), ModelError> {
    let all = frame.len();
    let rows = frame.without_outages().encode_counters(spec);
    let training = Training {
        excluded: all - rows.len(),
        ..describe(&rows)?
    };
    Ok((rows, training))
}

fn describe(frame: &Frame) -> Result<Training, ModelError> {
    let too_little = |reason| ModelError::TooLittleData {
        rows: frame.len(),
        reason,
    };
    let hours = || frame.rows().iter().map(|row| row.hour);
    let (Some(first_hour), Some(last_hour)) = (hours().min(), hours().max()) else {
        return Err(too_little("there are no rows outside outages"));
    };
    if frame.len() < MINIMUM_ROWS {
        return Err(too_little("training requires at least 24 outside outages"));
    }
    if frame.targets().iter().any(|target| !target.is_finite()) {
        return Err(too_little("some rows have no count"));
    }
    Ok(Training {
        rows: frame.len(),
        excluded: 0,
        first_hour,
        last_hour,
    })
}

fn holdout_start(training: Training) -> Hour {
    let hours = f64::from(training.last_hour.number() - training.first_hour.number());
    // The product is at most the number of hours in the calendar and fits into `i32`.
    training
        .first_hour
        .plus((hours * (1.0 - EARLY_STOPPING_SHARE)) as i32)
}

/// Passes the errors after a round on. XGBoost goes on with the next round.
pub(crate) fn report(round: RoundProgress<'_>, on_round: &mut dyn FnMut(Round)) -> ControlFlow<()> {
    let score = |position: usize| round.scores.get(position).map(|score| score.value);
    on_round(Round {
        done: round.done,
        planned: round.planned,
        sqrt_mae: score(1),
        boosted_sqrt_mae: score(0),
    });
    ControlFlow::Continue(())
}

pub(crate) fn borrow(params: &[(String, String)]) -> Vec<(&str, &str)> {
    params
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
