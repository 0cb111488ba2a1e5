//! Nothing has drifted, and nothing happens.

use std::collections::BTreeMap;

use cli::commands::set_up::Delivery;
use shared::{
    event::{DriftCheckRequested, Function},
    registry::{Alias, Version},
};
use tests::{bus_suite::Inbox, endpoint::Endpoint};

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn no_drift_and_nothing_happens() {
    // Coordinates never drift, so never do all columns.
    let options = Options {
        functions: vec![Function::DriftCheck],
        policy: r#"{"drift_share":1.0}"#,
        ..Options::default()
    };
    let system = TestSystem::with(options).await;
    // Whoever would be told.
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
        })
        .await;
    system.decided(Function::DriftCheck, "no-drift").await;
    // A second, different week, whose answer comes after all that the first could have led to.
    system
        .publish(&DriftCheckRequested {
            week: Some(system.last_day.plus(-7).week()),
        })
        .await;
    system.says(Function::DriftCheck, "event handled", 2).await;

    assert!(fine_tune.messages().await.is_empty(), "nobody is told");
    assert_eq!(
        system.ports.registry.alias(Alias::Champion).await.unwrap(),
        Some(Version::new(1))
    );
    assert_eq!(system.ports.registry.versions().await.unwrap().len(), 1);
    let log = system.ports.warehouse.audit_log().await.unwrap();
    let rows: Vec<_> = log
        .iter()
        .skip(1)
        .map(|row| (row.decision.as_str(), row.drift_detected, row.env.as_str()))
        .collect();
    assert_eq!(rows, [("no-drift", Some(false), "test"); 2]);
}
