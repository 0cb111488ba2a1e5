use proptest::prelude::*;

use super::*;
use crate::counts::Coordinates;

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
    // The count of hour 8 on day 30 is 728. All lags and means follow from it by arithmetic.
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
        ("mean_of_day", 704.0 - 11.5),
        ("mean_of_week", 704.0 - 83.5),
        ("mean_of_four_weeks", 704.0 - 335.5),
    ];
    for (column, expected) in expected {
        assert_eq!(value(&frame, at_eight, column), expected, "{column}");
    }
    assert_eq!(frame.targets()[at_eight], 728.0);
    assert_eq!(frame.seasonal_naive()[at_eight], 560.0);
}

#[test]
fn lags_are_joined_by_instant_across_a_clock_change() {
    let day: Day = "2021-03-29".parse().unwrap();
    let first = day.plus(-3).first_hour();
    let all = counts(first, 96, |hour| u32::try_from(hour).unwrap());
    let frame = Frame::from_counts(&FeatureSpec::for_counters(all.counters()), &[], &all);
    for (row, target) in frame.targets().iter().enumerate().skip(24) {
        assert_eq!(value(&frame, row, "count_24h_earlier"), target - 24.0);
    }
}

#[test]
fn future_day_has_features_and_no_target() {
    let day: Day = "2021-07-20".parse().unwrap();
    let known = counts(day.plus(-30).first_hour(), 30 * 24, |_| 5);
    let history = History::new(&[&known]);
    let spec = FeatureSpec::for_counters(known.counters());
    let frame = Frame::from_rows(&spec, &history, day.hours().map(|hour| (0, hour)));
    assert!(frame.targets().iter().all(|target| target.is_nan()));
    assert!(
        frame.values().iter().all(|value| !value.is_nan()),
        "a feature of the next day is unknown"
    );
}

proptest! {
    #[test]
    fn features_use_nothing_later_than_the_previous_day(later in 0..40_000_u32, target_hour in 0..24_usize) {
        let day: Day = "2021-07-20".parse().unwrap();
        let first = day.plus(-30).first_hour();
        let past = counts(first, 30 * 24, |hour| u32::try_from(hour % 97).unwrap());
        let with_future = counts(first, 32 * 24, |hour| if hour < 30 * 24 { u32::try_from(hour % 97).unwrap() } else { later });
        let spec = FeatureSpec::for_counters(past.counters());
        let rows = || std::iter::once((0, day.first_hour().plus(i32::try_from(target_hour).unwrap())));
        let without = Frame::from_rows(&spec, &History::new(&[&past]), rows());
        let with = Frame::from_rows(&spec, &History::new(&[&with_future]), rows());
        prop_assert_eq!(without.values(), with.values());
    }

    #[test]
    fn mean_and_median_are_between_the_extremes(values in proptest::array::uniform4(proptest::option::of(0..9_999_u16))) {
        let known: Vec<f32> = values.iter().flatten().map(|value| f32::from(*value)).collect();
        let (mean, median) = mean_and_median(values.map(|value| value.map_or(f32::NAN, f32::from)));
        let (low, high) = known.iter().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        prop_assert_eq!(known.is_empty(), mean.is_nan() && median.is_nan());
        prop_assert!(known.is_empty() || (low..=high).contains(&median) && (low - 0.01..=high + 0.01).contains(&mean));
    }
}
