//! Forecast accuracy, and the comparison of two models.
//!
//! All sums are computed in `f64`, regardless of the input type.

mod bootstrap;
mod breakdown;

use serde::{Deserialize, Serialize};

pub use bootstrap::{DifferenceBound, PairedErrors, day_block_bootstrap};
pub use breakdown::{Breakdown, Cell, ComparedRow, ForecastRow, Group, GroupScores};

/// The scores of forecasts against actual counts, computed as by scikit-learn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The mean absolute error, in the unit of the counts.
    pub mae: f64,
    /// The root mean squared error, in the unit of the counts.
    pub rmse: f64,
    /// The coefficient of determination: 1 is perfect, 0 is as good as the mean of the actuals.
    pub r2: f64,
    /// The number of compared rows.
    pub rows: usize,
    /// The mean of the predictions minus the mean of the actual values: positive if the predictions
    /// are too high. Scores written before this field existed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias: Option<f64>,
    /// The sum of the absolute errors divided by the sum of the actual values (WAPE). Unlike the
    /// MAE, it does not fall when the counts fall. `None` if the sum of the actual values is not
    /// above 0, and for scores written before this field existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Scores {
    /// Compares each prediction with the actual value of the same row.
    ///
    /// If the actual values are constant, R² is 1 for perfect predictions and 0 otherwise, as in
    /// `sklearn.metrics.r2_score`. The same rule applies to a single row, where scikit-learn
    /// returns NaN.
    ///
    /// # Errors
    /// Returns [`Error::DifferentLengths`] if the slices differ in length, [`Error::NoRows`] if
    /// they are empty, and [`Error::NotFinite`] if a value is NaN or infinite.
    pub fn new<P, A>(predictions: &[P], actuals: &[A]) -> Result<Self, Error>
    where
        P: Copy + Into<f64>,
        A: Copy + Into<f64>,
    {
        if predictions.len() != actuals.len() {
            return Err(Error::DifferentLengths {
                predictions: predictions.len(),
                actuals: actuals.len(),
            });
        }
        let predictions = finite_values(predictions)?;
        let actuals = finite_values(actuals)?;
        let errors: Vec<f64> = predictions
            .iter()
            .zip(&actuals)
            .map(|(prediction, actual)| prediction - actual)
            .collect();

        let squared_errors: f64 = errors.iter().map(|error| error * error).sum();
        let squared_deviations = variance(&actuals) * actuals.len() as f64;
        let absolute_errors: f64 = errors.iter().map(|error| error.abs()).sum();
        let sum: f64 = actuals.iter().sum();
        Ok(Self {
            mae: absolute_errors / errors.len() as f64,
            rmse: (squared_errors / errors.len() as f64).sqrt(),
            r2: coefficient_of_determination(squared_errors, squared_deviations),
            rows: errors.len(),
            bias: Some(mean(errors.iter().copied())),
            share: (sum > 0.0).then(|| absolute_errors / sum),
        })
    }

    /// Returns the bias divided by the mean of the actual values: 0.15 for predictions that are
    /// 15 % too high in total. Returns `None` if the bias or the share is unknown.
    pub fn relative_bias(&self) -> Option<f64> {
        let (bias, share) = self.bias.zip(self.share)?;
        // The mean of the actual values is the MAE divided by the share.
        Some(if bias == 0.0 {
            0.0
        } else {
            bias * share / self.mae
        })
    }
}

/// Returns the challenger's relative improvement over the champion's mean absolute error.
///
/// A result of 0.05 means that the challenger's error is 5 % lower. A negative result means that it
/// is higher. If the champion's error is zero, the result is 0 for an equal challenger and negative
/// infinity for a worse one.
#[must_use]
pub fn improvement(champion_mae: f64, challenger_mae: f64) -> f64 {
    if challenger_mae == champion_mae {
        return 0.0;
    }
    (champion_mae - challenger_mae) / champion_mae
}

/// Returns the population standard deviation (divisor n, the default of `numpy.std`).
///
/// # Errors
/// Returns [`Error::NoRows`] if `values` is empty, and [`Error::NotFinite`] if a value is NaN or
/// infinite.
pub fn standard_deviation<V: Copy + Into<f64>>(values: &[V]) -> Result<f64, Error> {
    Ok(variance(&finite_values(values)?).sqrt())
}

/// The error of a score computation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The numbers of predictions and actual values differ.
    #[error("cannot compare {predictions} predictions with {actuals} actual values")]
    DifferentLengths {
        /// The number of predictions.
        predictions: usize,
        /// The number of actual values.
        actuals: usize,
    },
    /// The input has no rows.
    #[error("cannot compute scores without rows")]
    NoRows,
    /// A value is NaN or infinite.
    #[error("the value in row {row} is not finite")]
    NotFinite {
        /// The zero-based index of the row.
        row: usize,
    },
    /// The bootstrap has fewer than two days to resample.
    #[error("cannot bootstrap {days} days: at least 2 are required")]
    TooFewDays {
        /// The number of distinct days.
        days: usize,
    },
}

fn finite_values<V: Copy + Into<f64>>(values: &[V]) -> Result<Vec<f64>, Error> {
    if values.is_empty() {
        return Err(Error::NoRows);
    }
    let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(Error::NotFinite { row }),
        None => Ok(values),
    }
}

fn variance(values: &[f64]) -> f64 {
    let mean_value = mean(values.iter().copied());
    mean(values.iter().map(|value| (value - mean_value).powi(2)))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let rows = values.len() as f64;
    values.sum::<f64>() / rows
}

fn coefficient_of_determination(squared_errors: f64, squared_deviations: f64) -> f64 {
    if squared_deviations > 0.0 {
        return 1.0 - squared_errors / squared_deviations;
    }
    if squared_errors == 0.0 { 1.0 } else { 0.0 }
}
