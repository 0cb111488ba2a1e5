//! A snapshot, a week, the subscription set back: everything is delivered again and nothing changes.

use cli::replay::{CloudReplay, Span};
use shared::{
    Timestamp,
    event::{DriftCheckRequested, Function},
};

use crate::{
    picture::Picture,
    world::{Wishes, World},
};

const FUNCTIONS: [Function; 4] = [
    Function::DriftCheck,
    Function::FineTune,
    Function::Evaluate,
    Function::Promote,
];

#[tokio::test(flavor = "multi_thread")]
async fn sought_subscriptions_deliver_again_and_nothing_changes() {
    let world = World::with(Wishes {
        functions: FUNCTIONS.to_vec(),
        ..Wishes::default()
    })
    .await;
    for function in FUNCTIONS {
        crate::picture::take_snapshot(&world, function, &format!("before-{function}")).await;
    }
    let start = world.ports.clock.now();
    world
        .publish(&DriftCheckRequested {
            week: Some(world.last_day.week()),
        })
        .await;
    world.decided(Function::Promote, "promoted").await;
    world.says(Function::Promote, "event handled", 1).await;
    let before = Picture::of(&world).await;

    let replay = CloudReplay::open(&world.project, &world.cloud)
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
        Picture::of(&world).await,
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
        world
            .says(function, "the event was handled before", 1)
            .await;
        world
            .says(Function::Promote, "the event was handled before", round)
            .await;
    }
    assert_eq!(Picture::of(&world).await, before);

    // By the time.
    replay.to_time(Function::Promote, start).await.unwrap();
    world
        .says(
            Function::Promote,
            "the event was handled before",
            FUNCTIONS.len() + 1,
        )
        .await;
    assert_eq!(Picture::of(&world).await, before);

    // A span of time, published again.
    let end = world.ports.clock.now();
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
    world
        .says(Function::Evaluate, "the event was handled before", 2)
        .await;
    assert_eq!(Picture::of(&world).await, before);
}
