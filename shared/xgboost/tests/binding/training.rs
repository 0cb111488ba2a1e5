//! Rounds, scores, early stopping and continued training equal Python's.

mod continued;
mod refit;
mod scoring;

use std::{num::NonZeroU32, ops::ControlFlow};

use xgboost::{Booster, DMatrix, Error, QuantileOptions, Score, Trained, train};

use crate::fixtures::{Case, Data, assert_close, go_on, model_bytes};

/// With more threads, synchronization would take longer than the training.
const ONE_THREAD: (&str, &str) = ("nthread", "1");

#[test]
fn training_chooses_the_same_splits_as_python() {
    let data = Data::read();
    for (name, labels) in cases(&data) {
        let trained = run(&data, &Case::read(name), labels);
        let (ours, theirs) = (trees(&trained.booster), trees(&load(name)));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            for field in ["left_children", "split_indices", "default_left"] {
                assert_eq!(ours[field], theirs[field], "{name}");
            }
        }
    }
}

#[test]
fn trained_model_predicts_and_scores_like_python() {
    let data = Data::read();
    for (name, labels) in cases(&data) {
        let case = Case::read(name);
        let trained = run(&data, &case, labels);
        assert_predicts(&trained.booster, &data, &case);
        assert_history(&trained.history, &case, &["train"]);
    }
}

#[test]
fn quantile_matrix_trains_like_python() {
    let data = Data::read();
    let case = Case::read("quantile");
    let weights: Vec<f32> = [1.0, 2.0, 3.0].into_iter().cycle().take(400).collect();
    let options = QuantileOptions {
        labels: Some(&data.train.labels),
        weights: Some(&weights),
        max_bin: 16,
        ..QuantileOptions::default()
    };
    let train_set = DMatrix::quantile(&data.train.rows, data.columns, options).unwrap();
    let options = QuantileOptions {
        labels: Some(&data.test.labels),
        reference: Some(&train_set),
        max_bin: 16,
        ..QuantileOptions::default()
    };
    let test_set = DMatrix::quantile(&data.test.rows, data.columns, options).unwrap();
    let sets = [("train", &train_set), ("test", &test_set)];
    let trained = train(
        &case.params(),
        &train_set,
        case.rounds,
        &sets,
        None,
        &mut go_on,
    )
    .unwrap();
    assert_predicts(&trained.booster, &data, &case);
    assert_history(&trained.history, &case, &["train", "test"]);
}

#[test]
fn early_stopping_selects_the_same_round_as_python() {
    let data = Data::read();
    let case = Case::read("early_stopping");
    let (train_set, test_set) = (data.train_matrix(), data.test_matrix());
    let sets = [("train", &train_set), ("test", &test_set)];
    let patience = NonZeroU32::new(case.patience);
    let trained = train(
        &case.params(),
        &train_set,
        case.rounds,
        &sets,
        patience,
        &mut go_on,
    )
    .unwrap();
    assert_eq!(trained.best_round, case.best_round);
    assert_eq!(trained.booster.rounds().unwrap(), case.best_round + 1);
    assert_predicts(&trained.booster, &data, &case);
    assert_history(&trained.history, &case, &["train", "test"]);
}

#[test]
fn slice_predicts_like_a_model_of_its_rounds() {
    let data = Data::read();
    let train_set = data.train_matrix();
    let params = [ONE_THREAD, ("max_depth", "3")];
    let booster = train(&params, &train_set, 8, &[], None, &mut go_on)
        .unwrap()
        .booster;
    let short = train(&params, &train_set, 3, &[], None, &mut go_on)
        .unwrap()
        .booster;
    let slice = booster.slice(0..3).unwrap();
    assert_eq!(slice.rounds().unwrap(), 3);
    let predict = |booster: &Booster| booster.predict_in_place(&data.test.rows, data.columns);
    assert_eq!(predict(&slice).unwrap(), predict(&short).unwrap());
}

#[test]
fn slice_of_missing_rounds_is_rejected() {
    let booster = load("squared_error");
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "the test passes an invalid range"
    )]
    for range in [0..13, 12..13, 3..3, 4..3, 0..u32::MAX] {
        let error = booster.slice(range).unwrap_err();
        assert!(matches!(error, Error::Rounds { rounds: 12, .. }), "{error}");
    }
}

#[test]
fn on_round_is_called_for_each_round_and_can_end_the_training() {
    let data = Data::read();
    let train_set = data.train_matrix();
    let mut calls = Vec::new();
    let trained = train(
        &[ONE_THREAD],
        &train_set,
        10,
        &[("train", &train_set)],
        None,
        &mut |progress| {
            calls.push((
                progress.round,
                progress.done,
                progress.planned,
                progress.scores.to_vec(),
            ));
            if progress.done == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    );
    let trained = trained.unwrap();
    assert_eq!(trained.booster.rounds().unwrap(), 3);
    assert_eq!(trained.best_round, 2);
    let scores = calls.iter().map(|(.., scores)| scores.clone());
    assert_eq!(trained.history, scores.collect::<Vec<_>>());
    let counts = calls
        .iter()
        .map(|(round, done, planned, _)| (*round, *done, *planned));
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [(0, 1, 10), (1, 2, 10), (2, 3, 10)]
    );
}

#[test]
fn booster_takes_feature_names_from_the_training_matrix() {
    let data = Data::read();
    let mut train_set = data.train_matrix();
    let names = [
        "hour",
        "weekday",
        "lag_24",
        "lag_168",
        "longitude",
        "latitude",
    ];
    train_set.set_feature_names(&names).unwrap();
    let booster = train(&[ONE_THREAD], &train_set, 1, &[], None, &mut go_on)
        .unwrap()
        .booster;
    assert_eq!(booster.feature_names().unwrap(), names);
}

#[test]
fn weights_affect_the_training() {
    let mut matrix = DMatrix::dense(&[1.0, 1.0], 1).unwrap();
    matrix.set_labels(&[0.0, 1.0]).unwrap();
    matrix.set_weights(&[1.0, 3.0]).unwrap();
    let booster = train(&[("eta", "1")], &matrix, 1, &[], None, &mut go_on)
        .unwrap()
        .booster;
    assert_close(&booster.predict_in_place(&[1.0], 1).unwrap(), &[0.75]);
}

#[test]
fn invalid_training_is_rejected() {
    let data = Data::read();
    let train_set = data.train_matrix();
    let unlabelled = DMatrix::dense(&data.train.rows, data.columns).unwrap();
    let one = NonZeroU32::new(1);
    let attempt = |params: &[_], matrix, rounds, patience| {
        train(params, matrix, rounds, &[], patience, &mut go_on).unwrap_err()
    };
    let error = attempt(&[], &train_set, 0, None);
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let error = attempt(&[], &train_set, 5, one);
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let error = attempt(&[("booster", "gblinear")], &train_set, 5, None);
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let error = attempt(&[("a\0b", "1")], &train_set, 5, None);
    assert!(matches!(error, Error::Text { .. }), "{error}");
    let error = attempt(&[("objective", "reg:cubederror")], &train_set, 5, None);
    assert!(matches!(error, Error::Xgboost { .. }), "{error}");
    let error = attempt(&[("max_depth", "deep")], &train_set, 5, None);
    assert!(matches!(error, Error::Xgboost { .. }), "{error}");
    let error = attempt(&[], &unlabelled, 5, None);
    assert!(matches!(error, Error::Xgboost { .. }), "{error}");
}

#[test]
fn matrix_can_be_dropped_before_the_booster() {
    let data = Data::read();
    let mut booster = {
        let train_set = data.train_matrix();
        train(&[ONE_THREAD], &train_set, 3, &[], None, &mut go_on)
            .unwrap()
            .booster
    };
    booster.set_param("nthread", "1").unwrap();
    let again = data.train_matrix();
    booster.update(3, &again).unwrap();
    assert_eq!(booster.rounds().unwrap(), 4);
}

fn cases(data: &Data) -> [(&'static str, &[f32]); 2] {
    [
        ("squared_error", &data.train.labels),
        ("poisson", &data.train.counts),
    ]
}

fn run(data: &Data, case: &Case, labels: &[f32]) -> Trained {
    let train_set = data.matrix(&data.train, labels);
    let sets = [("train", &train_set)];
    train(
        &case.params(),
        &train_set,
        case.rounds,
        &sets,
        None,
        &mut go_on,
    )
    .unwrap()
}

fn load(name: &str) -> Booster {
    Booster::load(&model_bytes(name)).unwrap()
}

fn trees(booster: &Booster) -> Vec<serde_json::Value> {
    let model: serde_json::Value = serde_json::from_str(&booster.save_json().unwrap()).unwrap();
    let trees = &model["learner"]["gradient_booster"]["model"]["trees"];
    trees.as_array().unwrap().clone()
}

#[track_caller]
fn assert_predicts(booster: &Booster, data: &Data, case: &Case) {
    let predictions = booster
        .predict_in_place(&data.test.rows, data.columns)
        .unwrap();
    assert_close(&predictions, &case.predictions);
}

/// Asserts that every metric of the named data sets equals Python's in every round.
#[track_caller]
fn assert_history(history: &[Vec<Score>], case: &Case, datasets: &[&str]) {
    for dataset in datasets {
        for (metric, expected) in &case.history[*dataset] {
            let is_match = |score: &&Score| score.dataset == *dataset && score.metric == *metric;
            let values: Vec<f64> = history
                .iter()
                .flatten()
                .filter(is_match)
                .map(|score| score.value)
                .collect();
            assert_eq!(values.len(), expected.len(), "{dataset} {metric}");
            for (value, expected) in values.iter().zip(expected) {
                assert!(
                    (value - expected).abs() < 1e-6,
                    "{dataset} {metric}: expected {expected}, found {value}"
                );
            }
        }
    }
}

#[test]
fn device_of_a_booster_is_reported() {
    let data = DMatrix::dense(&[1.0, 2.0], 2).unwrap();
    let device = |name: &str| {
        Booster::new(&[("device", name)], &[&data])
            .unwrap()
            .device()
            .unwrap()
    };
    assert_eq!(device("cpu"), "cpu");
    // XGBoost falls back to the CPU without a GPU or CUDA support.
    assert!(["cpu", "cuda:0"].contains(&device("cuda").as_str()));
}
