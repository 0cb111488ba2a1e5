//! An outage of the MLflow server.

use shared::{
    event::{DriftCheckRequested, Function},
    registry::{Alias, Version},
};

use crate::{
    gate::Gate,
    place,
    test_system::{Options, TestSystem},
};

#[tokio::test(flavor = "multi_thread")]
async fn loop_resumes_after_an_mlflow_outage() {
    let gate = Gate::to(&place::mlflow()).await;
    let functions = vec![
        Function::DriftCheck,
        Function::FineTune,
        Function::Evaluate,
        Function::Promote,
    ];
    let system = TestSystem::with(Options {
        functions,
        mlflow: Some(gate.url()),
        ..Options::default()
    })
    .await;
    gate.close();
    system
        .publish(&DriftCheckRequested {
            week: Some(system.last_day.week()),
            ..DriftCheckRequested::default()
        })
        .await;
    // The delivery fails and releases its lease, and Pub/Sub delivers the event again.
    system
        .wait_for_log(Function::DriftCheck, "delivery failed, will be retried", 1)
        .await;
    assert_eq!(system.decisions().await, []);

    gate.open();
    system
        .wait_for_decision(Function::Promote, "promoted")
        .await;
    assert_eq!(
        system.ports.registry.alias(Alias::Champion).await.unwrap(),
        Some(Version::new(2))
    );
    let decisions = system.decisions().await;
    let expected = [
        (Function::DriftCheck, "drift"),
        (Function::FineTune, "challenger-trained"),
        (Function::Evaluate, "evaluated"),
        (Function::Promote, "promoted"),
    ];
    assert_eq!(
        decisions,
        expected.map(|(function, decision)| (function, decision.to_owned()))
    );
}
