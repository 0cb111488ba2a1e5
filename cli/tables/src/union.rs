//! Counts of several sources, of which the later wins.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Counter, Counts},
    time::Hour,
};

use crate::{
    Error,
    columns::{Columns, Overlap},
};

/// The role of a source in a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The previous baseline.
    Baseline,
    /// An export of the daily tables.
    Export,
    /// The export given last, or a file of the folder given last.
    LastExport,
}

/// The counts of all sources so far.
pub struct Union {
    test_period: Option<(Hour, Hour)>,
    /// The counters of all sources, without counts; first those of the baseline.
    counters: Counts,
    columns: Columns,
    baseline_counters: usize,
    in_last_export: BTreeSet<usize>,
}

/// What became of the counts of a source; each is in one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Counts of keys that no earlier source had.
    pub new: usize,
    /// Counts within the test period, which are left out.
    pub in_test_period: usize,
    /// Counts of keys that an earlier source had.
    pub overlap: Overlap,
}

impl Union {
    /// Begins without counts; those of the test period, both hours included, will be left out.
    pub fn new(test_period: Option<(Hour, Hour)>) -> Result<Self, Error> {
        Ok(Self {
            test_period,
            counters: Counts::default(),
            columns: Columns::new(Vec::new(), Vec::new())?,
            baseline_counters: 0,
            in_last_export: BTreeSet::new(),
        })
    }

    /// Adds a source that has one count for each counter and hour; the baseline comes first.
    pub fn add(&mut self, source: Counts, role: Role) -> Result<Changes, Error> {
        let counters = source.counters().iter();
        let positions: Vec<_> = counters
            .map(|counter| self.counters.intern(counter.clone()).position())
            .collect();
        match role {
            Role::Baseline => self.baseline_counters = positions.len(),
            Role::Export => {}
            Role::LastExport => self.in_last_export.extend(&positions),
        }
        let is_test = |hour: Hour| {
            self.test_period
                .is_some_and(|(first, last)| (first..=last).contains(&hour))
        };
        let kept = source.rows().iter().filter(|row| !is_test(row.hour));
        let (keys, counts): (Vec<_>, Vec<_>) = kept
            .map(|row| (key(row.hour, positions[row.counter.position()]), row.count))
            .unzip();
        let (all, kept) = (source.len(), keys.len());
        // A large source is not to stay in memory twice while it is sorted.
        drop(source);
        let overlap = self.columns.merge(Columns::new(keys, counts)?)?;
        Ok(Changes {
            new: kept - overlap.replaced - overlap.unchanged,
            in_test_period: all - kept,
            overlap,
        })
    }

    /// Returns the names of the counters that are in exports only.
    pub fn appeared(&self) -> Vec<String> {
        self.counters
            .counters()
            .iter()
            .skip(self.baseline_counters)
            .map(|counter| counter.name.clone())
            .collect()
    }

    /// Returns the names of the counters that are in the baseline and not in the last export.
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

    /// Returns all counts, sorted by hour and by the folded name of the counter.
    ///
    /// By name, so that a result that is merged again, with nothing new, gives the same bytes.
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
        // Each is there once: this only sorts them.
        counts.deduplicate();
        Ok(counts)
    }
}

/// Packs an hour and the position of a counter into one number that sorts as they do: hours above, 32 bits of position.
fn key(hour: Hour, position: usize) -> i64 {
    (i64::from(hour.number()) << 32) | position as i64
}

fn hour_and_position(key: i64) -> (Hour, usize) {
    (
        Hour::from_number((key >> 32) as i32),
        (key & 0xffff_ffff) as usize,
    )
}
