//! An operator rolls back between two attempts of a promotion.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use shared::{
    event::Function,
    ledger::unfinished,
    registry::{Alias, Version},
};

use crate::{
    place,
    registry::proxy::{Fate, Proxy},
    test_system::{CHAIN, Options, TestSystem},
};

/// MLflow fails for the functions once both aliases have moved, before the record of the change is
/// complete. So each delivery to `promote` fails until the operator has rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn rollback_between_two_attempts_of_a_promotion_wins() {
    let (proxy, is_away) = failing_proxy().await;
    let system = TestSystem::with(Options {
        functions: CHAIN.to_vec(),
        mlflow: Some(proxy.url()),
        ..Options::default()
    })
    .await;
    system.request_check().await;
    system
        .wait_for_decision(Function::Evaluate, "evaluated")
        .await;
    system
        .wait_for_log(Function::Promote, "delivery failed, will be retried", 1)
        .await;
    let [first, second] = [1, 2].map(Version::new);
    assert_eq!(
        aliases(&system).await,
        [Some(second), Some(first)],
        "the first attempt must move the aliases"
    );

    let rollback = roll_back(&system);
    assert_eq!((&rollback["from"], &rollback["to"]), (&json!(2), &json!(1)));
    is_away.store(false, Ordering::SeqCst);
    system
        .wait_for_decision(Function::Promote, "promoted")
        .await;
    system
        .wait_for_log(Function::Promote, "event handled", 1)
        .await;

    assert_eq!(aliases(&system).await, [Some(first), Some(second)]);
    let log = system.ports.warehouse.audit_log().await.unwrap();
    let overtaken = log.last().unwrap();
    assert_eq!(
        overtaken.event_id.to_string(),
        format!("evaluate/{}", system.last_day.week())
    );
    let reason = &overtaken.entry.reason;
    assert!(
        reason.ends_with("; rolled back since to version 1"),
        "{reason}"
    );
    assert_eq!(overtaken.entry.champion_version, Some(first));
    system
        .assert_decisions([
            (Function::DriftCheck, "drift"),
            (Function::FineTune, "challenger-trained"),
            (Function::Evaluate, "evaluated"),
            (Function::Promote, "rolled-back"),
            (Function::Promote, "promoted"),
        ])
        .await;
    assert_eq!(unfinished(&system.ports.store).await.unwrap(), []);
}

/// Starts a proxy that rejects all calls from the second record of a change on, until the flag is
/// reset.
async fn failing_proxy() -> (Proxy, Arc<AtomicBool>) {
    let is_away = Arc::new(AtomicBool::new(false));
    let (fails, records) = (Arc::clone(&is_away), Arc::new(AtomicUsize::new(0)));
    let proxy = Proxy::deciding(move |_, call: &str| {
        // The first record precedes the move of the aliases, and the second one completes it.
        if call.ends_with("/registered-models/set-tag")
            && records.fetch_add(1, Ordering::SeqCst) == 1
        {
            fails.store(true, Ordering::SeqCst);
        }
        if fails.load(Ordering::SeqCst) {
            Fate::Rejected
        } else {
            Fate::Forwarded
        }
    })
    .await;
    (proxy, is_away)
}

/// Returns the champion and the previous champion.
async fn aliases(system: &TestSystem) -> [Option<Version>; 2] {
    let registry = &system.ports.registry;
    [
        registry.alias(Alias::Champion).await.unwrap(),
        registry.alias(Alias::Previous).await.unwrap(),
    ]
}

/// Rolls back on the command line. The command reaches MLflow without the proxy.
fn roll_back(system: &TestSystem) -> Value {
    let output = system
        .command("bike-traffic")
        .args(["rollback", "--cloud", "--json", "--reason"])
        .arg("nights are forecast too high")
        .env("MLFLOW_TRACKING_URI", place::mlflow().as_str())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}
