//! Lists of objects: pages, write times, and objects of other programs.

use std::time::Duration;

use reqwest::Client;
use shared::clock::{Clock, SystemClock};

use super::*;

/// The service returns 1,000 names per page; the emulator pages only with `maxResults`.
#[tokio::test]
async fn list_has_all_pages() {
    let (store, fake) = behind(|method, target, _| match *method {
        Method::GET => Fate::PassedOnAs(format!("{target}&maxResults=2")),
        _ => Fate::PassedOn,
    })
    .await;
    let paths: Vec<_> = (1..=5)
        .map(|number| path(&format!("raw/{number}.json")))
        .collect();
    for path in &paths {
        store
            .write(path, "{}".into(), Condition::Absent)
            .await
            .unwrap();
    }
    fake.take_calls();
    assert_eq!(store.list("raw/").await.unwrap(), paths);
    assert_eq!(fake.take_calls().len(), 3);
}

#[tokio::test]
async fn list_written_since_omits_earlier_objects() {
    let store = open(&new_bucket().await, &place::cloud()).await;
    let [old, new] = ["ledger/a.json", "ledger/b.json"].map(path);
    let write = async |path: &ObjectPath| {
        store
            .write(path, "{}".into(), Condition::Always)
            .await
            .unwrap()
    };
    write(&old).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let since = SystemClock.now();
    write(&new).await;
    assert_eq!(
        store.list_written_since("ledger/", since).await.unwrap(),
        std::slice::from_ref(&new)
    );
    write(&old).await;
    assert_eq!(
        store.list_written_since("ledger/", since).await.unwrap(),
        [old, new]
    );
}

#[tokio::test]
async fn objects_of_other_programs_are_not_listed() {
    let bucket = new_bucket().await;
    let store = open(&bucket, &place::cloud()).await;
    store
        .write(&path("data/test.csv"), "text".into(), Condition::Absent)
        .await
        .unwrap();
    let upload = format!(
        "{}/upload/storage/v1/b/{bucket}/o",
        place::cloud().storage_emulator.unwrap().origin()
    );
    for name in ["data/", "data/.part", "data//twice", "/data"] {
        let request = Client::new()
            .post(&upload)
            .query(&[("uploadType", "media"), ("name", name)])
            .body("text");
        request.send().await.unwrap().error_for_status().unwrap();
    }
    for prefix in ["", "data/"] {
        assert_eq!(
            store.list(prefix).await.unwrap(),
            [path("data/test.csv")],
            "{prefix:?}"
        );
    }
}
