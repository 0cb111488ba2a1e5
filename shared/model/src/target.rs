//! The target of the trees: the square root of a count.
//!
//! Errors at busy counters would dominate a model of the counts themselves. They would count too
//! little in a model of the square roots, so a row weighs more, the higher its count is. A forecast
//! is the squared prediction times the bias factor of the model card.

/// The number added to a count before its weight is taken, so that quiet hours have one as well.
const WEIGHT_PRIOR: f64 = 4.0;

/// Returns the labels of rows: the square root of each count.
pub(crate) fn labels(counts: &[f32]) -> Vec<f32> {
    counts.iter().map(|count| count.sqrt()).collect()
}

/// Returns the weights of rows in training: the fourth root of count + 4, divided by the mean of
/// these roots.
///
/// With weights as high as the counts, a model of the square roots would be about a model of the
/// counts, because an error of a root is 2 √count times as large in bicycles. The fourth root is a
/// part of this: it lowered MAE and RMSE on each of three holdouts inside the training data. The
/// mean is 1, so that the minimum weight of a leaf remains about a number of rows.
pub(crate) fn weights(counts: &[f32]) -> Vec<f32> {
    let root = |count: &f32| (f64::from(*count) + WEIGHT_PRIOR).sqrt().sqrt();
    let roots: Vec<_> = counts.iter().map(root).collect();
    let mean = roots.iter().sum::<f64>() / roots.len() as f64;
    roots.iter().map(|root| (root / mean) as f32).collect()
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
