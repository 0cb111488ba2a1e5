//! Histograms compared with numpy and with Python's Counter.

use forecasting::drift::{Bin, Category, Column, Histogram, histograms};
use proptest::prelude::*;
use serde::Deserialize;

/// Shares are rounded to six decimals.
const SHARE_TOLERANCE: f64 = 5.1e-7;

#[test]
fn histograms_agree_with_numpy() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../fixtures/drift/histograms.json")).unwrap();
    assert!(!cases.is_empty());

    for case in cases {
        let [found] = &histograms(&[case.reference.column()], &[case.current.column()])[..] else {
            panic!("{}: expected one histogram", case.name)
        };

        assert_eq!(found.bins.len(), case.bins.len(), "{}", case.name);
        for (found, expected) in found.bins.iter().zip(&case.bins) {
            assert_near(found.from, expected.from, 1e-9, &case.name);
            assert_near(found.to, expected.to, 1e-9, &case.name);
            let shares = [expected.reference, expected.current];
            assert_shares([found.reference, found.current], shares, &case.name);
        }
        let names = |categories: &[Category]| -> Vec<_> {
            let names = categories.iter().map(|category| category.name.clone());
            names.collect()
        };
        assert_eq!(names(&found.categories), names(&case.categories));
        for (found, expected) in found.categories.iter().zip(&case.categories) {
            let shares = [expected.reference, expected.current];
            assert_shares([found.reference, found.current], shares, &case.name);
        }
    }
}

#[test]
fn columns_that_cannot_be_compared_have_no_histogram() {
    let numbers = |name: &str| Column::numerical(name, [1.0, 2.0]);
    let nothing = |name: &str| Column::numerical(name, [f64::NAN]);
    let reference = [
        numbers("count"),
        nothing("latitude"),
        numbers("longitude"),
        numbers("counter"),
        numbers("mean"),
    ];
    let current = [
        nothing("longitude"),
        numbers("latitude"),
        Column::categorical("counter", ["Quai"]),
        numbers("count"),
    ];

    let found = histograms(&reference, &current);

    let names: Vec<_> = found.iter().map(|found| found.column.as_str()).collect();
    assert_eq!(names, ["count"]);
}

#[test]
fn histogram_is_serialized_with_bins_or_categories() {
    let bins = Histogram {
        column: "hour".to_owned(),
        bins: vec![Bin {
            from: -0.5,
            to: 0.5,
            reference: 0.75,
            current: 1.0,
        }],
        categories: Vec::new(),
    };
    let categories = Histogram {
        column: "counter".to_owned(),
        bins: Vec::new(),
        categories: vec![Category {
            name: "Quai".to_owned(),
            reference: 1.0,
            current: 0.5,
        }],
    };
    for (histogram, text) in [
        (
            bins,
            r#"{"column":"hour","bins":[{"from":-0.5,"to":0.5,"reference":0.75,"current":1.0}]}"#,
        ),
        (
            categories,
            r#"{"column":"counter","categories":[{"name":"Quai","reference":1.0,"current":0.5}]}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&histogram).unwrap(), text);
        assert_eq!(serde_json::from_str::<Histogram>(text).unwrap(), histogram);
    }
}

proptest! {
    #[test]
    fn bins_are_ascending_and_have_all_rows(
        reference in prop::collection::vec(-1e3..1e4, 1..80),
        current in prop::collection::vec(0.0..1e4, 1..80),
        decimals in 0..3_i32,
    ) {
        let scale = 10_f64.powi(decimals);
        let column = |values: Vec<f64>| {
            let rounded = values.into_iter().map(|value| (value * scale).round() / scale);
            Column::numerical("count", rounded)
        };
        let found = &histograms(&[column(reference)], &[column(current)])[0];

        prop_assert!((1..=24).contains(&found.bins.len()));
        prop_assert!(found.bins.iter().all(|bin| bin.from < bin.to));
        for pair in found.bins.windows(2) {
            prop_assert_eq!(pair[0].to, pair[1].from);
        }
        let sides: [fn(&Bin) -> f64; 2] = [|bin| bin.reference, |bin| bin.current];
        for share in sides {
            let sum: f64 = found.bins.iter().map(share).sum();
            prop_assert!((sum - 1.0).abs() < 24.0 * SHARE_TOLERANCE, "{}", sum);
        }
    }
}

fn assert_near(found: f64, expected: f64, tolerance: f64, case: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{case}: {found} instead of {expected}"
    );
}

fn assert_shares(found: [f64; 2], expected: [f64; 2], case: &str) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert_near(found, expected, SHARE_TOLERANCE, case);
    }
}

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    reference: Runs,
    current: Runs,
    #[serde(default)]
    bins: Vec<Bin>,
    #[serde(default)]
    categories: Vec<Category>,
}

/// The values of a column, each with its number of rows.
#[derive(Deserialize)]
#[serde(untagged)]
enum Runs {
    Numbers(Vec<(f64, usize)>),
    Texts(Vec<(String, usize)>),
}

impl Runs {
    fn column(&self) -> Column {
        match self {
            Self::Numbers(runs) => Column::numerical("x", repeated(runs)),
            Self::Texts(runs) => Column::categorical("x", repeated(runs)),
        }
    }
}

fn repeated<T: Clone>(runs: &[(T, usize)]) -> impl Iterator<Item = T> {
    runs.iter()
        .flat_map(|(value, rows)| std::iter::repeat_n(value.clone(), *rows))
}
