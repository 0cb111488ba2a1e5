//! Features compared with an independent implementation in pandas.

use std::collections::HashMap;

use forecasting::{
    counts,
    features::{COLUMNS, FeatureSpec, Frame, HISTORY_DAYS, Outage, TARGET},
    time::Day,
};

/// The clocks go back on 25 October 2020.
const AUTUMN: Case = Case {
    counts: include_bytes!("../fixtures/features/counts.csv"),
    expected: include_bytes!("../fixtures/features/expected.csv"),
    flags: include_bytes!("../fixtures/features/flags.csv"),
    first_target: "2020-10-23",
    last_target: "2020-11-12",
};
/// The clocks go forward on 28 March 2021. The counters have outages.
const SPRING: Case = Case {
    counts: include_bytes!("../fixtures/features/spring_counts.csv"),
    expected: include_bytes!("../fixtures/features/spring_expected.csv"),
    flags: include_bytes!("../fixtures/features/spring_flags.csv"),
    first_target: "2021-03-24",
    last_target: "2021-04-06",
};

/// The columns whose values are rounded. All other values are exact.
const MEANS: [&str; 4] = [
    "weekly_mean",
    "mean_of_day",
    "mean_of_week",
    "mean_of_four_weeks",
];
const RELATIVE_TOLERANCE_OF_MEANS: f32 = 1e-6;

#[test]
fn features_agree_with_pandas_in_autumn() {
    AUTUMN.assert_agrees();
    let frame = AUTUMN.frame();
    for column in COLUMNS {
        let values = frame.column(column).unwrap();
        assert!(
            values.iter().any(|value| !value.is_nan()),
            "{column} has no known value"
        );
    }
}

#[test]
fn features_agree_with_pandas_in_spring() {
    SPRING.assert_agrees();
}

#[test]
fn silent_rows_and_outages_agree_with_pandas() {
    AUTUMN.assert_flags_agree();
    SPRING.assert_flags_agree();
}

/// An export, the features of its last days, and those of their rows that are silent or in an
/// outage.
struct Case {
    counts: &'static [u8],
    expected: &'static [u8],
    flags: &'static [u8],
    first_target: &'static str,
    last_target: &'static str,
}

impl Case {
    fn assert_agrees(&self) {
        let frame = self.frame();
        let expected = ExpectedFeatures::read(self.expected);
        assert_eq!(frame.len(), expected.rows.len(), "number of rows");

        let row_numbers = row_numbers(&frame);
        let mut mismatches = Vec::new();
        for (position, column) in expected.columns.iter().enumerate() {
            let actual = frame.column(column).unwrap();
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

    fn assert_flags_agree(&self) {
        let frame = self.frame();
        let mut reader = csv::Reader::from_reader(self.flags);
        let expected: HashMap<_, _> = reader
            .records()
            .map(|record| {
                let record = record.unwrap();
                let key = (record[0].to_owned(), record[1].to_owned());
                (key, (&record[2] == "true", record[3].to_owned()))
            })
            .collect();
        assert!(expected.values().any(|(_, outage)| outage != "none"));
        for (key, number) in row_numbers(&frame) {
            let outage = match frame.outages()[number] {
                Outage::None => "none",
                Outage::Zeros => "zeros",
                Outage::Constant => "constant",
            };
            let actual = (frame.silent()[number], outage.to_owned());
            let expected = expected.get(&key).cloned();
            let expected = expected.unwrap_or_else(|| (false, "none".to_owned()));
            assert_eq!(actual, expected, "{key:?}");
        }
    }

    /// Returns the features of the target days, calculated with [`HISTORY_DAYS`] of history.
    fn frame(&self) -> Frame {
        let mut rejects = Vec::new();
        let counts = counts::read(self.counts, &mut rejects).unwrap();
        assert!(rejects.is_empty(), "{rejects:?}");
        let day = |text: &str| text.parse::<Day>().unwrap();
        let (first, last) = (day(self.first_target), day(self.last_target));

        let spec = FeatureSpec::for_counters(counts.counters());
        let history = counts.days(first.plus(-HISTORY_DAYS), first.plus(-1));
        // The counters of the targets have another order than those of the history.
        let targets = counts.days(first, last).normalized();
        Frame::from_counts(&spec, &[&history], &targets)
    }
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

/// The content of a file of expected features.
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
    fn read(text: &[u8]) -> Self {
        let mut reader = csv::Reader::from_reader(text);
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
