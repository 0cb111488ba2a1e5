//! The cache of counts. A warm process reads only days that are new or were replaced.

use std::{collections::BTreeMap, sync::Arc};

use forecasting::{counts::Counts, time::Day};
use quick_cache::sync::Cache;
use shared::warehouse::TableVersion;

/// The maximum number of cached days. A week and the 30 days before it need 37; the rest leaves
/// room for a second week. A day of 100 counters takes about 60 kB.
pub(super) const MAX_DAYS: i32 = 62;

/// The counts of days, each with the version of its table.
pub(super) struct DayCache {
    days: Cache<Day, (TableVersion, Arc<Counts>)>,
}

impl Default for DayCache {
    fn default() -> Self {
        Self {
            days: Cache::new(MAX_DAYS.unsigned_abs() as usize),
        }
    }
}

impl DayCache {
    /// Returns the cached counts of the days whose table version matches.
    pub(super) fn find(
        &self,
        tables: impl Iterator<Item = (Day, TableVersion)>,
    ) -> BTreeMap<Day, Arc<Counts>> {
        let find = |(day, version)| {
            let (cached, counts) = self.days.get(&day)?;
            (cached == version).then_some((day, counts))
        };
        tables.filter_map(find).collect()
    }

    /// Caches the counts of a day and replaces earlier ones. Evicts other days above [`MAX_DAYS`].
    pub(super) fn insert(&self, day: Day, version: TableVersion, counts: Arc<Counts>) {
        self.days.insert(day, (version, counts));
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
        let cache = DayCache::default();
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
    fn cache_is_bounded_and_holds_a_whole_window() {
        let cache = DayCache::default();
        for number in 0..MAX_DAYS {
            cache.insert(day(number), TableVersion::from_number(1), Arc::default());
        }
        let window = (0..MAX_DAYS).map(|number| (number, 1));
        assert_eq!(found(&cache, window).len(), MAX_DAYS as usize);

        for number in 0..1_000 {
            cache.insert(day(number), TableVersion::from_number(1), Arc::default());
        }
        let all = (0..1_000).map(|number| (number, 1));
        assert!(found(&cache, all).len() <= MAX_DAYS as usize);
        assert_eq!(found(&cache, [(999, 1)].into_iter()), [day(999)]);
    }
}
