//! Hourly counts of bicycles, and the reader of every export format that the city has published.

mod builder;
mod coordinates;
#[cfg(test)]
mod dirty_data;
mod encoding;
mod error;
mod file_type;
mod header;
mod key;
mod lines;
mod number;
mod period;
mod read;
mod reject;
mod repeated_hours;
mod rows;
mod summary;
mod timestamp;
mod write;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use serde::{Deserialize, Serialize};

pub use builder::{Collected, CountsBuilder};
pub use coordinates::Coordinates;
pub use error::ReadError;
pub use key::CounterKey;
pub use read::{decompress, open, read, read_export, read_export_file, read_file};
pub use reject::{Reject, RejectReason, RejectWriter, Rejects};
pub use summary::{Export, ReadSummary};
pub use timestamp::parse_hour;
pub use write::{WriteError, write_french, write_table};

use crate::time::{Day, Hour};
use key::single_spaces;

/// The largest accepted count per hour. Larger counts are rejected as sensor faults.
///
/// The highest true count in the public data is below 12,000.
pub const MAXIMUM_COUNT: u32 = 50_000;

/// A counter: a sensor loop in the road that counts bicycles in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// The id assigned by the city, if known.
    pub id: Option<String>,
    /// The name, in the first spelling that was read.
    pub name: String,
    /// The location, if known.
    pub coordinates: Option<Coordinates>,
}

impl Counter {
    /// Returns the folded name, which identifies the counter.
    pub fn key(&self) -> CounterKey {
        CounterKey::of_name(&self.name)
    }

    /// Returns the counter under the name `NAME (ID)`, or unchanged if it has no id. Counters that
    /// share a name in the same hours are named so.
    #[must_use]
    pub fn separated(&self) -> Self {
        let name = match &self.id {
            Some(id) if self.shared_name().is_none() => separate_name(&self.name, id),
            _ => self.name.clone(),
        };
        Self {
            name,
            ..self.clone()
        }
    }

    /// Returns the name without the id that [`separate_name`] appends, or `None` if it has none.
    fn shared_name(&self) -> Option<&str> {
        let id = self.id.as_deref()?;
        let without_id = self.name.strip_suffix(')')?.strip_suffix(id)?;
        without_id.strip_suffix(" (")
    }
}

/// Returns the name of a counter that shares `name` with others in the same hours.
fn separate_name(name: &str, id: &str) -> String {
    format!("{name} ({id})")
}

/// The index of a counter in the [`Counts`] that interned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterIndex(u32);

impl CounterIndex {
    /// Returns the zero-based position in [`Counts::counters`].
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

/// The number of bicycles that a counter recorded in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The hour.
    pub hour: Hour,
    /// The counter.
    pub counter: CounterIndex,
    /// The number of bicycles.
    pub count: u32,
}

/// A collection of counts, in which each counter is stored once.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    counters: Vec<Counter>,
    positions: HashMap<CounterKey, CounterIndex>,
    rows: Vec<Count>,
    /// `true` if a counter has its id in its name, see [`CountsBuilder`].
    has_separate_counters: bool,
}

impl Counts {
    /// Returns the counters in the order in which they were added.
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// Returns the counter at `index`.
    ///
    /// # Panics
    /// Panics if `index` is out of range, which requires an index of another collection.
    pub fn counter(&self, index: CounterIndex) -> &Counter {
        &self.counters[index.position()]
    }

    /// Returns the counts in their current order.
    pub fn rows(&self) -> &[Count] {
        &self.rows
    }

    /// Returns the number of counts.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns `true` if the collection has no counts.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the index of the counter with this folded name.
    pub fn find(&self, key: &CounterKey) -> Option<CounterIndex> {
        self.positions.get(key).copied()
    }

    /// Adds a counter, or merges it into the counter of the same folded name.
    ///
    /// A counter `NAME (ID)` is the same as the counter `NAME` with this id. On a merge, the first
    /// name, the last known id and the first known coordinates are used.
    pub fn intern(&mut self, counter: Counter) -> CounterIndex {
        let key = counter.key();
        self.intern_keyed(counter, key)
    }

    /// Interns a counter whose key is known, because folding a name takes longer than the rest.
    fn intern_keyed(&mut self, counter: Counter, key: CounterKey) -> CounterIndex {
        let merged = self.merge(&counter, &key);
        merged.unwrap_or_else(|| self.add(counter, key))
    }

    /// Merges a counter into the known one. Returns `None` if there is none.
    fn merge(&mut self, counter: &Counter, key: &CounterKey) -> Option<CounterIndex> {
        let index = self.position(counter, key)?;
        let known = &mut self.counters[index.position()];
        if counter.id.is_some() {
            known.id.clone_from(&counter.id);
        }
        known.coordinates = known.coordinates.or(counter.coordinates);
        Some(index)
    }

    fn add(&mut self, counter: Counter, key: CounterKey) -> CounterIndex {
        let index = CounterIndex(u32::try_from(self.counters.len()).unwrap_or(u32::MAX));
        self.has_separate_counters |= counter.shared_name().is_some();
        self.counters.push(counter);
        self.positions.insert(key, index);
        index
    }

    /// Returns the index of a counter that is known under its name, with or without its id.
    fn position(&self, counter: &Counter, key: &CounterKey) -> Option<CounterIndex> {
        if self.has_separate_counters
            && let Some(id) = &counter.id
            && let Some(separate) =
                self.find(&CounterKey::of_name(&separate_name(&counter.name, id)))
        {
            return Some(separate);
        }
        self.find(key).or_else(|| {
            let shared = self.find(&CounterKey::of_name(counter.shared_name()?))?;
            (self.counter(shared).id == counter.id).then_some(shared)
        })
    }

    /// Appends a count.
    pub fn push(&mut self, counter: CounterIndex, hour: Hour, count: u32) {
        self.rows.push(Count {
            hour,
            counter,
            count,
        });
    }

    /// Appends all counts and counters of another collection. Counters are matched by name.
    pub fn extend(&mut self, other: &Self) {
        let mut keys: Vec<_> = other.positions.iter().collect();
        keys.sort_unstable_by_key(|(_, index)| **index);
        let mut indices = Vec::with_capacity(keys.len());
        for (key, index) in keys {
            let counter = other.counter(*index);
            let merged = self.merge(counter, key);
            indices.push(merged.unwrap_or_else(|| self.add(counter.clone(), key.clone())));
        }
        self.rows.extend(other.rows.iter().map(|row| Count {
            counter: indices[row.counter.position()],
            ..*row
        }));
    }

    /// Sorts the counts by hour and counter, and removes duplicates of the same hour and counter.
    ///
    /// Retains the larger of two counts: some counters report a phantom 0 beside the true count
    /// when the clocks go forward. Returns the number of removed counts.
    pub fn deduplicate(&mut self) -> usize {
        let before = self.rows.len();
        let key = |row: &Count| (row.hour, row.counter);
        if self.rows.is_sorted_by(|row, next| key(row) < key(next)) {
            return 0;
        }
        let order = |row: &Count| (key(row), Reverse(row.count));
        if self.rows.is_sorted_by_key(|row| row.hour) {
            // Exports list hour by hour. Sorting each hour is faster than sorting all of them.
            for rows in self.rows.chunk_by_mut(|row, next| row.hour == next.hour) {
                rows.sort_unstable_by_key(order);
            }
        } else {
            self.rows.sort_unstable_by_key(order);
        }
        self.rows.dedup_by_key(|row| (row.hour, row.counter));
        before - self.rows.len()
    }

    /// Returns a copy in canonical order: equal counts give equal rows in any reading order.
    ///
    /// Counters are sorted by folded name; those without counts are dropped. Counts are sorted and
    /// deduplicated as by [`Counts::deduplicate`].
    #[must_use]
    pub fn normalized(&self) -> Self {
        let mut has_counts = vec![false; self.counters.len()];
        self.rows
            .iter()
            .for_each(|row| has_counts[row.counter.position()] = true);
        let mut order: Vec<_> = self
            .positions
            .iter()
            .filter(|(_, index)| has_counts[index.position()])
            .collect();
        order.sort_unstable();
        let mut normalized = Self::default();
        let mut indices = vec![CounterIndex(0); self.counters.len()];
        for (_, index) in order {
            indices[index.position()] = normalized.intern(self.counter(*index).clone());
        }
        let reindex = |row: &Count| Count {
            counter: indices[row.counter.position()],
            ..*row
        };
        normalized.rows = self.rows.iter().map(reindex).collect();
        normalized.deduplicate();
        normalized
    }

    /// Returns the counts from `first` to `last` inclusive, with all counters.
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
            has_separate_counters: self.has_separate_counters,
        }
    }

    /// Returns the counts of the days from `first` to `last` inclusive, with all counters.
    #[must_use]
    pub fn days(&self, first: Day, last: Day) -> Self {
        self.between(first.first_hour(), last.plus(1).first_hour().plus(-1))
    }

    /// Returns the first and the last hour, or `None` if there are no counts.
    pub fn period(&self) -> Option<(Hour, Hour)> {
        let first = self.rows.iter().map(|row| row.hour).min()?;
        let last = self.rows.iter().map(|row| row.hour).max()?;
        Some((first, last))
    }

    /// Returns the number of counts per day in Paris.
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
