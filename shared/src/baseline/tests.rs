mod publication;

use std::sync::Arc;

use forecasting::{counts::Counter, time::Day};

use super::*;
use crate::store::MemoryStore;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn draft(role: Role, last: &str, parent: Option<&DataSetDraft>) -> DataSetDraft {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    let _silent = counts.intern(Counter {
        id: None,
        name: "Pont".to_owned(),
        coordinates: None,
    });
    day("2021-05-01")
        .through(day(last))
        .flat_map(Day::hours)
        .for_each(|hour| counts.push(quai, hour, 7));
    let source = Source {
        name: "export.csv.gz".to_owned(),
        sha256: Checksum::of(b"export"),
        rows: 24,
    };
    let parent = parent.map(|parent| parent.data.name.clone());
    DataSetDraft::new(role, &counts, vec![source], parent)
        .unwrap()
        .unwrap()
}

async fn store_with(sets: &[&DataSetDraft]) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for set in sets {
        store_data_set(&*store, clone(set)).await.unwrap();
    }
    store
}

fn clone(draft: &DataSetDraft) -> DataSetDraft {
    DataSetDraft {
        data: draft.data.clone(),
        bytes: draft.bytes.clone(),
        manifest: draft.manifest.clone(),
    }
}

fn baseline(train: &DataSetDraft, test: &DataSetDraft) -> Baseline {
    Baseline {
        train: train.data.name.clone(),
        test: test.data.name.clone(),
    }
}

#[tokio::test]
async fn manifest_describes_its_object() {
    let train = draft(Role::Train, "2021-05-15", None);
    let store = store_with(&[&train]).await;
    let manifest = manifest(&*store, &train.data.name).await.unwrap();
    let object = store.read(&manifest.object).await.unwrap().bytes;
    assert_eq!(
        (manifest.sha256.clone(), manifest.bytes),
        (Checksum::of(&object), object.len() as u64)
    );
    assert_eq!(
        (manifest.rows, manifest.counters.clone()),
        (15 * 24, vec!["Quai".to_owned()])
    );
    assert_eq!(
        manifest.first_hour,
        day("2021-05-01").first_hour().timestamp()
    );
    assert_eq!(manifest.last_hour.to_string(), "2021-05-15T21:00:00Z");
    assert_eq!(read(&*store, &manifest).await.unwrap(), object);
}

#[tokio::test]
async fn equal_counts_are_stored_once_with_the_first_manifest() {
    let (first, parent) = (
        draft(Role::Train, "2021-05-15", None),
        draft(Role::Train, "2021-05-10", None),
    );
    let store = store_with(&[&first]).await;
    let again = store_data_set(&*store, draft(Role::Train, "2021-05-15", Some(&parent)))
        .await
        .unwrap();
    assert_eq!(
        (again.parent, store.list(FOLDER).await.unwrap().len()),
        (None, 2)
    );
}

#[tokio::test]
async fn verify_reports_missing_changed_and_undescribed_objects() {
    let (train, test) = (
        draft(Role::Train, "2021-05-15", None),
        draft(Role::Test, "2021-05-31", None),
    );
    let store = store_with(&[&train, &test]).await;
    publish(&*store, None, &baseline(&train, &test))
        .await
        .unwrap();
    let states = |findings: Vec<Finding>| {
        findings
            .into_iter()
            .map(|finding| finding.state)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states(verify(&*store).await.unwrap()),
        [State::Valid, State::Valid, State::Valid, State::Valid]
    );
    store
        .write(
            &train.manifest.object,
            Bytes::from_static(b"hello"),
            Condition::Always,
        )
        .await
        .unwrap();
    let missing = draft(Role::Train, "2021-05-16", Some(&train));
    write_json(
        &*store,
        &missing.manifest.name.manifest(),
        &missing.manifest,
        Condition::Absent,
    )
    .await
    .unwrap();
    let broken = "data/baselines/train-2021-05-17-00000000.json"
        .parse()
        .unwrap();
    store
        .write(&broken, Bytes::from_static(b"{"), Condition::Always)
        .await
        .unwrap();
    // A data set whose manifest is lost.
    let left = "data/baselines/train-2021-05-18-00000000.csv"
        .parse()
        .unwrap();
    store
        .write(&left, Bytes::from_static(b"x"), Condition::Always)
        .await
        .unwrap();
    let findings = verify(&*store).await.unwrap();
    let undescribed = findings
        .iter()
        .filter(|finding| finding.state == State::Undescribed);
    assert_eq!(
        undescribed
            .map(|finding| finding.data_set.as_str())
            .collect::<Vec<_>>(),
        ["train-2021-05-18-00000000"]
    );
    let found = states(findings);
    let changed = State::Changed {
        sha256: Checksum::of(b"hello"),
        bytes: 5,
    };
    assert_eq!(
        (
            found.len(),
            found.contains(&changed),
            found.contains(&State::Missing)
        ),
        (7, true, true)
    );
    assert!(
        found
            .iter()
            .any(|state| matches!(state, State::Unreadable(reason) if reason.contains("EOF"))),
        "{found:?}"
    );
}

#[tokio::test]
async fn history_returns_the_chain_of_parents() {
    let first = draft(Role::Train, "2021-05-15", None);
    let second = draft(Role::Train, "2021-05-20", Some(&first));
    let third = draft(Role::Train, "2021-05-25", Some(&second));
    let store = store_with(&[&first, &second, &third]).await;
    let chain = history(&*store, &third.data.name).await.unwrap();
    let names: Vec<_> = chain.iter().map(|manifest| &manifest.name).collect();
    assert_eq!(
        names,
        [&third.data.name, &second.data.name, &first.data.name]
    );
}

#[tokio::test]
async fn manifest_of_a_later_format_is_rejected() {
    let mut train = draft(Role::Train, "2021-05-15", None);
    train.manifest.format = FORMAT + 1;
    let store = store_with(&[&train]).await;
    let error = manifest(&*store, &train.data.name).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
}
