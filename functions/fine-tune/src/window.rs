//! The training rows of a challenger.

use std::{ops::RangeInclusive, sync::Arc};

use forecasting::{
    coverage::Coverage,
    features::{FeatureSpec, Frame, HISTORY_DAYS},
    policy::Policy,
    time::{Day, Hour, Week},
};
use runtime::Error;
use serde::Serialize;
use shared::{Timestamp, fixed_test, store::Store, warehouse::Warehouse};

/// The days of a fine-tuning run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The first day of training.
    pub first: Day,
    /// The last day of training. The fresh holdout begins on the next day.
    pub last_training: Day,
    /// The last day of the fresh holdout, which is the last day of the checked week.
    pub last: Day,
}

impl Window {
    /// Returns the window that ends with a week. The policy sets its length and its holdout.
    pub fn before(policy: &Policy, week: Week) -> Self {
        let last = week.last_day();
        Self {
            first: last.plus(1 - policy.fine_tune_days),
            last_training: last.plus(-policy.fresh_holdout_days),
            last,
        }
    }

    /// Returns the first and the last day of training.
    pub(crate) const fn training_days(self) -> (Day, Day) {
        (self.first, self.last_training)
    }

    /// Returns the last hour of training.
    pub fn last_training_hour(self) -> Hour {
        self.last_training.plus(1).first_hour().plus(-1)
    }
}

/// The training rows of a window, with the days, hours and counters that they cover.
#[derive(Debug)]
pub struct TrainingRows {
    /// The features and counts.
    pub frame: Frame,
    /// The coverage of the days of training, without the hours of the fixed test set.
    pub coverage: Coverage,
    /// The hours of the fixed test set, which are excluded.
    pub test_hours: RangeInclusive<Hour>,
}

/// Builds the training rows of a window: without the fresh holdout and without the hours of the
/// fixed test set. Hours of an uploaded test set that begin after `now` are rejected.
///
/// # Errors
/// Returns an error if a port fails or if the fixed test set is missing.
pub async fn training_rows(
    store: &Arc<dyn Store>,
    warehouse: &dyn Warehouse,
    window: Window,
    now: Timestamp,
) -> Result<TrainingRows, Error> {
    let profile = fixed_test::profile(store, now).await?;
    let known = warehouse
        .counts(window.first.plus(-HISTORY_DAYS), window.last_training)
        .await?;
    let rows = known.days(window.first, window.last_training);
    let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[&known], &rows);
    let days = (window.first, window.last_training);
    Ok(TrainingRows {
        frame: frame.filter(|row| !profile.excludes(row.hour)),
        coverage: Coverage::of(&known, days, |hour| !profile.excludes(hour)),
        test_hours: profile.first_hour..=profile.last_hour,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use forecasting::counts::{Counter, Counts, write_french};
    use shared::{
        baseline::{TEST_BASELINE, TRAIN_BASELINE},
        store::{Condition, MemoryStore},
        warehouse::EmbeddedWarehouse,
    };

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn counts(first: Day, last: Day) -> Counts {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        first
            .through(last)
            .flat_map(Day::hours)
            .for_each(|hour| counts.push(quai, hour, 3));
        counts
    }

    #[test]
    fn window_ends_with_the_fresh_holdout() {
        let window = Window::before(&Policy::default(), "2021-W30".parse().unwrap());
        let expected = Window {
            first: day("2021-07-03"),
            last_training: day("2021-07-25"),
            last: day("2021-08-01"),
        };
        assert_eq!(window, expected);
    }

    #[tokio::test]
    async fn training_rows_exclude_fixed_test_set_and_fresh_holdout() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (test_first, test_last) = (day("2021-06-18"), day("2021-07-18"));
        for (name, first, last) in [
            (TRAIN_BASELINE, test_first.plus(-40), test_first.plus(-1)),
            (TEST_BASELINE, test_first, test_last),
        ] {
            let mut csv = Vec::new();
            write_french(&counts(first, last), &mut csv).unwrap();
            store
                .write(&name.parse().unwrap(), csv.into(), Condition::Always)
                .await
                .unwrap();
        }
        let warehouse = EmbeddedWarehouse::new(Arc::new(MemoryStore::default()));
        for day in day("2021-06-18").through(day("2021-08-01")) {
            warehouse
                .replace_counts(day, &counts(day, day), Timestamp::UNIX_EPOCH)
                .await
                .unwrap();
        }
        let window = Window::before(&Policy::default(), "2021-W30".parse().unwrap());
        let now = "2021-08-02T05:00:00Z".parse().unwrap();
        let TrainingRows {
            frame, coverage, ..
        } = training_rows(&store, &warehouse, window, now)
            .await
            .unwrap();
        let days: BTreeSet<_> = frame.rows().iter().map(|row| row.hour.day()).collect();
        assert_eq!(days, day("2021-07-19").through(day("2021-07-25")).collect());
        // The days before 2021-07-19 belong to the fixed test set, so they are not expected.
        assert!(coverage.is_complete(), "{coverage}");
        assert_eq!((coverage.days, coverage.hours), (7, 7 * 24));
    }
}
