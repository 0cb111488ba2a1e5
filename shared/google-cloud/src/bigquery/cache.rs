//! Counts that are kept in memory, so that a warm process reads only the days that are new or were replaced.

use std::{collections::BTreeMap, sync::Arc};

use forecasting::{counts::Counts, time::Day};
use shared::warehouse::TableVersion;

/// How many days are kept at most: a week and the 30 days before it, with as much again for a second week. A day of a
/// hundred counters takes about 60 kB.
pub(super) const MOST_DAYS: i32 = 62;

/// The counts of the last days, each with the version of the table that they were read from.
#[derive(Default)]
pub(super) struct DayCache {
    days: BTreeMap<Day, (TableVersion, Arc<Counts>)>,
}

impl DayCache {
    /// Returns what is kept of these days in these versions.
    pub(super) fn find(
        &self,
        tables: impl Iterator<Item = (Day, TableVersion)>,
    ) -> BTreeMap<Day, Arc<Counts>> {
        let find = |(day, version)| {
            let (kept, counts) = self.days.get(&day)?;
            (*kept == version).then(|| (day, Arc::clone(counts)))
        };
        tables.filter_map(find).collect()
    }

    /// Keeps the counts of a day in place of what was kept of it, and lets go of the earliest days where there are too
    /// many.
    pub(super) fn insert(&mut self, day: Day, version: TableVersion, counts: Arc<Counts>) {
        self.days.insert(day, (version, counts));
        while self.days.len() > MOST_DAYS.unsigned_abs() as usize {
            self.days.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i32) -> Day {
        "2021-07-01".parse::<Day>().unwrap().plus(days)
    }

    fn found(cache: &DayCache, tables: impl Iterator<Item = (i32, i64)>) -> Vec<Day> {
        cache
            .find(tables.map(|(number, version)| (day(number), TableVersion::from_number(version))))
            .into_keys()
            .collect()
    }

    #[test]
    fn a_day_is_found_in_the_version_that_was_read() {
        let mut cache = DayCache::default();
        cache.insert(day(0), TableVersion::from_number(5), Arc::default());
        cache.insert(day(1), TableVersion::from_number(5), Arc::default());
        cache.insert(day(1), TableVersion::from_number(6), Arc::default());
        assert_eq!(
            found(&cache, [(0, 5), (1, 5), (2, 5)].into_iter()),
            [day(0)]
        );
        assert_eq!(found(&cache, [(0, 4), (1, 6)].into_iter()), [day(1)]);
    }

    #[test]
    fn the_earliest_days_go_when_there_are_too_many() {
        let mut cache = DayCache::default();
        for number in (0..70).rev() {
            cache.insert(day(number), TableVersion::from_number(1), Arc::default());
        }
        assert_eq!(
            found(&cache, (0..70).map(|number| (number, 1))),
            (8..70).map(day).collect::<Vec<_>>()
        );
    }
}
