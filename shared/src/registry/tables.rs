//! The daily tables that a model was trained on.

use std::collections::{BTreeMap, BTreeSet};

use forecasting::{checksum::Checksum, features::Frame, time::Day};

use super::input::facts;
use crate::warehouse::schema::{RAW, daily_table};

/// The daily tables of counts that a model was trained on, like a dataset input in MLflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingTables {
    /// The first day.
    pub first: Day,
    /// The last day.
    pub last: Day,
    /// The first half of the checksum of the rows, which is the maximum length in MLflow.
    pub digest: String,
    /// Facts about the rows by name, as in [`RunInput::profile`](super::RunInput::profile).
    pub profile: BTreeMap<String, String>,
}

impl TrainingTables {
    /// Describes the rows of a frame that are in the tables from `first` to `last` inclusive.
    /// Returns `None` if there are none.
    pub fn of(frame: &Frame, (first, last): (Day, Day)) -> Option<Self> {
        let days = first.first_hour()..last.plus(1).first_hour();
        let rows = || {
            let rows = frame.rows().iter().zip(frame.targets());
            rows.filter(|(row, _)| days.contains(&row.hour))
        };
        let hours = || rows().map(|(row, _)| row.hour);
        let period = hours().min().zip(hours().max())?;
        let counters: BTreeSet<_> = rows().map(|(row, _)| row.counter).collect();
        let mut bytes = Vec::new();
        for counter in &counters {
            bytes.extend(frame.counters()[*counter as usize].name.bytes());
            bytes.push(0);
        }
        for (row, count) in rows() {
            bytes.extend(row.counter.to_le_bytes());
            bytes.extend(row.hour.number().to_le_bytes());
            bytes.extend(count.to_le_bytes());
        }
        Some(Self {
            first,
            last,
            digest: Checksum::of(&bytes).short(32).to_owned(),
            profile: facts(rows().count(), counters.len(), Some(period)),
        })
    }

    /// Returns the names of the first and the last table.
    pub fn names(&self) -> String {
        let [first, last] = [self.first, self.last].map(daily_table);
        format!("{RAW}.{first} to {RAW}.{last}")
    }
}

#[cfg(test)]
mod tests {
    use forecasting::{
        counts::{Counter, Counts},
        features::FeatureSpec,
    };

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// Returns the tables of 2 and 3 June of a frame that starts on a given day.
    fn tables(first: &str, count: u32) -> Option<TrainingTables> {
        let mut counts = Counts::default();
        for name in ["Quai", "Pont"] {
            let counter = counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: None,
            });
            let hours = day(first).through(day("2021-06-03")).flat_map(Day::hours);
            hours.for_each(|hour| counts.push(counter, hour, count));
        }
        let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[], &counts);
        TrainingTables::of(&frame, (day("2021-06-02"), day("2021-06-03")))
    }

    #[test]
    fn tables_have_the_rows_of_their_days_only() {
        let found = tables("2021-05-20", 7).unwrap();
        assert_eq!(
            found.names(),
            "bike_traffic_raw.daily_20210602 to bike_traffic_raw.daily_20210603"
        );
        let fact = |name: &str| found.profile[name].as_str();
        assert_eq!((fact("num_rows"), fact("num_counters")), ("96", "2"));
        assert_eq!(fact("first_hour"), "2021-06-01T22:00:00Z");
        assert_eq!(fact("last_hour"), "2021-06-03T21:00:00Z");
        assert_eq!(tables("2021-06-02", 7).unwrap().digest, found.digest);
        assert_ne!(tables("2021-06-02", 8).unwrap().digest, found.digest);
        assert_eq!(found.digest.len(), 32);
    }

    #[test]
    fn days_without_rows_have_no_tables() {
        assert_eq!(tables("2021-06-04", 7), None);
    }
}
