//! What every `Store` promises.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use shared::{
    address::ObjectPath,
    store::{Condition, Generation, Store, StoreError},
};
use tokio::{sync::Barrier, task::JoinSet};

/// Makes a test of every promise; `$place` makes a [`Place`].
#[macro_export]
macro_rules! store_suite {
    ($place:expr) => {
        $crate::promises!(
            store_suite,
            $place,
            [
                what_is_written_is_read_back,
                an_empty_object_is_an_object,
                nine_megabytes_are_read_back,
                a_missing_object_is_not_found_and_named,
                names_may_be_deep_and_hold_whitespace_and_accents,
                names_that_look_alike_are_different_objects,
                a_folder_is_no_object_and_an_object_no_folder,
                generations_rise,
                an_object_is_created_once,
                a_refused_write_changes_nothing,
                a_swap_with_a_stale_generation_is_refused,
                a_swap_of_a_missing_object_is_refused,
                of_sixteen_creates_at_once_one_wins,
                of_sixteen_swaps_at_once_one_wins,
                counting_by_swaps_loses_no_step,
                a_reader_never_sees_half_a_write,
                another_handle_sees_the_last_write,
                a_list_is_what_begins_with_the_prefix_sorted,
                a_list_of_what_is_not_there_is_empty,
            ]
        );
    };
}

/// Where the suite runs.
pub struct Place {
    prefix: String,
    open: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
}

impl Place {
    /// Makes a place from a prefix under which there is nothing yet, without a slash at its end, and from what opens a
    /// handle on the place: a further one where the adapter can have several, else the same.
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

/// Bytes of every value come back.
pub async fn what_is_written_is_read_back(place: &Place) {
    let (store, path) = (place.open(), place.path("object.bin"));
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

/// An empty object is there and is listed.
pub async fn an_empty_object_is_an_object(place: &Place) {
    let (store, path) = (place.open(), place.path("empty"));
    let generation = store
        .write(&path, Bytes::new(), Condition::Absent)
        .await
        .unwrap();
    assert_eq!(store.read(&path).await.unwrap().bytes, Bytes::new());
    assert_eq!(store.generation(&path).await.unwrap(), Some(generation));
    assert_eq!(
        store.list(&format!("{}/", place.prefix)).await.unwrap(),
        [path]
    );
}

/// A model is about this large.
pub async fn nine_megabytes_are_read_back(place: &Place) {
    let (store, path) = (place.open(), place.path("model.ubj"));
    let bytes: Bytes = (0..9_000_000_u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    store
        .write(&path, bytes.clone(), Condition::Always)
        .await
        .unwrap();
    // Not `assert_eq`, which would print them.
    assert!(
        store.read(&path).await.unwrap().bytes == bytes,
        "other bytes were read than written"
    );
}

/// The error says which object is missing.
pub async fn a_missing_object_is_not_found_and_named(place: &Place) {
    let (store, path) = (place.open(), place.path("nowhere/missing.json"));
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

/// Names are kept as they are, also where they mean something in an address or a shell.
pub async fn names_may_be_deep_and_hold_whitespace_and_accents(place: &Place) {
    let store = place.open();
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
    let mut paths = names.map(|name| place.path(name));
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
        store.list(&format!("{}/", place.prefix)).await.unwrap(),
        paths
    );
}

/// Objects written at the same time do not get into each other's way, however alike their names are.
pub async fn names_that_look_alike_are_different_objects(place: &Place) {
    let long = "long-name-".repeat(13);
    let names = ["a/b/c", "a-b-c", "a/b-c", "a-b/c", "a/b/c.tmp"].map(str::to_owned);
    let names: Vec<_> = names
        .into_iter()
        .chain(["x", "y"].map(|folder| format!("{folder}/{long}")))
        .collect();
    for round in 0..10 {
        let mut writes = JoinSet::new();
        for name in &names {
            let (store, path) = (place.open(), place.path(name));
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
            let object = place.open().read(&place.path(name)).await.unwrap();
            assert!(
                object.bytes == format!("{name} in round {round}").repeat(500),
                "{name} has other contents"
            );
        }
    }
}

/// `a/b` makes no object `a`, and no object can be below `a/b`.
pub async fn a_folder_is_no_object_and_an_object_no_folder(place: &Place) {
    let store = place.open();
    store
        .write(&place.path("a/b"), "text".into(), Condition::Always)
        .await
        .unwrap();
    for name in ["a", "a/b/c"] {
        let path = place.path(name);
        assert_eq!(store.generation(&path).await.unwrap(), None, "{name}");
        let error = store.read(&path).await.unwrap_err();
        assert!(
            matches!(error, StoreError::NotFound { .. }),
            "{name}: {error:?}"
        );
    }
}

/// Each write has a higher generation than the one before, and reading tells it.
pub async fn generations_rise(place: &Place) {
    let (store, path) = (place.open(), place.path("rising"));
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

/// The second of two creates is refused.
pub async fn an_object_is_created_once(place: &Place) {
    let (store, path) = (place.open(), place.path("once"));
    store
        .write(&path, "first".into(), Condition::Absent)
        .await
        .unwrap();
    assert_refused(&*store, &path, Condition::Absent).await;
    assert_eq!(store.read(&path).await.unwrap().bytes, "first");
}

/// Neither contents nor generation change.
pub async fn a_refused_write_changes_nothing(place: &Place) {
    let (store, path) = (place.open(), place.path("refused"));
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
        assert_refused(&*store, &path, condition).await;
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

/// A swap succeeds on the generation that was read, once.
pub async fn a_swap_with_a_stale_generation_is_refused(place: &Place) {
    let (store, path) = (place.open(), place.path("swapped"));
    let first = store
        .write(&path, "first".into(), Condition::Absent)
        .await
        .unwrap();
    let second = store
        .write(&path, "second".into(), Condition::Unchanged(first))
        .await
        .unwrap();
    assert_refused(&*store, &path, Condition::Unchanged(first)).await;
    // The same contents again are another writing of the object.
    store
        .write(&path, "first".into(), Condition::Unchanged(second))
        .await
        .unwrap();
    assert_refused(&*store, &path, Condition::Unchanged(second)).await;
    assert_refused(&*store, &path, Condition::Unchanged(first)).await;
}

/// There is nothing to be unchanged.
pub async fn a_swap_of_a_missing_object_is_refused(place: &Place) {
    let (store, path) = (place.open(), place.path("never-written"));
    let generation = store
        .write(&place.path("other"), "text".into(), Condition::Always)
        .await
        .unwrap();
    assert_refused(&*store, &path, Condition::Unchanged(generation)).await;
    assert_eq!(store.generation(&path).await.unwrap(), None);
}

/// One of sixteen tasks creates the object; the others are told.
pub async fn of_sixteen_creates_at_once_one_wins(place: &Place) {
    let path = place.path("created");
    assert_one_of_sixteen_wins(place, &path, Condition::Absent).await;
}

/// One of sixteen tasks that read the same generation swaps it; the others are told.
pub async fn of_sixteen_swaps_at_once_one_wins(place: &Place) {
    let path = place.path("swapped");
    let read = place
        .open()
        .write(&path, "before".into(), Condition::Absent)
        .await
        .unwrap();
    assert_one_of_sixteen_wins(place, &path, Condition::Unchanged(read)).await;
}

/// Read, count up, swap, and start over where somebody was faster: every step counts.
pub async fn counting_by_swaps_loses_no_step(place: &Place) {
    let path = place.path("counter");
    place
        .open()
        .write(&path, "0".into(), Condition::Absent)
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (store, path) = (place.open(), path.clone());
        tasks.spawn(async move {
            for _ in 0..5 {
                while let Err(error) = count_up(&*store, &path).await {
                    assert!(
                        matches!(error, StoreError::ConditionFailed { .. }),
                        "{error:?}"
                    );
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(place.open().read(&path).await.unwrap().bytes, "20");
}

/// What is read is one of the things written, whole, with the generation of that writing.
pub async fn a_reader_never_sees_half_a_write(place: &Place) {
    const ROUNDS: u8 = 20;
    let (writer, path) = (place.open(), place.path("whole"));
    let contents = |round: u8| Bytes::from(vec![round; 200_000 * (1 + usize::from(round % 3))]);
    let mut written = BTreeMap::new();
    written.insert(
        writer
            .write(&path, contents(0), Condition::Always)
            .await
            .unwrap(),
        contents(0),
    );
    let reading = tokio::spawn(read_until(place.open(), path.clone(), contents(ROUNDS)));
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
            "{generation:?} was read with other contents than written"
        );
    }
}

/// Handles keep nothing to themselves.
pub async fn another_handle_sees_the_last_write(place: &Place) {
    let (one, other, path) = (place.open(), place.open(), place.path("shared"));
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
    assert_refused(&*one, &path, Condition::Unchanged(generation)).await;
}

/// A prefix may end anywhere in a name; the order is that of the names' bytes.
pub async fn a_list_is_what_begins_with_the_prefix_sorted(place: &Place) {
    let store = place.open();
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
            .write(&place.path(name), name.into(), Condition::Absent)
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
        let expected: Vec<_> = expected.iter().map(|name| place.path(name)).collect();
        assert_eq!(
            store
                .list(&format!("{}/{prefix}", place.prefix))
                .await
                .unwrap(),
            expected,
            "{prefix}"
        );
    }
}

/// Neither a missing folder nor what lies below an object is an error.
pub async fn a_list_of_what_is_not_there_is_empty(place: &Place) {
    let store = place.open();
    store
        .write(&place.path("data/a.csv"), "text".into(), Condition::Absent)
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
                .list(&format!("{}/{prefix}", place.prefix))
                .await
                .unwrap(),
            [],
            "{prefix}"
        );
    }
}

async fn assert_refused(store: &dyn Store, path: &ObjectPath, condition: Condition) {
    let error = store
        .write(path, "refused".into(), condition)
        .await
        .unwrap_err();
    let is_named = matches!(&error, StoreError::ConditionFailed { address } if *address == store.address_of(path));
    assert!(is_named, "{condition:?}: {error:?}");
}

async fn assert_one_of_sixteen_wins(place: &Place, path: &ObjectPath, condition: Condition) {
    let (start, mut writes) = (Arc::new(Barrier::new(16)), JoinSet::new());
    for number in 0..16 {
        let (store, path, start) = (place.open(), path.clone(), Arc::clone(&start));
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
    let [(winner, generation)] = winners[..] else {
        panic!("these have won: {winners:?}")
    };
    let object = place.open().read(path).await.unwrap();
    assert_eq!(
        (object.bytes, object.generation),
        (format!("{winner}").into(), generation)
    );
}

async fn count_up(store: &dyn Store, path: &ObjectPath) -> Result<Generation, StoreError> {
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
