//! The MLflow server is down for a while.

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
async fn the_loop_waits_for_mlflow_and_goes_on_when_it_is_back() {
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
        })
        .await;
    // Refused, released, and to come again.
    system
        .says(Function::DriftCheck, "the event is put off", 1)
        .await;
    assert_eq!(system.decisions().await, []);

    gate.open();
    system.decided(Function::Promote, "promoted").await;
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
