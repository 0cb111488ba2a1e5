//! The Python client of MLflow loads the champion and reads the registered metadata.

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
    registry::{Operator, Registry, Run, Version},
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
        .move_alias(Operator::named("tests").champion_change(None, version))
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    download(&*store, &run, folder.path()).await;
    let output = tokio::task::spawn_blocking(move || python(&name, folder.path()))
        .await
        .unwrap();
    assert_forecasts(&output, &model, &frame);
    assert_metadata(&output, &model);
    assert_registered(&output, &run, version);
}

#[tokio::test]
async fn run_artifacts_are_the_model_files() {
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

/// Some servers store artifacts in a bucket and do not proxy them.
#[tokio::test]
async fn artifacts_are_written_to_the_servers_bucket() {
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
    let created = reqwest::Client::new()
        .post(buckets)
        .json(&json!({ "name": bucket.as_str() }))
        .send()
        .await
        .unwrap();
    created.error_for_status().unwrap();
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

/// Asserts equal rows and forecasts in Python and in Rust.
///
/// The input example has the first row of each tenth of the frame.
fn assert_forecasts(output: &Value, model: &Model, frame: &Frame) {
    let rows: Vec<Vec<Option<f32>>> = serde_json::from_value(output["rows"].clone()).unwrap();
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
        "the example must include missing values"
    );
    for loader in ["registry", "folder", "function"] {
        let theirs: Vec<f64> = serde_json::from_value(output["forecasts"][loader].clone()).unwrap();
        assert_eq!((ours.len(), theirs.len()), (10, 10), "{loader}");
        for (ours, theirs) in ours.iter().map(|value| f64::from(*value)).zip(theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-6 * theirs.max(1.0),
                "{loader}: {ours} {theirs}"
            );
        }
    }
}

/// Asserts that the metadata of MLflow have the bias factor, for users without the model card.
fn assert_metadata(output: &Value, model: &Model) {
    let expected = json!({
        "bias_factor": model.card().bias_factor,
        "forecast": "max(prediction, 0)^2 * bias_factor",
        "target": "sqrt(comptage_horaire)",
    });
    assert_eq!(output["metadata"], expected);
}

fn assert_registered(output: &Value, run: &Run, version: Version) {
    let number: &Value = &output["version"]["number"];
    let number = number
        .as_str()
        .map_or_else(|| number.to_string(), str::to_owned);
    assert_eq!(
        (number, &output["version"]["aliases"]),
        (version.to_string(), &json!(["champion"]))
    );
    for part in ["version", "run"] {
        let tags = output[part]["tags"].as_object().unwrap();
        let own_tags: serde_json::Map<_, _> = tags
            .clone()
            .into_iter()
            .filter(|(name, _)| !name.starts_with("bike_traffic.") && !name.starts_with("mlflow."))
            .collect();
        assert_eq!(Value::from(own_tags), json!(run.tags), "{part}");
    }
    let end_time = run.ended_at.as_millisecond();
    let expected = json!({
        "name": run.name, "status": "FINISHED", "end_time": end_time, "params": run.params, "metrics": run.metrics,
    });
    for (key, expected) in expected.as_object().unwrap() {
        assert_eq!(output["run"][key], *expected, "{key}");
    }
}

/// Trains a model on sixty days of two counters with a daily pattern.
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
        let hour_of_day = u32::try_from(hour.local().hour).unwrap();
        counts.push(busy, hour, 10 * hour_of_day);
        counts.push(quiet, hour, hour_of_day);
    }
    let spec = FeatureSpec::for_counters(counts.counters());
    let frame = Frame::from_counts(&spec, &[], &counts);
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

/// Downloads the files of a run's model into a local folder.
pub(crate) async fn download(store: &dyn Store, run: &Run, folder: &Path) {
    for file in store.list(&format!("{}/", run.artifacts)).await.unwrap() {
        let name = file.as_str().rsplit('/').next().unwrap();
        std::fs::write(folder.join(name), store.read(&file).await.unwrap().bytes).unwrap();
    }
}

/// Runs `predict_champion.py` and returns its JSON output.
pub(crate) fn python(model: &str, folder: &Path) -> Value {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let process = Command::new(root.join(".venv-emulators/bin/python"))
        .arg(root.join("tests/emulators/predict_champion.py"))
        .arg(model)
        .arg(folder)
        .env("MLFLOW_TRACKING_URI", place::mlflow().as_str())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&process.stderr);
    assert!(process.status.success(), "{errors}");
    assert!(!errors.contains("WARNING"), "{errors}");
    serde_json::from_slice(&process.stdout).unwrap()
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}
