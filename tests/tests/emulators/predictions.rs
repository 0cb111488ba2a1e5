//! Comparison of a champion's predictions in Python and in Rust.

use forecasting::features::COLUMNS;
use google_cloud::CloudSettings;
use serde_json::Value;
use shared::{ports::Ports, registry::Version};
use xgboost::Booster;

use crate::registry::python::{download, python};

/// Asserts that `mlflow.xgboost.load_model` and [`Booster`] agree on the champion's input example.
pub(crate) async fn assert_python_agrees(ports: &Ports, cloud: &CloudSettings, champion: Version) {
    let name = cloud.mlflow_model.clone().unwrap();
    let run = ports.registry.version(champion).await.unwrap().run;
    let folder = tempfile::tempdir().unwrap();
    download(&*ports.store, &run, folder.path()).await;
    let booster = Booster::load(&std::fs::read(folder.path().join("model.ubj")).unwrap()).unwrap();
    let python_output: Value = tokio::task::spawn_blocking(move || python(&name, folder.path()))
        .await
        .unwrap();

    let rows: Vec<Vec<Option<f32>>> =
        serde_json::from_value(python_output["rows"].clone()).unwrap();
    let values: Vec<f32> = rows
        .iter()
        .flatten()
        .map(|value| value.unwrap_or(f32::NAN))
        .collect();
    let ours = booster.predict_in_place(&values, COLUMNS.len()).unwrap();
    let theirs: Vec<f64> =
        serde_json::from_value(python_output["predictions"]["registry"].clone()).unwrap();
    assert_eq!((ours.len(), theirs.len()), (rows.len(), 10));
    for (ours, theirs) in ours.into_iter().map(f64::from).zip(theirs) {
        assert!(
            (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0),
            "{ours} {theirs}"
        );
    }
}
