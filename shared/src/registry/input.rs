//! The data sets of a run.

use std::collections::{BTreeMap, BTreeSet};

use forecasting::{counts::Counts, features::Frame, time::Hour};
use serde::{Deserialize, Serialize};

use crate::{
    baseline::{DataSet, DataSetName},
    store::Store,
};

/// A data set that a run has used, like a dataset input in MLflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunInput {
    /// The name of the data set.
    pub name: DataSetName,
    /// The first half of the checksum, which is the maximum length in MLflow.
    pub digest: String,
    /// The address of the counts.
    pub source: String,
    /// Facts about the counts by name, for example `num_rows`. Runs of earlier program versions
    /// have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, String>,
}

impl RunInput {
    /// Creates the input for a data set in a store.
    pub fn new(data: &DataSet, store: &dyn Store) -> Self {
        Self {
            name: data.name.clone(),
            digest: data.sha256.short(32).to_owned(),
            source: store.address_of(&data.name.object()),
            profile: BTreeMap::new(),
        }
    }

    /// Adds facts about the counts: the numbers of rows and counters, and the period.
    #[must_use]
    pub fn with_profile(self, counts: &Counts) -> Self {
        self.profiled(counts.len(), counts.counters().len(), counts.period())
    }

    /// Adds the facts of [`RunInput::with_profile`] about the counts that a frame was built from.
    #[must_use]
    pub fn with_frame_profile(self, frame: &Frame) -> Self {
        let rows = frame.rows();
        // The frame also knows the counters that have only lags.
        let counters: BTreeSet<_> = rows.iter().map(|row| row.counter).collect();
        let hours = || rows.iter().map(|row| row.hour);
        self.profiled(rows.len(), counters.len(), hours().min().zip(hours().max()))
    }

    fn profiled(mut self, rows: usize, counters: usize, period: Option<(Hour, Hour)>) -> Self {
        let facts = [
            ("num_rows", Some(rows.to_string())),
            ("num_counters", Some(counters.to_string())),
            (
                "first_hour",
                period.map(|(first, _)| first.timestamp().to_string()),
            ),
            (
                "last_hour",
                period.map(|(_, last)| last.timestamp().to_string()),
            ),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(name, fact)| Some((name.to_owned(), fact?)));
        self.profile.extend(known);
        self
    }
}

#[cfg(test)]
mod tests {
    use forecasting::{counts::Counter, features::FeatureSpec, time::Day};

    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn frame_has_the_profile_of_its_counts() {
        let (first, last): (Day, Day) =
            ("2021-06-01".parse().unwrap(), "2021-06-02".parse().unwrap());
        let counts = |names: &[&str], first: Day| {
            let mut counts = Counts::default();
            for name in names {
                let counter = counts.intern(Counter {
                    id: None,
                    name: (*name).to_owned(),
                    coordinates: None,
                });
                let hours = first.through(last).flat_map(Day::hours);
                hours.for_each(|hour| counts.push(counter, hour, 7));
            }
            counts
        };
        let before = counts(&["Quai", "Pont", "Rue"], first.plus(-30));
        let test = counts(&["Quai", "Pont"], first);
        let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[&before], &test);
        let name = "test-2021-06-02-0a1b2c3d".parse().unwrap();
        let sha256 = forecasting::checksum::Checksum::of(b"the counts");
        let input = RunInput::new(&DataSet { name, sha256 }, &MemoryStore::default());
        let profile = input.clone().with_frame_profile(&frame).profile;
        assert_eq!(profile, input.with_profile(&test).profile);
        assert_eq!(
            (&*profile["num_rows"], &*profile["num_counters"]),
            ("96", "2")
        );
        assert_eq!(profile["first_hour"], "2021-05-31T22:00:00Z");
    }
}
