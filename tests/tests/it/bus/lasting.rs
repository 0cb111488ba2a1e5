//! What outlives a bus: its log, and how far its subscriptions are.

use std::time::Duration;

use cli::support::embedded_bus::{DeliveryPolicy, Replay};
use serde_json::json;
use shared::{
    Timestamp,
    event::{Function, Topic},
};
use tests::{
    endpoint::{Endpoint, Received},
    eventually::eventually,
};

use super::{Desk, gated, policy, refusing, texts, timestamp};

#[tokio::test]
async fn what_was_published_without_a_bus_is_delivered_by_the_next() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    desk.request("early").await;
    desk.reopened()
        .deliver_to(&endpoint, policy())
        .await
        .idle()
        .await;
    assert_eq!(texts(&endpoint), ["early"]);
}

#[tokio::test]
async fn what_was_acknowledged_is_not_delivered_by_the_next_bus() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    desk.request("first").await;
    desk.deliver_to(&endpoint, policy()).await.idle().await;
    let desk = desk.reopened();
    desk.request("second").await;
    desk.deliver_to(&endpoint, policy()).await.idle().await;
    assert_eq!(texts(&endpoint), ["first", "second"]);
}

#[tokio::test]
async fn what_was_at_the_endpoint_when_a_bus_ended_is_delivered_by_the_next() {
    let (desk, (endpoint, _gate)) = (Desk::new(), gated().await);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    desk.request("held").await;
    eventually("the message to arrive", async || endpoint.received().pop()).await;
    drop(bus);

    let next = Endpoint::acknowledging().await;
    desk.reopened()
        .deliver_to(&next, policy())
        .await
        .idle()
        .await;
    assert_eq!(texts(&next), ["held"]);
}

#[tokio::test]
async fn the_next_bus_goes_on_counting_attempts() {
    let (desk, refuser) = (Desk::new(), refusing(u64::MAX, 503).await);
    let patient = DeliveryPolicy {
        minimum_backoff: Duration::from_secs(3600),
        ..policy()
    };
    let patient = DeliveryPolicy {
        maximum_backoff: patient.minimum_backoff,
        ..patient
    };
    let bus = desk.deliver_to(&refuser, patient).await;
    desk.request("refused").await;
    eventually("the attempt to be noted", async || {
        desk.stored_state().await
    })
    .await;
    assert_eq!(
        desk.stored_state().await.unwrap(),
        json!({ "next": 1, "pending": { "0": 1 } })
    );
    drop(bus);

    let next = Endpoint::acknowledging().await;
    desk.reopened()
        .deliver_to(&next, policy())
        .await
        .idle()
        .await;
    assert_eq!(
        next.received()
            .iter()
            .map(Received::attempt)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[tokio::test]
async fn a_message_counts_as_done_only_after_it_is_acknowledged() {
    let (desk, (endpoint, gate)) = (Desk::new(), gated().await);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    desk.request("first").await;
    desk.request("second").await;
    eventually("both to arrive", async || {
        (endpoint.received().len() == 2).then_some(())
    })
    .await;
    assert_eq!(desk.stored_state().await, None);
    gate.add_permits(1);
    let state = eventually("one to be acknowledged", async || desk.stored_state().await).await;
    let one_left = [
        json!({ "next": 2, "pending": { "0": 0 } }),
        json!({ "next": 2, "pending": { "1": 0 } }),
    ];
    assert!(one_left.contains(&state), "{state}");
    gate.add_permits(1);
    bus.idle().await;
    assert_eq!(
        desk.stored_state().await,
        Some(json!({ "next": 2, "pending": {} }))
    );
}

#[tokio::test]
async fn a_replay_delivers_what_was_published_in_its_time_and_nothing_else() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    let days = ["2021-07-19", "2021-07-20", "2021-07-21", "2021-07-22"];
    for day in days {
        desk.clock.set(timestamp(&format!("{day}T04:00:00Z")));
        desk.request(day).await;
    }
    bus.idle().await;
    let first = endpoint.received();

    let replay = Replay {
        function: None,
        from: timestamp("2021-07-20T04:00:00Z"),
        // Excluded.
        to: timestamp("2021-07-22T04:00:00Z"),
    };
    assert_eq!(bus.replay(replay).await.unwrap(), 2);
    bus.idle().await;
    let mut again: Vec<_> = endpoint.received().split_off(first.len());
    again.sort_by_key(Received::text);
    assert_eq!(
        again.iter().map(Received::text).collect::<Vec<_>>(),
        days[1..3]
    );
    // The same messages: their ids and times are those of the first delivery.
    for request in again {
        let before = first
            .iter()
            .find(|before| before.text() == request.text())
            .unwrap();
        assert_eq!(before.body, request.body);
    }
}

#[tokio::test]
async fn a_replay_may_be_for_one_function() {
    let desk = Desk::new();
    let (ingest, predict) = (
        Endpoint::acknowledging().await,
        Endpoint::acknowledging().await,
    );
    let bus = desk
        .start(
            &[(Function::Ingest, &ingest), (Function::Predict, &predict)],
            policy(),
        )
        .await;
    desk.request("requested").await;
    desk.publish(Topic::DayIngested, "ingested").await;
    bus.idle().await;
    let always = Replay {
        function: Some(Function::Predict),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    };
    assert_eq!(bus.replay(always).await.unwrap(), 1);
    bus.idle().await;
    assert_eq!([ingest.received().len(), predict.received().len()], [1, 2]);
}

#[tokio::test]
async fn a_replay_gives_a_dead_letter_its_attempts_back() {
    let (desk, endpoint) = (Desk::new(), refusing(u64::MAX, 503).await);
    let bus = desk
        .deliver_to(
            &endpoint,
            DeliveryPolicy {
                maximum_attempts: 2,
                ..policy()
            },
        )
        .await;
    desk.request("refused").await;
    bus.idle().await;
    bus.replay(Replay {
        function: None,
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    })
    .await
    .unwrap();
    bus.idle().await;
    assert_eq!(
        endpoint
            .received()
            .iter()
            .map(Received::attempt)
            .collect::<Vec<_>>(),
        [1, 2, 1, 2]
    );
    assert_eq!(
        (bus.dead_letters(), desk.dead_letters().await.len()),
        (2, 2)
    );
}

#[tokio::test]
async fn a_replay_that_a_bus_did_not_finish_is_finished_by_the_next() {
    let (desk, (endpoint, gate)) = (Desk::new(), gated().await);
    gate.add_permits(1);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    desk.request("replayed").await;
    bus.idle().await;
    bus.replay(Replay {
        function: None,
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    })
    .await
    .unwrap();
    drop(bus);
    let next = Endpoint::acknowledging().await;
    desk.reopened()
        .deliver_to(&next, policy())
        .await
        .idle()
        .await;
    assert_eq!(texts(&next), ["replayed"]);
}
