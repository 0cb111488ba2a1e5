//! Tests that every `Store` passes.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use shared::{
    address::ObjectPath,
    store::{Condition, Generation, Store, StoreError},
};
use tokio::{sync::Barrier, task::JoinSet};

/// Expands to the tests of the suite. The expression `$target` creates a [`Setup`] for each test.
#[macro_export]
macro_rules! store_suite {
    ($target:expr) => {
        $crate::suite_tests!(
            store_suite,
            $target,
            [
                written_object_is_read_back,
                empty_object_is_read_back_and_listed,
                large_object_is_read_back,
                missing_object_is_reported_with_its_address,
                special_characters_in_names_are_preserved,
                similar_names_are_distinct_objects,
                folders_are_not_objects,
                generations_increase,
                create_of_existing_object_fails,
                failed_write_changes_nothing,
                swap_with_stale_generation_fails,
                swap_of_missing_object_fails,
                one_of_concurrent_creates_succeeds,
                one_of_concurrent_swaps_succeeds,
                concurrent_increments_are_all_counted,
                concurrent_reader_sees_complete_writes,
                write_is_visible_through_another_handle,
                list_is_filtered_by_prefix_and_sorted,
                list_of_missing_prefix_is_empty,
            ]
        );
    };
}

/// The store under test.
pub struct Setup {
    prefix: String,
    open: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
}

impl Setup {
    /// Creates a target from a prefix and a function that opens a handle of the store.
    ///
    /// The prefix has no trailing slash, and no object has it yet. `open` returns a new handle if
    /// the adapter supports several, and the same handle otherwise.
    pub fn new(prefix: &str, open: impl Fn() -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        Self {
            prefix: prefix.to_owned(),
            open: Box::new(open),
        }
    }

    fn open(&self) -> Arc<dyn Store> {
        (self.open)()
    }

    fn path(&self, name: &str) -> ObjectPath {
        format!("{}/{name}", self.prefix).parse().unwrap()
    }
}

/// A written object is read back unchanged, with every byte value.
pub async fn written_object_is_read_back(target: &Setup) {
    let (store, path) = (target.open(), target.path("object.bin"));
    let bytes: Vec<u8> = (0..=255).collect();
    let generation = store
        .write(&path, bytes.clone().into(), Condition::Always)
        .await
        .unwrap();
    let object = store.read(&path).await.unwrap();
    assert_eq!(
        (object.bytes, object.generation),
        (bytes.into(), generation)
    );
}

/// An empty object exists and is listed.
pub async fn empty_object_is_read_back_and_listed(target: &Setup) {
    let (store, path) = (target.open(), target.path("empty"));
    let generation = store
        .write(&path, Bytes::new(), Condition::Absent)
        .await
        .unwrap();
    assert_eq!(store.read(&path).await.unwrap().bytes, Bytes::new());
    assert_eq!(store.generation(&path).await.unwrap(), Some(generation));
    assert_eq!(
        store.list(&format!("{}/", target.prefix)).await.unwrap(),
        [path]
    );
}

/// An object of the size of a model is read back unchanged.
pub async fn large_object_is_read_back(target: &Setup) {
    let (store, path) = (target.open(), target.path("model.ubj"));
    let bytes: Bytes = (0..9_000_000_u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    store
        .write(&path, bytes.clone(), Condition::Always)
        .await
        .unwrap();
    // `assert_eq` would print nine megabytes.
    assert!(
        store.read(&path).await.unwrap().bytes == bytes,
        "the bytes read differ from the bytes written"
    );
}

/// Reading a missing object returns `NotFound` with its address.
pub async fn missing_object_is_reported_with_its_address(target: &Setup) {
    let (store, path) = (target.open(), target.path("nowhere/missing.json"));
    assert_eq!(store.generation(&path).await.unwrap(), None);
    let error = store.read(&path).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::NotFound { address } if *address == store.address_of(&path)),
        "{error:?}"
    );
    assert!(
        store.address_of(&path).contains(path.as_str()),
        "{}",
        store.address_of(&path)
    );
    assert!(
        store.address_of(&path).contains("://"),
        "{}",
        store.address_of(&path)
    );
}

/// Names are stored unchanged, including characters that are special in a URL or a shell.
pub async fn special_characters_in_names_are_preserved(target: &Setup) {
    let store = target.open();
    let names = [
        "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z.json",
        "Comptage vélo – Quai d'Orsay (été).csv",
        "100 % + 1 & 2=3; «ça»?.csv",
        "part#1.csv",
        "ledger/drift-check/2021-W30.json",
        "ingest/2021-07-01..2021-07-03.json",
        "%2Fetc%2Fpasswd",
        "自転車.txt",
    ];
    let mut paths = names.map(|name| target.path(name));
    for path in &paths {
        store
            .write(path, path.to_string().into(), Condition::Absent)
            .await
            .unwrap();
    }
    for path in &paths {
        assert_eq!(store.read(path).await.unwrap().bytes, path.to_string());
    }
    paths.sort();
    assert_eq!(
        store.list(&format!("{}/", target.prefix)).await.unwrap(),
        paths
    );
}

/// Concurrent writes of objects with similar names do not affect each other.
pub async fn similar_names_are_distinct_objects(target: &Setup) {
    let long = "long-name-".repeat(13);
    let names = ["a/b/c", "a-b-c", "a/b-c", "a-b/c", "a/b/c.tmp"].map(str::to_owned);
    let names: Vec<_> = names
        .into_iter()
        .chain(["x", "y"].map(|folder| format!("{folder}/{long}")))
        .collect();
    for round in 0..10 {
        let mut writes = JoinSet::new();
        for name in &names {
            let (store, path) = (target.open(), target.path(name));
            let text = format!("{name} in round {round}").repeat(500);
            writes.spawn(async move {
                store
                    .write(&path, text.into(), Condition::Always)
                    .await
                    .unwrap()
            });
        }
        writes.join_all().await;
        for name in &names {
            let object = target.open().read(&target.path(name)).await.unwrap();
            assert!(
                object.bytes == format!("{name} in round {round}").repeat(500),
                "{name} has other contents"
            );
        }
    }
}

/// Writing `a/b` creates neither an object `a` nor an object `a/b/c`.
pub async fn folders_are_not_objects(target: &Setup) {
    let store = target.open();
    store
        .write(&target.path("a/b"), "text".into(), Condition::Always)
        .await
        .unwrap();
    for name in ["a", "a/b/c"] {
        let path = target.path(name);
        assert_eq!(store.generation(&path).await.unwrap(), None, "{name}");
        let error = store.read(&path).await.unwrap_err();
        assert!(
            matches!(error, StoreError::NotFound { .. }),
            "{name}: {error:?}"
        );
    }
}

/// Each write returns a higher generation than the previous one, and a read returns the same.
pub async fn generations_increase(target: &Setup) {
    let (store, path) = (target.open(), target.path("rising"));
    let mut generations = Vec::new();
    for text in ["first", "second", "second", "first"] {
        let generation = store
            .write(&path, text.into(), Condition::Always)
            .await
            .unwrap();
        assert_eq!(store.generation(&path).await.unwrap(), Some(generation));
        assert_eq!(store.read(&path).await.unwrap().generation, generation);
        generations.push(generation);
    }
    assert!(
        generations.is_sorted_by(|earlier, later| earlier < later),
        "{generations:?}"
    );
}

/// Creating an existing object fails and does not change it.
pub async fn create_of_existing_object_fails(target: &Setup) {
    let (store, path) = (target.open(), target.path("once"));
    store
        .write(&path, "first".into(), Condition::Absent)
        .await
        .unwrap();
    assert_condition_fails(&*store, &path, Condition::Absent).await;
    assert_eq!(store.read(&path).await.unwrap().bytes, "first");
}

/// A write with a failed condition changes neither contents nor generation.
pub async fn failed_write_changes_nothing(target: &Setup) {
    let (store, path) = (target.open(), target.path("refused"));
    let stale = store
        .write(&path, "first".into(), Condition::Always)
        .await
        .unwrap();
    store
        .write(&path, "second".into(), Condition::Always)
        .await
        .unwrap();
    let before = store.read(&path).await.unwrap();
    for condition in [Condition::Absent, Condition::Unchanged(stale)] {
        assert_condition_fails(&*store, &path, condition).await;
        assert_eq!(store.read(&path).await.unwrap(), before);
    }
    let last = store
        .write(
            &path,
            "third".into(),
            Condition::Unchanged(before.generation),
        )
        .await
        .unwrap();
    assert!(last > before.generation);
}

/// A compare-and-swap succeeds once for a generation.
pub async fn swap_with_stale_generation_fails(target: &Setup) {
    let (store, path) = (target.open(), target.path("swapped"));
    let first = store
        .write(&path, "first".into(), Condition::Absent)
        .await
        .unwrap();
    let second = store
        .write(&path, "second".into(), Condition::Unchanged(first))
        .await
        .unwrap();
    assert_condition_fails(&*store, &path, Condition::Unchanged(first)).await;
    // Writing the same contents again creates another generation.
    store
        .write(&path, "first".into(), Condition::Unchanged(second))
        .await
        .unwrap();
    assert_condition_fails(&*store, &path, Condition::Unchanged(second)).await;
    assert_condition_fails(&*store, &path, Condition::Unchanged(first)).await;
}

/// A compare-and-swap of a missing object fails and creates nothing.
pub async fn swap_of_missing_object_fails(target: &Setup) {
    let (store, path) = (target.open(), target.path("never-written"));
    let generation = store
        .write(&target.path("other"), "text".into(), Condition::Always)
        .await
        .unwrap();
    assert_condition_fails(&*store, &path, Condition::Unchanged(generation)).await;
    assert_eq!(store.generation(&path).await.unwrap(), None);
}

/// One of sixteen concurrent creates succeeds; the others get `ConditionFailed`.
pub async fn one_of_concurrent_creates_succeeds(target: &Setup) {
    let path = target.path("created");
    assert_one_of_sixteen_writes_succeeds(target, &path, Condition::Absent).await;
}

/// One of sixteen concurrent swaps of a generation succeeds; the others get `ConditionFailed`.
pub async fn one_of_concurrent_swaps_succeeds(target: &Setup) {
    let path = target.path("swapped");
    let read = target
        .open()
        .write(&path, "before".into(), Condition::Absent)
        .await
        .unwrap();
    assert_one_of_sixteen_writes_succeeds(target, &path, Condition::Unchanged(read)).await;
}

/// Concurrent increments by compare-and-swap, repeated on conflict, are all counted.
pub async fn concurrent_increments_are_all_counted(target: &Setup) {
    let path = target.path("counter");
    target
        .open()
        .write(&path, "0".into(), Condition::Absent)
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (store, path) = (target.open(), path.clone());
        tasks.spawn(async move {
            for _ in 0..5 {
                while let Err(error) = increment(&*store, &path).await {
                    assert!(
                        matches!(error, StoreError::ConditionFailed { .. }),
                        "{error:?}"
                    );
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(target.open().read(&path).await.unwrap().bytes, "20");
}

/// A concurrent reader gets complete contents, with the generation of their write.
pub async fn concurrent_reader_sees_complete_writes(target: &Setup) {
    const ROUNDS: u8 = 20;
    let (writer, path) = (target.open(), target.path("whole"));
    let contents = |round: u8| Bytes::from(vec![round; 200_000 * (1 + usize::from(round % 3))]);
    let mut written = BTreeMap::new();
    written.insert(
        writer
            .write(&path, contents(0), Condition::Always)
            .await
            .unwrap(),
        contents(0),
    );
    let reading = tokio::spawn(read_until(target.open(), path.clone(), contents(ROUNDS)));
    for round in 1..=ROUNDS {
        written.insert(
            writer
                .write(&path, contents(round), Condition::Always)
                .await
                .unwrap(),
            contents(round),
        );
    }
    for (generation, bytes) in reading.await.unwrap() {
        assert!(
            written.get(&generation) == Some(&bytes),
            "the contents of {generation:?} differ from those written"
        );
    }
}

/// A write through one handle is visible through another.
pub async fn write_is_visible_through_another_handle(target: &Setup) {
    let (one, other, path) = (target.open(), target.open(), target.path("shared"));
    for text in ["first", "second"] {
        let generation = one
            .write(&path, text.into(), Condition::Always)
            .await
            .unwrap();
        let object = other.read(&path).await.unwrap();
        assert_eq!((object.bytes, object.generation), (text.into(), generation));
        assert_eq!(
            other.list(path.as_str()).await.unwrap(),
            std::slice::from_ref(&path)
        );
    }
    let generation = one.generation(&path).await.unwrap().unwrap();
    other
        .write(&path, "third".into(), Condition::Unchanged(generation))
        .await
        .unwrap();
    assert_condition_fails(&*one, &path, Condition::Unchanged(generation)).await;
}

/// Listing returns the paths with a prefix, in byte order. A prefix may end anywhere in a name.
pub async fn list_is_filtered_by_prefix_and_sorted(target: &Setup) {
    let store = target.open();
    for name in [
        "data/train.csv",
        "data-old/x",
        "data/test.csv",
        "data0",
        "data/train/b",
        "data/é",
        "data/a/z",
        "dat",
    ] {
        store
            .write(&target.path(name), name.into(), Condition::Absent)
            .await
            .unwrap();
    }
    let cases: [(&str, &[&str]); 6] = [
        (
            "data/",
            &[
                "data/a/z",
                "data/test.csv",
                "data/train.csv",
                "data/train/b",
                "data/é",
            ],
        ),
        (
            "data",
            &[
                "data-old/x",
                "data/a/z",
                "data/test.csv",
                "data/train.csv",
                "data/train/b",
                "data/é",
                "data0",
            ],
        ),
        (
            "data/t",
            &["data/test.csv", "data/train.csv", "data/train/b"],
        ),
        ("data/train", &["data/train.csv", "data/train/b"]),
        ("data/train/b", &["data/train/b"]),
        (
            "dat",
            &[
                "dat",
                "data-old/x",
                "data/a/z",
                "data/test.csv",
                "data/train.csv",
                "data/train/b",
                "data/é",
                "data0",
            ],
        ),
    ];
    for (prefix, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|name| target.path(name)).collect();
        assert_eq!(
            store
                .list(&format!("{}/{prefix}", target.prefix))
                .await
                .unwrap(),
            expected,
            "{prefix}"
        );
    }
}

/// Listing a missing folder or a prefix below an object returns nothing.
pub async fn list_of_missing_prefix_is_empty(target: &Setup) {
    let store = target.open();
    store
        .write(&target.path("data/a.csv"), "text".into(), Condition::Absent)
        .await
        .unwrap();
    for prefix in [
        "nowhere/",
        "nowhere/at/all",
        "data/b",
        "data/a.csv/",
        "data/a.csv/b",
    ] {
        assert_eq!(
            store
                .list(&format!("{}/{prefix}", target.prefix))
                .await
                .unwrap(),
            [],
            "{prefix}"
        );
    }
}

async fn assert_condition_fails(store: &dyn Store, path: &ObjectPath, condition: Condition) {
    let error = store
        .write(path, "refused".into(), condition)
        .await
        .unwrap_err();
    let is_named = matches!(&error, StoreError::ConditionFailed { address } if *address == store.address_of(path));
    assert!(is_named, "{condition:?}: {error:?}");
}

async fn assert_one_of_sixteen_writes_succeeds(
    target: &Setup,
    path: &ObjectPath,
    condition: Condition,
) {
    let (start, mut writes) = (Arc::new(Barrier::new(16)), JoinSet::new());
    for number in 0..16 {
        let (store, path, start) = (target.open(), path.clone(), Arc::clone(&start));
        writes.spawn(async move {
            start.wait().await;
            (
                number,
                store
                    .write(&path, format!("{number}").into(), condition)
                    .await,
            )
        });
    }
    let mut winners = Vec::new();
    for (number, written) in writes.join_all().await {
        match written {
            Ok(generation) => winners.push((number, generation)),
            Err(error) => assert!(
                matches!(error, StoreError::ConditionFailed { .. }),
                "{error:?}"
            ),
        }
    }
    let [(writer, generation)] = winners[..] else {
        panic!("expected one successful write: {winners:?}")
    };
    let object = target.open().read(path).await.unwrap();
    assert_eq!(
        (object.bytes, object.generation),
        (format!("{writer}").into(), generation)
    );
}

async fn increment(store: &dyn Store, path: &ObjectPath) -> Result<Generation, StoreError> {
    let object = store.read(path).await?;
    let count: u32 = std::str::from_utf8(&object.bytes).unwrap().parse().unwrap();
    store
        .write(
            path,
            (count + 1).to_string().into(),
            Condition::Unchanged(object.generation),
        )
        .await
}

async fn read_until(
    store: Arc<dyn Store>,
    path: ObjectPath,
    last: Bytes,
) -> Vec<(Generation, Bytes)> {
    let mut seen = Vec::new();
    loop {
        let object = store.read(&path).await.unwrap();
        let is_last = object.bytes == last;
        seen.push((object.generation, object.bytes));
        if is_last {
            return seen;
        }
    }
}
