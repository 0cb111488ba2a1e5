//! Publication of data sets, also concurrent and interrupted.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::store::Object;

#[tokio::test]
async fn publishing_copies_the_data_sets_for_functions() {
    let (old, new) = (
        draft(Role::Train, "2021-05-15", None),
        draft(Role::Train, "2021-05-20", None),
    );
    let test = draft(Role::Test, "2021-05-31", None);
    let store = store_with(&[&old, &new, &test]).await;
    publish(&*store, None, &baseline(&old, &test))
        .await
        .unwrap();
    let (_, generation) = published(&*store).await.unwrap().unwrap();
    let before = store
        .generation(&ObjectPath::new(TEST_BASELINE))
        .await
        .unwrap();
    publish(&*store, Some(generation), &baseline(&new, &test))
        .await
        .unwrap();
    assert_eq!(
        store
            .read(&ObjectPath::new(TRAIN_BASELINE))
            .await
            .unwrap()
            .bytes,
        new.bytes
    );
    assert_eq!(
        store.read(&old.manifest.object).await.unwrap().bytes,
        old.bytes
    );
    // An unchanged copy keeps its generation, so the data derived from it stays valid.
    assert_eq!(
        store
            .generation(&ObjectPath::new(TEST_BASELINE))
            .await
            .unwrap(),
        before
    );
}

#[tokio::test]
async fn uploaded_files_are_never_overwritten() {
    let (old, new) = (
        draft(Role::Train, "2021-05-15", None),
        draft(Role::Train, "2021-05-20", None),
    );
    let test = draft(Role::Test, "2021-05-31", None);
    let store = store_with(&[&old, &new, &test]).await;
    let upload = Bytes::from_static(b"Comptage horaire;Date et heure de comptage\n");
    let path = ObjectPath::new(TRAIN_BASELINE);
    store
        .write(&path, upload.clone(), Condition::Absent)
        .await
        .unwrap();
    publish(&*store, None, &baseline(&old, &test))
        .await
        .unwrap();
    let (_, generation) = published(&*store).await.unwrap().unwrap();
    publish(&*store, Some(generation), &baseline(&new, &test))
        .await
        .unwrap();
    assert_eq!(store.read(&path).await.unwrap().bytes, upload);
    let findings = verify(&*store).await.unwrap();
    let uploaded: Vec<_> = findings
        .iter()
        .filter(|finding| finding.state == State::Uploaded)
        .map(|finding| finding.object.as_str())
        .collect();
    assert_eq!(uploaded, [store.address_of(&path)]);
}

#[tokio::test]
async fn second_of_two_concurrent_publications_fails_without_effect() {
    let sets =
        ["2021-05-15", "2021-05-16", "2021-05-17"].map(|last| draft(Role::Train, last, None));
    let test = draft(Role::Test, "2021-05-31", None);
    let store = store_with(&[&sets[0], &sets[1], &sets[2], &test]).await;
    publish(&*store, None, &baseline(&sets[0], &test))
        .await
        .unwrap();
    let (_, generation) = published(&*store).await.unwrap().unwrap();
    publish(&*store, Some(generation), &baseline(&sets[1], &test))
        .await
        .unwrap();
    let late = publish(&*store, Some(generation), &baseline(&sets[2], &test)).await;
    assert!(
        matches!(late, Err(StoreError::ConditionFailed { .. })),
        "{late:?}"
    );
    assert_eq!(
        published(&*store).await.unwrap().unwrap().0,
        baseline(&sets[1], &test)
    );
    assert_eq!(
        store
            .read(&ObjectPath::new(TRAIN_BASELINE))
            .await
            .unwrap()
            .bytes,
        sets[1].bytes
    );
}

#[tokio::test]
async fn slow_publication_does_not_overwrite_the_copy_of_a_later_one() {
    let sets =
        ["2021-05-15", "2021-05-16", "2021-05-17"].map(|last| draft(Role::Train, last, None));
    let test = draft(Role::Test, "2021-05-31", None);
    let store = store_with(&[&sets[0], &sets[1], &sets[2], &test]).await;
    publish(&*store, None, &baseline(&sets[0], &test))
        .await
        .unwrap();
    let (_, generation) = published(&*store).await.unwrap().unwrap();
    for moment in [Moment::BeforeRead, Moment::BeforeWrite] {
        let (_, before) = published(&*store).await.unwrap().unwrap();
        let other = Mutex::new(Some(baseline(&sets[2], &test)));
        let racing = RacingStore {
            store: Arc::clone(&store),
            moment,
            other,
        };
        publish(&racing, Some(before), &baseline(&sets[1], &test))
            .await
            .unwrap();
        assert_eq!(
            *racing.other.lock().unwrap(),
            None,
            "the concurrent publication did not run"
        );
        assert_eq!(
            published(&*store).await.unwrap().unwrap().0,
            baseline(&sets[2], &test)
        );
        assert_eq!(
            store
                .read(&ObjectPath::new(TRAIN_BASELINE))
                .await
                .unwrap()
                .bytes,
            sets[2].bytes,
            "{moment:?}"
        );
    }
    assert_ne!(published(&*store).await.unwrap().unwrap().1, generation);
}

/// The step of copying the training data before which a concurrent publication runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    BeforeRead,
    BeforeWrite,
}

/// A store in which one concurrent publication runs while the training data are copied.
struct RacingStore {
    store: Arc<dyn Store>,
    moment: Moment,
    other: Mutex<Option<Baseline>>,
}

impl RacingStore {
    async fn reach(&self, moment: Moment, object: &ObjectPath) {
        if moment != self.moment || object.as_str() != TRAIN_BASELINE {
            return;
        }
        let Some(other) = self.other.lock().unwrap().take() else {
            return;
        };
        let (_, generation) = published(&*self.store).await.unwrap().unwrap();
        publish(&*self.store, Some(generation), &other)
            .await
            .unwrap();
    }
}

#[async_trait]
impl Store for RacingStore {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        self.reach(Moment::BeforeRead, path).await;
        self.store.read(path).await
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        self.store.generation(path).await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        self.reach(Moment::BeforeWrite, path).await;
        self.store.write(path, bytes, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        self.store.list(prefix).await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        self.store.address_of(path)
    }
}

#[tokio::test]
async fn interrupted_publication_is_completed_by_the_next() {
    let (train, test) = (
        draft(Role::Train, "2021-05-15", None),
        draft(Role::Test, "2021-05-31", None),
    );
    let store = store_with(&[&train, &test]).await;
    write_json(
        &*store,
        &ObjectPath::new(PUBLISHED),
        &baseline(&train, &test),
        Condition::Absent,
    )
    .await
    .unwrap();
    publish(&*store, None, &baseline(&train, &test))
        .await
        .unwrap();
    assert_eq!(
        store
            .read(&ObjectPath::new(TRAIN_BASELINE))
            .await
            .unwrap()
            .bytes,
        train.bytes
    );
}

#[tokio::test]
async fn object_that_differs_from_its_manifest_is_not_published() {
    let (train, test) = (
        draft(Role::Train, "2021-05-15", None),
        draft(Role::Test, "2021-05-31", None),
    );
    let store = store_with(&[&train, &test]).await;
    store
        .write(
            &train.manifest.object,
            Bytes::from_static(b"x"),
            Condition::Always,
        )
        .await
        .unwrap();
    let error = publish(&*store, None, &baseline(&train, &test))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    assert_eq!(published(&*store).await.unwrap(), None);
}
