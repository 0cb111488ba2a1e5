//! How good forecasts are, and whether one model is better than another.
//!
//! Every sum is in `f64`, whatever the inputs are.

mod bootstrap;

use serde::{Deserialize, Serialize};

pub use bootstrap::{DifferenceBound, PairedErrors, day_block_bootstrap};

/// Scores of forecasts against the counts that came true, as scikit-learn computes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean absolute error, in the unit of the counts.
    pub mae: f64,
    /// Square root of the mean squared error, in the unit of the counts.
    pub rmse: f64,
    /// Coefficient of determination: 1 is perfect, 0 is as good as the mean of the actuals.
    pub r2: f64,
    /// Number of rows compared.
    pub rows: usize,
}

impl Scores {
    /// Compares each prediction with the actual value of the same row.
    ///
    /// When the actuals do not vary, R² is 1 for perfect predictions and 0 for all others, as
    /// in `sklearn.metrics.r2_score`. A single row follows the same rule; there scikit-learn
    /// answers NaN.
    ///
    /// # Errors
    ///
    /// [`Error::DifferentLengths`], [`Error::NoRows`], and [`Error::NotFinite`] for a NaN or an
    /// infinity on either side.
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
        Ok(Self {
            mae: mean(errors.iter().map(|error| error.abs())),
            rmse: (squared_errors / errors.len() as f64).sqrt(),
            r2: coefficient_of_determination(squared_errors, squared_deviations),
            rows: errors.len(),
        })
    }
}

/// Returns the share of the champion's mean absolute error that the challenger takes away.
///
/// 0.05 says that the challenger's error is 5 % lower; a negative share says that it is higher.
/// Against an error of zero no share exists: an equal challenger then answers 0, a worse one
/// negative infinity.
#[must_use]
pub fn improvement(champion_mae: f64, challenger_mae: f64) -> f64 {
    if challenger_mae == champion_mae {
        return 0.0;
    }
    (champion_mae - challenger_mae) / champion_mae
}

/// Returns the standard deviation of a population (divisor n, as `numpy.std` by default).
///
/// # Errors
///
/// [`Error::NoRows`], and [`Error::NotFinite`] for a NaN or an infinity.
pub fn standard_deviation<V: Copy + Into<f64>>(values: &[V]) -> Result<f64, Error> {
    Ok(variance(&finite_values(values)?).sqrt())
}

/// Reasons why scores cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Predictions and actuals do not belong to the same rows.
    #[error("cannot compare {predictions} predictions with {actuals} actual values")]
    DifferentLengths {
        /// Number of predictions.
        predictions: usize,
        /// Number of actual values.
        actuals: usize,
    },
    /// There is nothing to compute from.
    #[error("cannot compute scores of no rows")]
    NoRows,
    /// A value is NaN or infinite.
    #[error("value of row {row} is not a finite number")]
    NotFinite {
        /// Index of the row, from 0.
        row: usize,
    },
    /// The bootstrap has too few days to resample.
    #[error("cannot bootstrap {days} days, at least 2 are needed")]
    TooFewDays {
        /// Number of distinct days.
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
