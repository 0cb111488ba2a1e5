//! Tests of the target: its bias factor, and rows in outages.

use super::*;
use crate::target::{bias_factor, count, weights};

/// The expected values are those of `weights` in tests/reference/forecast.py.
#[test]
fn weights_are_fourth_roots_with_the_mean_1() {
    let found = weights(&[0.0, 12.0, 77.0, 252.0]);
    let expected = [0.543_186, 0.768_181, 1.152_271, 1.536_362];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!(
            (f64::from(found) - expected).abs() < 2e-6,
            "{found} {expected}"
        );
    }
}

/// Without a split, a model predicts the weighted mean of the roots, here calculated with `weights`
/// in tests/reference/forecast.py. The mean with equal weights is 6.57.
#[test]
fn busy_rows_weigh_more_in_training() {
    let counts = counts(60, 10);
    let recipe = TrainRecipe {
        rounds: 1,
        min_child_weight: 1e9,
        subsample: 1.0,
        ..recipe()
    };
    let (spec, frame) = (FeatureSpec::for_counters(counts.counters()), frame(&counts));
    let model = train(frame.clone(), spec, &recipe, &mut |_| {}).unwrap();
    let values = frame.encoded_values(model.features());
    let roots = model.booster.predict_in_place(&values, COLUMNS.len());
    let mean = roots.unwrap()[0];
    assert!((mean - 7.932_275).abs() < 1e-3, "{mean}");
}

/// One split leaves much of the variance unexplained, so the squared mean of the roots is below the
/// mean of the counts.
#[test]
fn bias_factor_makes_the_sum_of_the_forecasts_right() {
    let counts = counts(60, 10);
    let recipe = TrainRecipe {
        rounds: 1,
        learning_rate: 1.0,
        max_depth: 1,
        ..recipe()
    };
    let (spec, frame) = (FeatureSpec::for_counters(counts.counters()), frame(&counts));
    let model = train(frame.clone(), spec, &recipe, &mut |_| {}).unwrap();
    let sum = |values: &[f32]| values.iter().map(|value| f64::from(*value)).sum::<f64>();
    let (forecasts, actuals) = (sum(&model.predict(&frame).unwrap()), sum(frame.targets()));
    let factor = model.card().bias_factor;
    assert!(factor > 1.002, "{factor}");
    assert!(
        (forecasts / actuals - 1.0).abs() < 1e-6,
        "{forecasts} {actuals}"
    );
}

/// XGBoost caches the predictions of the training rows, and the flat trees predict them again.
#[test]
fn forecasts_and_bias_factor_are_those_of_the_booster() {
    let counts = counts(60, 10);
    let (model, frame) = (trained(&counts), frame(&counts));
    assert!(model.forest.is_some());
    let values = frame.encoded_values(model.features());
    let roots = model.booster.predict_in_place(&values, COLUMNS.len());
    let (roots, factor) = (roots.unwrap(), model.card().bias_factor);
    assert_eq!(frame.clone().without_outages().len(), frame.len());
    assert_eq!(bias_factor(&roots, frame.targets()), factor);
    let expected: Vec<_> = roots.iter().map(|root| count(*root, factor)).collect();
    assert_eq!(model.predict(&frame).unwrap(), expected);
}

/// Returns counts of 40 days, with a third counter that reports zeros from the second day on.
fn counts_with_a_dead_counter() -> Counts {
    let mut counts = counts(40, 10);
    let dead = counts.intern(Counter {
        id: None,
        name: "Dead".to_owned(),
        coordinates: None,
    });
    let first: Day = "2021-03-01".parse().unwrap();
    for day in first.through(first.plus(39)) {
        let level = u32::from(day == first);
        day.hours().for_each(|hour| {
            let of_day = u32::try_from(hour.local().hour).unwrap();
            counts.push(dead, hour, level * (1 + of_day));
        });
    }
    counts.normalized()
}

#[test]
fn rows_in_outages_are_left_out_of_training() {
    let counts = counts_with_a_dead_counter();
    let training = trained(&counts).card().training;
    // One of the 39 days of zeros has 23 hours.
    assert_eq!(training.excluded, 39 * 24 - 1);
    assert_eq!(training.rows, counts.len() - training.excluded);
    let dead = frame(&counts).filter(|row| row.counter == 1);
    let dead = dead.filter(|row| row.hour >= dead.rows()[24].hour);
    let none = train(dead, FeatureSpec::for_counters([]), &recipe(), &mut |_| {});
    assert!(matches!(
        none,
        Err(ModelError::TooLittleData { rows: 0, .. })
    ));
}

#[test]
fn silent_rows_are_forecast_as_0() {
    let counts = counts_with_a_dead_counter();
    let frame = frame(&counts);
    let forecasts = trained(&counts).predict(&frame).unwrap();
    let silent = frame.silent();
    assert_eq!(
        silent.iter().filter(|is_silent| **is_silent).count(),
        38 * 24 - 1
    );
    for ((forecast, is_silent), target) in forecasts.iter().zip(silent).zip(frame.targets()) {
        // Every other row of more than 20 bicycles has a forecast.
        if *is_silent {
            assert_eq!(*forecast, 0.0);
        } else if *target > 20.0 {
            assert!(*forecast > 1.0, "{forecast} {target}");
        }
    }
}
