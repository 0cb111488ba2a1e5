mod reference;

use proptest::prelude::*;

use super::*;
use crate::{counts::Coordinates, time::Day};

const QUAI: &str = "Quai";

/// Returns counts of one counter, whose count in hour `first + h` is `count(h)`.
fn counts(first: Hour, hours: i32, count: impl Fn(i32) -> u32) -> Counts {
    let mut counts = Counts::default();
    let coordinates = Coordinates::new(48.85, 2.35);
    let quai = counts.intern(Counter {
        id: None,
        name: QUAI.to_owned(),
        coordinates,
    });
    (0..hours).for_each(|hour| counts.push(quai, first.plus(hour), count(hour)));
    counts
}

fn value(frame: &Frame, row: usize, column: &str) -> f32 {
    frame.column(column).unwrap()[row]
}

#[test]
fn known_hour_has_the_expected_features() {
    let day: Day = "2021-07-14".parse().unwrap();
    let all = counts(day.plus(-30).first_hour(), 31 * 24, |hour| {
        u32::try_from(hour).unwrap()
    });
    let spec = FeatureSpec::for_counters(all.counters());
    let frame = Frame::from_counts(&spec, &[&all], &all.days(day, day));
    assert_eq!(frame.len(), 24);
    let at_eight = 8;
    // The first count of the day is 720. All lags and means follow from it by arithmetic.
    let expected = [
        ("counter", 0.0),
        ("hour", 8.0),
        ("weekday", 2.0),
        ("latitude", 48.85),
        ("holiday", 1.0),
        ("holiday_day_before", 0.0),
        ("holiday_week_before", 0.0),
        ("count_24h_earlier", 704.0),
        ("count_672h_earlier", 56.0),
        ("weekly_mean", (560.0 + 392.0 + 224.0 + 56.0) / 4.0),
        ("weekly_median", (392.0 + 224.0) / 2.0),
        ("mean_of_day", 720.0 - 12.5),
        ("mean_of_week", 720.0 - 84.5),
        ("mean_of_four_weeks", 720.0 - 336.5),
    ];
    for (column, expected) in expected {
        assert_eq!(value(&frame, at_eight, column), expected, "{column}");
    }
    assert_eq!(frame.targets()[at_eight], 728.0);
    assert_eq!(frame.seasonal_naive()[at_eight], 560.0);
}

/// The clocks go forward on 2021-03-28. Each count is the local date times 100, plus the local hour.
#[test]
fn lags_have_the_same_local_hour_across_a_clock_change() {
    let day: Day = "2021-03-29".parse().unwrap();
    let first = day.plus(-8).first_hour();
    let all = counts(first, 9 * 24 - 1, |hour| {
        let local = first.plus(hour).local();
        u32::try_from(i32::from(local.date.day()) * 100 + i32::from(local.hour)).unwrap()
    });
    let frame = Frame::from_counts(
        &FeatureSpec::for_counters(all.counters()),
        &[&all],
        &all.days(day, day),
    );
    assert_eq!(frame.len(), 24);
    for (row, target) in frame.targets().iter().enumerate() {
        let earlier = value(&frame, row, "count_24h_earlier");
        match row {
            2 => assert!(earlier.is_nan(), "{earlier}"),
            _ => assert_eq!(earlier, target - 100.0),
        }
        assert_eq!(value(&frame, row, "count_168h_earlier"), target - 700.0);
    }
}

/// The counter stops at noon, so 12 zeros are known on the next day, and 36 on the day after.
#[test]
fn counter_is_silent_after_a_day_of_zeros() {
    let day: Day = "2021-07-14".parse().unwrap();
    let first = day.plus(-30).first_hour();
    let all = counts(first, 33 * 24, |hour| match hour < 29 * 24 + 12 {
        true => 1 + u32::try_from(hour % 24).unwrap(),
        false => 0,
    });
    let spec = FeatureSpec::for_counters(all.counters());
    let frame = Frame::from_counts(&spec, &[&all], &all.days(day, day.plus(2)));
    let expected = [vec![false; 24], vec![true; 48]].concat();
    assert_eq!(frame.silent(), expected);
    // The mean of the first day has the 12 zeros. On the next day, they are known as an outage.
    let morning: f32 = (1..=12_u8).map(f32::from).sum();
    assert_eq!(value(&frame, 0, "mean_of_day"), morning / 24.0);
    assert!(value(&frame, 24, "mean_of_day").is_nan());
    assert!(value(&frame, 24 + 12, "count_48h_earlier").is_nan());
    assert_eq!(value(&frame, 24 + 11, "count_48h_earlier"), 12.0);
    let dead = frame.filter(|row| row.hour >= day.plus(1).first_hour());
    assert_eq!(dead.silent(), [true; 48]);
    assert_eq!(dead.living().len(), 0);
}

/// The counts of one day: 6 hours of 9 bicycles, then a different count in each hour.
#[test]
fn living_retains_constant_counts_and_training_rows_do_not() {
    let day: Day = "2021-07-14".parse().unwrap();
    let before = counts(day.plus(-1).first_hour(), 24, |_| 0);
    let all = counts(day.first_hour(), 24, |hour| match hour {
        ..6 => 9,
        _ => 10 + u32::try_from(hour).unwrap(),
    });
    let mut both = before.clone();
    both.extend(&all);
    let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[], &both);
    let expected = [
        vec![Outage::Zeros; 24],
        vec![Outage::Constant; 6],
        vec![Outage::None; 18],
    ]
    .concat();
    assert_eq!(frame.outages(), expected);
    assert_eq!(frame.living().len(), 24);
    assert_eq!(
        frame.living().targets()[..7],
        [9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 16.0]
    );
    let first = frame.rows()[30].hour;
    let expected = frame.filter(|row| row.hour >= first);
    assert_eq!(expected.len(), 18);
    // Each row has unknown features, and NaN is not equal to itself.
    let text = |frame: &Frame| format!("{frame:?}");
    let retained = frame.clone().retain(|row| row.hour >= first);
    assert_eq!(text(&retained), text(&expected));
    let learned = frame.without_outages();
    assert_eq!(text(&learned), text(&expected));
    let (values, targets) = learned.into_values_and_targets();
    assert_eq!((values.len(), targets[0]), (18 * COLUMNS.len(), 16.0));
}

/// The rows are more than a block.
#[test]
fn columns_are_those_by_name() {
    let day: Day = "2021-07-14".parse().unwrap();
    let all = counts(day.first_hour(), 40 * 24, |hour| {
        u32::try_from(hour % 61).unwrap()
    });
    let frame = Frame::from_counts(&FeatureSpec::for_counters(all.counters()), &[], &all);
    let bits =
        |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits()).collect() };
    for (name, values) in COLUMNS.iter().zip(frame.columns()) {
        assert_eq!(bits(&values), bits(&frame.column(name).unwrap()), "{name}");
    }
}

#[test]
fn future_day_has_features_and_no_target() {
    let day: Day = "2021-07-20".parse().unwrap();
    let known = counts(day.plus(-30).first_hour(), 30 * 24, |hour| {
        5 + u32::from(hour % 2 == 0)
    });
    let history = History::new(&[&known]);
    let spec = FeatureSpec::for_counters(known.counters());
    let frame = Frame::from_rows(&spec, &history, day.hours().map(|hour| (0, hour)));
    assert!(frame.targets().iter().all(|target| target.is_nan()));
    assert!(
        frame.values().iter().all(|value| !value.is_nan()),
        "a feature of the next day is unknown"
    );
}
