//! A function is killed while it handles an event.

use shared::{
    event::{DriftDetected, EventId, Function},
    ledger::{Entry, unfinished},
    registry::Version,
};
use tests::eventually::eventually;

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn restarted_function_handles_the_interrupted_event_once() {
    // 2,000 epochs take long enough to kill the process while it trains.
    let options = Options {
        functions: vec![Function::FineTune],
        fine_tune: r#"{"strategy":"append","learning_rate":0.001,"epochs":2000}"#,
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
    let find_claimed = async || {
        let entries = unfinished(&system.ports.store).await.unwrap();
        entries
            .into_iter()
            .find(|found| matches!(found.entry, Entry::InProgress { .. }))
    };
    let claimed = eventually("fine-tune to claim the event", find_claimed).await;
    assert_eq!(
        (claimed.function, claimed.event_id),
        (Function::FineTune, event_id)
    );

    system.kill(Function::FineTune);
    assert_eq!(
        system.ports.registry.versions().await.unwrap().len(),
        1,
        "the function must be killed before it registers a version"
    );
    system.restart(Function::FineTune).await;

    assert_eq!(
        system
            .wait_for_decision(Function::FineTune, "challenger-trained")
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
