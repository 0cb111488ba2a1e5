//! A forest predicts the bits of XGBoost, and refuses models that it cannot predict.

use std::num::NonZero;

use proptest::prelude::*;
use xgboost::{Booster, DMatrix, Error, FeatureType, Forest, train};

use crate::fixtures::{Case, Data, assert_close, go_on, model_bytes};

const ONE: NonZero<usize> = NonZero::<usize>::MIN;
/// The number of rows of a random training.
const ROWS: usize = 150;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn predict(forest: &Forest, rows: &[f32], columns: usize) -> Vec<f32> {
    forest.predict(rows, columns, ONE).unwrap()
}

/// Asserts that the forest of a booster and the booster predict the same bits.
#[track_caller]
fn assert_equal_bits(booster: &Booster, rows: &[f32], columns: usize) {
    let model = booster.save_ubj().unwrap();
    let forest = Forest::read(&model).unwrap();
    let loaded = Booster::load(&model).unwrap();
    let expected = loaded.predict_in_place(rows, columns).unwrap();
    assert_eq!(
        bits(&predict(&forest, rows, columns)),
        bits(&expected),
        "{columns} columns"
    );
}

#[test]
fn python_model_predicts_like_python() {
    let data = Data::read();
    let forest = Forest::read(&model_bytes("squared_error")).unwrap();
    let predictions = predict(&forest, &data.test.rows, data.columns);
    assert_close(&predictions, &Case::read("squared_error").predictions);
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    assert_equal_bits(&booster, &data.test.rows, data.columns);
    assert_equal_bits(&booster.slice(0..1).unwrap(), &data.test.rows, data.columns);
}

#[test]
fn any_number_of_rows_and_threads_predicts_the_same_bits() {
    let data = Data::read();
    let forest = Forest::read(&model_bytes("squared_error")).unwrap();
    let rows = data.test.rows.repeat(43);
    let all = predict(&forest, &rows, data.columns);
    assert_eq!(all.len(), 4_300);
    for threads in [2, 3, 64] {
        let threads = NonZero::new(threads).unwrap();
        let shared = forest.predict(&rows, data.columns, threads).unwrap();
        assert_eq!(bits(&shared), bits(&all), "{threads} threads");
    }
    for count in [0, 1, 7, 8, 9, 63, 64, 65, 100] {
        let some = predict(&forest, &rows[..count * data.columns], data.columns);
        assert_eq!(bits(&some), bits(&all[..count]), "{count} rows");
    }
}

/// Values that occur in data, many of them twice.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => (-20..20_i8).prop_map(|quarters| f32::from(quarters) / 4.0),
        3 => -1e3..1e3_f32,
        2 => Just(f32::NAN),
        1 => Just(0.0),
        1 => Just(-0.0),
    ]
}

/// Any value that a row of a prediction can have.
fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => value(),
        1 => any::<f32>(),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
    ]
}

/// The number of columns, with rows to train on and rows to predict.
fn tables() -> impl Strategy<Value = (usize, Vec<f32>, Vec<f32>)> {
    (1..6_usize).prop_flat_map(|columns| {
        (
            Just(columns),
            prop::collection::vec(value(), columns * ROWS),
            prop::collection::vec(any_value(), columns * 75),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_model_predicts_the_bits_of_xgboost(
        (columns, rows, others) in tables(),
        labels in prop::collection::vec(-50.0..50.0_f32, ROWS),
        depth in 1..9_u32,
        rounds in 1..25_u32,
    ) {
        let mut matrix = DMatrix::dense(&rows, columns).unwrap();
        matrix.set_labels(&labels).unwrap();
        let depth = depth.to_string();
        let params = [
            ("nthread", "1"),
            ("tree_method", "hist"),
            ("max_depth", depth.as_str()),
            ("min_child_weight", "0"),
            ("subsample", "0.8"),
        ];
        let trained = train(&params, &matrix, rounds, &[], None, &mut go_on).unwrap();
        assert_equal_bits(&trained.booster, &rows, columns);
        assert_equal_bits(&trained.booster, &others, columns);
    }

    #[test]
    fn altered_model_never_crashes(offset in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut model = model_bytes("squared_error");
        let offset = offset.index(model.len());
        model[offset] ^= 1 << bit;
        if let Some(forest) = Forest::read(&model) {
            let _ = forest.predict(&[0.5; 12], 6, ONE);
        }
    }
}

/// A row has an integer more than twice its columns, in room for 64, 512 or more.
#[test]
fn model_of_any_number_of_columns_predicts_the_bits_of_xgboost() {
    for columns in [31, 32, 255, 256, 600] {
        let value = |position: usize| match position * 7919 % 1009 {
            rest if rest % 10 == 0 => f32::NAN,
            rest => rest as f32,
        };
        let rows: Vec<f32> = (0..ROWS * columns).map(value).collect();
        // The labels are those of the last column, so that the trees read it.
        let last = rows.chunks_exact(columns).map(|row| row[columns - 1]);
        let labels: Vec<f32> = last.map(|value| value.max(0.0)).collect();
        let mut matrix = DMatrix::dense(&rows, columns).unwrap();
        matrix.set_labels(&labels).unwrap();
        let params = [("objective", "reg:squarederror"), ("max_depth", "4")];
        let trained = train(&params, &matrix, 5, &[], None, &mut go_on).unwrap();
        assert_equal_bits(&trained.booster, &rows, columns);
    }
}

#[test]
fn truncated_model_has_no_other_trees() {
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let model = booster.slice(0..2).unwrap().save_ubj().unwrap();
    let whole = Forest::read(&model).unwrap();
    for length in 0..model.len() {
        // Only the version of XGBoost follows the trees.
        let read = Forest::read(&model[..length]);
        assert!(read.is_none_or(|forest| forest == whole), "{length}");
    }
    assert!(Forest::read(booster.save_json().unwrap().as_bytes()).is_none());
}

#[test]
fn model_of_another_kind_has_no_forest() {
    assert!(Forest::read(&model_bytes("poisson")).is_none());

    let codes: Vec<f32> = (0..64_u8).map(|row| f32::from(row % 8)).collect();
    let labels: Vec<f32> = codes.iter().map(|code| code % 2.0).collect();
    let forest = |types: &[FeatureType], params: &[(&str, &str)]| {
        let mut matrix = DMatrix::dense(&codes, 1).unwrap();
        matrix.set_feature_types(types).unwrap();
        matrix.set_labels(&labels).unwrap();
        let trained = train(params, &matrix, 3, &[], None, &mut go_on).unwrap();
        Forest::read(&trained.booster.save_ubj().unwrap())
    };
    let numeric = [FeatureType::Float];
    assert!(forest(&numeric, &[]).is_some());
    let one_hot = [("max_cat_to_onehot", "1"), ("min_child_weight", "0")];
    assert!(forest(&[FeatureType::Categorical], &one_hot).is_none());
    let classes = [("objective", "multi:softprob"), ("num_class", "2")];
    assert!(forest(&numeric, &classes).is_none());
    let dropped = [("booster", "dart"), ("rate_drop", "0.5"), ("one_drop", "1")];
    assert!(forest(&numeric, &dropped).is_none());
}

#[test]
fn wrong_number_of_columns_is_rejected() {
    let forest = Forest::read(&model_bytes("squared_error")).unwrap();
    for (values, columns) in [(7, 6), (5, 5), (7, 7), (6, 0)] {
        let error = forest.predict(&[0.5; 7][..values], columns, ONE);
        assert!(matches!(error, Err(Error::Shape { .. })), "{error:?}");
    }
}
