//! Hourly counts of bicycles, and how they are read from every shape of export the city has published.

#[cfg(test)]
mod dirty_data;
mod header;
mod read;
mod reject;
mod timestamp;
mod write;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

pub use read::{ReadError, open, read, read_file, unpack};
pub use reject::{Reject, RejectReason, RejectWriter, Rejects};
pub use timestamp::parse_hour;
pub use write::{WriteError, write_french, write_table};

use crate::time::{Day, Hour};

/// Counts above this are taken for a broken sensor; the highest true count in the public data is below 12,000 an hour.
pub const MAXIMUM_COUNT: u32 = 50_000;

/// The name of a counter with case, accents and whitespace folded, which is what identifies it.
///
/// The public data changes a counter's id under one name, spells one name in several ways and leaves the id out of
/// some rows; only the name is always there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct CounterKey(String);

impl CounterKey {
    /// Folds a counter's name.
    pub fn of_name(name: &str) -> Self {
        // Most names are ASCII, and requests name a hundred counters: Unicode's tables are asked only where they matter.
        if name.is_ascii() {
            return Self(single_spaces(&name.to_ascii_lowercase()));
        }
        let characters = name
            .nfkd()
            .filter(|character| !is_combining_mark(*character))
            .flat_map(char::to_lowercase);
        Self(single_spaces(&characters.collect::<String>()))
    }

    /// Returns the folded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn single_spaces(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

impl From<String> for CounterKey {
    fn from(name: String) -> Self {
        Self::of_name(&name)
    }
}

impl fmt::Display for CounterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A place on the map, in degrees of WGS 84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

impl Coordinates {
    /// Reads `lat,lon`. Returns `None` for anything that is no place on Earth.
    pub fn parse(text: &str) -> Option<Self> {
        let (latitude, longitude) = text.split_once(',')?;
        Self::new(
            latitude.trim().parse().ok()?,
            longitude.trim().parse().ok()?,
        )
    }

    /// Checks that both degrees are on Earth.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        on_earth.then_some(Self {
            latitude,
            longitude,
        })
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{},{}", self.latitude, self.longitude)
    }
}

/// A counter: a loop in the road that counts bicycles in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// The city's id, where the data has one.
    pub id: Option<String>,
    /// The name as it was first spelled.
    pub name: String,
    /// Where it lies, where the data says so.
    pub coordinates: Option<Coordinates>,
}

impl Counter {
    /// Returns what identifies the counter.
    pub fn key(&self) -> CounterKey {
        CounterKey::of_name(&self.name)
    }
}

/// The position of a counter in the [`Counts`] that it was interned in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterIndex(u32);

impl CounterIndex {
    /// Returns the position in [`Counts::counters`].
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

/// How many bicycles a counter saw in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The hour counted, from its first minute to its last.
    pub hour: Hour,
    /// The counter.
    pub counter: CounterIndex,
    /// The bicycles seen.
    pub count: u32,
}

/// Counts of many counters, each counter stored once.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    counters: Vec<Counter>,
    positions: HashMap<CounterKey, CounterIndex>,
    rows: Vec<Count>,
}

impl Counts {
    /// Returns the counters in the order of their first appearance.
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// Returns a counter of this collection.
    ///
    /// # Panics
    /// When `index` was made by another collection.
    pub fn counter(&self, index: CounterIndex) -> &Counter {
        &self.counters[index.position()]
    }

    /// Returns the counts.
    pub fn rows(&self) -> &[Count] {
        &self.rows
    }

    /// Returns the number of counts.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether there is no count.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Finds a counter by its folded name.
    pub fn find(&self, key: &CounterKey) -> Option<CounterIndex> {
        self.positions.get(key).copied()
    }

    /// Adds a counter, or completes the one of the same name; the id seen last wins.
    pub fn intern(&mut self, counter: Counter) -> CounterIndex {
        let key = counter.key();
        if let Some(&index) = self.positions.get(&key) {
            let known = &mut self.counters[index.position()];
            known.id = counter.id.or(known.id.take());
            known.coordinates = known.coordinates.or(counter.coordinates);
            return index;
        }
        let index = CounterIndex(u32::try_from(self.counters.len()).unwrap_or(u32::MAX));
        self.counters.push(counter);
        self.positions.insert(key, index);
        index
    }

    /// Adds a count.
    pub fn push(&mut self, counter: CounterIndex, hour: Hour, count: u32) {
        self.rows.push(Count {
            hour,
            counter,
            count,
        });
    }

    /// Adds all counts of another collection.
    pub fn extend(&mut self, other: &Self) {
        let indices: Vec<_> = other
            .counters
            .iter()
            .map(|counter| self.intern(counter.clone()))
            .collect();
        self.rows.extend(other.rows.iter().map(|row| Count {
            counter: indices[row.counter.position()],
            ..*row
        }));
    }

    /// Sorts by hour and counter and leaves one count for each pair.
    ///
    /// Of two counts for the same hour the larger stays: the duplicates of the public data are a true count and the
    /// phantom 0 that some counters write when the clocks go forward. Returns how many rows went.
    pub fn deduplicate(&mut self) -> usize {
        let before = self.rows.len();
        let order = |row: &Count| (row.hour, row.counter, std::cmp::Reverse(row.count));
        if !self.rows.is_sorted_by_key(order) {
            self.rows.sort_unstable_by_key(order);
        }
        self.rows.dedup_by_key(|row| (row.hour, row.counter));
        before - self.rows.len()
    }

    /// Numbers the counters that have counts by their folded names, and sorts by hour and counter without duplicates. So the
    /// same counts are the same rows in the same order, whatever order they were read in.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let mut is_counted = vec![false; self.counters.len()];
        self.rows
            .iter()
            .for_each(|row| is_counted[row.counter.position()] = true);
        let mut order: Vec<_> = self
            .positions
            .iter()
            .filter(|(_, index)| is_counted[index.position()])
            .collect();
        order.sort_unstable();
        let mut normalized = Self::default();
        let mut indices = vec![CounterIndex(0); self.counters.len()];
        for (_, index) in order {
            indices[index.position()] = normalized.intern(self.counter(*index).clone());
        }
        let renumber = |row: &Count| Count {
            counter: indices[row.counter.position()],
            ..*row
        };
        normalized.rows = self.rows.iter().map(renumber).collect();
        normalized.deduplicate();
        normalized
    }

    /// Returns the counts from `first` to `last`, both included, with all counters.
    #[must_use]
    pub fn between(&self, first: Hour, last: Hour) -> Self {
        let rows = self
            .rows
            .iter()
            .filter(|row| (first..=last).contains(&row.hour))
            .copied()
            .collect();
        Self {
            counters: self.counters.clone(),
            positions: self.positions.clone(),
            rows,
        }
    }

    /// Returns the counts of the days from `first` to `last`, both included.
    #[must_use]
    pub fn days(&self, first: Day, last: Day) -> Self {
        self.between(first.first_hour(), last.plus(1).first_hour().plus(-1))
    }

    /// Returns the first and the last hour, or `None` without counts.
    pub fn period(&self) -> Option<(Hour, Hour)> {
        let first = self.rows.iter().map(|row| row.hour).min()?;
        let last = self.rows.iter().map(|row| row.hour).max()?;
        Some((first, last))
    }

    /// Returns the number of counts of each day.
    pub fn rows_per_day(&self) -> BTreeMap<Day, usize> {
        let mut hours = BTreeMap::<Hour, usize>::new();
        for row in &self.rows {
            *hours.entry(row.hour).or_default() += 1;
        }
        let mut days = BTreeMap::new();
        for (hour, rows) in hours {
            *days.entry(hour.day()).or_default() += rows;
        }
        days
    }
}

#[cfg(test)]
mod tests;
