//! Scores compared with scikit-learn, and the bootstrap compared with enumeration and simulation.

mod breakdown;

use forecasting::metrics::{
    Error, PairedErrors, Scores, day_block_bootstrap, improvement, standard_deviation,
};
use jiff::civil::{Date, date};
use serde::Deserialize;

#[test]
fn scores_agree_with_scikit_learn() {
    let cases: Vec<ScoreCase> =
        serde_json::from_str(include_str!("../fixtures/metrics/scores.json")).unwrap();
    assert!(!cases.is_empty());

    for case in cases {
        let scores = Scores::new(&case.predictions, &case.actuals).unwrap();
        let deviation = standard_deviation(&case.actuals).unwrap();

        assert_close(scores.mae, case.mae, &case.name);
        assert_close(scores.rmse, case.rmse, &case.name);
        assert_close(scores.r2, case.r2, &case.name);
        assert_close(deviation, case.standard_deviation_of_actuals, &case.name);
        assert_close(scores.bias.unwrap(), case.bias, &case.name);
        assert_eq!(scores.share.is_some(), case.share.is_some());
        for (share, expected) in scores.share.into_iter().zip(case.share) {
            assert_close(share, expected, &case.name);
        }
        assert_eq!(scores.rows, case.actuals.len(), "{}", case.name);
    }
}

#[test]
fn relative_bias_is_that_of_the_sums() {
    let scores = Scores::new(&[12.0, 30.0], &[10.0, 20.0]).unwrap();
    assert_close(scores.relative_bias().unwrap(), 12.0 / 30.0, "too high");
    let perfect = Scores::new(&[10.0, 20.0], &[10.0, 20.0]).unwrap();
    assert_eq!(perfect.relative_bias(), Some(0.0));
    let no_bicycles = Scores::new(&[1.0, 2.0], &[0.0, 0.0]).unwrap();
    assert_eq!(no_bicycles.relative_bias(), None);
}

#[test]
fn scores_of_earlier_versions_have_no_bias_and_are_written_without() {
    let text = r#"{"mae":10.5,"rmse":20.5,"r2":0.75,"rows":100}"#;
    let scores: Scores = serde_json::from_str(text).unwrap();
    assert_eq!((scores.bias, scores.share), (None, None));
    assert_eq!(serde_json::to_string(&scores).unwrap(), text);
}

#[test]
fn f32_inputs_are_summed_in_f64() {
    let rows = 1 << 20;
    let predictions = vec![16_777_217.0_f64; rows];
    let actuals = vec![16_777_216.0_f32; rows];

    let scores = Scores::new(&predictions, &actuals).unwrap();

    assert_eq!((scores.mae, scores.rmse, scores.rows), (1.0, 1.0, rows));
}

#[test]
fn single_row_is_scored_like_constant_actuals() {
    assert_eq!(Scores::new(&[3.0], &[3.0]).unwrap().r2, 1.0);
    assert_eq!(Scores::new(&[4.0], &[3.0]).unwrap().r2, 0.0);
}

#[test]
fn invalid_rows_are_errors() {
    let none: [f64; 0] = [];
    for (predictions, actuals, expected) in [
        (
            &[1.0, 2.0][..],
            &[1.0][..],
            Error::DifferentLengths {
                predictions: 2,
                actuals: 1,
            },
        ),
        (&none, &none, Error::NoRows),
        (&[1.0, f64::NAN], &[1.0, 2.0], Error::NotFinite { row: 1 }),
        (
            &[1.0, 2.0],
            &[f64::INFINITY, 2.0],
            Error::NotFinite { row: 0 },
        ),
    ] {
        assert_eq!(Scores::new(predictions, actuals), Err(expected));
    }
    assert_eq!(standard_deviation(&none), Err(Error::NoRows));
}

#[test]
fn improvement_is_relative_to_the_champion() {
    for (champion, challenger, expected) in [
        (20.0, 19.0, 0.05),
        (20.0, 25.0, -0.25),
        (20.0, 0.0, 1.0),
        (0.0, 0.0, 0.0),
        (0.0, 1.0, f64::NEG_INFINITY),
    ] {
        assert_eq!(
            improvement(champion, challenger),
            expected,
            "{champion} {challenger}"
        );
    }
}

#[test]
fn bootstrap_agrees_with_enumeration_and_simulation() {
    let cases: Vec<BootstrapCase> =
        serde_json::from_str(include_str!("../fixtures/metrics/bootstrap.json")).unwrap();
    assert!(!cases.is_empty());

    for case in cases {
        let bound = day_block_bootstrap(&case.errors()).unwrap();

        assert_close(bound.difference, case.difference, &case.name);
        for (found, expected, standard_error) in [
            (bound.probability, case.probability, case.probability_error),
            (
                bound.lower_bound_90,
                case.lower_bound_90,
                case.lower_bound_90_error,
            ),
            (bound.lower_bound, case.lower_bound, case.lower_bound_error),
            (bound.upper_bound, case.upper_bound, case.upper_bound_error),
        ] {
            assert!(
                (found - expected).abs() <= 4.0 * standard_error + 1e-12,
                "{}: {found} instead of {expected}",
                case.name
            );
        }
        assert_eq!(bound.days, case.days.len(), "{}", case.name);
    }
}

#[test]
fn bootstrap_is_deterministic_and_independent_of_the_order() {
    let mut errors = errors_of_days(&[vec![(9, 3), (8, 6)], vec![(5, 5)], vec![(3, 9), (2, 4)]]);
    let bound = day_block_bootstrap(&errors);

    errors.reverse();

    assert_eq!(day_block_bootstrap(&errors), bound);
}

#[test]
fn bootstrap_of_equal_days_equals_the_difference() {
    let errors = errors_of_days(&vec![vec![(5, 3), (4, 4)]; 7]);

    let bound = day_block_bootstrap(&errors).unwrap();

    let bounds = [bound.lower_bound, bound.lower_bound_90, bound.upper_bound];
    assert_eq!((bound.difference, bounds), (1.0, [1.0; 3]));
    assert_eq!((bound.probability, bound.days), (1.0, 7));
}

/// Equal errors are not better.
#[test]
fn bootstrap_of_equal_models_has_the_probability_0() {
    let errors = errors_of_days(&[vec![(5, 5), (4, 4)], vec![(3, 3)]]);
    assert_eq!(day_block_bootstrap(&errors).unwrap().probability, 0.0);
}

#[test]
fn bootstrap_requires_two_days_of_finite_errors() {
    let one_day = errors_of_days(&[vec![(5, 3), (4, 4)]]);
    assert_eq!(
        day_block_bootstrap(&one_day),
        Err(Error::TooFewDays { days: 1 })
    );
    assert_eq!(day_block_bootstrap(&[]), Err(Error::TooFewDays { days: 0 }));

    let mut errors = errors_of_days(&[vec![(5, 3)], vec![(4, 4)]]);
    errors[1].challenger = f64::NAN;
    assert_eq!(
        day_block_bootstrap(&errors),
        Err(Error::NotFinite { row: 1 })
    );
}

#[derive(Deserialize)]
struct ScoreCase {
    #[serde(rename = "case")]
    name: String,
    predictions: Vec<f64>,
    actuals: Vec<f64>,
    mae: f64,
    rmse: f64,
    r2: f64,
    standard_deviation_of_actuals: f64,
    bias: f64,
    share: Option<f64>,
}

#[derive(Deserialize)]
struct BootstrapCase {
    #[serde(rename = "case")]
    name: String,
    days: Vec<Vec<(u16, u16)>>,
    difference: f64,
    probability: f64,
    probability_error: f64,
    lower_bound_90: f64,
    lower_bound_90_error: f64,
    lower_bound: f64,
    lower_bound_error: f64,
    upper_bound: f64,
    upper_bound_error: f64,
}

impl BootstrapCase {
    fn errors(&self) -> Vec<PairedErrors> {
        errors_of_days(&self.days)
    }
}

/// Creates errors with one date per day. A row is (champion's error, challenger's error).
fn errors_of_days(days: &[Vec<(u16, u16)>]) -> Vec<PairedErrors> {
    let first: Date = date(2021, 7, 19);
    let dates = first.series(jiff::Span::new().days(1));
    dates
        .zip(days)
        .flat_map(|(day, rows)| {
            rows.iter().map(move |(champion, challenger)| PairedErrors {
                day,
                champion: f64::from(*champion),
                challenger: f64::from(*challenger),
            })
        })
        .collect()
}

fn assert_close(actual: f64, expected: f64, context: &str) {
    let tolerance = 1e-12 * expected.abs().max(1.0);
    assert!(
        (actual - expected).abs() <= tolerance,
        "{context}: {actual} instead of {expected}"
    );
}
