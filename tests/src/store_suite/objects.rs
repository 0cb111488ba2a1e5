//! Tests of reading and writing objects, and of their names.

use bytes::Bytes;
use shared::store::{Condition, StoreError};
use tokio::task::JoinSet;

use super::Setup;

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
