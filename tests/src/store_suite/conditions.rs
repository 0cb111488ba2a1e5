//! Tests of generations and conditional writes.

use shared::store::Condition;

use super::{Setup, assert_condition_fails};

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
