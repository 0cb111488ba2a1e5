//! Objects: artifacts, baselines, evaluations and the ledger.
//!
//! The port has the methods in use and no more. What may be relied on, by every implementation: a write is whole or
//! not at all, a read sees the last write, and a condition is checked and acted on as one step. Nothing is ever
//! deleted through this port.

mod file;
mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

pub use file::FileStore;
pub use memory::MemoryStore;

use crate::address::{Address, ObjectPath, OpenError};

/// A store of objects, shaped after Cloud Storage.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns an object and the generation that was read.
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError>;

    /// Returns the generation of an object, or `None` where there is none.
    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError>;

    /// Writes an object whole, if `condition` holds, and returns its new generation.
    ///
    /// # Errors
    /// [`StoreError::ConditionFailed`] where it does not hold; nothing is written then.
    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError>;

    /// Returns the paths that begin with `prefix`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError>;

    /// As [`Store::list`], without the objects that were last written before an instant. A store that does not know when an
    /// object was written lists it all the same.
    async fn list_written_since(
        &self,
        prefix: &str,
        _since: Timestamp,
    ) -> Result<Vec<ObjectPath>, StoreError> {
        self.list(prefix).await
    }

    /// Returns the address under which a person finds an object.
    fn address_of(&self, path: &ObjectPath) -> String;
}

/// Opens the store at an embedded address, where other ports keep what they keep, too.
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
            "it is the address of another kind of place",
        )),
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The contents.
    pub bytes: Bytes,
    /// Which writing of the object this is.
    pub generation: Generation,
}

/// The number of one writing of an object. Numbers rise and are never used again.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(i64);

impl Generation {
    /// Wraps a service's number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// What must hold for a write, as `ifGenerationMatch` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: the object is written in any case.
    Always,
    /// There is no such object yet.
    Absent,
    /// The object still has the generation that was read.
    Unchanged(Generation),
}

impl Condition {
    /// Tells whether the condition holds for the present generation.
    pub fn holds(self, present: Option<Generation>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => present.is_none(),
            Self::Unchanged(read) => present == Some(read),
        }
    }
}

/// What a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("there is no object {address}")]
    NotFound {
        /// Its address.
        address: String,
    },
    /// Somebody else was faster: read again and decide again.
    #[error("the object {address} has changed or exists already")]
    ConditionFailed {
        /// Its address.
        address: String,
    },
    /// The contents are not what they should be.
    #[error("cannot understand the object {address}")]
    Malformed {
        /// Its address.
        address: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service or disk does not do it at present.
    #[error("cannot {verb} the object {address}")]
    Unavailable {
        /// What was attempted.
        verb: &'static str,
        /// On which object.
        address: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads an object as JSON.
///
/// # Errors
/// As [`Store::read`], and [`StoreError::Malformed`].
pub async fn read_json<T: DeserializeOwned>(
    store: &dyn Store,
    path: &ObjectPath,
) -> Result<(T, Generation), StoreError> {
    let object = store.read(path).await?;
    let value =
        serde_json::from_slice(&object.bytes).map_err(|source| malformed(store, path, source))?;
    Ok((value, object.generation))
}

/// Writes an object as indented JSON with a final line feed, for people to read.
///
/// # Errors
/// As [`Store::write`].
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

/// Wraps what is wrong with an object's contents.
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
