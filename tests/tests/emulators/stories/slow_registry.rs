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
    Timestamp, address::ObjectPath, event::Function, registry::Version, store::read_json,
};
use tests::eventually::eventually;

use crate::{
    registry::{proxy::Proxy, runs_of},
    test_system::{CHAIN, Options, TestSystem},
};

/// The delay of each call. A registration takes about twenty calls, one after the other.
const DELAY: Duration = Duration::from_secs(4);
/// The number of renewals within the 60 s after which the work under an unrenewed lock ends. The
/// lock is renewed every 20 s. No setting shortens that, so this story takes more than a minute.
const RENEWALS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn registration_that_outlasts_its_lock_makes_one_version() {
    let (proxy, is_slow) = slow_proxy().await;
    let system = TestSystem::with(Options {
        functions: CHAIN.to_vec(),
        mlflow: Some(proxy.url()),
        ..Options::default()
    })
    .await;
    system.request_check().await;
    system
        .wait_for_decision(Function::DriftCheck, "drift")
        .await;
    is_slow.store(true, Ordering::SeqCst);
    wait_for_renewals(&system).await;
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
    system
        .assert_decisions([
            (Function::DriftCheck, "drift"),
            (Function::FineTune, "challenger-trained"),
            (Function::Evaluate, "evaluated"),
            (Function::Promote, "promoted"),
        ])
        .await;
}

/// Starts a proxy that delays all calls while the flag is set.
async fn slow_proxy() -> (Proxy, Arc<AtomicBool>) {
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
    (proxy, is_slow)
}

/// Waits until a holder of the lock has renewed it several times. Asserts that the holder stays the
/// same.
async fn wait_for_renewals(system: &TestSystem) {
    let acquired = eventually("fine-tune to acquire the lock", async || held(system).await).await;
    let mut expires = acquired.expires;
    for renewal in 1..=RENEWALS {
        let condition = format!("renewal {renewal} of the lock");
        let renewed = eventually(&condition, async || {
            held(system).await.filter(|lock| lock.expires > expires)
        })
        .await;
        assert_eq!(
            renewed.key, acquired.key,
            "the holder of the lock must not change"
        );
        expires = renewed.expires;
    }
}

/// The object of the registry's lock.
#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Lock {
    Held(Held),
    Free {},
}

#[derive(Deserialize)]
struct Held {
    /// A key per acquisition.
    key: String,
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
