//! The feature pipeline of training, fine-tuning, evaluation, drift check and forecast.
//!
//! The features of day D use only counts of hours before D. Lags are joined by local date and hour,
//! so that a change of the clocks does not shift them. Unknown values are `NaN`, which XGBoost
//! treats as missing. Counts in outages are unknown if the counts before D show the outage, see
//! [`Outage`].

mod frame;
mod history;
mod local_day;
mod matrix;
mod outage;
mod row;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use frame::{Frame, FrameRow};
pub use history::History;
pub use matrix::FeatureMatrix;
pub use outage::{MINIMUM_CONSTANT, MINIMUM_CONSTANT_COUNT, MINIMUM_ZEROS, Outage};

use crate::{
    counts::{Counter, CounterKey},
    time::{Day, Hour},
};

/// The lags of the count features, in days. A lag is the count of the same local hour on an earlier
/// day: unknown if that day has no such hour, and the first one if it has two.
pub const LAGS_DAYS: [usize; 10] = [1, 2, 3, 4, 5, 6, 7, 14, 21, 28];
/// The positions in [`LAGS_DAYS`] of the weekly mean and median: the same hour in each of the last
/// four weeks.
const WEEKLY_LAGS: [usize; 4] = [6, 7, 8, 9];
/// The windows of the rolling means of day D, in days. Each window ends with the last hour of D-1.
pub const WINDOWS_DAYS: [usize; 3] = [1, 7, 28];
/// The number of days of counts before a day that its features need.
///
/// The longest lag and window are 28 days. In the two days before them, outages that reach into
/// them are recognized, even if half of the hours are missing.
pub const HISTORY_DAYS: i32 = 30;

/// Returns the last day that can be forecast from counts up to `last`: the day of the next hour.
///
/// Its features use all counts of the day before. A later day would have means of a part of a day,
/// unlike the rows that the model was trained on.
pub fn last_forecast_day(last: Hour) -> Day {
    last.plus(1).day()
}

/// The name of the forecast column, as in the daily tables.
pub const TARGET: &str = "comptage_horaire";

/// The names of the features in the order of a matrix row. They are stored with each model.
///
/// A lag is named after its number of days times 24: `count_168h_earlier` is the count of the same
/// local hour one week earlier, also across a change of the clocks.
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
///
/// | version | change |
/// |---|---|
/// | 1 | lags by instant; means that end 24 hours earlier |
/// | 2 | lags by local hour; means that end with the previous day; outages are unknown |
pub const PIPELINE_VERSION: u32 = 2;

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

    /// Returns the category codes of the counters of a history.
    pub fn codes_of(&self, history: &History) -> CategoryCodes {
        CategoryCodes(self.category_codes(history.counters()))
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

/// The category codes of the counters of a [`History`], as a model knows them.
///
/// Folding the names of the counters takes longer than the features of a hundred rows, so a service
/// keeps the codes as long as its history.
#[derive(Clone, Debug)]
pub struct CategoryCodes(Vec<f32>);

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
        let lags: Vec<_> = LAGS_DAYS
            .iter()
            .map(|lag| format!("count_{}h_earlier", 24 * lag))
            .collect();
        assert_eq!(COLUMNS[8..18], lags);
        assert_eq!(WEEKLY_LAGS.map(|lag| LAGS_DAYS[lag]), [7, 14, 21, 28]);
    }

    #[test]
    fn forecasts_reach_to_the_end_of_the_day_of_the_next_hour() {
        for (last, expected) in [
            ("2021-07-19T20:00:00Z", "2021-07-19"),
            ("2021-07-19T21:00:00Z", "2021-07-20"),
            ("2021-07-19T22:00:00Z", "2021-07-20"),
        ] {
            let last = Hour::starting_at(last.parse().unwrap()).unwrap();
            assert_eq!(last_forecast_day(last).to_string(), expected);
        }
    }

    #[test]
    fn model_of_the_previous_pipeline_is_refused_by_name() {
        let previous = FeatureSpec {
            pipeline_version: 1,
            ..FeatureSpec::for_counters(&[counter("Quai")])
        };
        assert_eq!(
            previous.check().unwrap_err().to_string(),
            "the model requires feature pipeline version 1 with 23 columns, but this program has version 2 with 23 \
             columns; retrain the model with `bike-traffic train`"
        );
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
