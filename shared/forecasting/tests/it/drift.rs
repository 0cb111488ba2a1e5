//! Drift compared with recorded results of Evidently.

use forecasting::drift::{
    self, Column, ColumnDrift, DatasetDrift, EmptySide, Error, ExcludedColumn, Method,
};
use proptest::prelude::*;
use serde::Deserialize;

mod histogram;
mod paris;

const DISTANCE_TOLERANCE: f64 = 1e-9;
const P_VALUE_TOLERANCE: f64 = 1e-6;

#[test]
fn compare_agrees_with_evidently_in_each_branch() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../fixtures/drift/cases.json")).unwrap();
    assert!(cases.len() > 40);

    for case in cases {
        let drift = drift::compare(&case.reference(), &case.current());
        match (case.outcome, drift) {
            (Outcome::Drift(expected), Ok(actual)) => {
                expected.assert_agrees(&actual, &case.name);
                assert_eq!(actual.drifted, expected.drifted.unwrap(), "{}", case.name);
            }
            (Outcome::Failure { .. }, Err(actual)) => assert!(
                matches!(
                    actual,
                    Error::EmptyReference { .. } | Error::EmptyCurrent { .. }
                ),
                "{}: {actual}",
                case.name
            ),
            (expected, actual) => panic!("{}: {actual:?} instead of {expected:?}", case.name),
        }
    }
}

#[test]
fn dataset_follows_the_reference_order_and_ignores_additional_columns() {
    let reference = [
        Column::numerical("count", (0..40).map(f64::from)),
        Column::categorical("weekday", (0..70_u8).map(|row| row % 7)),
    ];
    let current = [
        Column::categorical("weekday", (0..35_u8).map(|row| row % 7)),
        Column::numerical("not in the reference", [1.0]),
        Column::numerical("count", (100..140).map(f64::from)),
    ];

    let drift = drift::dataset(&reference, &current).unwrap();

    let outcomes: Vec<_> = drift
        .columns
        .iter()
        .map(|column| (column.column.as_str(), column.method, column.drifted))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("count", Method::KolmogorovSmirnov, true),
            ("weekday", Method::ChiSquare, false)
        ]
    );
    assert_eq!((drift.drifted_count, drift.drifted_share), (1, 0.5));
}

#[test]
fn incomparable_columns_are_errors_naming_the_column() {
    let numbers = [Column::numerical("count", [1.0, 2.0])];
    let categories = [Column::categorical("count", ["a"])];
    let huge = [Column::numerical(
        "count",
        (0..1001).map(|row| f64::from(row) * 1e305),
    )];
    let column = || "count".to_owned();

    for (reference, current, expected) in [
        (&[][..], &numbers[..], Error::NoColumns),
        (&numbers, &[], Error::MissingColumn { column: column() }),
        (
            &numbers,
            &categories,
            Error::DifferentTypes { column: column() },
        ),
        (&huge, &numbers, Error::Overflow { column: column() }),
    ] {
        assert_eq!(drift::dataset(reference, current), Err(expected));
    }
}

/// The counts differ completely, so one of two compared columns has drifted.
#[test]
fn columns_without_values_are_excluded_from_the_share() {
    let nothing = |name: &str| Column::numerical(name, [f64::NAN, f64::INFINITY]);
    let numbers =
        |name: &str, first: i32| Column::numerical(name, (first..first + 40).map(f64::from));
    let reference = [
        nothing("latitude"),
        numbers("count", 0),
        nothing("longitude"),
        numbers("hour", 0),
        numbers("mean", 0),
    ];
    let current = [
        nothing("latitude"),
        numbers("count", 100),
        numbers("longitude", 0),
        numbers("hour", 0),
        nothing("mean"),
    ];

    let drift = drift::dataset(&reference, &current).unwrap();

    assert_eq!((drift.columns.len(), drift.share()), (2, Some(0.5)));
    let excluded = [
        ("latitude", EmptySide::Both),
        ("longitude", EmptySide::Reference),
        ("mean", EmptySide::Current),
    ];
    assert_eq!(
        drift.excluded,
        excluded.map(|(column, empty)| ExcludedColumn {
            column: column.to_owned(),
            empty,
        })
    );
    let none = drift::dataset(&reference[..1], &current).unwrap();
    assert_eq!((none.drifted_count, none.drifted_share), (0, 0.0));
    assert_eq!(none.share(), None);
}

#[test]
fn deserialized_reference_gives_the_same_drift() {
    let reference = [
        Column::numerical("mean", (0..2000).map(|row| f64::from(row % 37) / 7.0)),
        Column::categorical("counter", (0..2000).map(|row| row % 56)),
    ];
    let current = [
        Column::numerical("mean", (0..300).map(|row| f64::from(row % 41) / 7.0)),
        Column::categorical("counter", (0..300).map(|row| row % 50)),
    ];

    let stored = serde_json::to_string(&reference).unwrap();
    let loaded: [Column; 2] = serde_json::from_str(&stored).unwrap();

    let expected = drift::dataset(&reference, &current).unwrap();
    let actual = drift::dataset(&loaded, &current).unwrap();
    assert_eq!(actual.drifted_count, expected.drifted_count);
    for (actual, expected) in actual.columns.iter().zip(&expected.columns) {
        assert!((actual.score - expected.score).abs() < 1e-12);
    }
}

#[test]
fn drift_is_serialized_with_the_names_of_evidently() {
    let drift = DatasetDrift {
        columns: vec![ColumnDrift {
            column: "count".into(),
            method: Method::Wasserstein,
            threshold: 0.1,
            score: 0.25,
            drifted: true,
        }],
        excluded: Vec::new(),
        drifted_count: 1,
        drifted_share: 1.0,
    };

    assert_eq!(
        serde_json::to_value(drift).unwrap(),
        serde_json::json!({
            "columns": [{
                "column": "count",
                "method": "Wasserstein distance (normed)",
                "threshold": 0.1,
                "score": 0.25,
                "drifted": true
            }],
            "excluded": [],
            "drifted_count": 1,
            "drifted_share": 1.0
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn identical_samples_have_no_drift(values in samples()) {
        let column = Column::numerical("count", values.clone());
        let categories = Column::categorical("count", values.iter().map(|value| *value as i64));

        for column in [column, categories] {
            let drift = drift::compare(&column, &column).unwrap();
            let score_of_identity = match drift.method {
                Method::Wasserstein | Method::JensenShannon => 0.0,
                Method::KolmogorovSmirnov | Method::ChiSquare | Method::ZTest => 1.0,
            };
            prop_assert_eq!(drift.score, score_of_identity);
            prop_assert!(!drift.drifted);
        }
    }

    #[test]
    fn scores_are_finite_and_p_values_are_probabilities(
        reference in samples(),
        current in samples(),
    ) {
        let drift = drift::compare(
            &Column::numerical("count", reference),
            &Column::numerical("count", current),
        ).unwrap();

        let largest = match drift.method {
            Method::KolmogorovSmirnov | Method::ChiSquare | Method::ZTest => 1.0,
            Method::Wasserstein | Method::JensenShannon => f64::MAX,
        };
        prop_assert!((0.0..=largest).contains(&drift.score), "{drift:?}");
    }

    #[test]
    fn order_of_rows_does_not_matter(
        (reference, shuffled) in samples().prop_flat_map(|values| {
            (Just(values.clone()), Just(values).prop_shuffle())
        }),
        current in samples(),
    ) {
        let current = Column::numerical("count", current);

        prop_assert_eq!(
            drift::compare(&Column::numerical("count", reference), &current),
            drift::compare(&Column::numerical("count", shuffled), &current),
        );
    }
}

/// Generates samples around the limits at which another test is selected.
fn samples() -> impl Strategy<Value = Vec<f64>> {
    (1..40_i32, prop_oneof![1..60_usize, 990..1020_usize]).prop_flat_map(|(distinct, rows)| {
        prop::collection::vec((0..distinct).prop_map(|value| f64::from(value) / 4.0), rows)
    })
}

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    r#type: Type,
    reference: Vec<(Option<Value>, usize)>,
    current: Vec<(Option<Value>, usize)>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Numerical,
    Categorical,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Outcome {
    Drift(ExpectedDrift),
    Failure {
        #[expect(dead_code, reason = "part of the panic message of a failed case")]
        error: String,
    },
}

/// The recorded result of Evidently for one column.
#[derive(Debug, Deserialize)]
struct ExpectedDrift {
    method: Method,
    threshold: f64,
    score: f64,
    drifted: Option<bool>,
}

impl Case {
    fn reference(&self) -> Column {
        self.column(&self.reference)
    }

    fn current(&self) -> Column {
        self.column(&self.current)
    }

    fn column(&self, values: &[(Option<Value>, usize)]) -> Column {
        let rows = values
            .iter()
            .flat_map(|(value, rows)| std::iter::repeat_n(value.as_ref(), *rows));
        match self.r#type {
            Type::Numerical => Column::numerical(
                "x",
                rows.map(|value| match value {
                    None => f64::NAN,
                    Some(Value::Number(number)) => *number,
                    Some(Value::Text(text)) => text.parse().unwrap(),
                }),
            ),
            Type::Categorical => Column::categorical(
                "x",
                rows.flatten().map(|value| match value {
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => text.clone(),
                }),
            ),
        }
    }
}

impl ExpectedDrift {
    fn assert_agrees(&self, actual: &ColumnDrift, context: &str) {
        let tolerance = match self.method {
            Method::Wasserstein | Method::JensenShannon => DISTANCE_TOLERANCE,
            Method::KolmogorovSmirnov | Method::ChiSquare | Method::ZTest => P_VALUE_TOLERANCE,
        };
        assert_eq!(actual.method, self.method, "{context}");
        assert_eq!(actual.threshold, self.threshold, "{context}");
        assert!(
            (actual.score - self.score).abs() <= tolerance,
            "{context}: {} instead of {}",
            actual.score,
            self.score
        );
    }
}
