//! Leaves refitted to other rows.

use serde::Deserialize;
use xgboost::{Booster, DMatrix, Error, QuantileOptions};

use super::trees;
use crate::fixtures::{Data, assert_close, model_bytes, read_json};

/// The refitted leaves, computed with numpy.
#[derive(Deserialize)]
struct Refit {
    decay: f64,
    rates: Vec<f64>,
    unreached: usize,
    leaves: Vec<Vec<f32>>,
    predictions: Vec<f32>,
}

/// Returns the values of the leaves of a model.
fn leaves(booster: &Booster) -> Vec<f32> {
    let mut leaves = Vec::new();
    for tree in trees(booster) {
        let children = tree["left_children"].as_array().unwrap();
        let values = tree["split_conditions"].as_array().unwrap();
        for (child, value) in children.iter().zip(values) {
            if *child == -1 {
                leaves.push(value.as_f64().unwrap() as f32);
            }
        }
    }
    leaves
}

#[test]
fn refitted_leaves_equal_numpy() {
    let (data, expected) = (Data::read(), read_json::<Refit>("refit.json"));
    let old = Booster::load(&model_bytes("squared_error")).unwrap();
    let new = old
        .refit(&data.test_matrix(), &expected.rates, expected.decay)
        .unwrap();
    let (old_leaves, new_leaves) = (leaves(&old), leaves(&new));
    assert_close(&new_leaves, &expected.leaves.concat());
    let predictions = new.predict_in_place(&data.test.rows, data.columns).unwrap();
    assert_close(&predictions, &expected.predictions);
    let equal = old_leaves.iter().zip(&new_leaves);
    let equal = equal.filter(|(old, new)| old == new).count();
    assert_eq!(equal, expected.unreached);
    for (old, new) in trees(&old).iter().zip(trees(&new)) {
        for field in [
            "left_children",
            "split_indices",
            "sum_hessian",
            "base_weights",
        ] {
            assert_eq!(old[field], new[field], "{field}");
        }
    }
    assert_eq!(new.feature_names().unwrap(), old.feature_names().unwrap());
}

#[test]
fn refit_with_decay_1_changes_nothing() {
    let data = Data::read();
    let bytes = model_bytes("squared_error");
    let old = Booster::load(&bytes).unwrap();
    let new = old.refit(&data.test_matrix(), &[0.3; 12], 1.0).unwrap();
    assert_eq!(new.save_ubj().unwrap(), bytes);
}

#[test]
fn refit_requires_a_rate_per_round_and_values() {
    let data = Data::read();
    let old = Booster::load(&model_bytes("squared_error")).unwrap();
    let error = old.refit(&data.test_matrix(), &[0.3; 11], 0.9).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    let options = QuantileOptions {
        labels: Some(&data.test.labels),
        ..QuantileOptions::default()
    };
    let binned = DMatrix::quantile(&data.test.rows, data.columns, options).unwrap();
    assert!(old.refit(&binned, &[0.3; 12], 0.9).is_err());
}
