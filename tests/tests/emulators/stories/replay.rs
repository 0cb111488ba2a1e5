//! A replay by snapshot, time or republishing delivers every message again and changes nothing.

use cli::commands::replay::{CloudReplay, Span};
use shared::{
    Timestamp,
    event::{DriftCheckRequested, Function},
};

use crate::{
    snapshot::Snapshot,
    test_system::{Options, TestSystem},
};

const FUNCTIONS: [Function; 4] = [
    Function::DriftCheck,
    Function::FineTune,
    Function::Evaluate,
    Function::Promote,
];

#[tokio::test(flavor = "multi_thread")]
async fn replay_delivers_again_and_changes_nothing() {
    let system = TestSystem::with(Options {
        functions: FUNCTIONS.to_vec(),
        ..Options::default()
    })
    .await;
    for function in FUNCTIONS {
        crate::snapshot::take_snapshot(&system, function, &format!("before-{function}")).await;
    }
    let start = system.ports.clock.now();
    system
        .publish(&DriftCheckRequested {
            week: Some(system.last_day.week()),
            ..DriftCheckRequested::default()
        })
        .await;
    system
        .wait_for_decision(Function::Promote, "promoted")
        .await;
    system
        .wait_for_log(Function::Promote, "event handled", 1)
        .await;
    let before = Snapshot::of(&system).await;

    let replay = CloudReplay::open(&system.project, &system.cloud)
        .await
        .unwrap();
    let listed = replay
        .published(
            None,
            Span {
                from: start,
                to: Timestamp::MAX,
            },
        )
        .await
        .unwrap();
    let functions: Vec<_> = listed.iter().map(|message| message.function).collect();
    assert_eq!(
        functions, FUNCTIONS,
        "a dry run must list one message for each function"
    );
    assert_eq!(
        Snapshot::of(&system).await,
        before,
        "a dry run must not change the system"
    );

    // Replay by snapshot, one function at a time, because each republishes its own event.
    for (round, function) in (1..).zip(FUNCTIONS.into_iter().rev()) {
        let listed = replay
            .since_snapshot(function, &format!("before-{function}"))
            .await
            .unwrap();
        assert!(!listed.is_empty(), "{function}");
        replay
            .to_snapshot(function, &format!("before-{function}"))
            .await
            .unwrap();
        system
            .wait_for_log(function, "event already handled", 1)
            .await;
        system
            .wait_for_log(Function::Promote, "event already handled", round)
            .await;
    }
    assert_eq!(Snapshot::of(&system).await, before);

    // Replay by time.
    replay.to_time(Function::Promote, start).await.unwrap();
    system
        .wait_for_log(
            Function::Promote,
            "event already handled",
            FUNCTIONS.len() + 1,
        )
        .await;
    assert_eq!(Snapshot::of(&system).await, before);

    // Replay by republishing the messages of a time span.
    let end = system.ports.clock.now();
    let messages = replay
        .publish_again(
            Some(Function::Evaluate),
            Span {
                from: start,
                to: end,
            },
        )
        .await
        .unwrap();
    assert!(messages >= 1);
    system
        .wait_for_log(Function::Evaluate, "event already handled", 2)
        .await;
    assert_eq!(Snapshot::of(&system).await, before);
}
