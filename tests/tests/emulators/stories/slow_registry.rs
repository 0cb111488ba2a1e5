//! An MLflow server that is so slow that a registration outlasts the lock of the registry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use shared::{
    Timestamp,
    address::ObjectPath,
    event::{DriftCheckRequested, Function},
    registry::Version,
    store::read_json,
};
use tests::eventually::eventually;

use crate::{
    registry::{proxy::Proxy, runs_of},
    test_system::{Options, TestSystem},
};

/// The delay of each call. A registration takes more than ten calls, one after the other.
const DELAY: Duration = Duration::from_secs(8);
/// The number of renewals within the 60 s after which the work under an unrenewed lock ends. The
/// lock is renewed every 20 s. No setting shortens that, so this story takes more than a minute.
const RENEWALS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn registration_that_outlasts_its_lock_makes_one_version() {
    let is_slow = Arc::new(AtomicBool::new(false));
    let slow = Arc::clone(&is_slow);
    let proxy = Proxy::delaying(move || {
        if slow.load(Ordering::SeqCst) {
            DELAY
        } else {
            Duration::ZERO
        }
    })
    .await;
    let functions = vec![
        Function::DriftCheck,
        Function::FineTune,
        Function::Evaluate,
        Function::Promote,
    ];
    let system = TestSystem::with(Options {
        functions,
        mlflow: Some(proxy.url()),
        ..Options::default()
    })
    .await;
    system
        .publish(&DriftCheckRequested {
            week: Some(system.last_day.week()),
            ..DriftCheckRequested::default()
        })
        .await;
    system
        .wait_for_decision(Function::DriftCheck, "drift")
        .await;
    is_slow.store(true, Ordering::SeqCst);

    let acquired = eventually("fine-tune to acquire the lock", async || {
        held(&system).await
    })
    .await;
    let mut present = acquired;
    for renewal in 1..=RENEWALS {
        let before = present.expires;
        let condition = format!("renewal {renewal} of the lock");
        present = eventually(&condition, async || {
            held(&system).await.filter(|lock| lock.expires > before)
        })
        .await;
        assert_eq!(
            present.since, acquired.since,
            "the holder of the lock must not change"
        );
    }
    is_slow.store(false, Ordering::SeqCst);
    system
        .wait_for_decision(Function::Promote, "promoted")
        .await;

    let versions = system.ports.registry.versions().await.unwrap();
    let numbers: Vec<_> = versions.iter().map(|known| known.version).collect();
    assert_eq!(numbers, [1, 2].map(Version::new));
    // One run of the champion, and one of the challenger.
    let model = system.cloud.mlflow_model.as_deref().unwrap();
    let runs = runs_of(model).await;
    let states: Vec<_> = runs
        .iter()
        .map(|run| run["info"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["FINISHED", "FINISHED"]);
    let expected = [
        (Function::DriftCheck, "drift"),
        (Function::FineTune, "challenger-trained"),
        (Function::Evaluate, "evaluated"),
        (Function::Promote, "promoted"),
    ];
    assert_eq!(
        system.decisions().await,
        expected.map(|(function, decision)| (function, decision.to_owned()))
    );
}

/// The object of the registry's lock.
#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Lock {
    Held(Held),
    Free {},
}

#[derive(Clone, Copy, Deserialize)]
struct Held {
    since: Timestamp,
    expires: Timestamp,
}

/// Returns the lock of the registry, unless it is free.
async fn held(system: &TestSystem) -> Option<Held> {
    let model = system.cloud.mlflow_model.as_deref().unwrap();
    let path: ObjectPath = format!("registry/{model}.lock.json").parse().unwrap();
    match read_json(&*system.ports.store, &path).await.unwrap() {
        (Lock::Held(held), _) => Some(held),
        (Lock::Free {}, _) => None,
    }
}
