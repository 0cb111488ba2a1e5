//! Objects and tables that the previous version stored, read with the present types.
//!
//! `tests/fixtures/previous-version/README.md` describes the files. The expected values were copied
//! from the files. The models have the previous feature pipeline, so only their cards can be used.

mod bus;
mod ledger;
mod retraining;
mod tables;

use std::{fs, path::Path, sync::Arc};

use drift_check::WeekReport;
use forecasting::{drift::Method, policy::PromotionRule};
use model::{Model, ModelCard, Threads};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use shared::{
    Timestamp,
    address::ObjectPath,
    baseline::{self, Manifest},
    clock::SimulatedClock,
    evaluation::Evaluation,
    ports::Ports,
    registry::{Alias, Run, Version},
    store::{Condition, FileStore, Generation, Store, StoreError, read_json},
};
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/previous-version");

/// A copy of the state folder of the previous version, opened by the present ports.
struct PreviousState {
    folder: TempDir,
    ports: Ports,
}

impl PreviousState {
    fn copy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(Path::new(FIXTURES), folder.path());
        let ports = Ports::in_folder(folder.path(), Arc::new(clock())).unwrap();
        Self { folder, ports }
    }

    fn store(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(FileStore::open(&self.folder.path().join(name)).unwrap())
    }

    /// Reads an object. Asserts that no field is lost: the value is serialized with all of them.
    async fn read<T: DeserializeOwned + Serialize>(&self, path: &str) -> T {
        read_whole(&*self.ports.store, path).await
    }
}

async fn read_whole<T: DeserializeOwned + Serialize>(store: &dyn Store, path: &str) -> T {
    let path: ObjectPath = path.parse().unwrap();
    let (value, _) = read_json::<T>(store, &path).await.unwrap();
    let (stored, _) = read_json::<Value>(store, &path).await.unwrap();
    assert_contains(
        &serde_json::to_value(&value).unwrap(),
        &stored,
        path.as_str(),
    );
    value
}

/// Asserts that a JSON value has all fields of another; it may have more.
fn assert_contains(value: &Value, stored: &Value, at: &str) {
    match (value, stored) {
        (Value::Object(value), Value::Object(stored)) => {
            for (key, field) in stored {
                let at = format!("{at}.{key}");
                assert_contains(
                    value.get(key).unwrap_or_else(|| panic!("no {at}")),
                    field,
                    &at,
                );
            }
        }
        (Value::Array(values), Value::Array(stored)) if values.len() == stored.len() => {
            for (value, stored) in values.iter().zip(stored) {
                assert_contains(value, stored, at);
            }
        }
        _ => assert_eq!(value, stored, "{at}"),
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Returns a clock at a time within the lease of the ledger entry in progress.
fn clock() -> SimulatedClock {
    SimulatedClock::new(timestamp("2021-08-24T04:00:30Z"))
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn model_card_is_read() {
    let state = PreviousState::copy();
    let folder: ObjectPath = "models/bike-traffic/fine-tune-2021-W30".parse().unwrap();
    let card: ModelCard = state.read(&format!("{folder}/card.json")).await;
    assert_eq!(
        ModelCard::read(&*state.ports.store, &folder).await.unwrap(),
        card
    );
    assert_eq!(
        card.sha256.to_string(),
        "fa81751081442713ef293cea6be62daf1925686fca42580f12a044d6d37691dd"
    );
    assert_eq!(
        (card.model_type.as_str(), card.xgboost_version.as_str()),
        ("xgboost", "3.4.1")
    );
    assert_eq!((card.rounds, card.params["max_depth"].as_str()), (330, "4"));
    assert_eq!(card.training.rows, 3360);
    assert_eq!(
        card.training.first_hour.timestamp(),
        timestamp("2021-07-18T22:00:00Z")
    );
    assert_eq!(
        card.training.last_hour.timestamp(),
        timestamp("2021-07-25T21:00:00Z")
    );
    assert_eq!(
        card.features.counters()[6].as_str(),
        "30 avenue de la chaine-d'argent no-se"
    );
    // The number of excluded rows and the factor are newer.
    assert_eq!((card.training.excluded, card.bias_factor), (0, 1.0));
    assert_eq!(card.test_scores.unwrap().mae, 14.414381517381146);
    assert_eq!(
        card.baseline.unwrap().name.to_string(),
        "train-2021-05-15-2d61d31d"
    );
    assert_eq!(
        card.fixed_test.unwrap().name.to_string(),
        "test-2021-07-18-e195a65d"
    );
}

#[tokio::test]
async fn model_of_the_previous_feature_pipeline_is_refused_by_name() {
    let state = PreviousState::copy();
    for folder in ["champion-2021-08-22-1dbc70c5", "fine-tune-2021-W30"] {
        let folder = format!("models/bike-traffic/{folder}").parse().unwrap();
        let error = Model::load(&state.ports.store, &folder, Threads::One)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model requires feature pipeline version 1 with 23 columns, but this program has version 2 with 23 \
             columns; retrain the model with `bike-traffic train`"
        );
    }
}

#[tokio::test]
async fn drift_report_is_read() {
    let state = PreviousState::copy();
    let report: WeekReport = state.read("reports/drift-check/2021-W30.json").await;
    assert_eq!(report.week.to_string(), "2021-W30");
    assert_eq!(report.champion.version, Version::new(1));
    assert_eq!(report.champion.test_mae, 14.362737369148332);
    assert_eq!(report.days_with_counts, 7);
    // The fields of coverage and excluded columns are newer.
    assert_eq!(report.coverage, None);
    assert!(report.drift.excluded.is_empty());
    assert_eq!(
        (report.drift.drifted_count, report.drift.drifted_share),
        (12, 0.6)
    );
    let columns = &report.drift.columns;
    assert_eq!(columns.len(), 20);
    assert_eq!(
        (columns[0].column.as_str(), columns[0].method),
        ("comptage_horaire", Method::Wasserstein)
    );
    assert_eq!(
        (columns[0].score, columns[0].drifted),
        (0.37305059263951135, true)
    );
    assert_eq!(columns[1].method, Method::JensenShannon);
    let live = report.live.unwrap();
    assert_eq!((live.r2, live.rows), (0.5288666086747096, 3360));
    assert_eq!((live.bias, report.accuracy), (None, None));
    // The program, the histograms and the breakdowns are newer.
    assert_eq!((report.started_at, &report.program), (None, &None));
    assert!(report.histograms.is_empty() && report.breakdown.is_none());
    let verdict = &report.verdict;
    assert_eq!(
        (verdict.dataset_drift, verdict.fine_tune, verdict.major),
        (true, true, false)
    );
    assert_eq!(verdict.live_mae_limits, None);
}

#[tokio::test]
async fn evaluation_is_read() {
    let state = PreviousState::copy();
    let evaluation: Evaluation = state.read("evaluations/2021-W30.json").await;
    assert_eq!(
        Evaluation::path(evaluation.week).as_str(),
        "evaluations/2021-W30.json"
    );
    assert_eq!(
        (evaluation.champion, evaluation.challenger),
        (Version::new(1), Version::new(2))
    );
    let fixed_test = &evaluation.comparison.fixed_test;
    assert_eq!(
        (fixed_test.champion.mae, fixed_test.challenger.mae),
        (14.362737369148332, 14.414381517381146)
    );
    assert_eq!(
        (fixed_test.champion.bias, fixed_test.seasonal_naive),
        (None, None)
    );
    let fresh = evaluation.comparison.fresh.unwrap();
    assert_eq!(fresh.bootstrap_lower_bound, -0.5264360392461752);
    assert_eq!((fresh.bootstrap, fresh.model_alone), (None, None));
    assert_eq!(fresh.scores.challenger.rows, 3360);
    assert_eq!(evaluation.fresh_coverage, None);
    assert_eq!(
        (evaluation.fixed_test_set, evaluation.fixed_test_uses),
        (None, None)
    );
    assert_eq!((evaluation.started_at, evaluation.program), (None, None));
    assert_eq!(evaluation.verdicts.acting, PromotionRule::FixedTest);
    assert!(!evaluation.verdicts.guarded.promote);
    assert_eq!(
        evaluation.verdicts.acting().reason,
        "on the fixed test set the challenger's MAE 14.41 is not below 13.64, the champion's 14.36 less 5 %"
    );
}

#[tokio::test]
async fn registry_is_read_and_extended() {
    let state = PreviousState::copy();
    let registry = &state.ports.registry;
    for (alias, expected) in [
        (Alias::Champion, Some(Version::new(1))),
        (Alias::Challenger, Some(Version::new(5))),
        (Alias::Previous, None),
    ] {
        assert_eq!(registry.alias(alias).await.unwrap(), expected, "{alias}");
    }
    assert_eq!(registry.versions().await.unwrap().len(), 6);
    let run = registry.version(Version::new(2)).await.unwrap().run;
    assert_eq!(run.name.to_string(), "fine-tune-2021-W30");
    assert_eq!(run.ended_at, timestamp("2021-08-02T05:00:00Z"));
    assert_eq!(run.tags["base_model"], "1");
    assert_eq!(run.params["freeze_layers"], "all");
    assert_eq!(run.metrics["test_mae"], 14.414381517381146);
    assert_eq!(
        run.artifacts.as_str(),
        "models/bike-traffic/fine-tune-2021-W30"
    );
    assert_eq!(run.inputs.len(), 1);
    assert_eq!(run.inputs[0].digest, "e195a65da1bb43e215925f04caf6d2b9");

    let store = state.store("registry");
    let path = "registry/bike-traffic-champion.json".parse().unwrap();
    let (before, _) = read_json::<Value>(&*store, &path).await.unwrap();
    let next = Run::new("champion-2021-11-30".parse().unwrap(), run.ended_at);
    assert_eq!(registry.register(&next).await.unwrap(), Version::new(7));
    let (mut after, _) = read_json::<Value>(&*store, &path).await.unwrap();
    after["versions"].as_array_mut().unwrap().truncate(6);
    assert_eq!(after, before, "registering changed the known versions");
}

#[tokio::test]
async fn file_store_continues_the_generations() {
    let state = PreviousState::copy();
    let store = state.store("registry");
    let path = "registry/bike-traffic-champion.json".parse().unwrap();
    let eleven = Generation::from_number(11);
    assert_eq!(store.generation(&path).await.unwrap(), Some(eleven));
    let unchanged = Condition::Unchanged(eleven);
    assert_eq!(
        store.write(&path, "{}".into(), unchanged).await.unwrap(),
        Generation::from_number(12)
    );
    let again = store.write(&path, "{}".into(), unchanged).await;
    assert!(
        matches!(again, Err(StoreError::ConditionFailed { .. })),
        "{again:?}"
    );
}

#[tokio::test]
async fn baseline_and_manifests_are_read() {
    let state = PreviousState::copy();
    let store = &*state.ports.store;
    let (published, _) = baseline::published(store).await.unwrap().unwrap();
    assert_eq!(published.train.to_string(), "train-2021-05-15-2d61d31d");
    assert_eq!(published.test.to_string(), "test-2021-07-18-e195a65d");
    let name = "train-2021-08-22-9c3f824b".parse().unwrap();
    let manifest = baseline::manifest(store, &name).await.unwrap();
    let whole: Manifest = state
        .read("data/baselines/train-2021-08-22-9c3f824b.json")
        .await;
    assert_eq!(manifest, whole);
    assert_eq!((manifest.format, manifest.role), (1, baseline::Role::Train));
    assert_eq!((manifest.bytes, manifest.rows), (13_571_795, 136_732));
    assert_eq!(manifest.first_hour, timestamp("2020-08-31T22:00:00Z"));
    assert_eq!(manifest.last_hour, timestamp("2021-08-22T21:00:00Z"));
    assert_eq!(manifest.counters.len(), 20);
    assert_eq!(
        manifest.counters[6],
        "30 avenue de la Chaîne-d'Argent NO-SE"
    );
    assert_eq!(manifest.sources.len(), 5);
    assert_eq!(manifest.sources[4].name, "2021-08-counts-000000000000.csv");
    assert_eq!(manifest.sources[4].rows, 10_560);
    let history = baseline::history(store, &name).await.unwrap();
    let names: Vec<_> = history
        .iter()
        .map(|manifest| manifest.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["train-2021-08-22-9c3f824b", "train-2021-05-15-2d61d31d"]
    );
}
