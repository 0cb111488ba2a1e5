//! The union of counts of several sources, of which the later wins.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Counter, Counts},
    time::Hour,
};

use crate::{Columns, Error, shared_names::SharedNames};

/// The role of a source in a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The previous baseline.
    Baseline,
    /// An export of the daily tables.
    Export,
    /// The last export, or a file of the last export folder.
    LastExport,
}

/// The merged counts of all sources added so far.
pub struct Union {
    test_period: Option<(Hour, Hour)>,
    /// The counters of all sources, without counts; the counters of the baseline come first.
    counters: Counts,
    columns: Columns,
    baseline_counters: usize,
    in_last_export: BTreeSet<usize>,
}

/// The keys of a later source that an earlier source has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// The number of keys with a different count.
    pub replaced: usize,
    /// The number of keys with the same count.
    pub unchanged: usize,
}

/// The counts of a source by category; each count is in exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The number of counts with a key that no earlier source has.
    pub new: usize,
    /// The number of excluded counts in the test period.
    pub in_test_period: usize,
    /// The counts with a key that an earlier source has.
    pub overlap: Overlap,
    /// The counters that share their name with another id of the earlier sources, which has other
    /// counts in most of the same hours. Both are named `NAME (ID)`.
    pub separated: Vec<String>,
}

impl Union {
    /// Returns an empty union, which excludes counts in the test period (both hours included).
    pub fn new(test_period: Option<(Hour, Hour)>) -> Result<Self, Error> {
        Ok(Self {
            test_period,
            counters: Counts::default(),
            columns: Columns::new(Vec::new(), Vec::new())?,
            baseline_counters: 0,
            in_last_export: BTreeSet::new(),
        })
    }

    /// Adds a source without duplicates. The baseline must be added first.
    ///
    /// A name is a counter, also if its id changes. But if the source has another id than the
    /// earlier ones, and other counts in most of the hours that both have, it is another counter.
    pub fn add(&mut self, source: Counts, role: Role) -> Result<Changes, Error> {
        let other = self.other_counters(&source)?;
        let mut separated = Vec::new();
        let mut positions = Vec::new();
        for (at, counter) in source.counters().iter().enumerate() {
            let counter = if other.contains(&at) {
                let counter = counter.separated();
                separated.push(counter.name.clone());
                counter
            } else {
                counter.clone()
            };
            positions.push(self.counters.intern(counter).position());
        }
        match role {
            Role::Baseline => self.baseline_counters = positions.len(),
            Role::Export => {}
            Role::LastExport => self.in_last_export.extend(&positions),
        }
        let is_test = |hour: Hour| {
            self.test_period
                .is_some_and(|(first, last)| (first..=last).contains(&hour))
        };
        let included = source.rows().iter().filter(|row| !is_test(row.hour));
        let (keys, counts): (Vec<_>, Vec<_>) = included
            .map(|row| (key(row.hour, positions[row.counter.position()]), row.count))
            .unzip();
        let (all, included) = (source.len(), keys.len());
        // Frees the memory of a large source before its columns are sorted.
        drop(source);
        let overlap = self.columns.merge(Columns::new(keys, counts)?)?;
        Ok(Changes {
            new: included - overlap.replaced - overlap.unchanged,
            in_test_period: all - included,
            overlap,
            separated,
        })
    }

    /// Returns the positions of the counters of a source that are other counters of known names,
    /// and appends the id to these known names.
    fn other_counters(&mut self, source: &Counts) -> Result<BTreeSet<usize>, Error> {
        let mut names = SharedNames::of(&self.counters, source);
        // Nearly no source has another id for a known name.
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        for (key, count) in self.columns.rows()? {
            let (hour, position) = hour_and_position(key);
            names.add(position, hour, count);
        }
        let (known, other) = names.conflicts(source);
        if !known.is_empty() {
            let mut counters = Counts::default();
            for (position, counter) in self.counters.counters().iter().enumerate() {
                let separated = counter.separated();
                // Two counters must not become one, which would change the positions of others.
                let is_free = self.counters.find(&separated.key()).is_none();
                let _ = counters.intern(if known.contains(&position) && is_free {
                    separated
                } else {
                    counter.clone()
                });
            }
            self.counters = counters;
        }
        Ok(other)
    }

    /// Returns the names of the counters that occur in exports only.
    pub fn appeared(&self) -> Vec<String> {
        self.counters
            .counters()
            .iter()
            .skip(self.baseline_counters)
            .map(|counter| counter.name.clone())
            .collect()
    }

    /// Returns the names of the counters of the baseline that are missing in the last export.
    pub fn vanished(&self) -> Vec<String> {
        let counters = self
            .counters
            .counters()
            .iter()
            .take(self.baseline_counters)
            .enumerate();
        let vanished = counters.filter(|(position, _)| !self.in_last_export.contains(position));
        vanished.map(|(_, counter)| counter.name.clone()).collect()
    }

    /// Returns all counts, sorted by hour and by the normalized name of the counter.
    ///
    /// Sorting by name makes repeated merges byte-identical if there are no new counts.
    pub fn into_counts(self) -> Result<Counts, Error> {
        let known = self.counters.counters();
        let mut by_name = known.to_vec();
        by_name.sort_by_cached_key(Counter::key);
        let mut counts = Counts::default();
        for counter in by_name {
            let _ = counts.intern(counter);
        }
        let indices: Vec<_> = known
            .iter()
            .map(|counter| counts.intern(counter.clone()))
            .collect();
        for (key, count) in self.columns.rows()? {
            let (hour, position) = hour_and_position(key);
            counts.push(indices[position], hour, count);
        }
        // There are no duplicates; this call only sorts the counts.
        counts.deduplicate();
        Ok(counts)
    }
}

/// Encodes an hour and the position of a counter as an integer with the same order.
///
/// The hour is in the upper 32 bits, the position in the lower 32 bits.
fn key(hour: Hour, position: usize) -> i64 {
    (i64::from(hour.number()) << 32) | position as i64
}

/// Decodes a key of [`key`].
fn hour_and_position(key: i64) -> (Hour, usize) {
    (
        Hour::from_number((key >> 32) as i32),
        (key & 0xffff_ffff) as usize,
    )
}
