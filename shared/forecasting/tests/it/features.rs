//! Features compared with an independent implementation in pandas.

use std::collections::HashMap;

use forecasting::{
    counts,
    features::{COLUMNS, FeatureSpec, Frame, HISTORY_DAYS, TARGET},
    time::Day,
};

const COUNTS: &[u8] = include_bytes!("../fixtures/features/counts.csv");
const EXPECTED: &[u8] = include_bytes!("../fixtures/features/expected.csv");
const FIRST_TARGET: &str = "2020-10-23";
const LAST_TARGET: &str = "2020-11-12";

/// The columns whose values are rounded. All other values are exact.
const MEANS: [&str; 4] = [
    "weekly_mean",
    "mean_of_day",
    "mean_of_week",
    "mean_of_four_weeks",
];
const RELATIVE_TOLERANCE_OF_MEANS: f32 = 1e-4;

#[test]
fn features_agree_with_pandas() {
    let frame = frame();
    let expected = ExpectedFeatures::read();
    assert_eq!(frame.len(), expected.rows.len(), "number of rows");

    let row_numbers = row_numbers(&frame);
    let mut mismatches = Vec::new();
    for (position, column) in expected.columns.iter().enumerate() {
        let actual = frame.column(column).unwrap();
        assert!(
            actual.iter().any(|value| !value.is_nan()),
            "{column} has no known value"
        );
        for row in &expected.rows {
            let (counter, hour) = &row.key;
            let Some(number) = row_numbers.get(&row.key) else {
                panic!("{counter} has no features at {hour}");
            };
            let (value, text) = (actual[*number], &row.values[position]);
            if !agrees(column, value, text) {
                mismatches.push(format!(
                    "{counter}, {hour}, {column}: {value} instead of `{text}`"
                ));
            }
        }
    }

    assert!(
        mismatches.is_empty(),
        "{} values differ:\n{}",
        mismatches.len(),
        mismatches.join("\n")
    );
}

/// Returns the features of the target days, calculated with [`HISTORY_DAYS`] of history.
fn frame() -> Frame {
    let mut rejects = Vec::new();
    let counts = counts::read(COUNTS, &mut rejects).unwrap();
    assert!(rejects.is_empty(), "{rejects:?}");
    let (first, last): (Day, Day) = (FIRST_TARGET.parse().unwrap(), LAST_TARGET.parse().unwrap());

    let spec = FeatureSpec::for_counters(counts.counters());
    let history = counts.days(first.plus(-HISTORY_DAYS), first.plus(-1));
    // The counters of the targets have another order than those of the history.
    let targets = counts.days(first, last).normalized();
    Frame::from_counts(&spec, &[&history], &targets)
}

/// Returns the position in the frame of each counter and hour.
fn row_numbers(frame: &Frame) -> HashMap<(String, String), usize> {
    let keys = frame.rows().iter().map(|row| {
        let counter = &frame.counters()[row.counter as usize];
        (counter.name.clone(), row.hour.to_string())
    });
    keys.zip(0..).collect()
}

/// Compares a value with the text of a cell. An empty cell is an unknown value.
fn agrees(column: &str, actual: f32, expected: &str) -> bool {
    if expected.is_empty() {
        return actual.is_nan();
    }
    let expected: f32 = expected.parse().unwrap();
    let tolerance = if MEANS.contains(&column) {
        RELATIVE_TOLERANCE_OF_MEANS * expected
    } else {
        0.0
    };
    (actual - expected).abs() <= tolerance
}

/// The content of `expected.csv`.
struct ExpectedFeatures {
    columns: Vec<String>,
    rows: Vec<ExpectedRow>,
}

/// The expected values of one counter and hour, in the order of the columns.
struct ExpectedRow {
    key: (String, String),
    values: Vec<String>,
}

impl ExpectedFeatures {
    /// Reads the expected features. Asserts that their columns are [`COLUMNS`] and [`TARGET`].
    fn read() -> Self {
        let mut reader = csv::Reader::from_reader(EXPECTED);
        let columns = texts(reader.headers().unwrap(), 2);
        assert_eq!(columns, [&COLUMNS[..], &[TARGET]].concat());

        let rows = reader.records().map(|record| {
            let record = record.unwrap();
            ExpectedRow {
                key: (record[0].to_owned(), record[1].to_owned()),
                values: texts(&record, 2),
            }
        });
        let rows: Vec<_> = rows.collect();
        assert!(!rows.is_empty(), "no expected rows");
        Self { columns, rows }
    }
}

/// Returns the fields of a record from `first` on.
fn texts(record: &csv::StringRecord, first: usize) -> Vec<String> {
    record.iter().skip(first).map(str::to_owned).collect()
}
