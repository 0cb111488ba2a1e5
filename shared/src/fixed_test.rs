//! The fixed test set: the rows on which every champion and challenger is scored, and the reference
//! for every drift check.
//!
//! The counts are those of the published test set. The lags of the first weeks come from the end of
//! the published training data, as they would in live operation. Before the first publication, both
//! are files that a person uploaded: `data/test_baseline.csv` and `data/train_baseline.csv`. The
//! features and the prepared drift columns are cached, so functions do not read the baselines. The
//! cache names the objects and generations it was derived from and is rebuilt when they change.
//!
//! The rows of published data sets were checked when they were published. Those of uploaded files
//! are checked here: rows of the future, and rows far from the rest, are rejected and logged.

use std::sync::Arc;

use bytes::Bytes;
use forecasting::{
    checksum::Checksum,
    counts::{self, Counts, Reject},
    drift::{Column, frame_columns},
    features::{COLUMNS, FeatureSpec, Frame, HISTORY_DAYS, PIPELINE_VERSION, TARGET},
    time::Hour,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    address::ObjectPath,
    baseline::{self, DataSet, Role, TEST_BASELINE, TRAIN_BASELINE},
    store::{Condition, Generation, Store, StoreError, malformed},
};

const FEATURES: &str = "data/test_baseline.features";
const PROFILE: &str = "data/test_baseline.profile";
/// The version of both cached objects. Increment it with every change of their layout, and of the
/// rows that are read.
const FORMAT: u8 = 6;

/// The fixed test set, ready for scoring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedTest {
    /// The name and checksum of the data set.
    pub data: DataSet,
    /// The features and the observed counts. The category codes of the counters are unset, see
    /// [`Frame::encode_counters`].
    pub frame: Frame,
}

/// The reference of a drift check: the columns of the fixed test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestProfile {
    /// The first hour of the fixed test set.
    pub first_hour: Hour,
    /// The last hour of the fixed test set.
    pub last_hour: Hour,
    /// The column of counts and all feature columns, prepared for comparison.
    pub columns: Vec<Column>,
}

impl TestProfile {
    /// Returns `true` if `hour` is within the period of the fixed test set.
    ///
    /// No model is trained or scored elsewhere on such an hour.
    pub fn excludes(&self, hour: Hour) -> bool {
        (self.first_hour..=self.last_hour).contains(&hour)
    }
}

/// Builds the features of a test set. The lags of its first weeks come from the end of `before`.
pub fn frame(before: &Counts, test: &Counts) -> Frame {
    let Some((first_hour, _)) = test.period() else {
        return Frame::default();
    };
    let first_day = first_hour.day().plus(-HISTORY_DAYS);
    let recent = before.between(first_day.first_hour(), first_hour.plus(-1));
    Frame::from_counts(&FeatureSpec::for_counters([]), &[&recent], test)
}

/// Returns the fixed test set in use, from the cache if that is up to date. Hours of uploaded files
/// that begin after `now` are rejected.
///
/// # Errors
/// Returns an error if a baseline is missing or cannot be read.
pub async fn load(store: &Arc<dyn Store>, now: Timestamp) -> Result<FixedTest, StoreError> {
    match read_cache(store, FEATURES).await? {
        Some(fixed_test) => Ok(fixed_test),
        None => Ok(derive(store, now).await?.0),
    }
}

/// Returns the reference of a drift check, from the cache if that is up to date. Hours of uploaded
/// files that begin after `now` are rejected.
///
/// # Errors
/// Returns the errors of [`load`].
pub async fn profile(store: &Arc<dyn Store>, now: Timestamp) -> Result<TestProfile, StoreError> {
    match read_cache(store, PROFILE).await? {
        Some(profile) => Ok(profile),
        None => Ok(derive(store, now).await?.1),
    }
}

/// Caches the fixed test set in use with lags from `before`, not from the published training data.
///
/// A simulation of the past publishes the training data of that time. They may end long before the
/// test set begins, and its first weeks would have no lags. The cache is in use until a published
/// data set changes.
///
/// # Errors
/// Returns the errors of [`load`].
pub async fn cache_with_lags(
    store: &Arc<dyn Store>,
    before: Counts,
    now: Timestamp,
) -> Result<(), StoreError> {
    let paths = paths(&**store).await?;
    let sources = Sources::current(&**store, &paths).await?;
    derive_from(store, sources, &paths[1], before, now)
        .await
        .map(drop)
}

/// A value derived from the baselines, with the generations it was derived from.
#[derive(Serialize, Deserialize)]
struct Derived<T> {
    sources: Sources,
    value: T,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sources {
    format: u8,
    train: (String, Generation),
    test: (String, Generation),
    pipeline: u32,
    columns: usize,
}

/// Returns the paths of the training data and of the test set in use.
pub(crate) async fn paths(store: &dyn Store) -> Result<[ObjectPath; 2], StoreError> {
    Ok(match baseline::published(store).await? {
        Some((baseline, _)) => [baseline.train.object(), baseline.test.object()],
        None => [TRAIN_BASELINE, TEST_BASELINE].map(ObjectPath::new),
    })
}

impl Sources {
    async fn current(
        store: &dyn Store,
        [train, test]: &[ObjectPath; 2],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            format: FORMAT,
            train: (train.to_string(), generation(store, train).await?),
            test: (test.to_string(), generation(store, test).await?),
            pipeline: PIPELINE_VERSION,
            columns: COLUMNS.len(),
        })
    }
}

async fn generation(store: &dyn Store, path: &ObjectPath) -> Result<Generation, StoreError> {
    let found = store.generation(path).await?;
    found.ok_or_else(|| StoreError::NotFound {
        address: store.address_of(path),
    })
}

async fn read_cache<T: DeserializeOwned>(
    store: &Arc<dyn Store>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let bytes = match store.read(&ObjectPath::new(name)).await {
        Ok(object) => object.bytes,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The sources come first: a cache of another program version is detected before its value is
    // parsed.
    let sources = Sources::current(&**store, &paths(&**store).await?).await?;
    match postcard::take_from_bytes::<Sources>(&bytes) {
        Ok((known, value)) if known == sources => Ok(postcard::from_bytes(value).ok()),
        _ => Ok(None),
    }
}

async fn derive(
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> Result<(FixedTest, TestProfile), StoreError> {
    let [train_path, test_path] = paths(&**store).await?;
    // Before the contents are read, so that a later change makes the cache outdated.
    let sources = Sources::current(&**store, &[train_path.clone(), test_path.clone()]).await?;
    let (train, _) = read_baseline(store, &train_path, now).await?;
    derive_from(store, sources, &test_path, train, now).await
}

/// Derives the fixed test set with lags from `before`, and caches it.
async fn derive_from(
    store: &Arc<dyn Store>,
    sources: Sources,
    test_path: &ObjectPath,
    before: Counts,
    now: Timestamp,
) -> Result<(FixedTest, TestProfile), StoreError> {
    let (test, sha256) = read_baseline(store, test_path, now).await?;
    let Some((first_hour, last_hour)) = test.period() else {
        return Err(malformed(&**store, test_path, "it contains no counts"));
    };
    let (fixed_test, profile) = on_worker(move || {
        let frame = frame(&before, &test);
        let columns = frame_columns(&frame, std::iter::once(TARGET).chain(COLUMNS));
        let data = DataSet::new(Role::Test, last_hour.day(), sha256);
        (
            FixedTest { data, frame },
            TestProfile {
                first_hour,
                last_hour,
                columns,
            },
        )
    })
    .await;
    write_cache(store, FEATURES, sources.clone(), &fixed_test).await?;
    write_cache(store, PROFILE, sources, &profile).await?;
    Ok((fixed_test, profile))
}

async fn write_cache<T: Serialize + Sync>(
    store: &Arc<dyn Store>,
    name: &str,
    sources: Sources,
    value: &T,
) -> Result<(), StoreError> {
    let path = ObjectPath::new(name);
    let bytes = postcard::to_stdvec(&Derived { sources, value })
        .map_err(|source| malformed(&**store, &path, source))?;
    store
        .write(&path, bytes.into(), Condition::Always)
        .await
        .map(drop)
}

/// Reads a baseline. Hours of uploaded files that begin after `now` are rejected.
pub(crate) async fn read_baseline(
    store: &Arc<dyn Store>,
    path: &ObjectPath,
    now: Timestamp,
) -> Result<(Counts, Checksum), StoreError> {
    let bytes: Bytes = store.read(path).await?.bytes;
    if path.as_str().starts_with(baseline::FOLDER) {
        // Rejected rows were reported when the baseline was published.
        let (counts, checksum) =
            on_worker(move || (counts::read(&*bytes, &mut Vec::new()), Checksum::of(&bytes))).await;
        let mut counts = counts.map_err(|source| malformed(&**store, path, source))?;
        counts.deduplicate();
        return Ok((counts, checksum));
    }
    let (export, rejects, checksum) = on_worker(move || {
        let mut rejects = Vec::new();
        let export = counts::read_export(&*bytes, now, &mut rejects);
        (export, rejects, Checksum::of(&bytes))
    })
    .await;
    let export = export.map_err(|source| malformed(&**store, path, source))?;
    if let Some(Reject { row, reason, .. }) = rejects.first() {
        let (object, rejected) = (store.address_of(path), rejects.len());
        tracing::warn!(object, rejected, row, %reason, "rejected rows of an uploaded baseline");
    }
    Ok((export.counts, checksum))
}

/// Runs long computations on a blocking thread, so that they do not delay other tasks.
async fn on_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The task is never cancelled, so it panicked. Propagate the panic.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
