//! Behaviour specific to the file store: manual changes, crashes, and foreign files in the folder.

use std::{
    fs::{self, File},
    io::Read,
};

use shared::{
    address::ObjectPath,
    store::{Condition, FileStore, Generation, Store, StoreError},
};
use tempfile::TempDir;

fn store() -> (TempDir, FileStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    (folder, store)
}

fn path(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

#[tokio::test]
async fn file_added_manually_is_an_object() {
    let (folder, store) = store();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/train baseline.csv"), "a,b\n").unwrap();
    let path = path("data/train baseline.csv");
    let object = store.read(&path).await.unwrap();
    assert_eq!(object.bytes, "a,b\n");
    assert_eq!(
        store.list("data/").await.unwrap(),
        std::slice::from_ref(&path)
    );
    let conflict = store.write(&path, "other".into(), Condition::Absent).await;
    assert!(
        matches!(conflict, Err(StoreError::ConditionFailed { .. })),
        "{conflict:?}"
    );
    let next = store
        .write(
            &path,
            "other".into(),
            Condition::Unchanged(object.generation),
        )
        .await
        .unwrap();
    assert!(next > object.generation);
}

#[tokio::test]
async fn object_address_is_its_file_path() {
    let (_folder, store) = store();
    let path = path("reports/drift-check/2021-W30.json");
    store
        .write(&path, "{}".into(), Condition::Always)
        .await
        .unwrap();
    let address = store.address_of(&path);
    assert_eq!(
        fs::read(address.strip_prefix("file://").unwrap()).unwrap(),
        b"{}"
    );
}

#[tokio::test]
async fn open_file_keeps_the_old_contents() {
    let (_folder, store) = store();
    let path = path("data/train.csv");
    store
        .write(&path, "old contents".into(), Condition::Always)
        .await
        .unwrap();
    let mut file = File::open(store.address_of(&path).strip_prefix("file://").unwrap()).unwrap();
    store
        .write(&path, "new".into(), Condition::Always)
        .await
        .unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old contents");
}

#[tokio::test]
async fn manually_removed_object_is_gone_and_its_generations_are_not_reused() {
    let (folder, store) = store();
    let path = path("data/test.csv");
    let before = store
        .write(&path, "before".into(), Condition::Always)
        .await
        .unwrap();
    fs::remove_file(folder.path().join("data/test.csv")).unwrap();
    assert!(matches!(
        store.read(&path).await,
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(store.generation(&path).await.unwrap(), None);
    let after = store
        .write(&path, "after".into(), Condition::Absent)
        .await
        .unwrap();
    assert!(after > before, "{after:?} must be later than {before:?}");
}

#[tokio::test]
async fn crash_before_the_rename_leaves_the_old_contents_readable() {
    let (folder, store) = store();
    let path = path("registry/model.json");
    let read = store
        .write(&path, "old".into(), Condition::Absent)
        .await
        .unwrap();
    // The state after a crash between writing the next generation and renaming the new file.
    let crashed = Generation::from_number(read.number() + 1);
    fs::write(
        folder.path().join(".generations").join(path.as_str()),
        format!("{:020}", crashed.number()),
    )
    .unwrap();
    fs::write(
        folder.path().join(".temporary").join(path.as_str()),
        "half of the n",
    )
    .unwrap();

    let store = FileStore::open(folder.path()).unwrap();
    let object = store.read(&path).await.unwrap();
    assert_eq!((object.bytes, object.generation), ("old".into(), crashed));
    let stale = store
        .write(&path, "new".into(), Condition::Unchanged(read))
        .await;
    assert!(
        matches!(stale, Err(StoreError::ConditionFailed { .. })),
        "{stale:?}"
    );
    let next = store
        .write(&path, "new".into(), Condition::Unchanged(crashed))
        .await
        .unwrap();
    assert!(next > crashed);
    assert_eq!(store.read(&path).await.unwrap().bytes, "new");
}

#[tokio::test]
async fn object_can_be_created_after_a_crash_of_its_first_write() {
    let (folder, store) = store();
    let path = path("ledger/ingest/2021-07-19.json");
    fs::create_dir_all(folder.path().join(".generations/ledger/ingest")).unwrap();
    fs::write(
        folder.path().join(".generations").join(path.as_str()),
        format!("{:020}", 1),
    )
    .unwrap();
    assert!(matches!(
        store.read(&path).await,
        Err(StoreError::NotFound { .. })
    ));
    let generation = store
        .write(&path, "new".into(), Condition::Absent)
        .await
        .unwrap();
    assert_eq!(generation, Generation::from_number(2));
}

#[tokio::test]
async fn internal_and_hidden_files_are_not_listed() {
    let (folder, store) = store();
    store
        .write(&path("data/a.csv"), "text".into(), Condition::Always)
        .await
        .unwrap();
    fs::write(folder.path().join(".DS_Store"), "").unwrap();
    fs::write(folder.path().join("data/.hidden"), "").unwrap();
    for prefix in ["", "data", "data/", ".generations/", ".temporary/", "."] {
        let found = store.list(prefix).await.unwrap();
        let expected: &[ObjectPath] = if prefix.starts_with('.') {
            &[]
        } else {
            &[path("data/a.csv")]
        };
        assert_eq!(found, expected, "{prefix:?}");
    }
}

#[tokio::test]
async fn folder_that_cannot_be_created_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("occupied"), "").unwrap();
    let error = FileStore::open(&folder.path().join("occupied/state")).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().ends_with("/occupied/state"), "{error}");
}

#[tokio::test]
async fn object_with_a_name_too_long_for_a_file_does_not_exist() {
    let (_folder, store) = store();
    let path = path(&format!("evaluations/{}", "x".repeat(300)));
    let read = store.read(&path).await;
    assert!(matches!(read, Err(StoreError::NotFound { .. })), "{read:?}");
    assert_eq!(store.generation(&path).await.unwrap(), None);
}
