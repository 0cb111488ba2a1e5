//! Continued training, and refreshed leaves.

use xgboost::{Booster, continue_training, train};

use super::{ONE_THREAD, assert_history, assert_predicts, run, trees};
use crate::fixtures::{Case, Data, go_on};

#[test]
fn continued_training_of_a_loaded_model_equals_python() {
    let data = Data::read();
    let case = Case::read("continued");
    let half = Booster::load(
        &run(&data, &case, &data.train.labels)
            .booster
            .save_ubj()
            .unwrap(),
    );
    let (train_set, test_set) = (data.train_matrix(), data.test_matrix());
    let sets = [("train", &train_set), ("test", &test_set)];
    let params = case.params();
    let whole = continue_training(
        half.unwrap(),
        &params,
        &train_set,
        case.rounds,
        &sets,
        None,
        &mut go_on,
    )
    .unwrap();
    assert_eq!(whole.booster.rounds().unwrap(), 12);
    assert_eq!(whole.best_round, 11);
    assert_predicts(&whole.booster, &data, &case);
    assert_history(&whole.history, &case, &["train", "test"]);
}

#[test]
fn continued_training_equals_one_longer_training() {
    let data = Data::read();
    let train_set = data.train_matrix();
    let drawing = [
        ("subsample", "0.5"),
        ("colsample_bytree", "0.5"),
        ONE_THREAD,
    ];
    let twenty = train(&drawing, &train_set, 20, &[], None, &mut go_on)
        .unwrap()
        .booster;
    let ten = train(&drawing, &train_set, 10, &[], None, &mut go_on)
        .unwrap()
        .booster;
    assert_eq!(
        twenty.slice(0..10).unwrap().save_ubj().unwrap(),
        ten.save_ubj().unwrap()
    );
    let more = continue_training(ten, &drawing, &train_set, 10, &[], None, &mut go_on).unwrap();
    assert_eq!(more.booster.save_ubj().unwrap(), twenty.save_ubj().unwrap());
}

#[test]
fn continued_training_after_loading_equals_one_longer_training() {
    let data = Data::read();
    let train_set = data.train_matrix();
    let drawing = [
        ("subsample", "0.5"),
        ("seed_per_iteration", "true"),
        ONE_THREAD,
    ];
    for params in [&drawing[2..], &drawing] {
        let twenty = train(params, &train_set, 20, &[], None, &mut go_on)
            .unwrap()
            .booster;
        let ten = train(params, &train_set, 10, &[], None, &mut go_on)
            .unwrap()
            .booster;
        let ten = Booster::load(&ten.save_ubj().unwrap()).unwrap();
        let more = continue_training(ten, params, &train_set, 10, &[], None, &mut go_on).unwrap();
        assert_eq!(more.booster.save_ubj().unwrap(), twenty.save_ubj().unwrap());
    }
}

#[test]
fn refresh_updates_leaves_and_retains_splits() {
    let data = Data::read();
    let (train_set, test_set) = (data.train_matrix(), data.test_matrix());
    let params = [
        ONE_THREAD,
        ("process_type", "update"),
        ("updater", "refresh"),
    ];
    let old = train(&params[..1], &train_set, 5, &[], None, &mut go_on)
        .unwrap()
        .booster;
    let copy = Booster::load(&old.save_ubj().unwrap()).unwrap();
    let rounds = copy.rounds().unwrap();
    let fresh = continue_training(copy, &params, &test_set, rounds, &[], None, &mut go_on).unwrap();
    let (old_trees, fresh_trees) = (trees(&old), trees(&fresh.booster));
    for (old, fresh) in old_trees.iter().zip(fresh_trees) {
        assert_eq!(old["split_indices"], fresh["split_indices"]);
        assert_ne!(old["base_weights"], fresh["base_weights"]);
    }
    assert_eq!(fresh.booster.rounds().unwrap(), 5);
}

#[test]
fn refresh_of_fewer_rounds_drops_the_others() {
    let data = Data::read();
    let train_set = data.train_matrix();
    let booster = train(&[ONE_THREAD], &train_set, 5, &[], None, &mut go_on)
        .unwrap()
        .booster;
    let params = [("process_type", "update"), ("updater", "refresh")];
    let fresh = continue_training(booster, &params, &train_set, 3, &[], None, &mut go_on).unwrap();
    assert_eq!(fresh.booster.rounds().unwrap(), 3);
    assert_eq!(fresh.best_round, 2);
}
