//! The search for counters of a source that share their name with another counter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use forecasting::{
    counts::{Counter, Counts},
    time::Hour,
};

/// The names for which a source has another id than the earlier sources, with the earlier counts.
pub(crate) struct SharedNames {
    /// The position of the known counter for each position in the source.
    known: BTreeMap<usize, usize>,
    /// The positions of these known counters.
    positions: BTreeSet<usize>,
    counts: HashMap<(usize, Hour), u32>,
}

impl SharedNames {
    /// Finds the names with two ids.
    pub(crate) fn of(known: &Counts, source: &Counts) -> Self {
        let with_other_id = |(at, counter): (usize, &Counter)| {
            let index = known.find(&counter.key())?;
            let ids = counter.id.as_ref().zip(known.counter(index).id.as_ref());
            ids.is_some_and(|(id, known)| id != known)
                .then_some((at, index.position()))
        };
        let counters = source.counters().iter().enumerate();
        let known: BTreeMap<_, _> = counters.filter_map(with_other_id).collect();
        Self {
            positions: known.values().copied().collect(),
            known,
            counts: HashMap::new(),
        }
    }

    /// Returns `true` if no name has two ids.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Adds an earlier count.
    pub(crate) fn add(&mut self, position: usize, hour: Hour, count: u32) {
        if self.positions.contains(&position) {
            self.counts.insert((position, hour), count);
        }
    }

    /// Returns the positions of the known counters and those of the source that have different
    /// counts in most of the hours in which both count.
    ///
    /// A 0 does not count: a dead counter reports 0 beside its successor. The corrected counts of
    /// some hours do not make another counter.
    pub(crate) fn conflicts(&self, source: &Counts) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let mut hours = BTreeMap::<usize, (u64, u64)>::new();
        for row in source.rows().iter().filter(|row| row.count > 0) {
            let at = row.counter.position();
            let Some(known) = self.known.get(&at) else {
                continue;
            };
            let Some(earlier) = self
                .counts
                .get(&(*known, row.hour))
                .filter(|count| **count > 0)
            else {
                continue;
            };
            let (both, different) = hours.entry(at).or_default();
            *both += 1;
            *different += u64::from(*earlier != row.count);
        }
        hours.retain(|_, (both, different)| *different * 2 > *both);
        let other: BTreeSet<_> = hours.into_keys().collect();
        let known = other.iter().map(|at| self.known[at]).collect();
        (known, other)
    }
}
