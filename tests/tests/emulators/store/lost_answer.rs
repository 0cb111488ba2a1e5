//! A write whose response is lost is retried; the retry then conflicts with the first attempt.

use super::*;

#[tokio::test]
async fn write_with_lost_response_succeeds() {
    // Each write takes three requests: the first with the lost response, the retry, and a read that
    // identifies the writer of the object.
    let (store, fake) = behind(|_, _, number| {
        if number % 3 == 1 {
            Fate::ResponseLost
        } else {
            Fate::PassedOn
        }
    })
    .await;
    let path = path("ledger/event.json");
    let created = store
        .write(&path, "first".into(), Condition::Absent)
        .await
        .unwrap();
    let swapped = store
        .write(&path, "second".into(), Condition::Unchanged(created))
        .await
        .unwrap();
    let statuses: Vec<_> = fake
        .take_calls()
        .iter()
        .map(|call| call.status.as_u16())
        .collect();
    assert_eq!(statuses, [200, 412, 200, 200, 412, 200]);
    assert!(swapped > created);
    let object = store.read(&path).await.unwrap();
    assert_eq!(
        (object.bytes, object.generation),
        ("second".into(), swapped)
    );
}

/// Equal contents do not identify the writer.
#[tokio::test]
async fn equal_contents_of_another_writer_are_a_conflict() {
    let (bucket, cloud) = (new_bucket().await, place::cloud());
    let (first, second) = (open(&bucket, &cloud).await, open(&bucket, &cloud).await);
    let path = path("ledger/event.json");
    first
        .write(&path, "same".into(), Condition::Absent)
        .await
        .unwrap();
    let error = second
        .write(&path, "same".into(), Condition::Absent)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::ConditionFailed { .. }),
        "{error:?}"
    );
}
