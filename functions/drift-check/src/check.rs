//! Drift and live error of one week.

use std::sync::Arc;

use forecasting::{
    counts::Counts,
    drift::{self, DatasetDrift, frame_columns},
    features::{FeatureSpec, Frame, HISTORY_DAYS, History},
    metrics::Scores,
    policy::{LiveError, Policy, WeekVerdict},
    time::Week,
};
use runtime::Error;
use serde::{Deserialize, Serialize};
use shared::{
    fixed_test,
    registry::Version,
    store::Store,
    warehouse::{Forecast, Warehouse},
};

/// The champion and its error on the fixed test set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChampionRecord {
    /// The version in the registry.
    pub version: Version,
    /// The mean absolute error, in bicycles an hour.
    pub test_mae: f64,
}

/// The result of a drift check, as stored in `reports/drift-check/WEEK.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeekReport {
    /// The checked week.
    pub week: Week,
    /// The champion at the time of the check.
    pub champion: ChampionRecord,
    /// The number of days with counts, up to 7.
    pub days_with_counts: usize,
    /// The drift of each column and of the data set as a whole.
    pub drift: DatasetDrift,
    /// The scores of the stored forecasts; `None` if no forecast has a count to compare with.
    pub live: Option<Scores>,
    /// The decision of the policy.
    pub verdict: WeekVerdict,
}

impl WeekReport {
    /// Returns the names of the drifted columns.
    pub fn drifted_columns(&self) -> Vec<&str> {
        self.drift
            .columns
            .iter()
            .filter(|column| column.drifted)
            .map(|column| column.column.as_str())
            .collect()
    }
}

/// Checks a week for drift and for a high live error.
///
/// Writes nothing, so it is safe to call for any week at any time.
///
/// # Errors
/// Returns a permanent error if the week has no counts, if the fixed test set is missing, or if
/// the two cannot be compared. Returns a transient error if a port fails.
pub async fn check_week(
    store: &Arc<dyn Store>,
    warehouse: &dyn Warehouse,
    policy: &Policy,
    champion: ChampionRecord,
    week: Week,
) -> Result<WeekReport, Error> {
    let (first, last) = (week.first_day(), week.last_day());
    let known = warehouse.counts(first.plus(-HISTORY_DAYS), last).await?;
    let counts = known.days(first, last);
    if counts.is_empty() {
        return Err(Error::permanent(format!(
            "there are no counts for {week}; run `bike-traffic ingest --from {first} --to {last}` and replay the dead letter"
        )));
    }
    let forecasts = warehouse.forecasts(first, last).await?;
    let profile = fixed_test::profile(store).await?;
    let reference: Vec<_> = profile
        .columns
        .into_iter()
        .filter(|column| {
            policy
                .drift_columns
                .iter()
                .any(|name| name == column.name())
        })
        .collect();
    let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[&known], &counts);
    let current = frame_columns(&frame, policy.drift_columns.iter().map(String::as_str));
    let failed = |source| {
        Error::permanent(format!("cannot compare {week} with the fixed test set")).caused_by(source)
    };
    let drift = drift::dataset(&reference, &current).map_err(failed)?;
    let live = live_scores(&forecasts, &counts)?;
    let live_error = live.map(|scores| LiveError {
        mae: scores.mae,
        test_mae: champion.test_mae,
    });
    let verdict = policy.judge_week(drift.drifted_share, live_error);
    Ok(WeekReport {
        week,
        champion,
        days_with_counts: counts.rows_per_day().len(),
        drift,
        live,
        verdict,
    })
}

/// Scores the forecasts of hours with a count. Returns `None` if there are none.
fn live_scores(forecasts: &[Forecast], counts: &Counts) -> Result<Option<Scores>, Error> {
    let history = History::new(&[counts]);
    let actual = |forecast: &Forecast| {
        let count = history.count(history.position(&forecast.counter_key())?, forecast.hour);
        (!count.is_nan()).then_some((forecast.prediction, f64::from(count)))
    };
    let (predictions, actuals): (Vec<f64>, Vec<f64>) = forecasts.iter().filter_map(actual).unzip();
    if predictions.is_empty() {
        return Ok(None);
    }
    let failed = |source| Error::permanent("cannot score the stored forecasts").caused_by(source);
    Scores::new(&predictions, &actuals)
        .map(Some)
        .map_err(failed)
}
