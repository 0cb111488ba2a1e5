//! Scoring at intervals, and predictions of the rows that a model was trained on.

use std::num::NonZeroU32;

use xgboost::{Booster, DMatrix, QuantileOptions, Training};

use super::ONE_THREAD;
use crate::fixtures::{Data, go_on};

const SAMPLING: [(&str, &str); 4] = [
    ONE_THREAD,
    ("max_depth", "4"),
    ("subsample", "0.7"),
    ("colsample_bytree", "0.5"),
];

#[test]
fn scoring_at_intervals_trains_the_same_model() {
    let data = Data::read();
    let matrix = data.train_matrix();
    let run = |score_every: u32| {
        let training = Training {
            params: &SAMPLING,
            data: &matrix,
            rounds: 8,
            evals: &[("train", &matrix)],
            score_every: NonZeroU32::new(score_every).unwrap(),
            early_stopping: None,
        };
        training.run(&mut go_on).unwrap()
    };
    let (each, some) = (run(1), run(3));
    assert_eq!(
        some.booster.save_ubj().unwrap(),
        each.booster.save_ubj().unwrap()
    );
    let scored: Vec<_> = some.history.iter().map(Vec::len).collect();
    assert_eq!(scored, [0, 0, 1, 0, 0, 1, 0, 1]);
    for round in [2, 5, 7] {
        assert_eq!(some.history[round], each.history[round]);
    }
}

#[test]
fn early_stopping_scores_every_round() {
    let data = Data::read();
    let (matrix, test) = (data.train_matrix(), data.test_matrix());
    let training = Training {
        params: &SAMPLING,
        data: &matrix,
        rounds: 200,
        evals: &[("test", &test)],
        score_every: NonZeroU32::new(50).unwrap(),
        early_stopping: NonZeroU32::new(3),
    };
    let trained = training.run(&mut go_on).unwrap();
    assert!(trained.history.len() < 200);
    assert!(trained.history.iter().all(|scores| scores.len() == 1));
}

/// XGBoost caches the predictions of the training rows. They are those of the saved model to the
/// last bit, also if early stopping has dropped the last rounds.
#[test]
fn training_matrix_is_predicted_like_its_rows() {
    let data = Data::read();
    let quantile = |rows: &[f32], labels: &[f32], reference: Option<&DMatrix>| {
        let options = QuantileOptions {
            labels: Some(labels),
            reference,
            ..QuantileOptions::default()
        };
        DMatrix::quantile(rows, data.columns, options).unwrap()
    };
    let matrix = quantile(&data.train.rows, &data.train.labels, None);
    let test = quantile(&data.test.rows, &data.test.labels, Some(&matrix));
    for early_stopping in [None, NonZeroU32::new(3)] {
        let training = Training {
            params: &SAMPLING,
            data: &matrix,
            rounds: 60,
            evals: &[("train", &matrix), ("test", &test)],
            score_every: NonZeroU32::new(10).unwrap(),
            early_stopping,
        };
        let booster = training.run(&mut go_on).unwrap().booster;
        let saved = Booster::load(&booster.save_ubj().unwrap()).unwrap();
        let rows = saved.predict_in_place(&data.train.rows, data.columns);
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(
            bits(booster.predict(&matrix).unwrap()),
            bits(rows.unwrap()),
            "{early_stopping:?}"
        );
    }
}
