//! The fixed test set: the rows on which every champion and challenger is scored, and with which every week is compared.
//!
//! It is stored as `data/test_baseline.csv`; its first weeks take their lags from the end of `data/train_baseline.csv`,
//! as they would have live. Its features and its prepared drift columns are kept beside it, so that a function need not
//! read the baselines; they name the generations they were made of and are made anew when these change.

use std::sync::Arc;

use bytes::Bytes;
use forecasting::{
    checksum::Checksum,
    counts::{self, Counts},
    drift::{Column, columns_of},
    features::{COLUMNS, FeatureSpec, Frame, HISTORY_DAYS, PIPELINE_VERSION, TARGET},
    time::Hour,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    address::ObjectPath,
    baseline::{DataSet, Role},
    store::{Condition, Generation, Store, StoreError, malformed},
};

/// The training data of the champion.
pub const TRAIN_BASELINE: &str = "data/train_baseline.csv";
/// The fixed test set.
pub const TEST_BASELINE: &str = "data/test_baseline.csv";
const FEATURES: &str = "data/test_baseline.features";
const PROFILE: &str = "data/test_baseline.profile";
/// How both are laid out; another number whenever that changes.
const FORMAT: u8 = 3;

/// The fixed test set, ready to be scored on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedTest {
    /// Which test set it is.
    pub data: DataSet,
    /// The features, and the counts that were seen. The numbers of the counters are left open, see [`Frame::numbered`].
    pub frame: Frame,
}

/// What drift is measured against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestProfile {
    /// The first hour of the fixed test set.
    pub first_hour: Hour,
    /// The last hour of the fixed test set.
    pub last_hour: Hour,
    /// The count and all features, prepared for comparison.
    pub columns: Vec<Column>,
}

/// Builds the features of a test set. Its first weeks take their lags from the end of `before`.
pub fn frame(before: &Counts, test: &Counts) -> Frame {
    let Some((first_hour, _)) = test.period() else {
        return Frame::default();
    };
    let recent = before.between(first_hour.plus(-24 * HISTORY_DAYS), first_hour.plus(-1));
    Frame::of_counts(&FeatureSpec::for_counters([]), &[&recent], test)
}

/// Returns the fixed test set that is in use.
///
/// # Errors
/// When the baselines are missing or cannot be read.
pub async fn load(store: &Arc<dyn Store>) -> Result<FixedTest, StoreError> {
    match cached(store, FEATURES).await? {
        Some(fixed_test) => Ok(fixed_test),
        None => Ok(derive(store).await?.0),
    }
}

/// Returns what drift is measured against.
///
/// # Errors
/// As [`load`].
pub async fn profile(store: &Arc<dyn Store>) -> Result<TestProfile, StoreError> {
    match cached(store, PROFILE).await? {
        Some(profile) => Ok(profile),
        None => Ok(derive(store).await?.1),
    }
}

/// Something made of the baselines, and of which writing of them.
#[derive(Serialize, Deserialize)]
struct Derived<T> {
    sources: Sources,
    value: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sources {
    format: u8,
    train: Generation,
    test: Generation,
    pipeline: u32,
    columns: usize,
}

impl Sources {
    async fn find(store: &Arc<dyn Store>) -> Result<Self, StoreError> {
        let (train, test) = (path(TRAIN_BASELINE), path(TEST_BASELINE));
        let missing = |path: &ObjectPath| StoreError::NotFound {
            address: store.address_of(path),
        };
        Ok(Self {
            format: FORMAT,
            train: store
                .generation(&train)
                .await?
                .ok_or_else(|| missing(&train))?,
            test: store
                .generation(&test)
                .await?
                .ok_or_else(|| missing(&test))?,
            pipeline: PIPELINE_VERSION,
            columns: COLUMNS.len(),
        })
    }
}

async fn cached<T: DeserializeOwned>(
    store: &Arc<dyn Store>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let bytes = match store.read(&path(name)).await {
        Ok(object) => object.bytes,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The sources come first, so what another version of this program wrote is recognised before its value is read.
    let sources = Sources::find(store).await?;
    match postcard::take_from_bytes::<Sources>(&bytes) {
        Ok((known, value)) if known == sources => Ok(postcard::from_bytes(value).ok()),
        _ => Ok(None),
    }
}

async fn derive(store: &Arc<dyn Store>) -> Result<(FixedTest, TestProfile), StoreError> {
    let sources = Sources::find(store).await?;
    let (train, _) = read_baseline(store, TRAIN_BASELINE).await?;
    let (test, sha256) = read_baseline(store, TEST_BASELINE).await?;
    let Some((first_hour, last_hour)) = test.period() else {
        return Err(malformed(
            &**store,
            &path(TEST_BASELINE),
            "it holds no counts",
        ));
    };
    let (fixed_test, profile) = on_worker(move || {
        let frame = frame(&train, &test);
        let columns = columns_of(&frame, std::iter::once(TARGET).chain(COLUMNS));
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
    keep(store, FEATURES, sources, &fixed_test).await?;
    keep(store, PROFILE, sources, &profile).await?;
    Ok((fixed_test, profile))
}

async fn keep<T: Serialize + Sync>(
    store: &Arc<dyn Store>,
    name: &str,
    sources: Sources,
    value: &T,
) -> Result<(), StoreError> {
    let path = path(name);
    let bytes = postcard::to_stdvec(&Derived { sources, value })
        .map_err(|source| malformed(&**store, &path, source))?;
    store
        .write(&path, bytes.into(), Condition::Always)
        .await
        .map(drop)
}

async fn read_baseline(
    store: &Arc<dyn Store>,
    name: &str,
) -> Result<(Counts, Checksum), StoreError> {
    let path = path(name);
    let bytes: Bytes = store.read(&path).await?.bytes;
    // Rejected rows were reported when the baseline was published.
    let (counts, checksum) =
        on_worker(move || (counts::read(&*bytes, &mut Vec::new()), Checksum::of(&bytes))).await;
    let mut counts = counts.map_err(|source| malformed(&**store, &path, source))?;
    counts.deduplicate();
    Ok((counts, checksum))
}

/// Runs work that takes long enough to hold up other tasks.
async fn on_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The work was not cancelled, so it panicked; the panic goes on here.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn path(name: &str) -> ObjectPath {
    name.parse()
        .unwrap_or_else(|_| unreachable!("{name} is made of valid segments"))
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
            .write(&path(name), csv.into(), Condition::Always)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn the_first_weeks_take_their_lags_from_the_end_of_the_training_data() {
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
        let csv = store.read(&path(TEST_BASELINE)).await.unwrap().bytes;
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
    async fn what_is_kept_is_used_until_a_baseline_changes() {
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
        let kept = store.generation(&path(FEATURES)).await.unwrap();
        // Compared by their bytes, since NaN differs from itself.
        assert_eq!(
            postcard::to_stdvec(&load(&store).await.unwrap()),
            postcard::to_stdvec(&first)
        );
        assert_eq!(store.generation(&path(FEATURES)).await.unwrap(), kept);
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
    async fn a_missing_baseline_is_named() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let error = load(&store).await.unwrap_err().to_string();
        assert!(error.ends_with(TRAIN_BASELINE), "{error}");
    }
}
