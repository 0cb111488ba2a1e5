//! Corrections and intervals compared with an independent implementation in pandas and numpy.

use std::collections::HashMap;

use forecasting::{
    correction::{CORRECTION_DAYS, Observation, correct},
    interval::{Interval, intervals},
    time::{Day, Hour},
};
use jiff::Timestamp;
use serde::Deserialize;

const FORECASTS: &[u8] = include_bytes!("../fixtures/correction/forecasts.csv");
const INTERVALS: &[u8] = include_bytes!("../fixtures/correction/intervals.csv");

/// The fixtures have eight significant digits.
const RELATIVE_TOLERANCE: f64 = 1e-6;

#[test]
fn factors_agree_with_numpy() {
    let expected = forecasts();
    let rows: Vec<_> = expected.iter().map(ExpectedForecast::observation).collect();
    assert!(rows.is_sorted_by_key(|row| row.hour));
    for (factor, row) in correct(&rows).into_iter().zip(&expected) {
        assert_close(factor, row.factor, row);
    }
}

#[test]
fn factors_of_a_window_of_28_days_agree_with_numpy() {
    let expected = forecasts();
    let rows: Vec<_> = expected.iter().map(ExpectedForecast::observation).collect();
    let (first, last) = (rows[0].hour.day(), rows[rows.len() - 1].hour.day());
    let before = |day: Day| rows.partition_point(|row| row.hour < day.first_hour());
    let mut compared = 0;
    for day in first.through(last) {
        let (start, end) = (before(day.plus(-CORRECTION_DAYS)), before(day.plus(1)));
        let factors = correct(&rows[start..end]);
        let of_day = before(day)..end;
        compared += of_day.len();
        for position in of_day {
            let row = &expected[position];
            assert_close(factors[position - start], row.factor_28, row);
        }
    }
    assert_eq!(compared, rows.len());
}

#[test]
fn intervals_agree_with_numpy() {
    let rows: Vec<_> = forecasts()
        .iter()
        .map(ExpectedForecast::observation)
        .collect();
    let factors = correct(&rows);
    let intervals = intervals(&rows, &factors);
    let keys = rows.iter().map(|row| (row.counter, row.hour));
    let found: HashMap<_, _> = keys
        .zip(factors.iter().zip(&intervals).zip(&rows))
        .collect();

    let expected: Vec<ExpectedIntervals> = read(INTERVALS);
    assert!(expected.iter().any(|row| row.low_80.is_some()));
    for row in &expected {
        let ((factor, intervals), observation) = found[&(row.counter, hour(row.instant))];
        assert_close(factor * observation.forecast, row.prediction, row);
        let ends = |interval: Interval| [interval.low, interval.high];
        let found = intervals.map(|found| [ends(found.level_80), ends(found.level_95)].concat());
        let expected = [row.low_80, row.high_80, row.low_95, row.high_95];
        for (position, expected) in expected.into_iter().enumerate() {
            let found = found.as_ref().map(|ends| ends[position]);
            assert_eq!(found.is_some(), expected.is_some(), "{row:?}");
            if let (Some(found), Some(expected)) = (found, expected) {
                assert_close(found, expected, row);
            }
        }
    }
}

fn forecasts() -> Vec<ExpectedForecast> {
    let rows = read(FORECASTS);
    assert!(!rows.is_empty(), "no expected rows");
    rows
}

fn read<T: serde::de::DeserializeOwned>(table: &[u8]) -> Vec<T> {
    csv::Reader::from_reader(table)
        .into_deserialize()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn hour(instant: Timestamp) -> Hour {
    Hour::starting_at(instant).unwrap()
}

fn assert_close(found: f64, expected: f64, row: &impl std::fmt::Debug) {
    let tolerance = RELATIVE_TOLERANCE * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} instead of {expected}: {row:?}"
    );
}

#[derive(Debug, Deserialize)]
struct ExpectedForecast {
    counter: usize,
    instant: Timestamp,
    forecast: f64,
    count: Option<f64>,
    silent: bool,
    factor: f64,
    factor_28: f64,
}

impl ExpectedForecast {
    fn observation(&self) -> Observation {
        Observation {
            counter: self.counter,
            hour: hour(self.instant),
            forecast: self.forecast,
            count: self.count,
            silent: self.silent,
        }
    }
}

#[derive(Debug, Deserialize)]
struct ExpectedIntervals {
    counter: usize,
    instant: Timestamp,
    prediction: f64,
    low_80: Option<f64>,
    high_80: Option<f64>,
    low_95: Option<f64>,
    high_95: Option<f64>,
}
