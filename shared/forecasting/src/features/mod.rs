//! The feature pipeline of training, fine-tuning, evaluation, drift check and forecast.
//!
//! The features of day D use only data that is known at the end of day D-1. Hours are joined by
//! instant, so gaps and clock changes do not shift lags. Unknown values are `NaN`, which XGBoost
//! treats as missing.

mod frame;
mod history;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use frame::{Frame, FrameRow};
pub use history::History;

use crate::counts::{Counter, CounterKey};

/// The lags of the count features, in hours.
pub const LAGS_HOURS: [i32; 10] = [24, 48, 72, 96, 120, 144, 168, 336, 504, 672];
/// The lags, in hours, of the weekly mean and median: the same hour in each of the last four weeks.
pub const WEEKLY_LAGS_HOURS: [i32; 4] = [168, 336, 504, 672];
/// The windows of the rolling means, in hours. Each window ends [`FORECAST_GAP_HOURS`] earlier.
pub const WINDOWS_HOURS: [i32; 3] = [24, 7 * 24, 28 * 24];
/// The lag of the latest count that a feature uses, in hours.
pub const FORECAST_GAP_HOURS: i32 = 24;
/// The number of days of counts before a day that its features need: longest window plus gap.
pub const HISTORY_DAYS: i32 = 30;

/// The name of the forecast column, as in the daily tables.
pub const TARGET: &str = "comptage_horaire";

/// The names of the features in the order of a matrix row. They are stored with each model.
pub const COLUMNS: [&str; 23] = [
    "counter",
    "hour",
    "weekday",
    "latitude",
    "longitude",
    "holiday",
    "holiday_day_before",
    "holiday_week_before",
    "count_24h_earlier",
    "count_48h_earlier",
    "count_72h_earlier",
    "count_96h_earlier",
    "count_120h_earlier",
    "count_144h_earlier",
    "count_168h_earlier",
    "count_336h_earlier",
    "count_504h_earlier",
    "count_672h_earlier",
    "weekly_mean",
    "weekly_median",
    "mean_of_day",
    "mean_of_week",
    "mean_of_four_weeks",
];

/// The position of the seasonal naive forecast (same hour, one week earlier) in a matrix row.
pub const SEASONAL_NAIVE_COLUMN: usize = 14;

/// The position of the counter's category code in a matrix row.
const COUNTER_COLUMN: usize = 0;

/// The version of the pipeline. It is increased by changes that alter the values of a column.
pub const PIPELINE_VERSION: u32 = 1;

/// The specification of a model's features: pipeline version, columns, and category codes of the
/// counters.
///
/// It is stored with the model and checked by [`FeatureSpec::check`]. The code of a counter is its
/// position in [`FeatureSpec::counters`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    pipeline_version: u32,
    columns: Vec<String>,
    counters: Vec<CounterKey>,
}

impl FeatureSpec {
    /// Creates the specification of this pipeline for the given counters.
    ///
    /// Category codes follow the order of the folded names.
    pub fn for_counters<'a>(counters: impl IntoIterator<Item = &'a Counter>) -> Self {
        Self {
            counters: Vec::new(),
            ..Self::empty()
        }
        .with_counters(counters)
    }

    /// Adds the counters that have no category code yet.
    ///
    /// New codes follow the existing ones, which do not change.
    #[must_use]
    pub fn with_counters<'a>(mut self, counters: impl IntoIterator<Item = &'a Counter>) -> Self {
        let known: std::collections::BTreeSet<_> = self.counters.iter().cloned().collect();
        let new: std::collections::BTreeSet<_> = counters
            .into_iter()
            .map(Counter::key)
            .filter(|key| !known.contains(key))
            .collect();
        self.counters.extend(new);
        self
    }

    /// Checks that a stored specification matches this pipeline.
    ///
    /// # Errors
    /// Returns [`FeatureError::PipelineMismatch`] if version or columns differ. Forecasts of such a
    /// model would be meaningless.
    pub fn check(&self) -> Result<(), FeatureError> {
        let ours = Self::empty();
        if (self.pipeline_version, &self.columns) == (ours.pipeline_version, &ours.columns) {
            return Ok(());
        }
        Err(FeatureError::PipelineMismatch {
            model: format!(
                "version {} with {} columns",
                self.pipeline_version,
                self.columns.len()
            ),
            ours: format!(
                "version {} with {} columns",
                ours.pipeline_version,
                ours.columns.len()
            ),
        })
    }

    /// Returns the names of the columns in the order of a matrix row.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the counters in the order of their category codes.
    pub fn counters(&self) -> &[CounterKey] {
        &self.counters
    }

    /// Returns the category code of each counter, or `NaN` for counters without a code.
    fn category_codes(&self, counters: &[Counter]) -> Vec<f32> {
        let known: BTreeMap<_, _> = self.counters.iter().zip(0_u32..).collect();
        counters
            .iter()
            .map(|counter| {
                known
                    .get(&counter.key())
                    .map_or(f32::NAN, |code| *code as f32)
            })
            .collect()
    }

    fn empty() -> Self {
        let columns = COLUMNS.map(str::to_owned).to_vec();
        Self {
            pipeline_version: PIPELINE_VERSION,
            columns,
            counters: Vec::new(),
        }
    }
}

/// The error for features that do not fit a model.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// The model was trained with another feature pipeline.
    #[error(
        "the model requires feature pipeline {model}, but this program has {ours}; retrain the model with `bike-traffic train`"
    )]
    PipelineMismatch {
        /// The pipeline that the model requires.
        model: String,
        /// The pipeline of this program.
        ours: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str) -> Counter {
        Counter {
            id: None,
            name: name.to_owned(),
            coordinates: None,
        }
    }

    #[test]
    fn seasonal_naive_is_the_lag_of_one_week() {
        assert_eq!(COLUMNS[SEASONAL_NAIVE_COLUMN], "count_168h_earlier");
        let lags: Vec<_> = LAGS_HOURS
            .iter()
            .map(|lag| format!("count_{lag}h_earlier"))
            .collect();
        assert_eq!(COLUMNS[8..18], lags);
    }

    #[test]
    fn new_counter_gets_the_next_category_code() {
        let spec = FeatureSpec::for_counters(&[counter("Quai"), counter("Pont")]);
        let wider = spec
            .clone()
            .with_counters(&[counter("Avenue"), counter("quai")]);
        let codes = |spec: &FeatureSpec| {
            spec.category_codes(&[counter("Pont"), counter("Quai"), counter("Avenue")])
        };
        assert_eq!(codes(&wider), [0.0, 1.0, 2.0]);
        assert!(codes(&spec)[2].is_nan());
    }

    #[test]
    fn specification_lists_columns_and_counters_in_their_order() {
        let spec = FeatureSpec::for_counters(&[counter("Quai"), counter("Pont")]);
        assert_eq!(spec.columns(), COLUMNS);
        assert_eq!(
            spec.counters(),
            ["Pont", "Quai"].map(|name| counter(name).key())
        );
    }

    #[test]
    fn check_rejects_another_pipeline() {
        let spec = FeatureSpec::for_counters(&[counter("Quai")]);
        assert!(spec.check().is_ok());
        let other = FeatureSpec {
            columns: vec!["month".to_owned()],
            ..spec
        };
        assert!(
            other.check().unwrap_err().to_string().contains("retrain"),
            "the error does not advise to retrain"
        );
    }
}
