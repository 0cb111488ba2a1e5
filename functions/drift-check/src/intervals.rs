//! The share of the counts that the intervals of stored forecasts contain.

use std::collections::BTreeSet;

use forecasting::{
    counts::Counts,
    features::{History, Outage},
    time::{Day, Hour, Week},
};
use shared::{
    warehouse::Forecast,
    week_report::{IntervalCoverage, RecentIntervals},
};

/// The number of days, with those of the checked week, whose intervals are judged together. The
/// intervals are made of the errors of 14 days, so a week alone is above or below them by chance.
pub(crate) const RECENT_DAYS: i32 = 28;
/// The lowest and the highest share of counts that the 80 % intervals may contain.
const EXPECTED_80: (f64, f64) = (0.72, 0.90);
/// The lowest and the highest share of counts that the 95 % intervals may contain.
const EXPECTED_95: (f64, f64) = (0.90, 0.99);

/// Returns the 80 % interval of a forecast.
pub(crate) fn of_80(forecast: &Forecast) -> Option<(f64, f64)> {
    forecast.prediction_low_80.zip(forecast.prediction_high_80)
}

/// Returns the 95 % interval of a forecast.
pub(crate) fn of_95(forecast: &Forecast) -> Option<(f64, f64)> {
    forecast.prediction_low_95.zip(forecast.prediction_high_95)
}

/// Measures intervals with the counts of their hours. Returns `None` if there are none.
pub(crate) fn coverage(pairs: impl Iterator<Item = ((f64, f64), f64)>) -> Option<IntervalCoverage> {
    let (mut rows, mut within, mut width) = (0, 0, 0.0);
    for ((low, high), count) in pairs {
        rows += 1;
        within += usize::from((low..=high).contains(&count));
        width += high - low;
    }
    (rows > 0).then(|| IntervalCoverage {
        rows,
        share: within as f64 / rows as f64,
        mean_width: width / rows as f64,
    })
}

/// Measures the intervals of the four weeks that end with `week`. Returns `None` if no forecast has
/// an interval and a count.
///
/// `forecasts` are those of the four weeks. `known` contains the counts of these days and, for runs
/// of zeros that go on, of the days before.
pub(crate) fn recent(
    week: Week,
    forecasts: &[Forecast],
    known: &Counts,
) -> Option<RecentIntervals> {
    let history = History::new(&[known]);
    let rows: Vec<_> = forecasts
        .iter()
        .filter(|forecast| of_80(forecast).is_some() || of_95(forecast).is_some())
        .filter_map(|forecast| Some((forecast, count(forecast, &history)?)))
        .collect();
    let hours: BTreeSet<Hour> = rows.iter().map(|(forecast, _)| forecast.hour).collect();
    if hours.is_empty() {
        return None;
    }
    let days: BTreeSet<_> = hours.iter().map(|hour| hour.day()).collect();
    let measure = |interval: fn(&Forecast) -> Option<(f64, f64)>| {
        let rows = rows.iter();
        coverage(rows.filter_map(|(forecast, count)| interval(forecast).zip(Some(*count))))
    };
    Some(RecentIntervals {
        first_day: first_day(week),
        last_day: week.last_day(),
        days: days.len(),
        hours: hours.len(),
        interval_80: measure(of_80),
        interval_95: measure(of_95),
    })
}

/// Returns the first day of the four weeks that end with `week`.
pub(crate) fn first_day(week: Week) -> Day {
    week.last_day().plus(1 - RECENT_DAYS)
}

/// Returns the count of a forecast that says something about intervals: that of a living counter,
/// which was not silent.
fn count(forecast: &Forecast, history: &History) -> Option<f64> {
    let counter = history.position(&forecast.counter_key())?;
    let count = f64::from(history.count(counter, forecast.hour));
    let is_living = history.outage(counter, forecast.hour) != Outage::Zeros;
    (is_living && forecast.silent != Some(true) && !count.is_nan()).then_some(count)
}

/// Describes the intervals whose coverage is not as expected.
pub(crate) fn findings(recent: &RecentIntervals) -> Vec<String> {
    let RecentIntervals { days, hours, .. } = recent;
    let intervals = [
        ("80 %", recent.interval_80, EXPECTED_80),
        ("95 %", recent.interval_95, EXPECTED_95),
    ];
    let finding = |(name, coverage, (lowest, highest)): (
        &str,
        Option<IntervalCoverage>,
        (f64, f64),
    )| {
        let IntervalCoverage { rows, share, .. } =
            coverage.filter(|coverage| !(lowest..=highest).contains(&coverage.share))?;
        Some(format!(
            "the {name} intervals contain {:.1} % of {rows} counts in {hours} hours on {days} of the last \
             {RECENT_DAYS} days ({:.0} % to {:.0} % expected)",
            share * 100.0,
            lowest * 100.0,
            highest * 100.0
        ))
    };
    intervals.into_iter().filter_map(finding).collect()
}
