//! Predictions and explanations equal Python's, from any thread.

use std::thread;

use xgboost::{Booster, DMatrix, Error, train};

use crate::fixtures::{Case, Data, assert_close, go_on, model_bytes};

#[test]
fn python_model_predicts_like_python() {
    let data = Data::read();
    for name in ["squared_error", "poisson"] {
        let expected = Case::read(name).predictions;
        let booster = Booster::load(&model_bytes(name)).unwrap();
        let in_place = booster
            .predict_in_place(&data.test.rows, data.columns)
            .unwrap();
        assert_close(&in_place, &expected);
        assert_close(&booster.predict(&data.test_matrix()).unwrap(), &expected);
    }
}

#[test]
fn missing_value_differs_from_zero() {
    let data = Data::read();
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let zeros: Vec<f32> = data
        .test
        .rows
        .iter()
        .map(|value| if value.is_nan() { 0.0 } else { *value })
        .collect();
    let predictions = booster.predict_in_place(&zeros, data.columns).unwrap();
    assert_ne!(predictions, Case::read("squared_error").predictions);
}

#[test]
fn single_row_is_predicted_like_a_row_of_many() {
    let data = Data::read();
    let mut booster = Booster::load(&model_bytes("squared_error")).unwrap();
    booster.set_param("nthread", "1").unwrap();
    let rows = data.test.rows.chunks(data.columns);
    let predictions: Vec<f32> = rows
        .flat_map(|row| booster.predict_in_place(row, data.columns).unwrap())
        .collect();
    assert_close(&predictions, &Case::read("squared_error").predictions);
}

#[test]
fn contributions_equal_python_and_sum_to_the_margin() {
    let data = Data::read();
    let case = Case::read("squared_error");
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let per_row = data.columns + 1;
    let rows = case.contributions.len() / per_row;
    let matrix = DMatrix::dense(&data.test.rows[..rows * data.columns], data.columns).unwrap();
    let contributions = booster.contributions(&matrix).unwrap();
    assert_close(&contributions, &case.contributions);
    let sums: Vec<f32> = contributions
        .chunks(per_row)
        .map(|row| row.iter().sum())
        .collect();
    assert_close(&sums, &case.predictions[..rows]);
}

#[test]
fn multiclass_model_predicts_a_probability_per_class() {
    let rows = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0];
    let mut matrix = DMatrix::dense(&rows, 1).unwrap();
    matrix.set_labels(&rows).unwrap();
    let params = [
        ("objective", "multi:softprob"),
        ("num_class", "3"),
        ("min_child_weight", "0"),
    ];
    let booster = train(&params, &matrix, 20, &[], None, &mut go_on)
        .unwrap()
        .booster;
    let probabilities = booster.predict(&matrix).unwrap();
    assert_eq!(booster.predict_in_place(&rows, 1).unwrap(), probabilities);
    for (row, probabilities) in rows.iter().zip(probabilities.chunks(3)) {
        assert_close(&[probabilities.iter().sum()], &[1.0]);
        assert!(
            probabilities[*row as usize] > 0.5,
            "{row}: {probabilities:?}"
        );
    }
}

#[test]
fn threads_sharing_a_booster_predict_equal_values() {
    let data = Data::read();
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let expected = booster
        .predict_in_place(&data.test.rows, data.columns)
        .unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let matrix = data.test_matrix();
                for _ in 0..50 {
                    let in_place = booster.predict_in_place(&data.test.rows, data.columns);
                    assert_eq!(in_place.unwrap(), expected);
                    assert_eq!(booster.predict(&matrix).unwrap(), expected);
                }
            });
        }
    });
}

/// The first call after loading or setting a parameter configures the booster.
#[test]
fn threads_can_configure_a_booster_concurrently() {
    let data = Data::read();
    let expected = Case::read("squared_error").predictions;
    for _ in 0..20 {
        let mut booster = Booster::load(&model_bytes("squared_error")).unwrap();
        booster.set_param("nthread", "1").unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let in_place = booster.predict_in_place(&data.test.rows, data.columns);
                    assert_close(&in_place.unwrap(), &expected);
                });
            }
        });
    }
}

#[test]
fn booster_can_be_used_and_dropped_on_another_thread() {
    let data = Data::read();
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    booster
        .predict_in_place(&data.test.rows, data.columns)
        .unwrap();
    let rows = data.test.rows.clone();
    let predictions = thread::spawn(move || booster.predict_in_place(&rows, data.columns));
    assert_close(
        &predictions.join().unwrap().unwrap(),
        &Case::read("squared_error").predictions,
    );
}

#[test]
fn empty_input_has_no_predictions() {
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    assert!(booster.predict_in_place(&[], 6).unwrap().is_empty());
}

#[test]
fn wrong_number_of_columns_is_rejected() {
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let error = booster.predict_in_place(&[0.5; 7], 6).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    for columns in [5, 7] {
        let rows = vec![0.5; columns];
        let error = booster.predict_in_place(&rows, columns).unwrap_err();
        assert!(matches!(error, Error::Xgboost { .. }), "{error}");
        let matrix = DMatrix::dense(&rows, columns).unwrap();
        let error = booster.predict(&matrix).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
}

/// The expected values are those of `Booster.get_score(importance_type="total_gain")` in Python's
/// XGBoost 3.2.0.
#[test]
fn total_gains_equal_python() {
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let gains = booster.total_gains().unwrap();
    let names: Vec<_> = gains.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<_> = (0..6).map(|column| format!("feature_{column}")).collect();
    assert_eq!(names, expected);
    let gains: Vec<_> = gains.iter().map(|(_, gain)| *gain).collect();
    let expected = [
        258.953_6, 79.486_465, 9.297_391, 11.260_93, 35.593_018, 2.802_283,
    ];
    assert_close(&gains, &expected);
}
