//! The store suite on Cloud Storage, and the guarantees of this adapter beyond the suite.

mod listing;
mod lost_answer;
mod not_downloaded_again;
mod trouble;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use google_cloud::{CloudSettings, EmulatorHost, GcsStore};
use reqwest::{Method, StatusCode};
use shared::{
    address::{BucketName, ObjectPath},
    store::{Condition, Store, StoreError},
};
use tests::{
    storage_fake::{Fate, StorageFake},
    store_suite,
};

use crate::place;

/// fake-gcs-server checks generations only for some kinds of requests. Those of the adapter must be
/// among them, or the suite proves nothing.
#[tokio::test]
async fn emulator_rejects_a_stale_generation_on_the_adapters_request_path() {
    let (store, fake) = behind(|_, _, _| Fate::PassedOn).await;
    let path = path("object");
    let first = store
        .write(&path, "first".into(), Condition::Absent)
        .await
        .unwrap();
    let second = store
        .write(&path, "second".into(), Condition::Unchanged(first))
        .await
        .unwrap();
    fake.take_calls();
    for (stale, number) in [
        (Condition::Absent, 0),
        (Condition::Unchanged(first), first.number()),
    ] {
        store.write(&path, "third".into(), stale).await.unwrap_err();
        let upload = &fake.take_calls()[0];
        assert!(upload.target.contains("uploadType=multipart"), "{upload:?}");
        assert!(
            upload
                .target
                .contains(&format!("ifGenerationMatch={number}")),
            "{upload:?}"
        );
        assert_eq!(upload.status, StatusCode::PRECONDITION_FAILED);
    }
    store
        .write(&path, "third".into(), Condition::Unchanged(second))
        .await
        .unwrap();
}

mod suite {
    tests::store_suite!(super::suite_setup("a-run").await);
}

/// Objects under `models/` are cached in memory, with the same guarantees.
mod suite_of_cached_objects {
    tests::store_suite!(super::suite_setup("models/a-run").await);
}

/// The training file has this size, which is larger than any object in the suite.
#[tokio::test]
async fn twenty_megabytes_are_read_back() {
    let (store, path) = (
        open(&new_bucket().await, &place::cloud()).await,
        path("raw/large.bin"),
    );
    let contents = vec![7; 20_000_000];
    let generation = store
        .write(&path, contents.clone().into(), Condition::Absent)
        .await
        .unwrap();
    let object = store.read(&path).await.unwrap();
    // `assert_eq!` would print 20 MB.
    assert!(
        object.bytes == contents,
        "the bytes read differ from the bytes written"
    );
    assert_eq!(object.generation, generation);
}

/// A person opens the pages on emulators in a browser.
#[tokio::test]
async fn page_is_served_at_its_address_for_browsers() {
    let store = open(&new_bucket().await, &place::cloud()).await;
    let path = path("reports/week/2021-W31.html");
    let page = "<!doctype html>\n<title>a page</title>";
    store
        .write(&path, page.into(), Condition::Always)
        .await
        .unwrap();
    // The emulator guesses the content type of this address from the contents.
    let reply = reqwest::get(store.web_address_of(&path)).await.unwrap();
    assert_eq!(reply.status(), reqwest::StatusCode::OK);
    assert_eq!(reply.text().await.unwrap(), page);
}

/// Creates a new bucket for the suite, with three handles used in turn.
async fn suite_setup(prefix: &str) -> store_suite::Setup {
    let (bucket, cloud) = (new_bucket().await, place::cloud());
    let handles = [
        open(&bucket, &cloud).await,
        open(&bucket, &cloud).await,
        open(&bucket, &cloud).await,
    ];
    let turn = AtomicUsize::new(0);
    store_suite::Setup::new(prefix, move || {
        let next = turn.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&handles[next % handles.len()])
    })
}

async fn new_bucket() -> BucketName {
    let bucket = place::bucket();
    cli::commands::set_up::bucket(&place::project(), &bucket, &place::cloud())
        .await
        .unwrap();
    bucket
}

async fn open(bucket: &BucketName, cloud: &CloudSettings) -> Arc<dyn Store> {
    Arc::new(GcsStore::open(bucket, cloud).await.unwrap())
}

/// Opens a store in a new bucket, through a fake that decides the fate of each request.
async fn behind(
    fate: impl Fn(&Method, &str, usize) -> Fate + Clone + Send + Sync + 'static,
) -> (Arc<dyn Store>, StorageFake) {
    let emulator = place::cloud().storage_emulator.unwrap();
    let fake = StorageFake::start_before(&emulator, fate).await;
    (open(&new_bucket().await, &at(fake.host())).await, fake)
}

fn at(host: EmulatorHost) -> CloudSettings {
    CloudSettings {
        storage_emulator: Some(host),
        ..CloudSettings::default()
    }
}

fn path(name: &str) -> ObjectPath {
    name.parse().unwrap()
}
