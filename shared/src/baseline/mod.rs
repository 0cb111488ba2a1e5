//! Baselines: the training data of champions and the fixed test set, every writing of them kept for ever.
//!
//! A data set is a CSV of counts, `data/baselines/NAME.csv`, and its [`Manifest`] beside it. Both are written once; the
//! name holds a part of the contents' checksum. Which two are in use is said by one object, [`PUBLISHED`], that moves by
//! compare-and-swap. The objects that people and functions read, `data/train_baseline.csv` and
//! `data/test_baseline.csv`, are copies of what it names, made right after by whoever moved it.

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
    fixed_test::{TEST_BASELINE, TRAIN_BASELINE},
    store::{Condition, Generation, Store, StoreError, malformed, read_json, write_json},
};

/// Where data sets and their manifests are.
pub(crate) const FOLDER: &str = "data/baselines/";
/// The object that says which data sets are in use.
pub const PUBLISHED: &str = "data/baseline.json";

/// The two data sets in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// What champions are trained on.
    pub train: DataSetName,
    /// The fixed test set.
    pub test: DataSetName,
}

/// Counts as they are stored.
pub struct DataSetDraft {
    /// The name they will have.
    pub data: DataSet,
    bytes: Bytes,
    manifest: Manifest,
}

impl DataSetDraft {
    /// Writes counts down as they are stored; `None` without any. `parent` is the data set that they continue.
    ///
    /// They are normalized, see [`Counts::normalized`], so that the same counts have the same checksum.
    ///
    /// # Errors
    /// Where a name of a counter cannot be written as CSV.
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
        let mut bytes = Vec::new();
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
            // The very same counts again continue nothing.
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

    /// Returns what is known of the counts.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Stores a data set and its manifest, unless they are there. The manifest comes last, so what has one is whole.
///
/// # Errors
/// When the store fails.
pub async fn keep(store: &dyn Store, draft: DataSetDraft) -> Result<Manifest, StoreError> {
    let (object, path) = (draft.data.name.object(), draft.data.name.manifest());
    if store.generation(&object).await?.is_none() {
        unless_there(store.write(&object, draft.bytes, Condition::Absent).await)?;
    }
    unless_there(write_json(store, &path, &draft.manifest, Condition::Absent).await)?;
    // Whoever was first has said where the counts come from.
    Ok(read_json(store, &path).await?.0)
}

fn unless_there(written: Result<Generation, StoreError>) -> Result<(), StoreError> {
    match written {
        Ok(_) | Err(StoreError::ConditionFailed { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads the manifest of a data set.
///
/// # Errors
/// When there is none, it cannot be read, or it is of a later format.
pub async fn manifest(store: &dyn Store, name: &DataSetName) -> Result<Manifest, StoreError> {
    let path = name.manifest();
    let (manifest, _): (Manifest, _) = read_json(store, &path).await?;
    if manifest.format > FORMAT {
        let reason = format!(
            "it has format {}, this program reads up to {FORMAT}; use a later one",
            manifest.format
        );
        return Err(malformed(store, &path, reason));
    }
    Ok(manifest)
}

/// Reads the counts of a data set as they are stored.
///
/// # Errors
/// When they are not there, or are not those that the manifest describes.
pub async fn read(store: &dyn Store, manifest: &Manifest) -> Result<Bytes, StoreError> {
    let bytes = store.read(&manifest.object).await?.bytes;
    let found = Checksum::of(&bytes);
    if found == manifest.sha256 {
        return Ok(bytes);
    }
    let reason = format!(
        "its SHA-256 is {found}, its manifest says {}; bring the object back from a backup or an earlier generation",
        manifest.sha256
    );
    Err(malformed(store, &manifest.object, reason))
}

/// Returns the data sets in use and the generation of the object that says so; `None` before the first publication.
///
/// # Errors
/// When the store fails.
pub async fn published(store: &dyn Store) -> Result<Option<(Baseline, Generation)>, StoreError> {
    match read_json(store, &path(PUBLISHED)).await {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts data sets into use, on condition that those in use are still of the generation that was read. Done a second
/// time it finishes what the first time left open and changes nothing else.
///
/// # Errors
/// [`StoreError::ConditionFailed`] when others have been put into use since; when a data set is not there or the store
/// fails.
pub async fn publish(
    store: &dyn Store,
    expected: Option<Generation>,
    baseline: &Baseline,
) -> Result<(), StoreError> {
    // What is to be published can be read before anything points to it.
    let contents = read_both(store, baseline).await?;
    let present = published(store).await?;
    if present.is_none_or(|(present, _)| present != *baseline) {
        let condition = expected.map_or(Condition::Absent, Condition::Unchanged);
        write_json(store, &path(PUBLISHED), baseline, condition).await?;
    }
    copy_in_use(store, baseline.clone(), contents).await
}

/// Reads training data and test set.
async fn read_both(store: &dyn Store, baseline: &Baseline) -> Result<[Bytes; 2], StoreError> {
    let train = read(store, &manifest(store, &baseline.train).await?).await?;
    let test = read(store, &manifest(store, &baseline.test).await?).await?;
    Ok([train, test])
}

/// Makes the copies of what was put into use, or of what others have put into use since.
///
/// Whoever is slow may write over the copies of one who published later. So everybody looks afterwards whether the copies
/// are still those of what is in use, and the last to write has seen the last publication.
async fn copy_in_use(
    store: &dyn Store,
    mut copied: Baseline,
    mut contents: [Bytes; 2],
) -> Result<(), StoreError> {
    loop {
        let is_copied = match copy_both(store, contents.clone()).await {
            Ok(()) => true,
            // Somebody else is copying.
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
    copy(store, TRAIN_BASELINE, train).await?;
    copy(store, TEST_BASELINE, test).await
}

/// Writes a copy, unless it is the same; so what is made of it, such as features, stays in use.
async fn copy(store: &dyn Store, name: &str, bytes: Bytes) -> Result<(), StoreError> {
    let path = path(name);
    let condition = match store.read(&path).await {
        Ok(known) if known.bytes == bytes => return Ok(()),
        Ok(known) => Condition::Unchanged(known.generation),
        Err(StoreError::NotFound { .. }) => Condition::Absent,
        Err(error) => return Err(error),
    };
    store.write(&path, bytes, condition).await.map(drop)
}

/// Returns the manifests of a data set and of all that it continues, latest first.
///
/// # Errors
/// When one of them is missing or the store fails.
pub async fn history(store: &dyn Store, name: &DataSetName) -> Result<Vec<Manifest>, StoreError> {
    let mut chain: Vec<Manifest> = Vec::new();
    let mut next = Some(name.clone());
    while let Some(name) = next {
        // A parent is there before its child, so a chain has an end, unless somebody has written manifests by hand.
        if chain.iter().any(|known| known.name == name) {
            return Err(malformed(store, &name.manifest(), "it continues itself"));
        }
        let manifest = manifest(store, &name).await?;
        next = manifest.parent.clone();
        chain.push(manifest);
    }
    Ok(chain)
}

fn path(name: &str) -> ObjectPath {
    name.parse()
        .unwrap_or_else(|_| unreachable!("{name} is made of valid segments"))
}

#[cfg(test)]
mod tests;
