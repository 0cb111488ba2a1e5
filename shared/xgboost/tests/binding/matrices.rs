//! Valid and invalid data.

use xgboost::{Booster, DMatrix, Error, FeatureType, QuantileOptions};

use crate::fixtures::go_on;

#[test]
fn matrix_has_the_shape_of_its_data() {
    let mut matrix = DMatrix::dense(&[1.0, f32::NAN, 0.0, 4.0, 5.0, 6.0], 3).unwrap();
    assert_eq!((matrix.rows(), matrix.columns()), (2, 3));
    matrix.set_feature_names(&["a", "b", "c"]).unwrap();
    assert_eq!(matrix.feature_names(), ["a", "b", "c"]);
}

#[test]
fn empty_or_incomplete_rows_are_rejected() {
    let quantile =
        |rows: &[f32], columns| DMatrix::quantile(rows, columns, QuantileOptions::default());
    for (rows, columns) in [([1.0, 2.0, 3.0].as_slice(), 2), (&[1.0], 0), (&[], 2)] {
        assert_shape(DMatrix::dense(rows, columns));
        assert_shape(quantile(rows, columns));
    }
}

#[test]
fn wrong_number_of_labels_weights_names_or_types_is_rejected() {
    let rows = [1.0, 2.0, 3.0, 4.0];
    let mut matrix = DMatrix::dense(&rows, 2).unwrap();
    assert_shape(matrix.set_labels(&[1.0]));
    assert_shape(matrix.set_weights(&[1.0, 2.0, 3.0]));
    assert_shape(matrix.set_feature_names(&["a"]));
    assert_shape(matrix.set_feature_types(&[FeatureType::Float; 3]));
    let labels = QuantileOptions {
        labels: Some(&[1.0]),
        ..QuantileOptions::default()
    };
    assert_shape(DMatrix::quantile(&rows, 2, labels));
    let weights = QuantileOptions {
        weights: Some(&[1.0]),
        ..QuantileOptions::default()
    };
    assert_shape(DMatrix::quantile(&rows, 2, weights));
    let types = [FeatureType::Float];
    let types = QuantileOptions {
        feature_types: &types,
        ..QuantileOptions::default()
    };
    assert_shape(DMatrix::quantile(&rows, 2, types));
}

#[test]
fn infinite_values_and_nan_labels_are_rejected() {
    assert_xgboost(DMatrix::dense(&[1.0, f32::INFINITY], 2));
    let mut matrix = DMatrix::dense(&[1.0, 2.0], 2).unwrap();
    assert_xgboost(matrix.set_labels(&[f32::NAN]));
    assert_xgboost(matrix.set_weights(&[-1.0]));
}

#[test]
fn nul_byte_in_a_name_is_rejected() {
    let mut matrix = DMatrix::dense(&[1.0, 2.0], 2).unwrap();
    let named = matrix.set_feature_names(&["a", "b\0c"]);
    assert!(
        matches!(
            named,
            Err(Error::Text {
                what: "feature name",
                ..
            })
        ),
        "{named:?}"
    );
}

#[test]
fn categories_are_split_by_sets() {
    // Only a set of categories separates even from odd in one split.
    let codes: Vec<f32> = (0..64_u8).map(|row| f32::from(row % 8)).collect();
    let labels: Vec<f32> = codes.iter().map(|code| code % 2.0).collect();
    let mut categorical = DMatrix::dense(&codes, 1).unwrap();
    categorical
        .set_feature_types(&[FeatureType::Categorical])
        .unwrap();
    categorical.set_labels(&labels).unwrap();
    let options = QuantileOptions {
        labels: Some(&labels),
        feature_types: &[FeatureType::Categorical],
        ..QuantileOptions::default()
    };
    let quantile = DMatrix::quantile(&codes, 1, options).unwrap();
    let params = [
        ("max_depth", "1"),
        ("eta", "1"),
        ("lambda", "0"),
        ("min_child_weight", "0"),
        ("max_cat_to_onehot", "1"),
    ];
    for matrix in [categorical, quantile] {
        let booster = xgboost::train(&params, &matrix, 1, &[], None, &mut go_on)
            .unwrap()
            .booster;
        assert_eq!(booster.predict_in_place(&codes, 1).unwrap(), labels);
    }
}

#[test]
fn error_of_a_booster_without_data_names_the_cause() {
    let error = Booster::new(&[], &[])
        .unwrap()
        .rounds()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot count the rounds of a booster"),
        "{error}"
    );
    assert!(error.contains("0 feature is supplied"), "{error}");
    assert!(!error.contains("Stack trace"), "{error}");
}

#[track_caller]
fn assert_shape<T: std::fmt::Debug>(result: xgboost::Result<T>) {
    assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
}

#[track_caller]
fn assert_xgboost<T: std::fmt::Debug>(result: xgboost::Result<T>) {
    assert!(matches!(result, Err(Error::Xgboost { .. })), "{result:?}");
}
