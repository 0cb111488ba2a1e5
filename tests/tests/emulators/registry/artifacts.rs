//! The files of runs where the server does not proxy them.

use std::sync::Arc;

use google_cloud::{CloudSettings, GcsStore, MlflowRegistry};
use serde_json::json;
use shared::{
    clock::SystemClock,
    registry::Registry,
    store::{Condition, Store},
};

use super::{memory, post, run, runs_of};
use crate::place;

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
    let experiment = runs_of(&name).await[0]["info"]["experiment_id"].clone();
    let body = json!({ "experiment_ids": [experiment] });
    let logged = post("logged-models/search", body).await["models"][0]["info"].clone();
    let uri = logged["artifact_uri"].as_str().unwrap();
    let folder = uri.strip_prefix(&format!("gs://{bucket}/")).unwrap();
    let written = GcsStore::open(&bucket, &cloud)
        .await
        .unwrap()
        .list("")
        .await
        .unwrap();
    assert_eq!(written, [format!("{folder}/card.json").parse().unwrap()]);
}
