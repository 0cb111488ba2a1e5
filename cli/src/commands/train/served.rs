//! The scores of a new model on the fixed test set as its forecasts would be served: with the daily
//! correction and intervals.

use std::fmt;

use forecasting::{
    correction::{Observation, correct},
    features::{Frame, Outage},
    interval::{Interval, Intervals, intervals},
    metrics::Scores,
};
use serde::Serialize;

/// The scores of forecasts on the fixed test set with the daily correction, which begins with the
/// first day of the set, and on living counters.
///
/// Living counters are the rows outside of runs of 24 or more zeros of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ServedScores {
    /// The corrected forecasts of all rows.
    pub corrected: Scores,
    /// The model alone, on living counters.
    pub living: Scores,
    /// The corrected forecasts, on living counters.
    pub corrected_living: Scores,
    /// The 80 % intervals; `None` if no row has one.
    pub interval_80: Option<IntervalReport>,
    /// The 95 % intervals; `None` if no row has one.
    pub interval_95: Option<IntervalReport>,
}

/// The intervals of the rows that have one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct IntervalReport {
    /// The share of the counts that lie in their interval, from 0 to 1.
    pub coverage: f64,
    /// The mean width of the intervals, in bicycles an hour.
    pub mean_width: f64,
    /// The number of intervals.
    pub rows: usize,
}

impl fmt::Display for IntervalReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            coverage,
            mean_width,
            rows,
        } = self;
        write!(
            formatter,
            "{:.1} % of {rows} counts inside, mean width {mean_width:.1}",
            coverage * 100.0
        )
    }
}

impl ServedScores {
    /// Scores the forecasts of a model for the rows of the fixed test set.
    ///
    /// # Errors
    /// Returns an error if there are no living counters.
    pub(super) fn new(predictions: &[f32], frame: &Frame) -> anyhow::Result<Self> {
        let observations: Vec<_> = frame
            .rows()
            .iter()
            .zip(predictions)
            .zip(frame.targets().iter().zip(frame.silent()))
            .map(|((row, forecast), (count, silent))| Observation {
                counter: row.counter as usize,
                hour: row.hour,
                forecast: f64::from(*forecast),
                count: Some(f64::from(*count)),
                silent: *silent,
            })
            .collect();
        let factors = correct(&observations);
        let corrected: Vec<_> = observations
            .iter()
            .zip(&factors)
            .map(|(row, factor)| row.forecast * factor)
            .collect();
        let counts: Vec<_> = frame
            .targets()
            .iter()
            .map(|count| f64::from(*count))
            .collect();
        let is_living = |row: usize| frame.outages()[row] != Outage::Zeros;
        let living = |values: &[f64]| -> Vec<f64> {
            let rows = values.iter().enumerate();
            rows.filter(|(row, _)| is_living(*row))
                .map(|(_, value)| *value)
                .collect()
        };
        let alone: Vec<_> = observations.iter().map(|row| row.forecast).collect();
        let living_counts = living(&counts);
        let bounds = intervals(&observations, &factors);
        Ok(Self {
            corrected: Scores::new(&corrected, &counts)?,
            living: Scores::new(&living(&alone), &living_counts)?,
            corrected_living: Scores::new(&living(&corrected), &living_counts)?,
            interval_80: IntervalReport::of(&bounds, &counts, |bounds| bounds.level_80),
            interval_95: IntervalReport::of(&bounds, &counts, |bounds| bounds.level_95),
        })
    }
}

impl IntervalReport {
    fn of(
        bounds: &[Option<Intervals>],
        counts: &[f64],
        level: fn(&Intervals) -> Interval,
    ) -> Option<Self> {
        let rows = bounds.iter().zip(counts);
        let known: Vec<_> = rows
            .filter_map(|(bounds, count)| Some((level(bounds.as_ref()?), *count)))
            .collect();
        if known.is_empty() {
            return None;
        }
        let covered = known
            .iter()
            .filter(|(bounds, count)| bounds.contains(*count));
        let width: f64 = known.iter().map(|(bounds, _)| bounds.width()).sum();
        Some(Self {
            coverage: covered.count() as f64 / known.len() as f64,
            mean_width: width / known.len() as f64,
            rows: known.len(),
        })
    }
}
