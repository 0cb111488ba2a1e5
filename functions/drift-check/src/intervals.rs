//! The share of the counts that the intervals of stored forecasts contain.
//!
//! The intervals are made of the errors of 14 days, so a week alone is above or below them by chance.
//! Four weeks are judged together.

use forecasting::time::Week;
use shared::{
    store::{Store, StoreError, read_json},
    warehouse::Forecast,
    week_report::{
        self, IntervalCoverage, LiveAccuracy, RECENT_WEEKS, RecentIntervals, WeekAccuracy,
    },
};

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

/// Reads the accuracy of the three weeks before `week` from their last reports. A week without a
/// readable report has none.
///
/// # Errors
/// Returns an error if the store fails.
pub(crate) async fn weeks_before(
    store: &dyn Store,
    week: Week,
) -> Result<[Option<LiveAccuracy>; RECENT_WEEKS - 1], StoreError> {
    let read = |weeks: i32| stored_accuracy(store, week.first_day().plus(-7 * weeks).week());
    Ok(tokio::try_join!(read(3), read(2), read(1))?.into())
}

async fn stored_accuracy(
    store: &dyn Store,
    week: Week,
) -> Result<Option<LiveAccuracy>, StoreError> {
    let Some(path) = week_report::last_path(store, week).await? else {
        return Ok(None);
    };
    match read_json::<WeekAccuracy>(store, &path).await {
        Ok((report, _)) => Ok(report.accuracy),
        Err(StoreError::NotFound { .. } | StoreError::Malformed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Pools the coverage of the intervals of `week` with that of the weeks `before` it. Returns `None`
/// if no week has intervals.
pub(crate) fn recent(
    week: Week,
    accuracy: Option<LiveAccuracy>,
    before: [Option<LiveAccuracy>; RECENT_WEEKS - 1],
) -> Option<RecentIntervals> {
    let weeks: Vec<_> = before
        .into_iter()
        .chain([accuracy])
        .flatten()
        .filter(|week| week.interval_80.is_some() || week.interval_95.is_some())
        .collect();
    (!weeks.is_empty()).then(|| RecentIntervals {
        first_day: week.first_day().plus(-21),
        last_day: week.last_day(),
        weeks: weeks.len(),
        interval_80: pooled(weeks.iter().filter_map(|week| week.interval_80)),
        interval_95: pooled(weeks.iter().filter_map(|week| week.interval_95)),
    })
}

/// Pools the coverage of weeks, weighted by their rows. Returns `None` if there are no rows.
fn pooled(weeks: impl Iterator<Item = IntervalCoverage>) -> Option<IntervalCoverage> {
    let (mut rows, mut within, mut width) = (0, 0.0, 0.0);
    for week in weeks {
        rows += week.rows;
        // A number of counts, so that a share at the limit of a finding stays there.
        within += (week.share * week.rows as f64).round();
        width += week.mean_width * week.rows as f64;
    }
    (rows > 0).then(|| IntervalCoverage {
        rows,
        share: within / rows as f64,
        mean_width: width / rows as f64,
    })
}

/// Describes the intervals whose coverage is not as expected.
pub(crate) fn findings(recent: &RecentIntervals) -> Vec<String> {
    let period = recent.period();
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
            "the {name} intervals contain {:.1} % of {rows} counts in {period} ({:.0} % to {:.0} % expected)",
            share * 100.0,
            lowest * 100.0,
            highest * 100.0
        ))
    };
    intervals.into_iter().filter_map(finding).collect()
}
