//! The store of objects: artifacts, baselines, evaluations and the ledger.
//!
//! The port has only the methods in use. Every implementation guarantees: a write is atomic, a read
//! returns the last write, and a condition is checked atomically with the write. The port cannot
//! delete objects.

mod file;
mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

pub use file::FileStore;
pub use memory::MemoryStore;

use crate::address::{Address, ObjectPath, OpenError, web_address};

/// A store of objects, modelled on Cloud Storage.
///
/// The project defines its own port because the local file system of the crate `object_store`
/// rejects conditional updates.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns the contents and generation of an object.
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError>;

    /// Returns the generation of an object, or `None` if the object does not exist.
    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError>;

    /// Writes an object if `condition` holds, and returns its new generation.
    ///
    /// # Errors
    /// Returns [`StoreError::ConditionFailed`] if the condition does not hold. Nothing is written
    /// then.
    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError>;

    /// Returns the paths that start with `prefix`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError>;

    /// Returns the paths that start with `prefix`, sorted, without objects last written before
    /// `since`. A store that does not record write times lists all objects.
    async fn list_written_since(
        &self,
        prefix: &str,
        _since: Timestamp,
    ) -> Result<Vec<ObjectPath>, StoreError> {
        self.list(prefix).await
    }

    /// Returns the address of an object, for messages and links.
    fn address_of(&self, path: &ObjectPath) -> String;

    /// Returns the address at which a browser opens an object.
    fn web_address_of(&self, path: &ObjectPath) -> String {
        web_address(&self.address_of(path))
    }
}

/// Opens the store at a `memory://` or `file://` address. The other embedded ports use such a store
/// as well.
///
/// # Errors
/// Returns an error if the address has another scheme or its folder cannot be created.
pub fn open_embedded(address: &Address) -> Result<Arc<dyn Store>, OpenError> {
    match address {
        Address::Memory => Ok(Arc::new(MemoryStore::default())),
        Address::File(folder) => {
            let store =
                FileStore::open(folder).map_err(|source| OpenError::new(address, source))?;
            Ok(Arc::new(store))
        }
        other => Err(OpenError::new(
            other,
            "expected a memory:// or file:// address",
        )),
    }
}

/// An object as returned by [`Store::read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The contents of the object.
    pub bytes: Bytes,
    /// The generation of these contents.
    pub generation: Generation,
}

/// The number of a write of an object. Numbers increase and are never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(i64);

impl Generation {
    /// Creates a generation from the number of a service.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Returns the generation as a number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// The precondition of a write, like `ifGenerationMatch` of Cloud Storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No condition: the write replaces any object.
    Always,
    /// The object does not exist.
    Absent,
    /// The object has this generation.
    Unchanged(Generation),
}

impl Condition {
    /// Returns `true` if the condition holds for an object's present generation.
    pub fn holds(self, present: Option<Generation>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => present.is_none(),
            Self::Unchanged(read) => present == Some(read),
        }
    }
}

/// The error type of [`Store`], with one variant per reaction of the caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object does not exist.
    #[error("object not found: {address}")]
    NotFound {
        /// The address of the object.
        address: String,
    },
    /// A concurrent write has changed or created the object. Read it again before the next write.
    #[error("the object {address} has changed or exists already")]
    ConditionFailed {
        /// The address of the object.
        address: String,
    },
    /// The contents of the object are invalid.
    #[error("invalid object {address}")]
    Malformed {
        /// The address of the object.
        address: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service or the disk is not available.
    #[error("cannot {verb} the object {address}")]
    Unavailable {
        /// The failed operation, as in `read`.
        verb: &'static str,
        /// The address of the object.
        address: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads an object and parses it as JSON.
///
/// # Errors
/// Returns the errors of [`Store::read`], or [`StoreError::Malformed`] if the contents are not
/// valid JSON for `T`.
pub async fn read_json<T: DeserializeOwned>(
    store: &dyn Store,
    path: &ObjectPath,
) -> Result<(T, Generation), StoreError> {
    let object = store.read(path).await?;
    let value =
        serde_json::from_slice(&object.bytes).map_err(|source| malformed(store, path, source))?;
    Ok((value, object.generation))
}

/// Writes an object as indented JSON with a final line feed.
///
/// # Errors
/// Returns the errors of [`Store::write`].
pub async fn write_json<T: Serialize + Sync>(
    store: &dyn Store,
    path: &ObjectPath,
    value: &T,
    condition: Condition,
) -> Result<Generation, StoreError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|source| malformed(store, path, source))?;
    text.push(b'\n');
    store.write(path, text.into(), condition).await
}

/// Creates a [`StoreError::Malformed`] for the object at `path`.
pub fn malformed(
    store: &dyn Store,
    path: &ObjectPath,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Malformed {
        address: store.address_of(path),
        source: source.into(),
    }
}
