//! Python's MLflow loads the champion and sees what was registered.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use forecasting::{
    counts::{Counter, Counts},
    features::{FeatureSpec, Frame},
    time::Day,
};
use google_cloud::{CloudSettings, GcsStore, MlflowRegistry};
use model::{Model, TrainRecipe};
use serde_json::{Value, json};
use shared::{
    clock::SystemClock,
    registry::{Alias, Registry, Run, Version},
    store::{Condition, Store},
};

use super::{memory, open, post, run, runs_of};
use crate::place;

#[tokio::test]
async fn python_loads_the_champion_and_predicts_the_same() {
    let (name, store) = (place::unique("model"), memory());
    let (model, frame) = trained();
    let run = Run {
        tags: texts(&[
            ("dataset", "baseline"),
            ("training_type", "champion"),
            ("data_source", "local"),
        ]),
        params: texts(&[("eta", "0.2"), ("rounds", "40")]),
        metrics: [
            ("test_mae".to_owned(), 0.1 + 0.2),
            ("test_r2".to_owned(), -0.5),
        ]
        .into(),
        ..run("champion-2021-05-15")
    };
    model.save(&*store, &run.artifacts).await.unwrap();
    let registry = open(&name, &store);
    let version = registry.register(&run).await.unwrap();
    registry
        .move_alias(Alias::Champion, None, version)
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    download(&*store, &run, folder.path()).await;
    let seen = tokio::task::spawn_blocking(move || python(&name, folder.path()))
        .await
        .unwrap();
    assert_predictions(&seen, &model, &frame);
    assert_registered(&seen, &run, version);
}

#[tokio::test]
async fn the_artifacts_of_the_run_are_the_files_of_the_model() {
    let (name, store) = (place::unique("model"), memory());
    let run = run("the-run");
    trained().0.save(&*store, &run.artifacts).await.unwrap();
    let deeper = format!("{}/notes/été 2021.txt", run.artifacts)
        .parse()
        .unwrap();
    store
        .write(&deeper, "a note".into(), Condition::Absent)
        .await
        .unwrap();
    open(&name, &store).register(&run).await.unwrap();
    let uri = runs_of(&name).await[0]["info"]["artifact_uri"]
        .as_str()
        .unwrap()
        .to_owned();
    let files = store.list(&format!("{}/", run.artifacts)).await.unwrap();
    assert_eq!(files.len(), 8);
    for file in files {
        let name = file.as_str().strip_prefix(run.artifacts.as_str()).unwrap();
        let path = format!(
            "../mlflow-artifacts/artifacts/{}/model{name}",
            uri.trim_start_matches("mlflow-artifacts:/")
        );
        let url = place::mlflow()
            .join("/api/2.0/mlflow/")
            .unwrap()
            .join(&path)
            .unwrap();
        let copy = reqwest::get(url)
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert_eq!(copy, store.read(&file).await.unwrap().bytes, "{file}");
    }
}

/// Servers that keep artifacts in a bucket and do not pass them on.
#[tokio::test]
async fn artifacts_that_belong_in_a_bucket_are_written_there() {
    let (name, store, cloud, bucket) = (
        place::unique("model"),
        memory(),
        place::cloud(),
        place::bucket(),
    );
    let buckets = format!(
        "{}/storage/v1/b?project=p",
        cloud.storage_emulator.as_ref().unwrap().origin()
    );
    let made = reqwest::Client::new()
        .post(buckets)
        .json(&json!({ "name": bucket.as_str() }))
        .send()
        .await
        .unwrap();
    made.error_for_status().unwrap();
    post(
        "experiments/create",
        json!({ "name": name, "artifact_location": format!("gs://{bucket}/runs") }),
    )
    .await;

    let run = run("the-run");
    let path = format!("{}/card.json", run.artifacts).parse().unwrap();
    store
        .write(&path, "{}".into(), Condition::Absent)
        .await
        .unwrap();
    let settings = CloudSettings {
        mlflow_model: Some(name.clone()),
        ..cloud.clone()
    };
    let registry =
        MlflowRegistry::open(&place::mlflow(), &settings, store, Arc::new(SystemClock)).unwrap();
    registry.register(&run).await.unwrap();
    let id = runs_of(&name).await[0]["info"]["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let written = GcsStore::open(&bucket, &cloud)
        .await
        .unwrap()
        .list("")
        .await
        .unwrap();
    assert_eq!(
        written,
        [format!("runs/{id}/artifacts/model/card.json")
            .parse()
            .unwrap()]
    );
}

/// The ten rows of the example are the first of each tenth of the frame, and forecasts are never below 0.
fn assert_predictions(seen: &Value, model: &Model, frame: &Frame) {
    let rows: Vec<Vec<Option<f32>>> = serde_json::from_value(seen["rows"].clone()).unwrap();
    let step = frame.len().div_ceil(rows.len());
    let ours: Vec<f32> = model
        .predict(frame)
        .unwrap()
        .into_iter()
        .step_by(step)
        .collect();
    let values = frame.clone().encode_counters(model.features());
    let values = values
        .values()
        .chunks(frame.values().len() / frame.len())
        .step_by(step);
    for (row, expected) in rows.iter().zip(values) {
        assert_eq!(
            *row,
            expected
                .iter()
                .map(|value| (!value.is_nan()).then_some(*value))
                .collect::<Vec<_>>()
        );
    }
    assert!(
        rows.iter().flatten().any(Option::is_none),
        "no row shows what is not known"
    );
    for way in ["registry", "folder", "function"] {
        let theirs: Vec<f64> = serde_json::from_value(seen["predictions"][way].clone()).unwrap();
        assert_eq!((ours.len(), theirs.len()), (10, 10), "{way}");
        for (ours, theirs) in ours.iter().map(|value| f64::from(*value)).zip(theirs) {
            let theirs = theirs.max(0.0);
            assert!(
                (ours - theirs).abs() <= 1e-6 * theirs.max(1.0),
                "{way}: {ours} {theirs}"
            );
        }
    }
}

fn assert_registered(seen: &Value, run: &Run, version: Version) {
    let number: &Value = &seen["version"]["number"];
    let number = number
        .as_str()
        .map_or_else(|| number.to_string(), str::to_owned);
    assert_eq!(
        (number, &seen["version"]["aliases"]),
        (version.to_string(), &json!(["champion"]))
    );
    for place in ["version", "run"] {
        let tags = seen[place]["tags"].as_object().unwrap();
        let of_strategy: serde_json::Map<_, _> = tags
            .clone()
            .into_iter()
            .filter(|(name, _)| !name.starts_with("bike_traffic.") && !name.starts_with("mlflow."))
            .collect();
        assert_eq!(Value::from(of_strategy), json!(run.tags), "{place}");
    }
    let end_time = run.ended_at.as_millisecond();
    let expected = json!({
        "name": run.name, "status": "FINISHED", "end_time": end_time, "params": run.params, "metrics": run.metrics,
    });
    for (key, expected) in expected.as_object().unwrap() {
        assert_eq!(seen["run"][key], *expected, "{key}");
    }
}

/// Two counters with a daily shape, for sixty days.
fn trained() -> (Model, Frame) {
    let mut counts = Counts::default();
    let counter = |name: &str| Counter {
        id: None,
        name: name.to_owned(),
        coordinates: None,
    };
    let (busy, quiet) = (
        counts.intern(counter("Busy")),
        counts.intern(counter("Quiet")),
    );
    let first: Day = "2021-03-01".parse().unwrap();
    for hour in first.through(first.plus(59)).flat_map(Day::hours) {
        let of_day = u32::try_from(hour.local().hour).unwrap();
        counts.push(busy, hour, 10 * of_day);
        counts.push(quiet, hour, of_day);
    }
    let spec = FeatureSpec::for_counters(counts.counters());
    let frame = Frame::of_counts(&spec, &[], &counts);
    let recipe = TrainRecipe {
        rounds: 40,
        learning_rate: 0.2,
        min_child_weight: 1.0,
        ..TrainRecipe::default()
    };
    (
        model::train(&frame, spec, &recipe, &mut |_| {}).unwrap(),
        frame,
    )
}

/// Writes the files of a run's model into a folder of this machine.
pub(crate) async fn download(store: &dyn Store, run: &Run, folder: &Path) {
    for file in store.list(&format!("{}/", run.artifacts)).await.unwrap() {
        let name = file.as_str().rsplit('/').next().unwrap();
        std::fs::write(folder.join(name), store.read(&file).await.unwrap().bytes).unwrap();
    }
}

/// Runs `predict_champion.py` and returns what it has seen.
pub(crate) fn python(model: &str, folder: &Path) -> Value {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join(".venv-emulators/bin/python"))
        .arg(root.join("tests/emulators/predict_champion.py"))
        .arg(model)
        .arg(folder)
        .env("MLFLOW_TRACKING_URI", place::mlflow().as_str())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("WARNING"), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}
