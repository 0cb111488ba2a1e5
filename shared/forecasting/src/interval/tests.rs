use proptest::{collection::vec, prelude::*};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Returns an observation of every hour of a day for each of five counters.
fn observations(day: Day, forecast: f64, count: f64) -> Vec<Observation> {
    let row = |hour| {
        (0..5).map(move |counter| Observation {
            counter,
            hour,
            forecast,
            count: Some(count),
            silent: false,
        })
    };
    day.hours().flat_map(row).collect()
}

/// The expected values are those of `numpy.quantile([1, 2, 4, 8], [...])` of numpy 2.4.6.
#[test]
fn quantile_interpolates_as_numpy() {
    let sorted = [1.0, 2.0, 4.0, 8.0];
    for (share, expected) in [
        (0.0, 1.0),
        (0.025, 1.075),
        (0.1, 1.3),
        (0.5, 3.0),
        (0.9, 6.8),
        (1.0, 8.0),
    ] {
        let found = quantile(&sorted, share);
        assert!((found - expected).abs() < 1e-12, "{share}: {found}");
    }
}

#[test]
fn fewer_than_100_residuals_give_no_interval() {
    let rows = observations(day("2021-07-19"), 9.0, 16.0);
    let mut residuals = Residuals::default();
    residuals.learn(day("2021-07-19"), &rows[..99], &[1.0; 99]);
    assert_eq!(residuals.quantiles(), None);
    residuals.learn(day("2021-07-20"), &rows[..1], &[1.0]);
    let quantiles = residuals.quantiles().unwrap();
    let interval = quantiles.intervals(9.0).level_80;
    assert_eq!((interval.low, interval.high), (16.0, 16.0));
}

#[test]
fn residuals_older_than_14_days_are_dropped() {
    let mut residuals = Residuals::default();
    let (old, new) = (day("2021-07-01"), day("2021-07-02"));
    residuals.learn(old, &observations(old, 0.0, 1e6), &[1.0; 120]);
    residuals.learn(new, &observations(new, 9.0, 9.0), &[1.0; 120]);
    // The next day is 15 July: the first is one of its last 14 days.
    residuals.learn(day("2021-07-14"), &[], &[]);
    assert!(residuals.quantiles().unwrap().intervals(9.0).level_95.high > 1e5);
    residuals.learn(day("2021-07-15"), &[], &[]);
    let interval = residuals.quantiles().unwrap().intervals(9.0).level_95;
    assert_eq!((interval.low, interval.high), (9.0, 9.0));
    residuals.learn(day("2021-07-16"), &[], &[]);
    assert_eq!(residuals.quantiles(), None);
}

#[test]
fn residual_is_that_of_the_corrected_forecast() {
    let first = day("2021-07-19");
    let mut residuals = Residuals::default();
    residuals.learn(first, &observations(first, 8.0, 16.0), &vec![2.0; 120]);
    let interval = residuals.quantiles().unwrap().intervals(25.0).level_80;
    assert_eq!((interval.low, interval.high), (25.0, 25.0));
}

#[test]
fn silent_rows_have_no_interval_and_are_not_in_the_sample() {
    let (first, second) = (day("2021-07-19"), day("2021-07-20"));
    let mut rows = observations(first, 9.0, 9.0);
    for row in rows.iter_mut().take(20) {
        *row = Observation {
            count: Some(1e6),
            silent: true,
            ..*row
        };
    }
    rows.extend(observations(second, 9.0, 9.0));
    rows[120].silent = true;
    let intervals = intervals(&rows, &vec![1.0; rows.len()]);
    assert!(intervals[..121].iter().all(Option::is_none));
    let interval = intervals[121].unwrap().level_95;
    assert_eq!((interval.low, interval.high), (9.0, 9.0));
}

proptest! {
    #[test]
    fn wider_level_contains_the_narrower(
        residuals in vec(-20.0..20.0_f64, 100..300),
        forecast in 0.0..2_000.0_f64,
    ) {
        let residuals = Residuals { days: VecDeque::from([(day("2021-07-19"), residuals)]) };
        let Intervals { level_80, level_95 } = residuals.quantiles().unwrap().intervals(forecast);
        prop_assert!(0.0 <= level_95.low && level_95.low <= level_80.low);
        prop_assert!(level_80.low <= level_80.high && level_80.high <= level_95.high);
    }

    #[test]
    fn interval_contains_the_given_share_of_its_own_sample(
        counts in vec(0..2_000_u32, 200..400),
        forecast in 0.0..2_000.0_f64,
    ) {
        let residuals = counts.iter().map(|count| f64::from(*count).sqrt() - forecast.sqrt());
        let residuals = Residuals {
            days: VecDeque::from([(day("2021-07-19"), residuals.collect())]),
        };
        let intervals = residuals.quantiles().unwrap().intervals(forecast);
        let share = |interval: Interval| {
            let covered = |count: &&u32| {
                // The square of a root may differ in the last digits.
                let count = f64::from(**count);
                interval.low - 1e-6 <= count && count <= interval.high + 1e-6
            };
            counts.iter().filter(covered).count() as f64 / counts.len() as f64
        };
        prop_assert!(share(intervals.level_80) >= 0.79);
        prop_assert!(share(intervals.level_95) >= 0.94);
    }
}
