//! The cache of objects.

use std::collections::VecDeque;

use bytes::Bytes;
use shared::{
    address::ObjectPath,
    store::{Generation, Object},
};

/// The folders that are cached: their objects are large, read by every call, and change at most
/// once a week.
const FOLDERS: [&str; 2] = ["data/", "models/"];
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The latest contents of some objects, oldest first.
#[derive(Default)]
pub(super) struct ObjectCache {
    objects: VecDeque<(ObjectPath, Contents)>,
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
        self.objects
            .iter()
            .find(|(cached, _)| cached == path)
            .map(|(_, contents)| contents.clone())
    }

    /// Caches an object in one of the [`FOLDERS`] and evicts the oldest objects above
    /// [`MAX_BYTES`].
    ///
    /// Replaces earlier contents. An object that is larger than the cache is not cached.
    pub(super) fn insert(&mut self, path: &ObjectPath, contents: &Contents) {
        self.objects.retain(|(cached, _)| cached != path);
        let is_cacheable = FOLDERS
            .iter()
            .any(|folder| path.as_str().starts_with(folder));
        if !is_cacheable || contents.bytes.len() > MAX_BYTES {
            return;
        }
        self.objects.push_back((path.clone(), contents.clone()));
        while self.bytes() > MAX_BYTES {
            self.objects.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.objects
            .iter()
            .map(|(_, contents)| contents.bytes.len())
            .sum()
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

    fn insert(cache: &mut ObjectCache, name: &str, mebibytes: usize, generation: i64) {
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
        let mut cache = ObjectCache::default();
        for name in [
            "data/test.csv",
            "models/a/model.ubj",
            "ledger/a.json",
            "datasets/a",
            "old/data/a",
        ] {
            insert(&mut cache, name, 1, 1);
        }
        assert_eq!(cache.objects.len(), 2);
        assert_eq!(generation(&cache, "data/test.csv"), Some(1));
        assert_eq!(generation(&cache, "ledger/a.json"), None);
    }

    #[test]
    fn insert_replaces_earlier_contents() {
        let mut cache = ObjectCache::default();
        insert(&mut cache, "models/a", 1, 1);
        insert(&mut cache, "models/a", 2, 2);
        assert_eq!(
            (generation(&cache, "models/a"), cache.objects.len()),
            (Some(2), 1)
        );
    }

    #[test]
    fn oldest_objects_are_evicted_first() {
        let mut cache = ObjectCache::default();
        insert(&mut cache, "models/a", 30, 1);
        insert(&mut cache, "models/b", 30, 1);
        insert(&mut cache, "models/a", 30, 2);
        insert(&mut cache, "data/c", 4, 1);
        assert_eq!(cache.bytes(), MAX_BYTES);
        insert(&mut cache, "data/d", 1, 1);
        assert_eq!(
            (
                generation(&cache, "models/a"),
                generation(&cache, "models/b")
            ),
            (Some(2), None)
        );
    }

    #[test]
    fn oversized_object_is_not_cached() {
        let mut cache = ObjectCache::default();
        insert(&mut cache, "models/a", 1, 1);
        insert(&mut cache, "data/train.csv", 64, 1);
        assert_eq!(
            (
                generation(&cache, "models/a"),
                generation(&cache, "data/train.csv")
            ),
            (None, Some(1))
        );
        insert(&mut cache, "models/a", 0, 2);
        insert(&mut cache, "models/b", 65, 1);
        insert(&mut cache, "data/train.csv", 65, 2);
        assert_eq!(
            (cache.objects.len(), generation(&cache, "models/a")),
            (1, Some(2))
        );
    }
}
