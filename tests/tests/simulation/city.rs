//! The open data service of a small city: two counters with counts in four hours of a day.
//!
//! The city corrects its counts. The version of a reply is part of each count, so that a table
//! shows the reply it was made of.

use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use forecasting::{
    counts::{Counter, Counts},
    time::{Day, Hour},
};
use serde_json::{Value, json};

/// The names and ids of the counters.
const COUNTERS: [(&str, &str); 2] = [("Quai", "1"), ("Pont", "2")];
/// The hours of a day with counts, in local time.
const HOURS: std::ops::Range<i8> = 8..12;
/// The counts of a version are from 100 times its number.
const PER_VERSION: u32 = 100;

/// The published counts.
#[derive(Default)]
pub(crate) struct City(Mutex<BTreeMap<Day, State>>);

#[derive(Clone, Copy, Default)]
struct State {
    corrections: u32,
    /// `true` if the replies lack a counter at present.
    is_incomplete: bool,
}

impl City {
    /// Corrects the counts of a day.
    pub(crate) fn correct(&self, day: Day) {
        self.0.lock().unwrap().entry(day).or_default().corrections += 1;
    }

    /// Sets the completeness of the replies for a day.
    pub(crate) fn set_incomplete(&self, day: Day, is_incomplete: bool) {
        self.0.lock().unwrap().entry(day).or_default().is_incomplete = is_incomplete;
    }

    /// Returns the present reply for a day.
    pub(crate) fn reply(&self, day: Day) -> Bytes {
        let state = self.0.lock().unwrap().get(&day).copied();
        let state = state.unwrap_or_default();
        let counters = if state.is_incomplete {
            1
        } else {
            COUNTERS.len()
        };
        let record = |(hour, counter): (Hour, usize)| {
            let (name, id) = COUNTERS[counter];
            let count = count(1 + state.corrections, hour, counter);
            json!({ "id_compteur": id, "nom_compteur": name, "sum_counts": count, "date": hour.to_string() })
        };
        let records: Value = hours(day)
            .flat_map(|hour| (0..counters).map(move |counter| (hour, counter)))
            .map(record)
            .collect();
        records.to_string().into()
    }
}

/// Returns the hours of a day with counts.
pub(crate) fn hours(day: Day) -> impl Iterator<Item = Hour> {
    day.hours()
        .filter(|hour| HOURS.contains(&hour.local().hour))
}

/// Returns the version of the reply that a count is from.
pub(crate) const fn version_of(count: u32) -> u32 {
    count / PER_VERSION
}

fn count(version: u32, hour: Hour, counter: usize) -> u32 {
    let hour = u32::try_from(hour.local().hour).unwrap_or_default();
    // There are two counters.
    version * PER_VERSION + hour + 20 * counter as u32
}

/// Returns the counts of past days, of both counters.
pub(crate) fn history(first: Day, last: Day) -> Counts {
    let mut counts = Counts::default();
    let counters = COUNTERS.map(|(name, id)| {
        counts.intern(Counter {
            id: Some(id.to_owned()),
            name: name.to_owned(),
            coordinates: None,
        })
    });
    for hour in first.through(last).flat_map(hours) {
        for (position, counter) in counters.into_iter().enumerate() {
            counts.push(counter, hour, count(1, hour, position));
        }
    }
    counts
}
