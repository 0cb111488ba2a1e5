//! Tests of concurrent readers and writers.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use shared::{
    address::ObjectPath,
    store::{Condition, Generation, Store, StoreError},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{Setup, assert_condition_fails};

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
