//! The target of the trees: the square root of a count.
//!
//! Errors at busy counters would dominate a model of the counts themselves. A forecast is the
//! squared prediction times the bias factor of the model card.

use forecasting::features::Frame;

/// Returns the labels of a frame: the square root of each target.
pub(crate) fn labels(frame: &Frame) -> Vec<f32> {
    frame.targets().iter().map(|count| count.sqrt()).collect()
}

/// Returns the count that a prediction stands for.
pub(crate) fn count(prediction: f32, bias_factor: f64) -> f32 {
    (square(prediction) * bias_factor) as f32
}

/// Returns the factor that makes the sum of the forecasts equal to the sum of the counts; 1 if
/// there is none. `predictions` are those of the booster for the rows of the counts.
pub(crate) fn bias_factor(predictions: &[f32], counts: &[f32]) -> f64 {
    let forecasts: f64 = predictions.iter().copied().map(square).sum();
    let counts: f64 = counts.iter().copied().map(f64::from).sum();
    let factor = counts / forecasts;
    if factor.is_normal() { factor } else { 1.0 }
}

/// Returns the square of a prediction. A sum of trees can be negative, but a count cannot.
fn square(prediction: f32) -> f64 {
    f64::from(prediction.max(0.0)).powi(2)
}
