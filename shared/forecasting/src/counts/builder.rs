//! The collection of the counts of one source, in which ids distinguish counters of one name.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use rustc_hash::FxHashMap;

use super::{Count, Counter, CounterIndex, CounterKey, Counts, separate_name};
use crate::time::Hour;

/// Collects the counts of one source.
///
/// In the public data, the id of a counter changes over time, and some rows have none. Therefore a
/// name is a counter, unless two of its ids report different counts for the same hour. Then each id
/// is a counter of its own, named `NAME (ID)`.
#[derive(Clone, Debug, Default)]
pub struct CountsBuilder {
    /// The counters, distinguished by folded name and id.
    counters: Vec<Counter>,
    positions: HashMap<(CounterKey, Option<String>), CounterIndex>,
    /// The counts in the order of the source.
    pub(super) rows: Vec<Count>,
}

/// The counts of a source, and the counters that share a name.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The counts in the order of the source, with duplicates; see [`Counts::deduplicate`].
    pub counts: Counts,
    /// The names of counters that were distinguished by their id.
    pub separated: Vec<String>,
}

impl CountsBuilder {
    /// Adds a counter, or merges it into the counter of the same folded name and id.
    ///
    /// On a merge, the first name and the first known coordinates are used.
    pub fn intern(&mut self, counter: Counter) -> CounterIndex {
        let identity = (counter.key(), counter.id.clone());
        if let Some(&index) = self.positions.get(&identity) {
            let known = &mut self.counters[index.position()];
            known.coordinates = known.coordinates.or(counter.coordinates);
            return index;
        }
        let index = CounterIndex(u32::try_from(self.counters.len()).unwrap_or(u32::MAX));
        self.counters.push(counter);
        self.positions.insert(identity, index);
        index
    }

    /// Appends a count.
    pub fn push(&mut self, counter: CounterIndex, hour: Hour, count: u32) {
        self.rows.push(Count {
            hour,
            counter,
            count,
        });
    }

    /// Returns the counter at `index`.
    pub(super) fn counter(&self, index: CounterIndex) -> &Counter {
        &self.counters[index.position()]
    }

    /// Decides which ids are counters of their own, and returns the counts. Counters without counts
    /// are dropped.
    pub fn finish(self) -> Collected {
        let largest = self.largest_counts();
        let is_separate = self.separate_counters();
        let is_dead = self.dead_counters(&largest);
        let mut counts = Counts::default();
        let mut separated = Vec::new();
        let mut indices = vec![CounterIndex(0); self.counters.len()];
        let mut keys = vec![None; self.counters.len()];
        for ((key, _), index) in self.positions {
            keys[index.position()] = Some(key);
        }
        for (position, (mut counter, mut key)) in self.counters.into_iter().zip(keys).enumerate() {
            if largest[position].is_none() {
                continue;
            }
            if is_separate[position]
                && let Some(id) = &counter.id
            {
                counter.name = separate_name(&counter.name, id);
                separated.push(counter.name.clone());
                key = None;
            } else if is_dead[position] {
                // The counts are those of the live counter, so its id and place are kept.
                counter.id = None;
                counter.coordinates = None;
            }
            let key = key.unwrap_or_else(|| counter.key());
            indices[position] = counts.intern_keyed(counter, key);
        }
        counts.rows = self.rows;
        // Mostly, each name has one id, and each counter keeps its index.
        let is_reindexed = (0..)
            .zip(&indices)
            .any(|(position, index)| index.0 != position);
        if is_reindexed {
            for row in &mut counts.rows {
                row.counter = indices[row.counter.position()];
            }
        }
        Collected { counts, separated }
    }

    /// Returns the largest count of each counter, or `None` if it has no counts.
    fn largest_counts(&self) -> Vec<Option<u32>> {
        let mut largest = vec![None; self.counters.len()];
        for row in &self.rows {
            let count = &mut largest[row.counter.position()];
            *count = Some(row.count).max(*count);
        }
        largest
    }

    /// Returns for each counter whether it reports only 0, beside a live counter of the same name.
    fn dead_counters(&self, largest: &[Option<u32>]) -> Vec<bool> {
        let is_live = |index: &CounterIndex| largest[index.position()] > Some(0);
        let with_id = self.positions.iter().filter(|((_, id), _)| id.is_some());
        let live_names: HashSet<&CounterKey> = with_id
            .filter(|(_, index)| is_live(index))
            .map(|((key, _), _)| key)
            .collect();
        let mut is_dead = vec![false; self.counters.len()];
        for ((key, _), index) in &self.positions {
            is_dead[index.position()] = !is_live(index) && live_names.contains(key);
        }
        is_dead
    }

    /// Returns for each counter whether it must be distinguished by its id.
    fn separate_counters(&self) -> Vec<bool> {
        let mut of_name = HashMap::<&CounterKey, Vec<CounterIndex>>::new();
        for ((key, id), &index) in &self.positions {
            if id.is_some() {
                of_name.entry(key).or_default().push(index);
            }
        }
        of_name.retain(|_, counters| counters.len() > 1);
        let groups: Vec<Vec<CounterIndex>> = of_name.into_values().collect();
        let mut is_separate = vec![false; self.counters.len()];
        let conflicts = self.conflicts(&groups);
        for (group, has_conflict) in groups.iter().zip(conflicts) {
            if has_conflict || group.iter().any(|index| self.is_separate_elsewhere(*index)) {
                for index in group {
                    is_separate[index.position()] = true;
                }
            }
        }
        is_separate
    }

    /// Returns for each group whether two of its counters have different counts in one hour.
    ///
    /// A 0 is no conflict: a dead counter reports 0 beside its successor.
    fn conflicts(&self, groups: &[Vec<CounterIndex>]) -> Vec<bool> {
        let mut conflicts = vec![false; groups.len()];
        if groups.is_empty() {
            return conflicts;
        }
        let mut group_of = vec![None; self.counters.len()];
        for (number, group) in groups.iter().enumerate() {
            for index in group {
                group_of[index.position()] = Some(number);
            }
        }
        let mut first = FxHashMap::<(usize, Hour), Count>::default();
        for row in self.rows.iter().filter(|row| row.count > 0) {
            let Some(group) = group_of[row.counter.position()] else {
                continue;
            };
            match first.entry((group, row.hour)) {
                Entry::Vacant(entry) => {
                    entry.insert(*row);
                }
                Entry::Occupied(entry) => {
                    let other = entry.get();
                    conflicts[group] |= other.counter != row.counter && other.count != row.count;
                }
            }
        }
        conflicts
    }

    /// Returns `true` if other rows of the source have the counter under the name `NAME (ID)`.
    fn is_separate_elsewhere(&self, index: CounterIndex) -> bool {
        let counter = self.counter(index);
        counter.id.as_ref().is_some_and(|id| {
            let key = CounterKey::of_name(&separate_name(&counter.name, id));
            self.positions.contains_key(&(key, Some(id.clone())))
        })
    }
}
