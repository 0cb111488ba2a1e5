//! The one feature pipeline: training, fine-tuning, evaluation, the drift check and the forecast all read from here.
//!
//! A feature of day D uses nothing that is not known when day D-1 has ended. Hours are joined by instant, so gaps and
//! clock changes shift nothing; what is not known is `NaN`, which XGBoost treats as missing.

mod frame;
mod history;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use frame::{Frame, FrameRow};
pub use history::History;

use crate::counts::{Counter, CounterKey};

/// The counts that many hours earlier are features.
pub const LAGS_HOURS: [i32; 10] = [24, 48, 72, 96, 120, 144, 168, 336, 504, 672];
/// The lags whose mean and median are features: the same hour of the week in the last four weeks.
pub const WEEKLY_LAGS_HOURS: [i32; 4] = [168, 336, 504, 672];
/// The rolling means that are features, each ending [`FORECAST_GAP_HOURS`] earlier.
pub const WINDOWS_HOURS: [i32; 3] = [24, 7 * 24, 28 * 24];
/// How far the youngest count that a feature uses lies back.
pub const FORECAST_GAP_HOURS: i32 = 24;
/// How many days of counts before a day its features can reach into: the longest window and the gap.
pub const HISTORY_DAYS: i32 = 30;

/// The name of the column that is forecast, as the tables call it.
pub const TARGET: &str = "comptage_horaire";

/// The features in the order of a matrix row. The names are stored with every model.
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

/// The position of the count one week earlier, the naive forecast, in a matrix row.
pub const WEEK_AGO_COLUMN: usize = 14;

/// The position of the counter's number in a matrix row.
const COUNTER_COLUMN: usize = 0;

/// The number of a change to the pipeline that makes other values of the same columns.
pub const PIPELINE_VERSION: u32 = 1;

/// What a model was trained on: the pipeline's version, the columns, and the number that stands for each counter.
///
/// It is stored with the model; see [`FeatureSpec::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    pipeline_version: u32,
    columns: Vec<String>,
    counters: Vec<CounterKey>,
}

impl FeatureSpec {
    /// Makes the specification of this pipeline for the given counters, numbered in the order of their names.
    pub fn for_counters<'a>(counters: impl IntoIterator<Item = &'a Counter>) -> Self {
        Self {
            counters: Vec::new(),
            ..Self::empty()
        }
        .with_counters(counters)
    }

    /// Adds the counters that have no number yet, after those that have one.
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

    /// Checks that a stored specification is that of this pipeline.
    ///
    /// # Errors
    /// When a model wants columns that are not built here: its forecasts would be noise.
    pub fn check(&self) -> Result<(), FeatureError> {
        let ours = Self::empty();
        if (self.pipeline_version, &self.columns) == (ours.pipeline_version, &ours.columns) {
            return Ok(());
        }
        Err(FeatureError::OtherPipeline {
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

    /// Returns the names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the counters that have a number, in its order.
    pub fn counters(&self) -> &[CounterKey] {
        &self.counters
    }

    /// Returns the number of each counter of a list, `NaN` for one that the model has never seen.
    fn numbers(&self, counters: &[Counter]) -> Vec<f32> {
        let known: BTreeMap<_, _> = self.counters.iter().zip(0_u32..).collect();
        counters
            .iter()
            .map(|counter| {
                known
                    .get(&counter.key())
                    .map_or(f32::NAN, |number| *number as f32)
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

/// Features that cannot be built or must not be used.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// The model was trained on other features.
    #[error(
        "the model was trained on feature pipeline {model}, this program builds {ours}; retrain the model"
    )]
    OtherPipeline {
        /// What the model wants.
        model: String,
        /// What is built here.
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
    fn seasonal_naive_is_the_lag_of_a_week() {
        assert_eq!(COLUMNS[WEEK_AGO_COLUMN], "count_168h_earlier");
        let lags: Vec<_> = LAGS_HOURS
            .iter()
            .map(|lag| format!("count_{lag}h_earlier"))
            .collect();
        assert_eq!(COLUMNS[8..18], lags);
    }

    #[test]
    fn a_new_counter_gets_the_next_number_and_no_other_changes() {
        let spec = FeatureSpec::for_counters(&[counter("Quai"), counter("Pont")]);
        let wider = spec
            .clone()
            .with_counters(&[counter("Avenue"), counter("quai")]);
        let numbers = |spec: &FeatureSpec| {
            spec.numbers(&[counter("Pont"), counter("Quai"), counter("Avenue")])
        };
        assert_eq!(numbers(&wider), [0.0, 1.0, 2.0]);
        assert!(numbers(&spec)[2].is_nan());
    }

    #[test]
    fn a_model_refuses_data_of_another_pipeline() {
        let spec = FeatureSpec::for_counters(&[counter("Quai")]);
        assert!(spec.check().is_ok());
        let other = FeatureSpec {
            columns: vec!["month".to_owned()],
            ..spec
        };
        assert!(
            other.check().unwrap_err().to_string().contains("retrain"),
            "the advice is missing"
        );
    }
}
