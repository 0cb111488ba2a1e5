//! Objects in a bucket of Cloud Storage.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Condition, Generation, Object, Store, StoreError};
use crate::{
    address::{BucketName, ObjectPath, OpenError},
    cloud::CloudSettings,
};

/// A store whose objects lie in a bucket.
pub struct GcsStore {}

impl GcsStore {
    /// Opens a bucket.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn open(_bucket: &BucketName, _cloud: &CloudSettings) -> Result<Self, OpenError> {
        todo!()
    }
}

#[async_trait]
impl Store for GcsStore {
    async fn read(&self, _path: &ObjectPath) -> Result<Object, StoreError> {
        todo!()
    }
    async fn generation(&self, _path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        todo!()
    }
    async fn write(&self, _path: &ObjectPath, _bytes: Bytes, _condition: Condition) -> Result<Generation, StoreError> {
        todo!()
    }
    async fn list(&self, _prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        todo!()
    }
    fn address_of(&self, _path: &ObjectPath) -> String {
        todo!()
    }
}
