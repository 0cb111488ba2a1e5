//! A snapshot, a week, the subscription set back: everything is delivered again and nothing changes.

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
async fn sought_subscriptions_deliver_again_and_nothing_changes() {
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
        })
        .await;
    system.decided(Function::Promote, "promoted").await;
    system.says(Function::Promote, "event handled", 1).await;
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
        "a dry run lists one message for each function"
    );
    assert_eq!(
        Snapshot::of(&system).await,
        before,
        "a dry run changes nothing"
    );

    // By the snapshot, one after the other, since each also publishes its own event again.
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
            .says(function, "the event was handled before", 1)
            .await;
        system
            .says(Function::Promote, "the event was handled before", round)
            .await;
    }
    assert_eq!(Snapshot::of(&system).await, before);

    // By the time.
    replay.to_time(Function::Promote, start).await.unwrap();
    system
        .says(
            Function::Promote,
            "the event was handled before",
            FUNCTIONS.len() + 1,
        )
        .await;
    assert_eq!(Snapshot::of(&system).await, before);

    // A span of time, published again.
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
        .says(Function::Evaluate, "the event was handled before", 2)
        .await;
    assert_eq!(Snapshot::of(&system).await, before);
}
