//! Training and scoring of a model, and meanwhile the storing of its data.

use std::sync::Arc;

use anyhow::Context;
use forecasting::features::{COLUMNS, FeatureSpec, Frame};
use jiff::Timestamp;
use model::{Curves, Model, Tested, TrainRecipe};
use shared::{fixed_test::FixedTest, ports::Ports};

use super::{
    TrainingData,
    data::{Uploads, refuse_unscorable},
};
use crate::support::{
    background::joined,
    progress::{self, Progress},
};

/// A trained model with its scores on the fixed test set, not stored yet.
pub(crate) struct Scored {
    pub(super) started_at: Timestamp,
    pub(super) model: Model,
    pub(super) tested: Tested,
    pub(super) fixed_test: FixedTest,
    pub(super) empty_columns: Vec<&'static str>,
    pub(super) curves: Curves,
}

/// Trains a model and scores it on the fixed test set, while the data sets are stored. The work has
/// begun at `started_at`. A test set that cannot score a model is refused before anything is
/// stored.
pub(crate) async fn fit_while_storing(
    ports: &Ports,
    (data, uploads): (&TrainingData, Uploads),
    recipe: &TrainRecipe,
    started_at: Timestamp,
) -> anyhow::Result<Scored> {
    let fixed_test = data.fixed_test();
    refuse_unscorable(&fixed_test)?;
    let store = Arc::clone(&ports.store);
    let storing = tokio::spawn(async move { uploads.store(&*store).await });
    let scored = fit_and_score(data, recipe, fixed_test, started_at);
    let stored = progress::noting("uploading the data sets", joined(storing)).await;
    // The data sets are stored or the upload has ended, also if the training failed.
    let scored = scored?;
    stored?;
    Ok(scored)
}

/// Trains a model and scores it on a test set that may have other lags than those of the training
/// data. The work has begun at `started_at`.
pub(crate) fn fit_and_score(
    data: &TrainingData,
    recipe: &TrainRecipe,
    fixed_test: FixedTest,
    started_at: Timestamp,
) -> anyhow::Result<Scored> {
    let spec = FeatureSpec::for_counters(data.train.counts.counters());
    let frame = progress::noting_here("building the features", || data.frame(&spec));
    let empty_columns = empty_columns(&frame);
    if !empty_columns.is_empty() {
        tracing::warn!(
            columns = empty_columns.join(", "),
            "feature columns without values in the training data"
        );
    }
    let (model, curves) = boost(frame, spec, recipe)?;
    let model = model.with_baseline(Some(data.train_data.clone()));
    let scoring = "scoring the model on the fixed test set";
    let scored = progress::noting_here(scoring, || model.scored_on(&fixed_test));
    let (model, tested) = scored?;
    Ok(Scored {
        started_at,
        model,
        tested,
        fixed_test,
        empty_columns,
        curves,
    })
}

/// Returns the feature columns without any value: a model cannot learn from them.
fn empty_columns(frame: &Frame) -> Vec<&'static str> {
    let is_empty = |position: usize| {
        let mut values = frame.values().iter().skip(position).step_by(COLUMNS.len());
        values.all(|value| value.is_nan())
    };
    let columns = COLUMNS.into_iter().enumerate();
    columns
        .filter(|(position, _)| is_empty(*position))
        .map(|(_, column)| column)
        .collect()
}

fn boost(frame: Frame, spec: FeatureSpec, recipe: &TrainRecipe) -> anyhow::Result<(Model, Curves)> {
    let mut curves = Curves::default();
    let mut progress = Progress::new("training", "rounds", u64::from(recipe.rounds));
    let mut show = |round: model::Round| {
        curves.add(round);
        let text = round
            .sqrt_mae
            .map(|mae| format!("holdout MAE {mae:.3} of the square root"))
            .unwrap_or_default();
        progress.show(u64::from(round.done), u64::from(round.planned), text);
    };
    let model =
        model::train(frame, spec, recipe, &mut show).context("cannot train the champion")?;
    progress.finish();
    Ok((model, curves))
}
