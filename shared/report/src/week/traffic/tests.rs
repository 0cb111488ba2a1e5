//! Tests of the sums and errors, with numbers computed by hand.

use forecasting::counts::Counter;
use jiff::Timestamp;
use shared::registry::Version;

use super::*;

fn week() -> Week {
    "2021-W29".parse().unwrap()
}

/// Returns the hours of the week and of the 28 days before.
fn hours() -> impl Iterator<Item = Hour> {
    let first = week().first_day().plus(-DAYS_BEFORE);
    first.through(week().last_day()).flat_map(Day::hours)
}

fn is_in_week(hour: Hour) -> bool {
    hour >= week().first_day().first_hour()
}

/// Returns counts of the counters `A`, `B`, …: those that `count` returns.
fn counts(counters: usize, count: impl Fn(usize, Hour) -> Option<u32>) -> Counts {
    let mut counts = Counts::default();
    for counter in 0..counters {
        let index = counts.intern(Counter {
            id: None,
            name: name(counter),
            coordinates: None,
        });
        for hour in hours() {
            if let Some(count) = count(counter, hour) {
                counts.push(index, hour, count);
            }
        }
    }
    counts
}

fn name(counter: usize) -> String {
    ["A", "B", "C"][counter].to_owned()
}

fn forecast(counter: usize, hour: Hour, prediction: f64) -> Forecast {
    Forecast {
        actual: None,
        prediction,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(1),
        predicted_at: Timestamp::UNIX_EPOCH,
        counter_id: None,
        counter_name: name(counter),
        hour,
        model_prediction: None,
        correction: None,
        prediction_low_80: Some(prediction - 4.0),
        prediction_high_80: Some(prediction + 6.0),
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
    }
}

/// Counter A counts 10 before the week and 20 in it, counter B half of that. The forecasts are 24
/// and 8 in the week.
fn sample() -> Traffic {
    let counts = counts(2, |counter, hour| {
        let level = if is_in_week(hour) { 20 } else { 10 };
        Some(level / (counter as u32 + 1))
    });
    let forecasts: Vec<_> = hours()
        .filter(|hour| is_in_week(*hour))
        .flat_map(|hour| [forecast(0, hour, 24.0), forecast(1, hour, 8.0)])
        .collect();
    Traffic::of(week(), &counts, &forecasts)
}

#[test]
fn city_is_the_sum_of_its_counters() {
    let traffic = sample();
    assert_eq!(traffic.city.len(), 168);
    let first = traffic.city[0];
    assert_eq!(
        (
            first.counted,
            first.forecast,
            first.week_earlier,
            first.counters
        ),
        (Some(30.0), Some(32.0), Some(15.0), 2)
    );
    // Without past forecasts, the bounds of the counters are added: 20 + 4 and 30 + 14.
    assert_eq!(traffic.band, BandSource::SumOfBounds);
    assert_eq!(first.interval, Some((24.0, 44.0)));
    // One day earlier than the last, the hour of a week earlier lies in the days before.
    assert_eq!(traffic.city[167].week_earlier, Some(15.0));
}

#[test]
fn errors_of_counters_and_cells_are_those_of_the_forecasts() {
    let traffic = sample();
    let [a, b] = &traffic.counters[..] else {
        panic!("{} counters", traffic.counters.len());
    };
    assert_eq!(
        (a.mae, a.bias, a.naive_mae),
        (Some(4.0), Some(4.0), Some(10.0))
    );
    assert_eq!(
        (b.mae, b.bias, b.naive_mae),
        (Some(2.0), Some(-2.0), Some(5.0))
    );
    assert_eq!(
        (a.mean, a.mean_before, a.rows),
        (Some(20.0), Some(10.0), 168)
    );
    assert_eq!(a.daily.len(), 28);
    assert_eq!((a.daily[20], a.daily[21]), (Some(240.0), Some(480.0)));
    assert_eq!(traffic.cells.len(), 168);
    assert!(
        traffic
            .cells
            .iter()
            .all(|cell| (cell.rows, cell.bias, cell.mae) == (2, 1.0, 3.0))
    );
}

#[test]
fn interval_of_past_errors_replaces_the_sum_of_bounds() {
    // The past counts are 90 % to 110 % of the forecasts, in turn by day.
    let counts = counts(1, |_, hour| {
        Some(90 + 20 * (hour.day().date().day() % 2) as u32)
    });
    let forecasts: Vec<_> = hours().map(|hour| forecast(0, hour, 100.0)).collect();
    let traffic = Traffic::of(week(), &counts, &forecasts);
    assert_eq!(traffic.band, BandSource::PastErrors { days: 28 });
    let (low, high) = traffic.city[0].interval.unwrap();
    assert!((low - 90.0).abs() < 1e-9 && (high - 110.0).abs() < 1e-9);
}

#[test]
fn hour_with_less_than_half_of_the_counters_is_missing() {
    let monday = week().first_day().first_hour();
    let counts = counts(3, |counter, hour| {
        let is_missing = hour == monday && counter > 0 || hour == monday.plus(1) && counter == 0;
        (!is_missing).then_some(5)
    });
    let traffic = Traffic::of(week(), &counts, &[]);
    assert_eq!(
        (traffic.city[0].counted, traffic.city[0].counters),
        (None, 1)
    );
    assert_eq!(
        (traffic.city[1].counted, traffic.city[1].counters),
        (Some(10.0), 2)
    );
    assert_eq!(traffic.city[1].forecast, None);
    assert_eq!((traffic.days[0].counts, traffic.days[0].expected), (69, 72));
}

#[test]
fn zeros_are_silent_from_the_twenty_fourth_on() {
    let start = week().first_day().first_hour();
    for (zeros, expected) in [(23, 0), (24, 24), (30, 30)] {
        let counts = counts(1, |_, hour| {
            let is_zero = (start.plus(10)..start.plus(10 + zeros)).contains(&hour);
            Some(u32::from(!is_zero))
        });
        let traffic = Traffic::of(week(), &counts, &[]);
        assert_eq!(traffic.counters[0].silent_hours, expected, "{zeros}");
    }
}

#[test]
fn quantiles_are_interpolated() {
    // The values are those of `numpy.quantile`.
    let values: Vec<f64> = (1..=5).map(f64::from).collect();
    for (share, expected) in [(0.0, 1.0), (0.1, 1.4), (0.5, 3.0), (0.9, 4.6), (1.0, 5.0)] {
        assert!(
            (quantile(&values, share) - expected).abs() < 1e-12,
            "{share}"
        );
    }
    assert!(quantile(&[], 0.5).is_nan());
}
