//! A function is killed while it works.

use shared::{
    event::{DriftDetected, EventId, Function},
    ledger::{Entry, unfinished},
    registry::Version,
};
use tests::eventually::eventually;

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_function_that_is_started_again_finishes_the_same_event_once() {
    // Long enough to be killed in the middle.
    let options = Options {
        functions: vec![Function::FineTune],
        fine_tune: r#"{"learning_rate":0.001,"epochs":2000}"#,
        ..Options::default()
    };
    let mut system = TestSystem::with(options).await;
    let week = system.last_day.week();
    let event = DriftDetected {
        event_id: EventId::of(Function::DriftCheck, week),
        week,
        champion: Version::new(1),
        report: format!("reports/{week}/report.json").parse().unwrap(),
        major: false,
    };
    let event_id = event.event_id.clone();
    system.publish(&event).await;
    let begun = async || {
        let entries = unfinished(&system.ports.store).await.unwrap();
        entries
            .into_iter()
            .find(|found| matches!(found.entry, Entry::InProgress { .. }))
    };
    let begun = eventually("fine-tune to begin", begun).await;
    assert_eq!(
        (begun.function, begun.event_id),
        (Function::FineTune, event_id)
    );

    system.kill(Function::FineTune);
    assert_eq!(
        system.ports.registry.versions().await.unwrap().len(),
        1,
        "it was killed before it was done"
    );
    system.restart(Function::FineTune).await;

    assert_eq!(
        system
            .decided(Function::FineTune, "challenger-trained")
            .await,
        1
    );
    let versions = system.ports.registry.versions().await.unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(unfinished(&system.ports.store).await.unwrap(), []);
    assert_eq!(
        system.decisions().await,
        [(Function::FineTune, "challenger-trained".to_owned())]
    );
}
