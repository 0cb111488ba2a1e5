//! The target of the trees: the square root of a count.
//!
//! Errors at busy counters would dominate a model of the counts themselves. A forecast is the
//! squared prediction times the bias factor of the model card.

use forecasting::features::{COLUMNS, Frame};
use xgboost::{Booster, Error};

/// Returns the labels of a frame: the square root of each target.
pub(crate) fn labels(frame: &Frame) -> Vec<f32> {
    frame.targets().iter().map(|count| count.sqrt()).collect()
}

/// Returns the count that a prediction stands for.
pub(crate) fn count(prediction: f32, bias_factor: f64) -> f32 {
    (square(prediction) * bias_factor) as f32
}

/// Returns the factor that makes the sum of the forecasts of `frame` equal to the sum of its
/// counts; 1 if there is none.
pub(crate) fn bias_factor(booster: &Booster, frame: &Frame) -> Result<f64, Error> {
    let predictions = booster.predict_in_place(frame.values(), COLUMNS.len())?;
    let forecasts: f64 = predictions.into_iter().map(square).sum();
    let counts: f64 = frame.targets().iter().map(|count| f64::from(*count)).sum();
    let factor = counts / forecasts;
    Ok(if factor.is_normal() { factor } else { 1.0 })
}

/// Returns the square of a prediction. A sum of trees can be negative, but a count cannot.
fn square(prediction: f32) -> f64 {
    f64::from(prediction.max(0.0)).powi(2)
}
