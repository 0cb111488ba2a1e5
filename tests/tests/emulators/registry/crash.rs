//! A registration that is cut short, or whose answers are lost, is one version in the end.

use std::sync::Arc;

use serde_json::json;
use shared::{
    address::ObjectPath,
    registry::{Alias, Registry, RegistryError, Version},
    store::{Condition, Store, read_json, write_json},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    memory, open, open_at, post,
    proxy::{Fate, Proxy},
    run, runs_of,
};
use crate::place;

const FIRST: Version = Version::new(1);

#[tokio::test]
async fn a_run_half_registered_by_a_dead_holder_of_the_lock_is_finished_as_one_version() {
    let (model, store) = (place::unique("model"), memory());
    let experiment =
        post("experiments/create", json!({ "name": model })).await["experiment_id"].clone();
    let begun = json!({ "experiment_id": experiment, "run_name": "the-run", "start_time": 1_627_880_400_000_u64 });
    let begun = post("runs/create", begun).await["run"]["info"]["run_id"].clone();
    post(
        "runs/log-batch",
        json!({ "run_id": begun, "params": [{ "key": "eta", "value": "0.03" }] }),
    )
    .await;
    let lock: ObjectPath = format!("registry/{model}.lock.json").parse().unwrap();
    let left_behind = json!({
        "state": "held",
        "purpose": "register the run the-run",
        "key": "0123456789abcdef",
        "since": "2021-08-02T05:00:00Z",
        "expires": "2021-08-02T05:02:00Z",
    });
    write_json(&*store, &lock, &left_behind, Condition::Absent)
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
    assert_eq!(infos, [(&begun, Some("FINISHED"))]);
    let (lock, _) = read_json::<serde_json::Value>(&*store, &lock)
        .await
        .unwrap();
    assert_eq!(lock["state"], "free");
}

#[tokio::test]
async fn a_run_of_the_same_name_and_other_settings_is_left_alone() {
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

/// The process that registers is gone after any of its calls; another one registers the same run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_call_is_the_last_the_next_registration_makes_one_version() {
    let mut cases = JoinSet::new();
    for last in 0..calls_of_a_registration().await {
        cases.spawn(async move {
            let (model, store) = (place::unique("model"), model_files().await);
            // The last call is carried out, or else it is the same as an end after the one before.
            let fate = move |number, _: &str| match number {
                number if number < last => Fate::Passed,
                number if number == last => Fate::AnswerLost,
                _ => Fate::Refused,
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
            assert_whole(&model, &store, last).await;
        });
    }
    cases.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_answer_is_lost_a_registration_makes_one_version() {
    let mut cases = JoinSet::new();
    for lost in 0..calls_of_a_registration().await {
        cases.spawn(async move {
            let (model, store) = (place::unique("model"), model_files().await);
            let proxy = Proxy::deciding(move |number, _| {
                if number == lost {
                    Fate::AnswerLost
                } else {
                    Fate::Passed
                }
            });
            let proxy = proxy.await;
            let version = open_at(&proxy.url(), &model, &store)
                .register(&run("the-run"))
                .await
                .unwrap();
            assert_eq!(version, FIRST, "{lost}");
            assert_whole(&model, &store, lost).await;
        });
    }
    cases.join_all().await;
}

/// Two handles with nothing in common but the server and the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_move_an_alias_from_the_same_version_move_it_once() {
    let (model, store) = (place::unique("model"), memory());
    let (one, other) = (open(&model, &store), open(&model, &store));
    for name in ["champion", "one", "other"] {
        one.register(&run(name)).await.unwrap();
    }
    one.move_alias(Alias::Champion, None, FIRST).await.unwrap();
    let start = Arc::new(Barrier::new(2));
    let mut moves = JoinSet::new();
    for (registry, to) in [(one, Version::new(2)), (other, Version::new(3))] {
        let start = Arc::clone(&start);
        moves.spawn(async move {
            start.wait().await;
            (
                to,
                registry.move_alias(Alias::Champion, Some(FIRST), to).await,
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

/// Returns how many calls it takes to register a run in a model that is new to the server.
async fn calls_of_a_registration() -> usize {
    let proxy = Proxy::transparent().await;
    let registry = open_at(&proxy.url(), &place::unique("model"), &model_files().await);
    registry.register(&run("the-run")).await.unwrap();
    let calls = proxy.calls().len();
    assert!(calls >= 10, "{calls}");
    calls
}

/// Makes a store with the two files of a model.
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

/// Asserts that another process gets the first version of one finished run.
async fn assert_whole(model: &str, store: &Arc<dyn Store>, case: usize) {
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
