//! Tests of the comparison, of the handler, and of the check of the test set.

mod comparison;
mod handler;

use forecasting::{
    checksum::Checksum,
    counts::{Counter, Counts},
    time::{Day, Hour},
};
use model::{TrainRecipe, train};
use shared::{baseline::Role, fixed_test::FixedTest};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Returns counts of one counter, with the count that `level` returns for each hour.
fn counts(first: Day, last: Day, level: impl Fn(Hour) -> u32) -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    first
        .through(last)
        .flat_map(Day::hours)
        .for_each(|hour| counts.push(quai, hour, level(hour)));
    counts
}

/// Returns a model that forecasts `level` bicycles for every row, because all its training rows
/// have this count. Each counter has five of them, because six are an outage.
///
/// `level` is from 1 to 4: equal counts of 0 are an outage, and so are six of 5 and more.
fn constant_model(level: u32) -> Model {
    assert!((1..5).contains(&level), "{level}");
    let first = day("2021-05-01");
    let mut counts = Counts::default();
    for (number, hour) in first
        .through(first.plus(9))
        .flat_map(Day::hours)
        .enumerate()
    {
        let counter = counts.intern(Counter {
            id: None,
            name: format!("Quai {}", number / 5),
            coordinates: None,
        });
        counts.push(counter, hour, level);
    }
    let spec = FeatureSpec::for_counters(counts.counters());
    let recipe = TrainRecipe {
        rounds: 30,
        learning_rate: 0.5,
        ..TrainRecipe::default()
    };
    train(
        Frame::from_counts(&spec, &[], &counts),
        spec,
        &recipe,
        &mut |_| {},
    )
    .unwrap()
}

/// Asserts that a score has the expected value, up to the rounding of the models.
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-3, "{found} {expected}");
}

fn test_set(contents: &[u8]) -> DataSet {
    DataSet::new(
        Role::Test,
        "2021-05-10".parse().unwrap(),
        Checksum::of(contents),
    )
}

#[test]
fn model_scored_on_another_test_set_is_rejected() {
    let first = day("2021-05-11");
    let counts = counts(first, first, |_| 3);
    let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[], &counts);
    let (model, _) = constant_model(3)
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
    let model = constant_model(3);
    let error = check_test_set(Version::new(3), model.card(), &test_set(b"spring")).unwrap_err();
    assert!(error.to_string().contains("an unknown test set"), "{error}");
}
