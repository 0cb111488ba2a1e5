//! The comparison of champion and challenger.

use std::collections::BTreeMap;

use forecasting::{
    features::Frame,
    metrics::{PairedErrors, Scores, day_block_bootstrap},
    policy::{Comparison, FreshComparison, ScorePair},
};
use model::Model;
use runtime::Error;

/// Scores both models on the fixed test set and on the fresh holdout.
///
/// Resampling by day needs at least two days. The comparison omits a shorter fresh holdout.
///
/// # Errors
/// Returns a permanent error if a model cannot predict or if the fixed test set has no rows.
pub fn compare(
    champion: &Model,
    challenger: &Model,
    fixed: &Frame,
    fresh: &Frame,
) -> Result<Comparison, Error> {
    let on_fixed = Predictions::of(champion, challenger, fixed)?;
    let days: std::collections::BTreeSet<_> =
        fresh.rows().iter().map(|row| row.hour.day()).collect();
    let fresh = match days.len() {
        0 | 1 => None,
        _ => Some(Predictions::of(champion, challenger, fresh)?.compare_by_day(fresh)?),
    };
    Ok(Comparison {
        fixed_test: on_fixed.scores(fixed)?,
        fresh,
    })
}

/// The predictions of both models for the same rows.
struct Predictions {
    champion: Vec<f32>,
    challenger: Vec<f32>,
}

impl Predictions {
    fn of(champion: &Model, challenger: &Model, frame: &Frame) -> Result<Self, Error> {
        Ok(Self {
            champion: champion.predict(frame)?,
            challenger: challenger.predict(frame)?,
        })
    }

    fn scores(&self, frame: &Frame) -> Result<ScorePair, Error> {
        let failed = |source| {
            Error::permanent("cannot score the champion and the challenger").caused_by(source)
        };
        let score = |predictions: &[f32]| Scores::new(predictions, frame.targets()).map_err(failed);
        Ok(ScorePair {
            champion: score(&self.champion)?,
            challenger: score(&self.challenger)?,
        })
    }

    fn compare_by_day(&self, frame: &Frame) -> Result<FreshComparison, Error> {
        let mut days = BTreeMap::new();
        let both = self
            .champion
            .iter()
            .zip(&self.challenger)
            .zip(frame.targets());
        let errors: Vec<_> = frame
            .rows()
            .iter()
            .zip(both)
            .map(|(row, ((champion, challenger), actual))| PairedErrors {
                day: days
                    .entry(row.hour)
                    .or_insert_with(|| row.hour.day())
                    .date(),
                champion: f64::from((champion - actual).abs()),
                challenger: f64::from((challenger - actual).abs()),
            })
            .collect();
        let failed =
            |source| Error::permanent("cannot resample the fresh holdout").caused_by(source);
        let bound = day_block_bootstrap(&errors).map_err(failed)?;
        Ok(FreshComparison {
            scores: self.scores(frame)?,
            bootstrap_lower_bound: bound.lower_bound,
        })
    }
}
