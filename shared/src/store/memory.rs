//! The store in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::{Condition, Generation, Object, Store, StoreError};
use crate::address::ObjectPath;

/// A store in the memory of the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    objects: BTreeMap<ObjectPath, Object>,
    writes: i64,
}

impl MemoryStore {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // No lock holder leaves the contents inconsistent, even if it panics.
        self.contents.lock()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        let object = self.contents().objects.get(path).cloned();
        object.ok_or_else(|| StoreError::NotFound {
            address: self.address_of(path),
        })
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        Ok(self
            .contents()
            .objects
            .get(path)
            .map(|object| object.generation))
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        let mut contents = self.contents();
        let present = contents.objects.get(path).map(|object| object.generation);
        if !condition.holds(present) {
            return Err(StoreError::ConditionFailed {
                address: self.address_of(path),
            });
        }
        contents.writes += 1;
        let generation = Generation(contents.writes);
        contents
            .objects
            .insert(path.clone(), Object { bytes, generation });
        Ok(generation)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        let contents = self.contents();
        Ok(contents
            .objects
            .keys()
            .filter(|path| path.as_str().starts_with(prefix))
            .cloned()
            .collect())
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        format!("memory://{path}")
    }
}
