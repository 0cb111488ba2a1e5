//! The verification of stored data sets against their manifests.

use forecasting::checksum::Checksum;
use serde::Serialize;

use super::{
    DataSetName, FOLDER, Manifest, TEST_BASELINE, TRAIN_BASELINE, is_data_set, manifest, published,
};
use crate::{
    address::ObjectPath,
    store::{Store, StoreError},
};

/// The result of comparing an object with its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The object has the checksum in its manifest.
    Valid,
    /// The object does not exist.
    Missing,
    /// The object has other contents.
    Changed {
        /// The checksum of the object found.
        sha256: Checksum,
        /// The size of the object found, in bytes.
        bytes: u64,
    },
    /// The manifest cannot be read, for this reason.
    Unreadable(String),
    /// A person uploaded the object in place of a copy. The functions do not read it.
    Uploaded,
    /// The object has no manifest. It was lost, or [`keep`](super::store_data_set) was interrupted.
    Undescribed,
}

/// The verification result of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The address of the object.
    pub object: String,
    /// The name of the data set.
    pub data_set: String,
    /// The result of the comparison.
    pub state: State,
}

/// Compares every data set, and the copies of those in use, with their manifests. Reports data sets
/// without a manifest as well.
///
/// # Errors
/// Returns an error if the store fails. Missing and changed objects are results, not errors.
pub async fn verify(store: &dyn Store) -> Result<Vec<Finding>, StoreError> {
    let objects = store.list(FOLDER).await?;
    let mut findings: Vec<_> = objects
        .iter()
        .filter_map(|object| undescribed(store, object, &objects))
        .collect();
    for object in &objects {
        let Some(name) = name(object, ".json") else {
            continue;
        };
        let unreadable = |reason: String| Finding {
            object: store.address_of(object),
            data_set: name.to_owned(),
            state: State::Unreadable(reason),
        };
        let finding = match name.parse::<DataSetName>() {
            Err(error) => unreadable(error.to_string()),
            Ok(name) => match manifest(store, &name).await {
                Ok(manifest) => compare(store, manifest.object.as_str(), &manifest).await?,
                Err(error @ StoreError::Malformed { .. }) => unreadable(with_cause(&error)),
                Err(error) => return Err(error),
            },
        };
        findings.push(finding);
    }
    let Some((baseline, _)) = published(store).await? else {
        return Ok(findings);
    };
    for (copy, name) in [
        (TRAIN_BASELINE, &baseline.train),
        (TEST_BASELINE, &baseline.test),
    ] {
        match manifest(store, name).await {
            Ok(manifest) => findings.push(compare_copy(store, copy, &manifest).await?),
            Err(StoreError::NotFound { address }) => {
                findings.push(Finding {
                    object: address,
                    data_set: name.to_string(),
                    state: State::Missing,
                });
            }
            // The loop over all manifests has reported it.
            Err(StoreError::Malformed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// Returns the finding for counts without a manifest.
fn undescribed(store: &dyn Store, object: &ObjectPath, all: &[ObjectPath]) -> Option<Finding> {
    let data_set = name(object, ".csv")?;
    let is_described = all
        .iter()
        .any(|other| name(other, ".json") == Some(data_set));
    let finding = || Finding {
        object: store.address_of(object),
        data_set: data_set.to_owned(),
        state: State::Undescribed,
    };
    (!is_described).then(finding)
}

/// Returns the data set name of an object with this ending.
fn name<'a>(object: &'a ObjectPath, ending: &str) -> Option<&'a str> {
    object.as_str().strip_prefix(FOLDER)?.strip_suffix(ending)
}

/// Compares a copy with its manifest. Contents that are no data set were uploaded by a person.
async fn compare_copy(
    store: &dyn Store,
    copy: &str,
    manifest: &Manifest,
) -> Result<Finding, StoreError> {
    let finding = compare(store, copy, manifest).await?;
    if !matches!(finding.state, State::Changed { .. }) {
        return Ok(finding);
    }
    let found = store.read(&ObjectPath::new(copy)).await?.bytes;
    if is_data_set(store, &found).await? {
        return Ok(finding);
    }
    Ok(Finding {
        state: State::Uploaded,
        ..finding
    })
}

async fn compare(
    store: &dyn Store,
    object: &str,
    manifest: &Manifest,
) -> Result<Finding, StoreError> {
    let path = ObjectPath::new(object);
    let state = match store.read(&path).await {
        Ok(found) => match Checksum::of(&found.bytes) {
            sha256 if sha256 == manifest.sha256 => State::Valid,
            sha256 => State::Changed {
                sha256,
                bytes: found.bytes.len() as u64,
            },
        },
        Err(StoreError::NotFound { .. }) => State::Missing,
        Err(error) => return Err(error),
    };
    Ok(Finding {
        object: store.address_of(&path),
        data_set: manifest.name.to_string(),
        state,
    })
}

fn with_cause(error: &StoreError) -> String {
    std::error::Error::source(error)
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
