//! The cache of objects.

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use shared::{
    address::ObjectPath,
    store::{Generation, Object},
};

/// The folders that are cached: their objects are large, read by every call, and change at most
/// once a week.
const FOLDERS: [&str; 2] = ["data/", "models/"];
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The estimated number of cached objects: two data sets, two models of several files.
const ESTIMATED_OBJECTS: usize = 16;

/// The latest contents of some objects, at most [`MAX_BYTES`] in all.
pub(super) struct ObjectCache {
    objects: Cache<ObjectPath, Contents, ByLength>,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<ObjectPath, Contents> for ByLength {
    fn weight(&self, _path: &ObjectPath, contents: &Contents) -> u64 {
        contents.bytes.len() as u64
    }
}

impl Default for ObjectCache {
    fn default() -> Self {
        Self {
            objects: Cache::with_weighter(ESTIMATED_OBJECTS, MAX_BYTES as u64, ByLength),
        }
    }
}

/// The contents of an object, with its generation and checksum.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) bytes: Bytes,
    pub(super) generation: Generation,
    /// See [`super::catalogue::Entry::md5`].
    pub(super) md5: Option<String>,
}

impl Contents {
    /// Returns the contents with the generation `generation` if they are identical in it, and
    /// `None` otherwise.
    ///
    /// Only the MD5 is compared, because the shorter CRC32C may collide.
    pub(super) fn in_generation(self, generation: Generation, md5: Option<&str>) -> Option<Self> {
        let is_same =
            self.generation == generation || self.md5.is_some() && self.md5.as_deref() == md5;
        is_same.then_some(Self { generation, ..self })
    }
}

impl From<Contents> for Object {
    fn from(contents: Contents) -> Self {
        Self {
            bytes: contents.bytes,
            generation: contents.generation,
        }
    }
}

impl ObjectCache {
    /// Returns the cached contents, which may be outdated.
    pub(super) fn get(&self, path: &ObjectPath) -> Option<Contents> {
        self.objects.get(path)
    }

    /// Caches an object in one of the [`FOLDERS`], replaces earlier contents, and evicts others if
    /// necessary. An object that is larger than the cache is not cached.
    pub(super) fn insert(&self, path: &ObjectPath, contents: &Contents) {
        let is_cacheable = FOLDERS
            .iter()
            .any(|folder| path.as_str().starts_with(folder));
        if is_cacheable && contents.bytes.len() <= MAX_BYTES {
            self.objects.insert(path.clone(), contents.clone());
        } else {
            self.objects.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(mebibytes: usize, generation: i64, md5: Option<&str>) -> Contents {
        let bytes = vec![0; mebibytes * 1024 * 1024].into();
        Contents {
            bytes,
            generation: Generation::from_number(generation),
            md5: md5.map(str::to_owned),
        }
    }

    fn insert(cache: &ObjectCache, name: &str, mebibytes: usize, generation: i64) {
        cache.insert(
            &name.parse().unwrap(),
            &contents(mebibytes, generation, None),
        );
    }

    fn generation(cache: &ObjectCache, name: &str) -> Option<i64> {
        cache
            .get(&name.parse().unwrap())
            .map(|contents| contents.generation.number())
    }

    #[test]
    fn contents_are_reused_if_generation_or_md5_matches() {
        let cases = [
            (Some("a"), 1, None, true),
            (Some("a"), 2, Some("a"), true),
            (Some("a"), 2, Some("b"), false),
            (Some("a"), 2, None, false),
            (None, 2, Some("a"), false),
            (None, 2, None, false),
            (None, 1, None, true),
        ];
        for (cached, generation, present, is_same) in cases {
            let found =
                contents(0, 1, cached).in_generation(Generation::from_number(generation), present);
            assert_eq!(
                found,
                is_same.then(|| contents(0, generation, cached)),
                "{cached:?} {generation} {present:?}"
            );
        }
    }

    #[test]
    fn only_models_and_data_are_cached() {
        let cache = ObjectCache::default();
        for name in [
            "data/test.csv",
            "models/a/model.ubj",
            "ledger/a.json",
            "datasets/a",
            "old/data/a",
        ] {
            insert(&cache, name, 1, 1);
        }
        assert_eq!(cache.objects.len(), 2);
        assert_eq!(generation(&cache, "data/test.csv"), Some(1));
        assert_eq!(generation(&cache, "ledger/a.json"), None);
    }

    #[test]
    fn insert_replaces_earlier_contents() {
        let cache = ObjectCache::default();
        insert(&cache, "models/a", 1, 1);
        insert(&cache, "models/a", 2, 2);
        assert_eq!(
            (generation(&cache, "models/a"), cache.objects.len()),
            (Some(2), 1)
        );
    }

    #[test]
    fn total_size_stays_below_the_limit() {
        let cache = ObjectCache::default();
        for number in 0..20 {
            insert(&cache, &format!("models/{number}"), 10, 1);
        }
        assert!(cache.objects.weight() <= MAX_BYTES as u64);
        assert!(cache.objects.len() >= 5, "{}", cache.objects.len());
        assert_eq!(generation(&cache, "models/19"), Some(1));
    }

    #[test]
    fn oversized_object_is_not_cached() {
        let cache = ObjectCache::default();
        insert(&cache, "data/train.csv", 1, 1);
        insert(&cache, "models/b", 65, 1);
        insert(&cache, "data/train.csv", 65, 2);
        assert_eq!(cache.objects.len(), 0);
    }
}
