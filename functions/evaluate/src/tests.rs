//! Tests of the check of the test set.

use std::iter;

use forecasting::{
    checksum::Checksum,
    counts::{Counter, Counts},
    time::Day,
};
use model::{TrainRecipe, train};
use shared::{baseline::Role, fixed_test::FixedTest};

use super::*;

fn counts() -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    let first: Day = "2021-05-01".parse().unwrap();
    let hours = first.through(first.plus(9)).flat_map(Day::hours);
    hours
        .zip(iter::repeat([3, 9, 27]).flatten())
        .for_each(|(hour, count)| counts.push(quai, hour, count));
    counts
}

fn test_set(contents: &[u8]) -> DataSet {
    DataSet::new(
        Role::Test,
        "2021-05-10".parse().unwrap(),
        Checksum::of(contents),
    )
}

fn model() -> Model {
    let counts = counts();
    let spec = FeatureSpec::for_counters(counts.counters());
    let recipe = TrainRecipe {
        rounds: 1,
        ..TrainRecipe::default()
    };
    train(
        &Frame::from_counts(&spec, &[], &counts),
        spec,
        &recipe,
        &mut |_| {},
    )
    .unwrap()
}

#[test]
fn model_scored_on_another_test_set_is_rejected() {
    let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[], &counts());
    let (model, _) = model()
        .scored_on(&FixedTest {
            data: test_set(b"spring"),
            frame,
        })
        .unwrap();
    let check = |current: &DataSet| check_test_set(Version::new(3), model.card(), current);
    assert!(check(&test_set(b"spring")).is_ok());
    let error = check(&test_set(b"summer")).unwrap_err();
    let expected = format!(
        "cannot evaluate version 3: it was scored on {}",
        test_set(b"spring")
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(
        error.to_string().contains(&test_set(b"summer").to_string()),
        "{error}"
    );
}

#[test]
fn model_without_scores_is_rejected() {
    let error = check_test_set(Version::new(3), model().card(), &test_set(b"spring")).unwrap_err();
    assert!(error.to_string().contains("an unknown test set"), "{error}");
}
