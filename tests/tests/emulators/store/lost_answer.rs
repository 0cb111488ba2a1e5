//! A write whose answer is lost is repeated, and is then refused for what its first try has written.

use super::*;

#[tokio::test]
async fn a_write_whose_answer_is_lost_has_succeeded() {
    // Each write takes three requests: the one whose answer is lost, its repetition, and a look at whose object it is.
    let (store, fake) = behind(|_, _, number| {
        if number % 3 == 1 {
            Fate::AnswerLost
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

/// The contents do not tell whose they are.
#[tokio::test]
async fn a_write_of_the_same_by_somebody_else_is_somebody_elses() {
    let (bucket, cloud) = (new_bucket().await, place::cloud());
    let (one, other) = (open(&bucket, &cloud).await, open(&bucket, &cloud).await);
    let path = path("ledger/event.json");
    one.write(&path, "same".into(), Condition::Absent)
        .await
        .unwrap();
    let error = other
        .write(&path, "same".into(), Condition::Absent)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::ConditionFailed { .. }),
        "{error:?}"
    );
}
