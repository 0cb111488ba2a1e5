//! Objects that are kept in memory.

use std::collections::VecDeque;

use crate::{address::ObjectPath, store::Object};

/// The folders of objects that are large, are read by every call of a function, and change once a week at most.
const FOLDERS: [&str; 2] = ["data/", "models/"];
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The last contents of some objects, the oldest first.
#[derive(Default)]
pub(super) struct Kept {
    objects: VecDeque<(ObjectPath, Object)>,
}

impl Kept {
    /// Returns what is kept of an object; the service may have a newer one.
    pub(super) fn get(&self, path: &ObjectPath) -> Option<Object> {
        self.objects.iter().find(|(kept, _)| kept == path).map(|(_, object)| object.clone())
    }

    /// Keeps an object if it is of a kind that is worth it, in place of what was kept of it, and lets go of the oldest
    /// ones where it would be too much. One that is too much by itself is not kept.
    pub(super) fn keep(&mut self, path: &ObjectPath, object: &Object) {
        self.objects.retain(|(kept, _)| kept != path);
        let is_worth_it = FOLDERS.iter().any(|folder| path.as_str().starts_with(folder));
        if !is_worth_it || object.bytes.len() > MOST_BYTES {
            return;
        }
        self.objects.push_back((path.clone(), object.clone()));
        while self.bytes() > MOST_BYTES {
            self.objects.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.objects.iter().map(|(_, object)| object.bytes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Generation;

    fn keep(kept: &mut Kept, name: &str, mebibytes: usize, generation: i64) {
        let object =
            Object { bytes: vec![0; mebibytes * 1024 * 1024].into(), generation: Generation::from_number(generation) };
        kept.keep(&name.parse().unwrap(), &object);
    }

    fn generation(kept: &Kept, name: &str) -> Option<i64> {
        kept.get(&name.parse().unwrap()).map(|object| object.generation.number())
    }

    #[test]
    fn models_and_data_are_kept_and_nothing_else() {
        let mut kept = Kept::default();
        for name in ["data/test.csv", "models/a/model.ubj", "ledger/a.json", "datasets/a", "old/data/a"] {
            keep(&mut kept, name, 1, 1);
        }
        assert_eq!(kept.objects.len(), 2);
        assert_eq!(generation(&kept, "data/test.csv"), Some(1));
        assert_eq!(generation(&kept, "ledger/a.json"), None);
    }

    #[test]
    fn an_object_takes_the_place_of_its_last_contents() {
        let mut kept = Kept::default();
        keep(&mut kept, "models/a", 1, 1);
        keep(&mut kept, "models/a", 2, 2);
        assert_eq!((generation(&kept, "models/a"), kept.objects.len()), (Some(2), 1));
    }

    #[test]
    fn the_oldest_go_first() {
        let mut kept = Kept::default();
        keep(&mut kept, "models/a", 30, 1);
        keep(&mut kept, "models/b", 30, 1);
        keep(&mut kept, "models/a", 30, 2);
        keep(&mut kept, "data/c", 4, 1);
        assert_eq!(kept.bytes(), MOST_BYTES);
        keep(&mut kept, "data/d", 1, 1);
        assert_eq!((generation(&kept, "models/a"), generation(&kept, "models/b")), (Some(2), None));
    }

    #[test]
    fn what_is_too_much_by_itself_is_not_kept() {
        let mut kept = Kept::default();
        keep(&mut kept, "models/a", 1, 1);
        keep(&mut kept, "data/train.csv", 64, 1);
        assert_eq!((generation(&kept, "models/a"), generation(&kept, "data/train.csv")), (None, Some(1)));
        keep(&mut kept, "models/a", 0, 2);
        keep(&mut kept, "models/b", 65, 1);
        keep(&mut kept, "data/train.csv", 65, 2);
        assert_eq!((kept.objects.len(), generation(&kept, "models/a")), (1, Some(2)));
    }
}
