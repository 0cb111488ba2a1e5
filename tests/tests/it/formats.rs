//! Snapshots of the stored formats: the bytes that the ports hold after fixed writes.
//!
//! A changed snapshot is a changed format. Deployments have data in the earlier one, so the reader
//! must accept both: add a test with the earlier text to `previous_version`.

mod card;
mod drift_report;
mod evaluation;
mod messages;
mod tables;

use std::{collections::BTreeMap, sync::Arc};

use forecasting::{
    checksum::Checksum,
    counts::{Coordinates, Counter, Counts},
    metrics::Scores,
    time::{Day, Hour},
};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    Timestamp,
    audit::AuditEntry,
    baseline::{self, Baseline, DataSet, DataSetDraft, DataSetName, Role, Source},
    event::{DriftDetected, EventId, Function, Topic, encode},
    ledger::{Claim, Lease, Ledger, RecordedEvent, RecordedOutcome},
    registry::{
        AliasChange, EmbeddedRegistry, Operator, Promoted, Promotion, Registry, Run, RunInput,
        Version, promote,
    },
    store::{Condition, MemoryStore, Store, write_json},
};

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Returns a stored object as text. Asserts that its last line is complete, because snapshots
/// ignore trailing whitespace.
async fn stored(store: &Arc<dyn Store>, path: &str) -> String {
    let object = store.read(&path.parse().unwrap()).await.unwrap();
    let text = String::from_utf8(object.bytes.to_vec()).unwrap();
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path}");
    text
}

/// Writes a value as the functions write JSON objects, and returns the stored text.
async fn written<T: Serialize + Sync>(value: &T) -> String {
    let (store, path) = (store(), "object.json".parse().unwrap());
    write_json(&*store, &path, value, Condition::Always)
        .await
        .unwrap();
    stored(&store, path.as_str()).await
}

/// Asserts that a text equals a snapshot in the folder `snapshots`.
fn assert_snapshot(name: &str, text: &str) {
    insta::assert_snapshot!(name, text);
}

/// Asserts that the attributes of a message equal a snapshot in the folder `snapshots`.
fn assert_attributes(name: &str, attributes: &BTreeMap<String, String>) {
    insta::assert_json_snapshot!(name, attributes);
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn hour(text: &str) -> Hour {
    Hour::starting_at(timestamp(text)).unwrap()
}

fn scores(mae: f64, rows: usize) -> Scores {
    Scores {
        mae,
        rmse: mae * 2.0,
        r2: 0.75,
        rows,
        bias: Some(-0.5),
        share: Some(0.25),
    }
}

/// Returns two counters, one of them without id and coordinates, with two counts each.
fn counts() -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: Some("100003096-SC".to_owned()),
        name: "Quai d'Orsay, \"E-O\"; côté Seine".to_owned(),
        coordinates: Coordinates::new(48.846028, 2.375429),
    });
    let pont = counts.intern(Counter {
        id: None,
        name: "Pont".to_owned(),
        coordinates: None,
    });
    let first = hour("2021-07-18T22:00:00Z");
    for (hour, count) in [(first, 7), (first.plus(1), 50_000)] {
        counts.push(quai, hour, count);
        counts.push(pont, hour, 0);
    }
    counts
}

fn data_set(role: Role) -> DataSet {
    DataSet::new(role, day("2021-05-15"), Checksum::of(b"counts"))
}

async fn claim(ledger: &Ledger, event_id: &EventId) -> Lease {
    let now = timestamp("2021-08-02T05:00:00.123456Z");
    let claim = ledger.claim(event_id, now).await.unwrap();
    let Claim::Acquired(lease) = claim else {
        panic!("{claim:?}")
    };
    lease
}

#[tokio::test]
async fn ledger_entries() {
    let store = store();
    let lease = SignedDuration::from_secs(60);
    let ledger = Ledger::new(Arc::clone(&store), Function::DriftCheck, lease);
    let event_id = EventId::of(Function::DriftCheck, "2021-W30");
    let path = "ledger/drift-check/drift-check/2021-W30.json";
    let failed_at = timestamp("2021-08-02T05:00:01Z");

    let lease = claim(&ledger, &event_id).await;
    assert_snapshot("ledger_in_progress", &stored(&store, path).await);
    ledger
        .release(lease, failed_at, "cannot read the table: timeout")
        .await
        .unwrap();
    assert_snapshot("ledger_released", &stored(&store, path).await);
    let mut lease = claim(&ledger, &event_id).await;
    let event = DriftDetected {
        event_id: event_id.clone(),
        week: "2021-W30".parse().unwrap(),
        champion: Version::new(3),
        report: "reports/drift-check/2021-W30.json".parse().unwrap(),
        major: false,
    };
    let event = RecordedEvent {
        topic: Topic::DriftDetected,
        data: String::from_utf8(encode(&event)).unwrap(),
    };
    let outcome = RecordedOutcome {
        at: failed_at,
        entry: AuditEntry::new("drift", "2 of 4 columns drifted"),
        events: vec![event.clone()],
        notification: None,
        is_failure: false,
    };
    ledger
        .record(&mut lease, failed_at, &outcome)
        .await
        .unwrap();
    assert_snapshot("ledger_decided", &stored(&store, path).await);
    ledger
        .complete(&lease, failed_at, "drift", &[event])
        .await
        .unwrap();
    assert_snapshot("ledger_complete", &stored(&store, path).await);
}

#[tokio::test]
async fn dead_lettered_ledger_entry() {
    let store = store();
    let lease = SignedDuration::from_secs(60);
    let ledger = Ledger::new(Arc::clone(&store), Function::DriftCheck, lease);
    let event_id = EventId::of(Function::DriftCheck, "2021-W30");
    let lease = claim(&ledger, &event_id).await;
    let failed_at = timestamp("2021-08-02T05:00:01Z");
    ledger
        .dead_letter(&lease, failed_at, "the week cannot exist", "a checksum")
        .await
        .unwrap();
    let path = "ledger/drift-check/drift-check/2021-W30.json";
    assert_snapshot("ledger_dead_lettered", &stored(&store, path).await);
    let again = ledger.claim_again(&event_id, failed_at).await.unwrap();
    let Claim::Acquired(lease) = again else {
        panic!("{again:?}")
    };
    ledger
        .release(lease, failed_at, "cannot read the table: timeout")
        .await
        .unwrap();
    assert_snapshot(
        "ledger_released_with_dead_letter",
        &stored(&store, path).await,
    );
}

#[tokio::test]
async fn registry_with_two_versions_and_aliases() {
    let store = store();
    let registry = EmbeddedRegistry::new(Arc::clone(&store));
    let text = |value: &str| value.to_owned();
    let ended_at = timestamp("2021-08-02T05:00:00Z");
    let champion = Run {
        tags: [(text("training_type"), text("champion"))].into(),
        params: [(text("eta"), text("0.05")), (text("rounds"), text("300"))].into(),
        metrics: [(text("test_mae"), 15.4375), (text("test_r2"), 0.75)].into(),
        inputs: vec![
            RunInput::new(&data_set(Role::Test), &*store),
            RunInput::new(&data_set(Role::Train), &*store),
        ],
        ..Run::new("champion-2021-05-15".parse().unwrap(), ended_at)
    };
    let challenger = Run::new("fine-tune-2021-W30".parse().unwrap(), ended_at);
    let first = registry.register(&champion).await.unwrap();
    let second = registry.register(&challenger).await.unwrap();
    let operator = Operator::named("tests");
    for change in [
        operator.champion_change(None, first),
        AliasChange::challenger(None, second),
    ] {
        registry.move_alias(change).await.unwrap();
    }
    let event_id = EventId::of(Function::Evaluate, "2021-W30");
    let promotion = Promotion::by_operator(&operator, Some(first), second).decided_by(&event_id);
    assert_eq!(
        promote(&registry, &promotion).await.unwrap(),
        Promoted::Done
    );
    let path = "registry/bike-traffic-champion.json";
    assert_snapshot("registry", &stored(&store, path).await);
}

/// Stores the counts as a data set, and returns its name.
async fn store_data_set(
    store: &Arc<dyn Store>,
    role: Role,
    parent: Option<DataSetName>,
) -> DataSetName {
    let sources = vec![Source {
        name: "export.csv.gz".to_owned(),
        sha256: Checksum::of(b"export"),
        rows: 5,
    }];
    let draft = DataSetDraft::new(role, &counts(), sources, parent)
        .unwrap()
        .unwrap();
    baseline::store_data_set(&**store, draft)
        .await
        .unwrap()
        .name
}

#[tokio::test]
async fn data_sets_and_the_baseline() {
    let store = store();
    let parent = "train-2021-02-13-0123abcd".parse().unwrap();
    let train = store_data_set(&store, Role::Train, Some(parent)).await;
    let test = store_data_set(&store, Role::Test, None).await;
    let (counts, manifest) = (train.object(), train.manifest());
    assert_snapshot("data_set_counts", &stored(&store, counts.as_str()).await);
    assert_snapshot(
        "data_set_manifest",
        &stored(&store, manifest.as_str()).await,
    );
    let manifest = test.manifest();
    assert_snapshot(
        "data_set_manifest_without_parent",
        &stored(&store, manifest.as_str()).await,
    );
    baseline::publish(&*store, None, &Baseline { train, test })
        .await
        .unwrap();
    assert_snapshot("baseline", &stored(&store, baseline::PUBLISHED).await);
}
