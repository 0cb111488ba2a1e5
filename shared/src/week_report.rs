//! The stored report about a week: written by `drift-check`, read by the pages.

use std::fmt;

use forecasting::{
    coverage::Coverage,
    drift::{DatasetDrift, Histogram},
    features::TARGET,
    metrics::{Breakdown, Scores},
    policy::WeekVerdict,
    time::{Day, Week},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    address::ObjectPath,
    program::Program,
    registry::Version,
    store::{Store, StoreError},
};

/// The folder of the reports.
pub const FOLDER: &str = "reports/drift-check/";

/// The number of weeks, with the checked one, whose intervals are judged together.
pub const RECENT_WEEKS: usize = 4;

/// The prefixes of the names of all columns that are made of counts, besides the count itself.
const OF_COUNTS: [&str; 3] = ["count_", "weekly_", "mean_of_"];

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
    /// The days, hours and counters that the verdict is based on. Reports written before this field
    /// existed have none.
    #[serde(default)]
    pub coverage: Option<Coverage>,
    /// The drift of each column and of the data set as a whole.
    pub drift: DatasetDrift,
    /// The scores of the stored forecasts as published; `None` if no forecast has a count to compare
    /// with.
    pub live: Option<Scores>,
    /// The accuracy of the stored forecasts in other respects. Reports written before this field
    /// existed have none.
    #[serde(default)]
    pub accuracy: Option<LiveAccuracy>,
    /// The coverage of the intervals of the last four weeks. `None` if none of them has intervals, and
    /// for reports written before this field existed.
    #[serde(default)]
    pub recent_intervals: Option<RecentIntervals>,
    /// The decision of the policy. Its reason names missing counts and excluded columns.
    pub verdict: WeekVerdict,
    /// The publish time of the event that started the check; `None` for a check without an event.
    /// Reports written before this field existed have none.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The program that made the report. Reports written before this field existed have none.
    #[serde(default)]
    pub program: Option<Program>,
    /// The distribution of each compared column in the fixed test set and in the week. Reports
    /// written before this field existed have none.
    #[serde(default)]
    pub histograms: Vec<Histogram>,
    /// The errors of the published forecasts by counter, hour and weekday. The champion's errors
    /// are those of the forecasts. `None` if no forecast has a count, and for reports written before
    /// this field existed.
    #[serde(default)]
    pub breakdown: Option<Breakdown>,
    /// The errors of the model alone, without the daily correction.
    #[serde(default)]
    pub uncorrected_breakdown: Option<Breakdown>,
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

    /// Returns the number of compared columns that are made of counts: the count itself, its lags and
    /// its means. A change of the level of the counts shows in all of them.
    pub fn count_columns(&self) -> usize {
        count_columns(&self.drift)
    }

    /// Returns the names of the columns that could not be compared.
    pub fn excluded_columns(&self) -> Vec<&str> {
        self.drift
            .excluded
            .iter()
            .map(|column| column.column.as_str())
            .collect()
    }
}

/// The accuracy of a week's stored forecasts in other respects than their MAE. None of it triggers
/// fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveAccuracy {
    /// The scores of the model alone, without the daily correction.
    pub uncorrected: Scores,
    /// The scores of the published forecasts without the hours in runs of 24 or more zeros; `None`
    /// if there are no others.
    pub living: Option<Scores>,
    /// The scores of the seasonal naive forecast, on the forecast hours that have one.
    pub seasonal_naive: Option<Scores>,
    /// The coverage of the 80 % intervals; `None` for forecasts without intervals.
    pub interval_80: Option<IntervalCoverage>,
    /// The coverage of the 95 % intervals.
    pub interval_95: Option<IntervalCoverage>,
}

/// The share of counts within their forecast intervals, on living counters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalCoverage {
    /// The number of counts with an interval.
    pub rows: usize,
    /// The share of them that lies within, ends included, from 0 to 1.
    pub share: f64,
    /// The mean width of the intervals, in bicycles per hour.
    pub mean_width: f64,
}

/// The part of a [`WeekReport`] about the accuracy of the forecasts, for readers that need no more
/// of it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct WeekAccuracy {
    /// The accuracy of the stored forecasts. Reports written before this field existed have none.
    #[serde(default)]
    pub accuracy: Option<LiveAccuracy>,
}

/// The coverage of the intervals of stored forecasts over four weeks: the checked week and the three
/// before it, together.
///
/// The coverage of the weeks before is that of their last reports, see [`last_path`]. In the weekly
/// rhythm, these weeks are judged first. A week judged later, or again, does not change the stored
/// reports of other weeks. A coverage that is not as expected is named in the reason of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentIntervals {
    /// The first day of the four weeks.
    pub first_day: Day,
    /// The last day of the four weeks, which is that of the checked week.
    pub last_day: Day,
    /// The number of weeks with intervals, up to [`RECENT_WEEKS`]. A week without a readable report
    /// is not one of them.
    pub weeks: usize,
    /// The coverage of the 80 % intervals, where each count weighs the same; `None` for forecasts
    /// without them.
    pub interval_80: Option<IntervalCoverage>,
    /// The coverage of the 95 % intervals.
    pub interval_95: Option<IntervalCoverage>,
}

impl RecentIntervals {
    /// Returns the weeks with intervals in words: `the last four weeks`, or
    /// `3 of the last four weeks`.
    pub fn period(&self) -> String {
        let all = "the last four weeks";
        if self.weeks < RECENT_WEEKS {
            format!("{} of {all}", self.weeks)
        } else {
            all.to_owned()
        }
    }
}

/// Returns the number of compared columns that are made of counts.
pub fn count_columns(drift: &DatasetDrift) -> usize {
    let columns = drift.columns.iter();
    columns
        .filter(|column| is_made_of_counts(&column.column))
        .count()
}

/// Returns `true` if a column is the count itself, one of its lags or one of its means.
pub fn is_made_of_counts(column: &str) -> bool {
    column == TARGET || OF_COUNTS.iter().any(|prefix| column.starts_with(prefix))
}

/// Returns the path of the report about a week, or about the
/// [subject](crate::event::EventId::subject_of_week) of a repeated check.
pub fn path(subject: impl fmt::Display) -> ObjectPath {
    ObjectPath::new(format_args!("{FOLDER}{subject}.json"))
}

/// Returns the path of the report of a week's last judgement, or `None` if the week was not judged.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn last_path(store: &dyn Store, week: Week) -> Result<Option<ObjectPath>, StoreError> {
    let prefix = format!("{FOLDER}{week}");
    let paths = store.list(&prefix).await?;
    // The name of a repeated judgement is `WEEK@INSTANT`.
    let subject = |path: &ObjectPath| {
        let instant = path.as_str().strip_prefix(&prefix)?.strip_suffix(".json")?;
        (instant.is_empty() || instant.starts_with('@'))
            .then(|| instant.trim_end_matches('Z').to_owned())
    };
    // Without the `Z`, a second precedes its fractions.
    let judged = paths.into_iter().filter(|path| subject(path).is_some());
    Ok(judged.max_by_key(subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Condition, MemoryStore};

    #[tokio::test]
    async fn last_report_is_that_of_the_last_judgement() {
        let store = MemoryStore::default();
        let week: Week = "2021-W30".parse().unwrap();
        assert_eq!(last_path(&store, week).await.unwrap(), None);
        for (subject, expected) in [
            ("2021-W30", "2021-W30"),
            (
                "2021-W30@2021-08-02T05-00-01Z",
                "2021-W30@2021-08-02T05-00-01Z",
            ),
            (
                "2021-W30@2021-08-02T05-00-01.5Z",
                "2021-W30@2021-08-02T05-00-01.5Z",
            ),
            (
                "2021-W30@2021-08-01T09-00-00Z",
                "2021-W30@2021-08-02T05-00-01.5Z",
            ),
            (
                "2021-W30@2021-10-02T05-00-00Z",
                "2021-W30@2021-10-02T05-00-00Z",
            ),
            ("2021-W31", "2021-W30@2021-10-02T05-00-00Z"),
            ("2021-W30-copy", "2021-W30@2021-10-02T05-00-00Z"),
        ] {
            store
                .write(&path(subject), "{}".into(), Condition::Always)
                .await
                .unwrap();
            let last = last_path(&store, week).await.unwrap();
            assert_eq!(last, Some(path(expected)), "{subject}");
        }
    }
}
