//! The fixed test set: the rows on which every champion and challenger is scored, and the reference
//! for every drift check.
//!
//! The counts are those of the published test set. The lags of the first weeks come from the end of
//! the published training data, as they would in live operation. Before the first publication, both
//! are files that a person uploaded: `data/test_baseline.csv` and `data/train_baseline.csv`. The
//! features and the prepared drift columns are cached, so functions do not read the baselines. The
//! cache names the objects and generations it was derived from and is rebuilt when they change.

use std::sync::Arc;

use bytes::Bytes;
use forecasting::{
    checksum::Checksum,
    counts::{self, Counts},
    drift::{Column, frame_columns},
    features::{COLUMNS, FeatureSpec, Frame, HISTORY_DAYS, PIPELINE_VERSION, TARGET},
    time::Hour,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    address::ObjectPath,
    baseline::{self, DataSet, Role, TEST_BASELINE, TRAIN_BASELINE},
    store::{Condition, Generation, Store, StoreError, malformed},
};

const FEATURES: &str = "data/test_baseline.features";
const PROFILE: &str = "data/test_baseline.profile";
/// The layout version of both cached objects. Increment it with every change of the layout.
const FORMAT: u8 = 5;

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

/// Returns the fixed test set in use, from the cache if that is up to date.
///
/// # Errors
/// Returns an error if a baseline is missing or cannot be read.
pub async fn load(store: &Arc<dyn Store>) -> Result<FixedTest, StoreError> {
    match read_cache(store, FEATURES).await? {
        Some(fixed_test) => Ok(fixed_test),
        None => Ok(derive(store).await?.0),
    }
}

/// Returns the reference of a drift check, from the cache if that is up to date.
///
/// # Errors
/// Returns the errors of [`load`].
pub async fn profile(store: &Arc<dyn Store>) -> Result<TestProfile, StoreError> {
    match read_cache(store, PROFILE).await? {
        Some(profile) => Ok(profile),
        None => Ok(derive(store).await?.1),
    }
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
async fn paths(store: &dyn Store) -> Result<[ObjectPath; 2], StoreError> {
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

async fn derive(store: &Arc<dyn Store>) -> Result<(FixedTest, TestProfile), StoreError> {
    let paths = paths(&**store).await?;
    let sources = Sources::current(&**store, &paths).await?;
    let [train_path, test_path] = &paths;
    let (train, _) = read_baseline(store, train_path).await?;
    let (test, sha256) = read_baseline(store, test_path).await?;
    let Some((first_hour, last_hour)) = test.period() else {
        return Err(malformed(&**store, test_path, "it contains no counts"));
    };
    let (fixed_test, profile) = on_worker(move || {
        let frame = frame(&train, &test);
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

async fn read_baseline(
    store: &Arc<dyn Store>,
    path: &ObjectPath,
) -> Result<(Counts, Checksum), StoreError> {
    let bytes: Bytes = store.read(path).await?.bytes;
    // Rejected rows were reported when the baseline was published.
    let (counts, checksum) =
        on_worker(move || (counts::read(&*bytes, &mut Vec::new()), Checksum::of(&bytes))).await;
    let mut counts = counts.map_err(|source| malformed(&**store, path, source))?;
    counts.deduplicate();
    Ok((counts, checksum))
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
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use forecasting::{
        counts::{Counter, write_french},
        time::Day,
    };

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    async fn publish(store: &Arc<dyn Store>, name: &str, first: Day, last: Day, count: u32) {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        first
            .through(last)
            .flat_map(Day::hours)
            .for_each(|hour| counts.push(quai, hour, count));
        let mut csv = Vec::new();
        write_french(&counts, &mut csv).unwrap();
        store
            .write(&ObjectPath::new(name), csv.into(), Condition::Always)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn lags_of_the_first_weeks_come_from_the_training_data() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        publish(
            &store,
            TRAIN_BASELINE,
            day("2021-03-01"),
            day("2021-05-15"),
            3,
        )
        .await;
        publish(
            &store,
            TEST_BASELINE,
            day("2021-05-16"),
            day("2021-05-20"),
            8,
        )
        .await;
        let FixedTest { data, frame } = load(&store).await.unwrap();
        assert_eq!(frame.len(), 5 * 24);
        let csv = store
            .read(&ObjectPath::new(TEST_BASELINE))
            .await
            .unwrap()
            .bytes;
        assert_eq!(
            (data.name.to_string().get(..16), data.sha256),
            (Some("test-2021-05-20-"), Checksum::of(&csv))
        );
        assert_eq!(
            (
                frame.column("count_24h_earlier").unwrap()[0],
                frame.targets()[0]
            ),
            (3.0, 8.0)
        );
        let profile = profile(&store).await.unwrap();
        assert_eq!(profile.first_hour, day("2021-05-16").first_hour());
        assert_eq!(profile.columns.len(), COLUMNS.len() + 1);
    }

    #[tokio::test]
    async fn cache_is_used_until_a_baseline_changes() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        publish(
            &store,
            TRAIN_BASELINE,
            day("2021-04-01"),
            day("2021-05-15"),
            3,
        )
        .await;
        publish(
            &store,
            TEST_BASELINE,
            day("2021-05-16"),
            day("2021-05-17"),
            8,
        )
        .await;
        let first = load(&store).await.unwrap();
        let before = store.generation(&ObjectPath::new(FEATURES)).await.unwrap();
        // Compare bytes, because NaN is not equal to itself.
        assert_eq!(
            postcard::to_stdvec(&load(&store).await.unwrap()),
            postcard::to_stdvec(&first)
        );
        assert_eq!(
            store.generation(&ObjectPath::new(FEATURES)).await.unwrap(),
            before
        );
        publish(
            &store,
            TEST_BASELINE,
            day("2021-05-16"),
            day("2021-05-18"),
            8,
        )
        .await;
        assert_eq!(load(&store).await.unwrap().frame.len(), 3 * 24);
    }

    #[tokio::test]
    async fn published_data_sets_are_read_beside_uploaded_files() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        for name in [TRAIN_BASELINE, TEST_BASELINE] {
            publish(&store, name, day("2021-02-01"), day("2021-02-02"), 1).await;
        }
        assert_eq!(load(&store).await.unwrap().frame.len(), 2 * 24);
        let mut names = Vec::new();
        for (role, first, last) in [
            (Role::Train, "2021-04-01", "2021-05-15"),
            (Role::Test, "2021-05-16", "2021-05-20"),
        ] {
            let mut counts = Counts::default();
            let quai = counts.intern(Counter {
                id: None,
                name: "Quai".to_owned(),
                coordinates: None,
            });
            day(first)
                .through(day(last))
                .flat_map(Day::hours)
                .for_each(|hour| counts.push(quai, hour, 7));
            let draft = baseline::DataSetDraft::new(role, &counts, Vec::new(), None).unwrap();
            names.push(
                baseline::store_data_set(&*store, draft.unwrap())
                    .await
                    .unwrap()
                    .name,
            );
        }
        let published = baseline::Baseline {
            train: names[0].clone(),
            test: names[1].clone(),
        };
        baseline::publish(&*store, None, &published).await.unwrap();
        let fixed_test = load(&store).await.unwrap();
        assert_eq!(
            (fixed_test.frame.len(), fixed_test.data.name),
            (5 * 24, names[1].clone())
        );
    }

    #[tokio::test]
    async fn missing_baseline_is_named() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let error = load(&store).await.unwrap_err().to_string();
        assert!(error.ends_with(TRAIN_BASELINE), "{error}");
    }
}
