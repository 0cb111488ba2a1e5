//! The Python client of MLflow, and its inputs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use forecasting::{
    counts::{Counter, Counts},
    features::{COLUMNS, Frame},
    time::{Day, Hour},
};
use model::Model;
use serde_json::Value;
use shared::{registry::Run, store::Store};

use crate::place;

/// Downloads the files of a run's model into a local folder.
pub(crate) async fn download(store: &dyn Store, run: &Run, folder: &Path) {
    let prefix = format!("{}/", run.artifacts);
    for file in store.list(&prefix).await.unwrap() {
        let path = folder.join(file.as_str().strip_prefix(&prefix).unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, store.read(&file).await.unwrap().bytes).unwrap();
    }
}

/// Returns counts as a CSV table, followed by rows without a count for each counter and hour of the
/// day to forecast.
pub(crate) fn table(counts: &Counts, target: Option<Day>) -> String {
    let mut text = "nom_du_compteur,date_et_heure_de_comptage,comptage_horaire,\
                    coordonnees_geographiques\n"
        .to_owned();
    let mut add = |counter: &Counter, hour: Hour, count: Option<u32>| {
        let name = counter.name.replace('"', "\"\"");
        let count = count.map_or_else(String::new, |count| count.to_string());
        let coordinates = counter.coordinates.map_or_else(String::new, |location| {
            format!("{},{}", location.latitude, location.longitude)
        });
        let hour = hour.timestamp();
        text.push_str(&format!("\"{name}\",{hour},{count},\"{coordinates}\"\n"));
    };
    for row in counts.rows() {
        let counter = &counts.counters()[row.counter.position()];
        add(counter, row.hour, Some(row.count));
    }
    for hour in target.into_iter().flat_map(Day::hours) {
        for counter in counts.counters() {
            add(counter, hour, None);
        }
    }
    text
}

/// Returns the feature rows of a model as CSV. An empty cell is unknown.
pub(crate) fn matrix(model: &Model, frame: &Frame) -> String {
    let frame = frame.clone().encode_counters(model.features());
    let mut text = format!("{}\n", COLUMNS.join(","));
    for row in frame.values().chunks(COLUMNS.len()) {
        let cell = |value: &f32| {
            if value.is_nan() {
                String::new()
            } else {
                value.to_string()
            }
        };
        let cells: Vec<_> = row.iter().map(cell).collect();
        text.push_str(&format!("{}\n", cells.join(",")));
    }
    text
}

/// Runs `predict_champion.py` and returns its JSON output. `table` and `features` are CSV.
pub(crate) fn python(model: &str, folder: &Path, table: &str, features: Option<&str>) -> Value {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let inputs = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = inputs.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let process = Command::new(root.join(".venv-emulators/bin/python"))
        .arg(root.join("tests/emulators/predict_champion.py"))
        .arg(model)
        .arg(folder)
        .arg(write("counts.csv", table))
        .args(features.map(|features| write("features.csv", features)))
        .env("MLFLOW_TRACKING_URI", place::mlflow().as_str())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&process.stderr);
    assert!(process.status.success(), "{errors}");
    assert!(!errors.contains("WARNING"), "{errors}");
    serde_json::from_slice(&process.stdout).unwrap()
}
