//! Baselines: the training data of champions and the fixed test set. Every published version is
//! retained.
//!
//! A data set is a CSV object of counts, `data/baselines/NAME.csv`, and a [`Manifest`] next to it.
//! Both are immutable; the name contains the start of the contents' checksum. One object,
//! [`PUBLISHED`], names the two data sets in use and changes by compare-and-swap. People read copies
//! of these two, `data/train_baseline.csv` and `data/test_baseline.csv`. [`publish`] writes the
//! copies, unless a person has uploaded other files there.

mod manifest;
mod name;
mod verify;

use bytes::Bytes;
use forecasting::{
    checksum::Checksum,
    counts::{self, Counts},
};
use serde::{Deserialize, Serialize};

pub use manifest::{FORMAT, Manifest, Source};
pub use name::{DataSet, DataSetName, DataSetNameError, Role};
pub use verify::{Finding, State, verify};

use crate::{
    address::ObjectPath,
    store::{Condition, Generation, Store, StoreError, malformed, read_json, write_json},
};

/// The path of the champion's training data.
pub const TRAIN_BASELINE: &str = "data/train_baseline.csv";
/// The path of the fixed test set's counts.
pub const TEST_BASELINE: &str = "data/test_baseline.csv";
/// The folder of data sets and their manifests.
pub(crate) const FOLDER: &str = "data/baselines/";
/// The path of the object that names the data sets in use.
pub const PUBLISHED: &str = "data/baseline.json";
/// The memory to reserve for a row of a data set. Rows of Paris have 95 bytes.
const BYTES_PER_ROW: usize = 100;

/// The two data sets in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The training data of champions.
    pub train: DataSetName,
    /// The fixed test set.
    pub test: DataSetName,
}

/// A data set that is not stored yet: encoded counts and their manifest.
pub struct DataSetDraft {
    /// The name and checksum of the data set.
    pub data: DataSet,
    bytes: Bytes,
    manifest: Manifest,
}

impl DataSetDraft {
    /// Encodes counts and describes them in a manifest. Returns `None` if there are no counts.
    ///
    /// `parent` is the data set that the counts extend. The counts are normalized, see
    /// [`Counts::normalized`], so equal counts have equal checksums.
    ///
    /// # Errors
    /// Returns an error if the name of a counter cannot be written as CSV.
    pub fn new(
        role: Role,
        counts: &Counts,
        sources: Vec<Source>,
        parent: Option<DataSetName>,
    ) -> Result<Option<Self>, counts::WriteError> {
        let counts = counts.normalized();
        let Some((first_hour, last_hour)) = counts.period() else {
            return Ok(None);
        };
        let mut bytes = Vec::with_capacity(counts.len() * BYTES_PER_ROW);
        counts::write_french(&counts, &mut bytes)?;
        let data = DataSet::new(role, last_hour.day(), Checksum::of(&bytes));
        let name = &data.name;
        let manifest = Manifest {
            format: FORMAT,
            object: name.object(),
            sha256: data.sha256.clone(),
            bytes: bytes.len() as u64,
            rows: counts.len() as u64,
            first_hour: first_hour.timestamp(),
            last_hour: last_hour.timestamp(),
            counters: counts
                .counters()
                .iter()
                .map(|counter| counter.name.clone())
                .collect(),
            sources,
            // A data set cannot be its own parent.
            parent: parent.filter(|parent| parent != name),
            role,
            name: name.clone(),
        };
        Ok(Some(Self {
            data,
            bytes: bytes.into(),
            manifest,
        }))
    }

    /// Returns the manifest of the data set.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Stores a data set and its manifest unless they exist, and returns the stored manifest. The
/// manifest is written last, so a data set with a manifest is complete.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn store_data_set(
    store: &dyn Store,
    draft: DataSetDraft,
) -> Result<Manifest, StoreError> {
    let (object, path) = (draft.data.name.object(), draft.data.name.manifest());
    if store.generation(&object).await?.is_none() {
        ignore_existing(store.write(&object, draft.bytes, Condition::Absent).await)?;
    }
    ignore_existing(write_json(store, &path, &draft.manifest, Condition::Absent).await)?;
    // The manifest of an earlier writer wins: it names the sources first recorded.
    Ok(read_json(store, &path).await?.0)
}

fn ignore_existing(written: Result<Generation, StoreError>) -> Result<(), StoreError> {
    match written {
        Ok(_) | Err(StoreError::ConditionFailed { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads the manifest of a data set.
///
/// # Errors
/// Returns an error if the manifest is missing, cannot be read, or has a later format.
pub async fn manifest(store: &dyn Store, name: &DataSetName) -> Result<Manifest, StoreError> {
    let path = name.manifest();
    let (manifest, _): (Manifest, _) = read_json(store, &path).await?;
    if manifest.format > FORMAT {
        let reason = format!(
            "the format is {}, but this program reads formats up to {FORMAT}; update bike-traffic",
            manifest.format
        );
        return Err(malformed(store, &path, reason));
    }
    Ok(manifest)
}

/// Reads the encoded counts of a data set and verifies their checksum.
///
/// # Errors
/// Returns an error if the counts are missing or differ from the manifest.
pub async fn read(store: &dyn Store, manifest: &Manifest) -> Result<Bytes, StoreError> {
    let bytes = store.read(&manifest.object).await?.bytes;
    let found = Checksum::of(&bytes);
    if found == manifest.sha256 {
        return Ok(bytes);
    }
    let reason = format!(
        "the SHA-256 is {found}, but the manifest has {}; restore the object from a backup or an earlier generation",
        manifest.sha256
    );
    Err(malformed(store, &manifest.object, reason))
}

/// Returns the data sets in use and the generation of the object that names them, or `None` before
/// the first publication.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn published(store: &dyn Store) -> Result<Option<(Baseline, Generation)>, StoreError> {
    match read_json(store, &ObjectPath::new(PUBLISHED)).await {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts data sets into use, on condition that the object that names those in use still has the
/// expected generation. A repeated call completes an interrupted one and changes nothing else.
///
/// # Errors
/// Returns [`StoreError::ConditionFailed`] if other data sets have been published since. Returns an
/// error if a data set is missing or invalid, or the store fails.
pub async fn publish(
    store: &dyn Store,
    expected: Option<Generation>,
    baseline: &Baseline,
) -> Result<(), StoreError> {
    let verified = Verified::read(store, baseline.clone()).await?;
    verified.publish(store, expected).await
}

/// Two data sets whose contents are those of their manifests, which can be published.
pub struct Verified {
    baseline: Baseline,
    contents: [Bytes; 2],
}

impl Verified {
    /// Reads and verifies both data sets.
    ///
    /// # Errors
    /// Returns an error if a data set is missing or invalid, or the store fails.
    pub async fn read(store: &dyn Store, baseline: Baseline) -> Result<Self, StoreError> {
        let contents = read_both(store, &baseline).await?;
        Ok(Self { baseline, contents })
    }

    /// Puts the data sets into use like [`publish`].
    ///
    /// # Errors
    /// Returns [`StoreError::ConditionFailed`] if other data sets have been published since, or an
    /// error if the store fails.
    pub async fn publish(
        self,
        store: &dyn Store,
        expected: Option<Generation>,
    ) -> Result<(), StoreError> {
        let Self { baseline, contents } = self;
        let present = published(store).await?;
        if present.is_none_or(|(present, _)| present != baseline) {
            let condition = expected.map_or(Condition::Absent, Condition::Unchanged);
            write_json(store, &ObjectPath::new(PUBLISHED), &baseline, condition).await?;
        }
        copy_in_use(store, baseline, contents).await
    }
}

/// Reads and verifies the training data and the test set.
async fn read_both(store: &dyn Store, baseline: &Baseline) -> Result<[Bytes; 2], StoreError> {
    let contents = async |name| read(store, &manifest(store, name).await?).await;
    let both = tokio::try_join!(contents(&baseline.train), contents(&baseline.test))?;
    Ok(both.into())
}

/// Copies the published data sets, or those that a concurrent call has published since.
///
/// A slow call may overwrite the copies of a later publication. So each call checks, after writing,
/// whether its copies are those of the data sets in use. The last writer has seen the last
/// publication.
async fn copy_in_use(
    store: &dyn Store,
    mut copied: Baseline,
    mut contents: [Bytes; 2],
) -> Result<(), StoreError> {
    loop {
        let is_copied = match copy_both(store, contents.clone()).await {
            Ok(()) => true,
            // A concurrent call is copying.
            Err(StoreError::ConditionFailed { .. }) => false,
            Err(error) => return Err(error),
        };
        let Some((in_use, _)) = published(store).await? else {
            return Ok(());
        };
        if in_use != copied {
            contents = read_both(store, &in_use).await?;
            copied = in_use;
        } else if is_copied {
            return Ok(());
        }
    }
}

async fn copy_both(store: &dyn Store, [train, test]: [Bytes; 2]) -> Result<(), StoreError> {
    let (train, test) = tokio::join!(
        copy(store, TRAIN_BASELINE, train),
        copy(store, TEST_BASELINE, test),
    );
    train.and(test)
}

/// Writes a copy unless its contents are equal. An object that is no data set was uploaded by a
/// person, and is never overwritten.
async fn copy(store: &dyn Store, name: &str, bytes: Bytes) -> Result<(), StoreError> {
    let path = ObjectPath::new(name);
    let condition = match store.read(&path).await {
        Ok(known) if known.bytes == bytes => return Ok(()),
        Ok(known) if is_data_set(store, &known.bytes).await? => {
            Condition::Unchanged(known.generation)
        }
        Ok(_) => return Ok(()),
        Err(StoreError::NotFound { .. }) => Condition::Absent,
        Err(error) => return Err(error),
    };
    store.write(&path, bytes, condition).await.map(drop)
}

/// Returns `true` if the bytes are those of a stored data set.
async fn is_data_set(store: &dyn Store, bytes: &[u8]) -> Result<bool, StoreError> {
    let ending = name::ending(&Checksum::of(bytes));
    let objects = store.list(FOLDER).await?;
    Ok(objects
        .iter()
        .any(|object| object.as_str().ends_with(&ending)))
}

/// Returns the manifests of a data set and of its chain of parents, latest first.
///
/// # Errors
/// Returns an error if a manifest is missing, the chain has a cycle, or the store fails.
pub async fn history(store: &dyn Store, name: &DataSetName) -> Result<Vec<Manifest>, StoreError> {
    let mut chain: Vec<Manifest> = Vec::new();
    let mut next = Some(name.clone());
    while let Some(name) = next {
        // A parent is stored before its child, so only manually written manifests can have a cycle.
        if chain.iter().any(|known| known.name == name) {
            return Err(malformed(
                store,
                &name.manifest(),
                "the data set is its own ancestor",
            ));
        }
        let manifest = manifest(store, &name).await?;
        next = manifest.parent.clone();
        chain.push(manifest);
    }
    Ok(chain)
}

#[cfg(test)]
mod tests;
