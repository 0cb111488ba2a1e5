//! A week without drift.

use std::collections::BTreeMap;

use cli::commands::set_up::Delivery;
use shared::{
    event::{DriftCheckRequested, Function},
    registry::{Alias, Version},
};
use tests::{bus_suite::Inbox, endpoint::Endpoint};

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn week_without_drift_starts_no_fine_tuning() {
    // Coordinates never drift, so a share of 1.0 is never reached.
    let options = Options {
        functions: vec![Function::DriftCheck],
        policy: r#"{"drift_share":1.0}"#,
        ..Options::default()
    };
    let system = TestSystem::with(options).await;
    // Receives the events that would start a fine-tuning.
    let fine_tune = Endpoint::acknowledging().await;
    let endpoints = BTreeMap::from([(Function::FineTune, fine_tune.url())]);
    cli::commands::set_up::subscriptions(
        &system.project,
        &endpoints,
        &system.cloud,
        Delivery::quick(),
    )
    .await
    .unwrap();

    system
        .publish(&DriftCheckRequested {
            week: Some(system.last_day.week()),
            ..DriftCheckRequested::default()
        })
        .await;
    system
        .wait_for_decision(Function::DriftCheck, "no-drift")
        .await;
    // Once the next week is handled, any event of the first week would have arrived.
    system
        .publish(&DriftCheckRequested {
            week: Some(system.last_day.plus(-7).week()),
            ..DriftCheckRequested::default()
        })
        .await;
    system
        .wait_for_log(Function::DriftCheck, "event handled", 2)
        .await;

    assert!(
        fine_tune.messages().await.is_empty(),
        "no drift event must be published"
    );
    assert_eq!(
        system.ports.registry.alias(Alias::Champion).await.unwrap(),
        Some(Version::new(1))
    );
    assert_eq!(system.ports.registry.versions().await.unwrap().len(), 1);
    let log = system.ports.warehouse.audit_log().await.unwrap();
    let rows: Vec<_> = log
        .iter()
        .skip(1)
        .map(|row| {
            (
                row.entry.decision.as_str(),
                row.entry.drift_detected,
                row.env.as_str(),
            )
        })
        .collect();
    assert_eq!(rows, [("no-drift", Some(false), "test"); 2]);
}
