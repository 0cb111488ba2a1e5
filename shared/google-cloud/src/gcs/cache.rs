//! Objects that are kept in memory.

use std::collections::VecDeque;

use bytes::Bytes;
use shared::{
    address::ObjectPath,
    store::{Generation, Object},
};

/// The folders of objects that are large, are read by every call of a function, and change once a week at most.
const FOLDERS: [&str; 2] = ["data/", "models/"];
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The last contents of some objects, the oldest first.
#[derive(Default)]
pub(super) struct ObjectCache {
    objects: VecDeque<(ObjectPath, Contents)>,
}

/// An object, and what the service says of its contents.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) bytes: Bytes,
    pub(super) generation: Generation,
    /// See [`super::catalogue::Entry::md5`].
    pub(super) md5: Option<String>,
}

impl Contents {
    /// Returns the object as it is in its present generation, if that has the same contents. A shorter checksum, the
    /// CRC32C, could be the same by chance.
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
    /// Returns what is kept of an object; the service may have a newer one.
    pub(super) fn get(&self, path: &ObjectPath) -> Option<Contents> {
        self.objects
            .iter()
            .find(|(kept, _)| kept == path)
            .map(|(_, contents)| contents.clone())
    }

    /// Keeps an object if it is of a kind that is worth it, in place of what was kept of it, and lets go of the oldest
    /// ones where it would be too much. One that is too much by itself is not kept.
    pub(super) fn insert(&mut self, path: &ObjectPath, contents: &Contents) {
        self.objects.retain(|(kept, _)| kept != path);
        let is_worth_it = FOLDERS
            .iter()
            .any(|folder| path.as_str().starts_with(folder));
        if !is_worth_it || contents.bytes.len() > MOST_BYTES {
            return;
        }
        self.objects.push_back((path.clone(), contents.clone()));
        while self.bytes() > MOST_BYTES {
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
    fn contents_are_the_same_in_another_generation_if_their_checksum_is_there_and_the_same() {
        let cases = [
            (Some("a"), 1, None, true),
            (Some("a"), 2, Some("a"), true),
            (Some("a"), 2, Some("b"), false),
            (Some("a"), 2, None, false),
            (None, 2, Some("a"), false),
            (None, 2, None, false),
            (None, 1, None, true),
        ];
        for (kept, generation, present, is_same) in cases {
            let found =
                contents(0, 1, kept).in_generation(Generation::from_number(generation), present);
            assert_eq!(
                found,
                is_same.then(|| contents(0, generation, kept)),
                "{kept:?} {generation} {present:?}"
            );
        }
    }

    #[test]
    fn models_and_data_are_kept_and_nothing_else() {
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
    fn an_object_takes_the_place_of_its_last_contents() {
        let mut cache = ObjectCache::default();
        insert(&mut cache, "models/a", 1, 1);
        insert(&mut cache, "models/a", 2, 2);
        assert_eq!(
            (generation(&cache, "models/a"), cache.objects.len()),
            (Some(2), 1)
        );
    }

    #[test]
    fn the_oldest_go_first() {
        let mut cache = ObjectCache::default();
        insert(&mut cache, "models/a", 30, 1);
        insert(&mut cache, "models/b", 30, 1);
        insert(&mut cache, "models/a", 30, 2);
        insert(&mut cache, "data/c", 4, 1);
        assert_eq!(cache.bytes(), MOST_BYTES);
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
    fn what_is_too_much_by_itself_is_not_kept() {
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
