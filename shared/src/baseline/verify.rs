//! Finding data sets that are not any more what their manifests say.

use forecasting::checksum::Checksum;
use serde::Serialize;

use super::{DataSetName, FOLDER, Manifest, manifest, path, published};
use crate::{
    address::ObjectPath,
    fixed_test::{TEST_BASELINE, TRAIN_BASELINE},
    store::{Store, StoreError},
};

/// How an object compares with the manifest that describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is what the manifest says.
    Valid,
    /// It is not there.
    Missing,
    /// It holds something else.
    Changed {
        /// What it holds.
        sha256: Checksum,
        /// How long it is.
        bytes: u64,
    },
    /// The manifest itself cannot be read, for this reason.
    Unreadable(String),
    /// It is there, and its manifest is not: that is gone, or whoever kept the data set was stopped before writing it.
    Undescribed,
}

/// What was found about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The address of the object.
    pub object: String,
    /// The data set that it should hold.
    pub data_set: String,
    /// How it compares.
    pub state: State,
}

/// Reads every data set that has a manifest, and the copies of those in use, and compares them with their manifests. Data
/// sets without a manifest are found, too.
///
/// # Errors
/// When the store fails; what is missing or changed is no error.
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
            Ok(manifest) => findings.push(compare(store, copy, &manifest).await?),
            Err(StoreError::NotFound { address }) => {
                findings.push(Finding {
                    object: address,
                    data_set: name.to_string(),
                    state: State::Missing,
                });
            }
            // It was found above.
            Err(StoreError::Malformed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// Finds counts that no manifest lies beside.
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

/// Returns the name of a data set whose file ends so.
fn name<'a>(object: &'a ObjectPath, ending: &str) -> Option<&'a str> {
    object.as_str().strip_prefix(FOLDER)?.strip_suffix(ending)
}

async fn compare(
    store: &dyn Store,
    object: &str,
    manifest: &Manifest,
) -> Result<Finding, StoreError> {
    let path = path(object);
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
