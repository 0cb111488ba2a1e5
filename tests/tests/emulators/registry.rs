//! The registry suite on an MLflow server, and tests specific to MLflow.

mod crash;
mod fidelity;
pub(crate) mod proxy;
mod python;
mod trouble;

use std::{collections::BTreeMap, sync::Arc};

use google_cloud::{CloudSettings, MlflowRegistry};
use reqwest::{Method, Url};
use serde_json::Value;
use shared::{
    clock::SystemClock,
    registry::Run,
    store::{MemoryStore, Store},
};
use tests::registry_suite;

use crate::place;

mod suite {
    tests::registry_suite!(super::suite_setup());
}

/// Returns a registry with a unique model name, and the lock and the artifacts in memory.
fn suite_setup() -> registry_suite::Setup {
    registry_suite::Setup::new(Arc::new(open(&place::unique("model"), &memory())))
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Opens a separate handle, as another process would.
fn open(model: &str, store: &Arc<dyn Store>) -> MlflowRegistry {
    open_at(&place::mlflow(), model, store)
}

fn open_at(url: &Url, model: &str, store: &Arc<dyn Store>) -> MlflowRegistry {
    let settings = CloudSettings {
        mlflow_model: Some(model.to_owned()),
        ..CloudSettings::default()
    };
    MlflowRegistry::open(url, &settings, Arc::clone(store), Arc::new(SystemClock)).unwrap()
}

fn run(name: &str) -> Run {
    Run {
        tags: [("training_type".to_owned(), "fine_tune".to_owned())].into(),
        params: [("eta".to_owned(), "0.03".to_owned())].into(),
        metrics: BTreeMap::from([("test_mae".to_owned(), 15.4)]),
        ..Run::new(
            name.parse().unwrap(),
            "2021-08-02T05:00:00.123Z".parse().unwrap(),
        )
    }
}

/// Calls the server without the adapter.
async fn call(method: Method, path: &str, body: Value) -> Value {
    let url = place::mlflow()
        .join(&format!("/api/2.0/mlflow/{path}"))
        .unwrap();
    let response = reqwest::Client::new()
        .request(method, url)
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

async fn post(path: &str, body: Value) -> Value {
    call(Method::POST, path, body).await
}

/// Returns the runs of a model's experiment, as the server reports them.
pub(crate) async fn runs_of(model: &str) -> Vec<Value> {
    let path = format!("experiments/get-by-name?experiment_name={model}");
    let experiment =
        call(Method::GET, &path, Value::Null).await["experiment"]["experiment_id"].clone();
    let found = post(
        "runs/search",
        serde_json::json!({ "experiment_ids": [experiment], "max_results": 1000 }),
    )
    .await;
    found["runs"].as_array().cloned().unwrap_or_default()
}

/// Returns the paths of the files in a folder of a run's artifacts.
pub(crate) async fn files_of(run: &Value, folder: &str) -> Vec<String> {
    let id = run["info"]["run_id"].as_str().unwrap();
    let path = format!("artifacts/list?run_id={id}&path={folder}");
    let found = call(Method::GET, &path, Value::Null).await;
    let files = found["files"].as_array().cloned().unwrap_or_default();
    let path = |file: &Value| file["path"].as_str().unwrap().to_owned();
    files.iter().map(path).collect()
}
