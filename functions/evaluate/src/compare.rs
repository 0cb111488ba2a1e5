//! The comparison of champion and challenger.

use forecasting::{
    correction::{Observation, correct},
    features::{Frame, Outage},
    metrics::{Breakdown, ComparedRow, PairedErrors, day_block_bootstrap},
    policy::{Comparison, FreshComparison, ScorePair},
};
use model::Model;
use runtime::Error;

use crate::FreshHoldout;

/// Scores both models on the fixed test set and on the fresh holdout.
///
/// On the fixed test set, the models are scored alone. On the fresh holdout, they are scored alone
/// and as served: with the daily correction, learned from the model's own forecasts of the days
/// before. Resampling by day needs at least two days. The comparison omits a shorter fresh holdout.
///
/// # Errors
/// Returns a permanent error if a model cannot predict or if the fixed test set has no rows.
pub fn compare(
    champion: &Model,
    challenger: &Model,
    fixed: &Frame,
    fresh: &FreshHoldout,
) -> Result<Comparison, Error> {
    let rows = Forecasts::of(champion, challenger, fixed)?.rows(fixed);
    let fresh = if fresh.days() < 2 {
        None
    } else {
        Some(compare_fresh(champion, challenger, fresh)?)
    };
    Ok(Comparison {
        fixed_test: ScorePair::of(&rows).map_err(cannot_score)?,
        fixed_test_living: ScorePair::of_living(&rows).map_err(cannot_score)?,
        fixed_test_breakdown: Some(Breakdown::of(&rows, fixed.counters())),
        fresh,
    })
}

fn compare_fresh(
    champion: &Model,
    challenger: &Model,
    fresh: &FreshHoldout,
) -> Result<FreshComparison, Error> {
    let frame = fresh.frame();
    let alone = Forecasts::of(champion, challenger, frame)?;
    let served = fresh.select(&alone.corrected(frame).rows(frame));
    let alone = fresh.select(&alone.rows(frame));
    let bootstrap = day_block_bootstrap(&paired_errors(&served)).map_err(|source| {
        Error::permanent("cannot resample the fresh holdout").caused_by(source)
    })?;
    Ok(FreshComparison {
        scores: ScorePair::of(&served).map_err(cannot_score)?,
        living: ScorePair::of_living(&served).map_err(cannot_score)?,
        model_alone: Some(ScorePair::of(&alone).map_err(cannot_score)?),
        bootstrap_lower_bound: bootstrap.lower_bound,
        bootstrap: Some(bootstrap),
        breakdown: Some(Breakdown::of(&served, frame.counters())),
    })
}

fn cannot_score(source: forecasting::metrics::Error) -> Error {
    Error::permanent("cannot score the champion and the challenger").caused_by(source)
}

/// The forecasts of both models for the rows of a frame.
struct Forecasts {
    champion: Vec<f64>,
    challenger: Vec<f64>,
}

impl Forecasts {
    fn of(champion: &Model, challenger: &Model, frame: &Frame) -> Result<Self, Error> {
        let predict = |model: &Model| -> Result<Vec<f64>, Error> {
            Ok(model.predict(frame)?.into_iter().map(f64::from).collect())
        };
        Ok(Self {
            champion: predict(champion)?,
            challenger: predict(challenger)?,
        })
    }

    /// Returns the forecasts with the daily correction.
    fn corrected(&self, frame: &Frame) -> Self {
        Self {
            champion: corrected(&self.champion, frame),
            challenger: corrected(&self.challenger, frame),
        }
    }

    fn rows(&self, frame: &Frame) -> Vec<ComparedRow> {
        let seasonal_naive = frame.seasonal_naive();
        let row = |row: usize| {
            let key = frame.rows()[row];
            let naive = f64::from(seasonal_naive[row]);
            ComparedRow {
                counter: key.counter as usize,
                hour: key.hour,
                count: f64::from(frame.targets()[row]),
                champion: self.champion[row],
                challenger: self.challenger[row],
                seasonal_naive: (!naive.is_nan()).then_some(naive),
                is_living: !matches!(frame.outages()[row], Outage::Zeros),
            }
        };
        (0..frame.len()).map(row).collect()
    }
}

/// Returns forecasts with the daily correction, learned from the earlier days of the frame.
fn corrected(forecasts: &[f64], frame: &Frame) -> Vec<f64> {
    let mut order: Vec<usize> = (0..frame.len()).collect();
    order.sort_by_key(|row| frame.rows()[*row].hour);
    let observation = |row: &usize| {
        let key = frame.rows()[*row];
        let count = f64::from(frame.targets()[*row]);
        Observation {
            counter: key.counter as usize,
            hour: key.hour,
            forecast: forecasts[*row],
            count: (!count.is_nan()).then_some(count),
            silent: frame.silent()[*row],
        }
    };
    let observations: Vec<_> = order.iter().map(observation).collect();
    let mut corrected = vec![0.0; frame.len()];
    for (row, factor) in order.into_iter().zip(correct(&observations)) {
        corrected[row] = factor * forecasts[row];
    }
    corrected
}

fn paired_errors(rows: &[ComparedRow]) -> Vec<PairedErrors> {
    rows.iter()
        .map(|row| PairedErrors {
            day: row.hour.day().date(),
            champion: (row.champion - row.count).abs(),
            challenger: (row.challenger - row.count).abs(),
        })
        .collect()
}
