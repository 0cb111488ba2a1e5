//! The cache of counts. A warm process reads only days that are new or were replaced.

use std::{collections::BTreeMap, sync::Arc};

use forecasting::{counts::Counts, time::Day};
use shared::warehouse::TableVersion;

/// The maximum number of cached days. A week and the 30 days before it need 37; the rest leaves
/// room for a second week. A day of 100 counters takes about 60 kB.
pub(super) const MAX_DAYS: i32 = 62;

/// The counts of days, each with the version of its table.
#[derive(Default)]
pub(super) struct DayCache {
    days: BTreeMap<Day, (TableVersion, Arc<Counts>)>,
}

impl DayCache {
    /// Returns the cached counts of the days whose table version matches.
    pub(super) fn find(
        &self,
        tables: impl Iterator<Item = (Day, TableVersion)>,
    ) -> BTreeMap<Day, Arc<Counts>> {
        let find = |(day, version)| {
            let (cached, counts) = self.days.get(&day)?;
            (*cached == version).then(|| (day, Arc::clone(counts)))
        };
        tables.filter_map(find).collect()
    }

    /// Caches the counts of a day, replaces earlier ones, and evicts the earliest days above
    /// [`MAX_DAYS`].
    pub(super) fn insert(&mut self, day: Day, version: TableVersion, counts: Arc<Counts>) {
        self.days.insert(day, (version, counts));
        while self.days.len() > MAX_DAYS.unsigned_abs() as usize {
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
    fn day_is_found_only_in_the_cached_version() {
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
    fn earliest_days_are_evicted_first() {
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
