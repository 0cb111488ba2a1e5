//! Tests with the store in memory.

use super::*;
use crate::store::MemoryStore;
use forecasting::{
    counts::{Counter, write_french},
    time::Day,
};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    "2021-05-21T04:00:00Z".parse().unwrap()
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
    let FixedTest { data, frame } = load(&store, now()).await.unwrap();
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
    let profile = profile(&store, now()).await.unwrap();
    assert_eq!(profile.first_hour, day("2021-05-16").first_hour());
    assert_eq!(profile.columns.len(), COLUMNS.len() + 1);
}

/// The published training data end two months before the test set, but the counts between them are
/// known.
#[tokio::test]
async fn cached_lags_of_other_counts_are_used() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let early = (day("2021-02-01"), day("2021-03-01"));
    publish(&store, TRAIN_BASELINE, early.0, early.1, 3).await;
    let test = (day("2021-05-16"), day("2021-05-20"));
    publish(&store, TEST_BASELINE, test.0, test.1, 8).await;
    let mut before = Counts::default();
    let quai = before.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    for hour in day("2021-05-15").hours() {
        before.push(quai, hour, 4);
    }
    cache_with_lags(&store, before, now()).await.unwrap();
    let frame = load(&store, now()).await.unwrap().frame;
    assert_eq!(frame.column("count_24h_earlier").unwrap()[0], 4.0);
    let profile = profile(&store, now()).await.unwrap();
    assert_eq!(profile.first_hour, test.0.first_hour());
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
    let first = load(&store, now()).await.unwrap();
    let before = store.generation(&ObjectPath::new(FEATURES)).await.unwrap();
    // Compare bytes, because NaN is not equal to itself.
    assert_eq!(
        postcard::to_stdvec(&load(&store, now()).await.unwrap()),
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
    assert_eq!(load(&store, now()).await.unwrap().frame.len(), 3 * 24);
}

#[tokio::test]
async fn published_data_sets_are_read_beside_uploaded_files() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for name in [TRAIN_BASELINE, TEST_BASELINE] {
        publish(&store, name, day("2021-02-01"), day("2021-02-02"), 1).await;
    }
    assert_eq!(load(&store, now()).await.unwrap().frame.len(), 2 * 24);
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
    let fixed_test = load(&store, now()).await.unwrap();
    assert_eq!(
        (fixed_test.frame.len(), fixed_test.data.name),
        (5 * 24, names[1].clone())
    );
}

#[tokio::test]
async fn implausible_rows_of_uploaded_files_are_rejected() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (first, last) = (day("2021-05-16"), day("2021-05-20"));
    publish(&store, TRAIN_BASELINE, first.plus(-60), first.plus(-1), 3).await;
    // Two rows of 242 have a wrong year: 2031, and 2011.
    publish(&store, TEST_BASELINE, first.plus(-5), last, 8).await;
    let path = ObjectPath::new(TEST_BASELINE);
    let csv = store.read(&path).await.unwrap().bytes;
    let mut csv = String::from_utf8(csv.to_vec()).unwrap();
    let row = csv.lines().last().unwrap().to_owned();
    for year in ["2031", "2011"] {
        csv.push_str(&row.replace("2021", year));
        csv.push('\n');
    }
    store
        .write(&path, csv.into(), Condition::Always)
        .await
        .unwrap();
    assert_eq!(load(&store, now()).await.unwrap().frame.len(), 10 * 24);
    let profile = profile(&store, now()).await.unwrap();
    assert_eq!(
        (profile.first_hour.day(), profile.last_hour.day()),
        (first.plus(-5), last)
    );
}

#[tokio::test]
async fn missing_baseline_is_named() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let error = load(&store, now()).await.unwrap_err().to_string();
    assert!(error.ends_with(TRAIN_BASELINE), "{error}");
}
