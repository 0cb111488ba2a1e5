//! An interrupted registration, or one with a lost response, results in exactly one version.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::{
    address::ObjectPath,
    registry::{Alias, Operator, Registry, RegistryError, Version},
    store::{Condition, Store, read_json, write_json},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    call, memory, open, open_at, post,
    proxy::{Fate, Proxy},
    run, runs_of,
};
use crate::place;

const FIRST: Version = Version::new(1);

#[tokio::test]
async fn half_registered_run_of_a_dead_lock_holder_becomes_one_version() {
    let (model, store) = (place::unique("model"), memory());
    let experiment =
        post("experiments/create", json!({ "name": model })).await["experiment_id"].clone();
    let request = json!({ "experiment_id": experiment, "run_name": "the-run", "start_time": 1_627_880_400_000_u64 });
    let run_id = post("runs/create", request).await["run"]["info"]["run_id"].clone();
    post(
        "runs/log-batch",
        json!({ "run_id": run_id, "params": [{ "key": "eta", "value": "0.03" }] }),
    )
    .await;
    let lock: ObjectPath = format!("registry/{model}.lock.json").parse().unwrap();
    let expired_lock = json!({
        "state": "held",
        "purpose": "register the run the-run",
        "key": "0123456789abcdef",
        "since": "2021-08-02T05:00:00Z",
        "expires": "2021-08-02T05:02:00Z",
    });
    write_json(&*store, &lock, &expired_lock, Condition::Absent)
        .await
        .unwrap();

    let registry = open(&model, &store);
    assert_eq!(registry.register(&run("the-run")).await.unwrap(), FIRST);
    let versions = registry.versions().await.unwrap();
    assert_eq!(
        versions
            .into_iter()
            .map(|known| known.run)
            .collect::<Vec<_>>(),
        [run("the-run")]
    );
    let runs = runs_of(&model).await;
    let infos: Vec<_> = runs
        .iter()
        .map(|run| (&run["info"]["run_id"], run["info"]["status"].as_str()))
        .collect();
    assert_eq!(infos, [(&run_id, Some("FINISHED"))]);
    let (lock, _) = read_json::<serde_json::Value>(&*store, &lock)
        .await
        .unwrap();
    assert_eq!(lock["state"], "free");
}

#[tokio::test]
async fn run_with_the_same_name_and_other_parameters_is_unchanged() {
    let (model, store) = (place::unique("model"), memory());
    let experiment =
        post("experiments/create", json!({ "name": model })).await["experiment_id"].clone();
    let other = post(
        "runs/create",
        json!({ "experiment_id": experiment, "run_name": "the-run" }),
    )
    .await;
    let other = other["run"]["info"]["run_id"].clone();
    post(
        "runs/log-batch",
        json!({ "run_id": other, "params": [{ "key": "eta", "value": "0.9" }] }),
    )
    .await;

    let registry = open(&model, &store);
    assert_eq!(registry.register(&run("the-run")).await.unwrap(), FIRST);
    assert_eq!(registry.version(FIRST).await.unwrap().run, run("the-run"));
    let runs = runs_of(&model).await;
    let other = runs
        .iter()
        .find(|run| run["info"]["run_id"] == other)
        .unwrap();
    assert_eq!(
        (runs.len(), other["info"]["status"].as_str()),
        (2, Some("RUNNING"))
    );
}

/// The registering process dies after each of its calls in turn; another registers the same run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registration_interrupted_after_any_call_ends_with_one_version() {
    let mut cases = JoinSet::new();
    for last in 0..calls_of_a_registration().await {
        cases.spawn(async move {
            let (model, store) = (place::unique("model"), model_files().await);
            // The server handles the last call: without it, the case equals the previous one.
            let fate = move |number, _: &str| match number {
                number if number < last => Fate::Forwarded,
                number if number == last => Fate::ResponseLost,
                _ => Fate::Rejected,
            };
            let proxy = Proxy::deciding(fate).await;
            let error = open_at(&proxy.url(), &model, &store)
                .register(&run("the-run"))
                .await
                .unwrap_err();
            assert!(
                matches!(error, RegistryError::Unavailable { .. }),
                "{last}: {error:?}"
            );
            assert_one_version(&model, &store, last).await;
        });
    }
    cases.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registration_with_any_lost_response_makes_one_version() {
    let mut cases = JoinSet::new();
    for lost in 0..calls_of_a_registration().await {
        cases.spawn(async move {
            let (model, store) = (place::unique("model"), model_files().await);
            let proxy = Proxy::deciding(move |number, _| {
                if number == lost {
                    Fate::ResponseLost
                } else {
                    Fate::Forwarded
                }
            });
            let proxy = proxy.await;
            let version = open_at(&proxy.url(), &model, &store)
                .register(&run("the-run"))
                .await
                .unwrap();
            assert_eq!(version, FIRST, "{lost}");
            assert_one_version(&model, &store, lost).await;
        });
    }
    cases.join_all().await;
}

/// A server that handles a call after the client has gone on creates a second run.
#[tokio::test]
async fn run_created_late_is_closed_by_the_next_registration() {
    let (model, store) = (place::unique("model"), memory());
    let registry = open(&model, &store);
    registry.register(&run("the-run")).await.unwrap();
    let experiment = runs_of(&model).await[0]["info"]["experiment_id"].clone();
    let tags = json!([{ "key": "bike_traffic.run", "value": "the-run" }]);
    let late = json!({ "experiment_id": experiment, "run_name": "the-run", "tags": tags });
    post("runs/create", late).await;
    registry.register(&run("another")).await.unwrap();
    let mut states: Vec<_> = runs_of(&model)
        .await
        .iter()
        .map(|run| run["info"]["status"].as_str().unwrap().to_owned())
        .collect();
    states.sort();
    assert_eq!(states, ["FINISHED", "FINISHED", "KILLED"]);
}

/// A registration was interrupted after it had created a logged model and logged a metric. A server
/// that handled a call late created a second logged model. The registration is repeated with a
/// later end.
#[tokio::test]
async fn logged_model_of_an_interrupted_registration_is_completed() {
    let (model, store) = (place::unique("model"), model_files().await);
    let experiment =
        post("experiments/create", json!({ "name": model })).await["experiment_id"].clone();
    let (start, run) = (1_627_880_400_000_u64, run("the-run"));
    let tags = json!([
        { "key": "bike_traffic.run", "value": "the-run" },
        { "key": "bike_traffic.ended_at", "value": "2021-08-02T04:00:00Z" },
    ]);
    let request = json!({ "experiment_id": experiment, "run_name": "the-run", "start_time": start, "tags": tags });
    let run_id = post("runs/create", request).await["run"]["info"]["run_id"].clone();
    let logged = json!({ "experiment_id": experiment, "name": "the-run", "source_run_id": run_id });
    let first = post("logged-models", logged.clone()).await["model"]["info"]["model_id"].clone();
    post("logged-models", logged).await;
    let metric = json!({ "key": "test_mae", "value": 15.4, "timestamp": start, "step": 0 });
    post(
        "runs/log-batch",
        json!({ "run_id": run_id, "metrics": [metric] }),
    )
    .await;

    let registry = open(&model, &store);
    assert_eq!(registry.register(&run).await.unwrap(), FIRST);
    assert_eq!(registry.version(FIRST).await.unwrap().run, run);
    let runs = runs_of(&model).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    let outputs = &runs[0]["outputs"]["model_outputs"];
    assert_eq!(outputs[0]["model_id"], first, "{outputs}");
    let query = format!(
        "metrics/get-history?run_id={}&metric_key=test_mae",
        run_id.as_str().unwrap()
    );
    let history = call(Method::GET, &query, Value::Null).await;
    assert_eq!(history["metrics"].as_array().unwrap().len(), 1, "{history}");
    let query = format!("model-versions/get?name={model}&version=1");
    let version = call(Method::GET, &query, Value::Null).await;
    assert_eq!(
        version["model_version"]["source"],
        format!("models:/{}", first.as_str().unwrap())
    );
}

/// The two handles share only the server and the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_alias_moves_from_the_same_version_succeed_once() {
    let (model, store) = (place::unique("model"), memory());
    let (one, other) = (open(&model, &store), open(&model, &store));
    for name in ["champion", "one", "other"] {
        one.register(&run(name)).await.unwrap();
    }
    one.move_alias(Operator::named("tests").champion_change(None, FIRST))
        .await
        .unwrap();
    let start = Arc::new(Barrier::new(2));
    let mut moves = JoinSet::new();
    for (registry, to) in [(one, Version::new(2)), (other, Version::new(3))] {
        let start = Arc::clone(&start);
        moves.spawn(async move {
            start.wait().await;
            (
                to,
                registry
                    .move_alias(Operator::named("tests").champion_change(Some(FIRST), to))
                    .await,
            )
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = moves
        .join_all()
        .await
        .into_iter()
        .partition(|(_, moved)| moved.is_ok());
    let ([(winner, _)], [(_, Err(error))]) = (&won[..], &lost[..]) else {
        panic!("won: {won:?}, lost: {lost:?}")
    };
    assert!(
        matches!(error, RegistryError::AliasMoved { found, .. } if *found == Some(*winner)),
        "{error:?}"
    );
    assert_eq!(
        open(&model, &store).alias(Alias::Champion).await.unwrap(),
        Some(*winner)
    );
}

/// Returns the number of calls that register the first run of a new model.
async fn calls_of_a_registration() -> usize {
    let proxy = Proxy::transparent().await;
    let registry = open_at(&proxy.url(), &place::unique("model"), &model_files().await);
    registry.register(&run("the-run")).await.unwrap();
    let calls = proxy.calls().len();
    assert!(calls >= 10, "{calls}");
    calls
}

/// Returns a store with the two files of a model.
async fn model_files() -> Arc<dyn Store> {
    let store = memory();
    for name in ["model.ubj", "card.json"] {
        let path = format!("{}/{name}", run("the-run").artifacts)
            .parse()
            .unwrap();
        store
            .write(&path, name.into(), Condition::Absent)
            .await
            .unwrap();
    }
    store
}

/// Asserts that the server has one finished run with one version, as another process reads it.
async fn assert_one_version(model: &str, store: &Arc<dyn Store>, case: usize) {
    let registry = open(model, store);
    assert_eq!(
        registry.register(&run("the-run")).await.unwrap(),
        FIRST,
        "{case}"
    );
    let versions = registry.versions().await.unwrap();
    assert_eq!(
        versions
            .into_iter()
            .map(|known| known.run)
            .collect::<Vec<_>>(),
        [run("the-run")],
        "{case}"
    );
    let runs = runs_of(model).await;
    let states: Vec<_> = runs
        .iter()
        .map(|run| run["info"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["FINISHED"], "{case}");
}
