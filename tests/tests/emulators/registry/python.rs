//! The Python client of MLflow loads the champion and reads the registered metadata.

use std::{collections::BTreeMap, path::Path, process::Command};

use forecasting::{
    counts::{Counter, Counts},
    features::{FeatureSpec, Frame},
    time::Day,
};
use jiff::{SignedDuration, Timestamp};
use model::{Model, TrainRecipe};
use serde_json::{Value, json};
use shared::{
    clock::{Clock, SystemClock},
    registry::{
        CurvePoint, Operator, Registry, RegistryError, Run, RunInput, RunNotes, RunSource,
        TrainingTables, Version, VersionDecision,
    },
    store::Condition,
};

use super::{memory, open, post, run, runs_of};
use crate::{
    place,
    python_client::{download, matrix, python, table},
};

/// The address of the page of the decision.
const PAGE: &str = "https://storage.cloud.google.com/a-bucket/reports/index.html";
/// The tags of a decision.
const DECISION: [&str; 4] = ["decision", "reason", "fresh_mae", "page"];

#[tokio::test]
async fn python_loads_the_champion_and_forecasts_the_same_from_raw_counts() {
    let (name, store) = (place::unique("model"), memory());
    let (model, counts) = trained();
    let now = SystemClock.now();
    let started_at = now - SignedDuration::from_secs(90);
    let started_at_text = started_at.to_string();
    let run = Run {
        ended_at: now,
        tags: texts(&[
            ("dataset", "baseline"),
            ("training_type", "champion"),
            ("data_source", "local"),
            ("started_at", started_at_text.as_str()),
            ("git_commit", "06a065b"),
        ]),
        params: texts(&[("learning_rate", "0.2"), ("rounds", "40")]),
        metrics: [
            ("test_mae".to_owned(), 0.1 + 0.2),
            ("test_r2".to_owned(), -0.5),
        ]
        .into(),
        inputs: vec![input(&counts)],
        notes: notes(&model, &counts),
        ..run("champion-2021-05-15")
    };
    model.save(&*store, &run.artifacts).await.unwrap();
    let registry = open(&name, &store);
    let version = registry.register(&run).await.unwrap();
    registry
        .move_alias(Operator::named("tests").champion_change(None, version))
        .await
        .unwrap();
    let decision = VersionDecision {
        decision: "trained".to_owned(),
        reason: "version 1 is the first champion".to_owned(),
        fresh_mae: Some(12.5),
        page: Some(PAGE.to_owned()),
    };
    registry.record_decision(version, &decision).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    download(&*store, &run, folder.path()).await;
    let frame = Frame::from_counts(model.features(), &[], &counts);
    let (table, features) = (table(&counts, None), matrix(&model, &frame));
    let output =
        tokio::task::spawn_blocking(move || python(&name, folder.path(), &table, Some(&features)))
            .await
            .unwrap();
    assert_forecasts(&output, &model, &frame);
    assert_metadata(&output, &model);
    assert_registered(&output, &run, version);
    assert_shown(&output, started_at, &decision);
}

/// Asserts that the server has the facts that its user interface shows.
fn assert_shown(output: &Value, started_at: Timestamp, decision: &VersionDecision) {
    let (run, version) = (&output["run"], &output["version"]);
    assert_eq!(run["start_time"], started_at.as_millisecond());
    let tags = &run["tags"];
    for (tag, expected) in [
        ("mlflow.user", "zoe"),
        ("mlflow.source.type", "LOCAL"),
        ("mlflow.source.name", "bike-traffic train"),
        ("mlflow.source.git.commit", "06a065b"),
        ("decision", "trained"),
        ("page", PAGE),
    ] {
        assert_eq!(tags[tag], expected, "{tag}");
    }
    assert_eq!(
        run["curves"]["training/boosted_sqrt_mae"],
        json!([[1, 3.5], [20, 2.5], [40, 1.25]])
    );
    let description = version["description"].as_str().unwrap();
    let card = tags["mlflow.note.content"].as_str().unwrap();
    assert_eq!(
        description,
        format!(
            "Trained: {}. [The page]({PAGE})\n\n{}",
            decision.reason,
            card.trim_end()
        )
    );
    assert_eq!(version["tags"]["fresh_mae"], "12.5");
    let model = &output["logged_model"];
    assert_eq!(run["outputs"], json!([model["id"]]));
    assert_eq!(
        (&model["status"], &model["tags"]["decision"]),
        (&json!("READY"), &json!("trained"))
    );
    assert_eq!(model["metrics"], run["metrics"]);
    for (start, rows, column) in [
        ("train-2021-04-29-", "2878", "Comptage horaire"),
        ("daily-tables-2021-04-29", "96", "comptage_horaire"),
    ] {
        let mut inputs = run["inputs"].as_array().unwrap().iter();
        let is_named = |input: &&Value| input["name"].as_str().unwrap().starts_with(start);
        let input = inputs.find(is_named).unwrap();
        let profile: Value = serde_json::from_str(input["profile"].as_str().unwrap()).unwrap();
        assert_eq!(profile["num_rows"], rows, "{input}");
        let schema = input["schema"].as_str().unwrap();
        assert!(schema.contains("mlflow_colspec") && schema.contains(column));
    }
}

/// Returns notes with a curve of three points, and the tables of the last two days.
fn notes(model: &Model, counts: &Counts) -> RunNotes {
    let frame = Frame::from_counts(model.features(), &[], counts);
    let last = counts.period().unwrap().1.day();
    let points = [(1, 3.5), (20, 2.5), (40, 1.25)];
    let points = points.map(|(step, value)| CurvePoint { step, value });
    RunNotes {
        description: model.card().to_markdown(),
        user: Some("zoe".to_owned()),
        source: Some(RunSource::Command("bike-traffic train".to_owned())),
        curves: [("boosted_sqrt_mae".to_owned(), points.to_vec())].into(),
        tables: TrainingTables::of(&frame, (last.plus(-1), last)),
    }
}

fn input(counts: &Counts) -> RunInput {
    let input = RunInput {
        name: "train-2021-04-29-0a1b2c3d".parse().unwrap(),
        digest: "2cf24dba5fb0a30e26e83b2ac5b9e29e".to_owned(),
        source: "gs://bucket/data/baselines/train-2021-04-29-0a1b2c3d.csv".to_owned(),
        profile: BTreeMap::new(),
    };
    input.with_profile(counts)
}

/// The examples of `docs/notebook.md` have the output that the page shows.
#[test]
fn notebook_page_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join(".venv-emulators/bin/python"))
        .arg("-B")
        .arg(root.join("tests/reference/check_notebook.py"))
        .output()
        .unwrap();
    let (shown, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{shown}{errors}");
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
    let run_info = runs_of(&name).await[0]["info"].clone();
    let body = json!({ "experiment_ids": [run_info["experiment_id"]] });
    let logged = post("logged-models/search", body).await["models"][0]["info"].clone();
    let uri = logged["artifact_uri"].as_str().unwrap();
    let files = store.list(&format!("{}/", run.artifacts)).await.unwrap();
    assert_eq!(files.len(), 10);
    for file in files {
        let name = file.as_str().strip_prefix(run.artifacts.as_str()).unwrap();
        let path = format!(
            "../mlflow-artifacts/artifacts/{}{name}",
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
        let mut expected = store.read(&file).await.unwrap().bytes.to_vec();
        if name == "/MLmodel" {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let ids = (text(&logged["model_id"]), text(&run_info["run_id"]));
            expected.extend(format!("model_id: {}\nrun_id: {}\n", ids.0, ids.1).into_bytes());
        }
        assert_eq!(copy, expected, "{file}");
    }
}

#[tokio::test]
async fn attached_file_is_an_artifact_of_the_run_and_replaced_by_the_next() {
    let (name, store) = (place::unique("model"), memory());
    let registry = open(&name, &store);
    let version = registry.register(&run("the-run")).await.unwrap();
    for page in ["an earlier page", "a page"] {
        registry
            .attach(version, "report/2021-W31.html", page.into())
            .await
            .unwrap();
    }
    let info = runs_of(&name).await[0]["info"].clone();
    let uri = info["artifact_uri"].as_str().unwrap();
    let path = uri.trim_start_matches("mlflow-artifacts:/");
    let url = format!("/api/2.0/mlflow-artifacts/artifacts/{path}/report/2021-W31.html");
    let reply = reqwest::get(place::mlflow().join(&url).unwrap())
        .await
        .unwrap();
    let reply = reply.error_for_status().unwrap();
    assert_eq!(reply.text().await.unwrap(), "a page");
    let missing = Version::new(7);
    let attached = registry.attach(missing, "report/2021-W31.html", "".into());
    assert!(matches!(
        attached.await,
        Err(RegistryError::NotFound { version }) if version == missing
    ));
}

/// Asserts equal forecasts in Python and in Rust, for all rows of the frame.
fn assert_forecasts(output: &Value, model: &Model, frame: &Frame) {
    let ours = model.predict(frame).unwrap();
    assert!(frame.values().iter().any(|value| value.is_nan()));
    let assert_close = |theirs: Vec<f64>, context: &str| {
        assert_eq!(ours.len(), theirs.len(), "{context}");
        for (ours, theirs) in ours.iter().map(|value| f64::from(*value)).zip(theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-6 * theirs.max(1.0),
                "{context}: {ours} {theirs}"
            );
        }
    };
    for loader in ["registry", "folder"] {
        let forecasts = output["forecasts"][loader]["uncorrected"].clone();
        assert_close(serde_json::from_value(forecasts).unwrap(), loader);
        let roots: Vec<f64> =
            serde_json::from_value(output["predictions"][loader].clone()).unwrap();
        let factor = model.card().bias_factor;
        let forecasts = roots.into_iter().map(|root| root.max(0.0).powi(2) * factor);
        assert_close(forecasts.collect(), &format!("booster of {loader}"));
    }
    let example: Vec<f64> = serde_json::from_value(output["example"].clone()).unwrap();
    assert_eq!(example.len(), 192);
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
            .filter(|(name, _)| !DECISION.contains(&name.as_str()))
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

/// Trains a model on sixty days of two counters with a daily pattern. Returns it with the counts.
fn trained() -> (Model, Counts) {
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
        model::train(frame, spec, &recipe, &mut |_| {}).unwrap(),
        counts,
    )
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}
