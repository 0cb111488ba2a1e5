//! Persistence: the log and the subscription state survive the bus.

use std::{sync::Arc, time::Duration};

use cli::support::embedded_bus::{DeliveryPolicy, Replay};
use serde_json::json;
use shared::{
    Timestamp,
    event::{Function, Topic},
    store::{Condition, MemoryStore, Store},
};
use tests::{
    endpoint::{Endpoint, Received},
    eventually::eventually,
};

use super::{MessageLog, gated, policy, rejecting_first, texts, timestamp};

#[tokio::test]
async fn message_published_without_a_bus_is_delivered_by_the_next() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    log.request("early").await;
    log.reopened()
        .deliver_to(&endpoint, policy())
        .await
        .idle()
        .await;
    assert_eq!(texts(&endpoint), ["early"]);
}

#[tokio::test]
async fn acknowledged_message_is_not_delivered_by_the_next_bus() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    log.request("first").await;
    log.deliver_to(&endpoint, policy()).await.idle().await;
    let log = log.reopened();
    log.request("second").await;
    log.deliver_to(&endpoint, policy()).await.idle().await;
    assert_eq!(texts(&endpoint), ["first", "second"]);
}

#[tokio::test]
async fn unacknowledged_message_is_delivered_by_the_next_bus() {
    let (log, (endpoint, _gate)) = (MessageLog::new(), gated().await);
    let bus = log.deliver_to(&endpoint, policy()).await;
    log.request("held").await;
    eventually("the message to arrive", async || endpoint.received().pop()).await;
    drop(bus);

    let next = Endpoint::acknowledging().await;
    log.reopened()
        .deliver_to(&next, policy())
        .await
        .idle()
        .await;
    assert_eq!(texts(&next), ["held"]);
}

#[tokio::test]
async fn deleted_message_does_not_hold_up_the_next_ones() {
    let log = MessageLog::new();
    for text in ["first", "deleted", "third"] {
        log.request(text).await;
    }
    let (store, endpoint) = (
        Arc::new(MemoryStore::default()),
        Endpoint::acknowledging().await,
    );
    for path in log.store.list("bus/topics/").await.unwrap() {
        if !path.as_str().ends_with("000000001.json") {
            let object = log.store.read(&path).await.unwrap();
            let copied = store.write(&path, object.bytes, Condition::Always).await;
            copied.unwrap();
        }
    }
    let log = MessageLog::at(store);
    let bus = log.deliver_to(&endpoint, policy()).await;
    bus.idle().await;
    assert_eq!(texts(&endpoint), ["first", "third"]);
    log.request("fourth").await;
    bus.idle().await;
    assert_eq!(texts(&endpoint), ["first", "third", "fourth"]);
}

#[tokio::test]
async fn next_bus_continues_the_attempt_count() {
    let (log, rejecting) = (MessageLog::new(), rejecting_first(u64::MAX, 503).await);
    let long_backoff = DeliveryPolicy {
        minimum_backoff: Duration::from_secs(3600),
        ..policy()
    };
    let long_backoff = DeliveryPolicy {
        maximum_backoff: long_backoff.minimum_backoff,
        ..long_backoff
    };
    let bus = log.deliver_to(&rejecting, long_backoff).await;
    log.request("refused").await;
    eventually("the stored attempt", async || log.stored_state().await).await;
    assert_eq!(
        log.stored_state().await.unwrap(),
        json!({ "next": 1, "pending": { "0": 1 } })
    );
    drop(bus);

    let next = Endpoint::acknowledging().await;
    log.reopened()
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
async fn only_acknowledged_messages_are_stored_as_done() {
    let (log, (endpoint, gate)) = (MessageLog::new(), gated().await);
    let bus = log.deliver_to(&endpoint, policy()).await;
    log.request("first").await;
    log.request("second").await;
    eventually("both messages to arrive", async || {
        (endpoint.received().len() == 2).then_some(())
    })
    .await;
    assert_eq!(log.stored_state().await, None);
    gate.add_permits(1);
    let state = eventually("the first acknowledgement", async || {
        log.stored_state().await
    })
    .await;
    let one_left = [
        json!({ "next": 2, "pending": { "0": 0 } }),
        json!({ "next": 2, "pending": { "1": 0 } }),
    ];
    assert!(one_left.contains(&state), "{state}");
    gate.add_permits(1);
    bus.idle().await;
    assert_eq!(
        log.stored_state().await,
        Some(json!({ "next": 2, "pending": {} }))
    );
}

#[tokio::test]
async fn replay_delivers_only_messages_of_its_period() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    let bus = log.deliver_to(&endpoint, policy()).await;
    let days = ["2021-07-19", "2021-07-20", "2021-07-21", "2021-07-22"];
    for day in days {
        log.clock.set(timestamp(&format!("{day}T04:00:00Z")));
        log.request(day).await;
    }
    bus.idle().await;
    let first = endpoint.received();

    let replay = Replay {
        function: None,
        from: timestamp("2021-07-20T04:00:00Z"),
        // The end is exclusive.
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
    // A replay keeps the message ids and publish times.
    for request in again {
        let before = first
            .iter()
            .find(|before| before.text() == request.text())
            .unwrap();
        assert_eq!(before.body, request.body);
    }
}

#[tokio::test]
async fn replay_can_be_limited_to_one_function() {
    let log = MessageLog::new();
    let (ingest, predict) = (
        Endpoint::acknowledging().await,
        Endpoint::acknowledging().await,
    );
    let bus = log
        .start(
            &[(Function::Ingest, &ingest), (Function::Predict, &predict)],
            policy(),
        )
        .await;
    log.request("requested").await;
    log.publish(Topic::DayIngested, "ingested").await;
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
async fn replay_resets_the_attempts_of_a_dead_letter() {
    let (log, endpoint) = (MessageLog::new(), rejecting_first(u64::MAX, 503).await);
    let bus = log
        .deliver_to(
            &endpoint,
            DeliveryPolicy {
                maximum_attempts: 2,
                ..policy()
            },
        )
        .await;
    log.request("refused").await;
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
    assert_eq!((bus.dead_letters(), log.dead_letters().await.len()), (2, 2));
}

#[tokio::test]
async fn unfinished_replay_is_completed_by_the_next_bus() {
    let (log, (endpoint, gate)) = (MessageLog::new(), gated().await);
    gate.add_permits(1);
    let bus = log.deliver_to(&endpoint, policy()).await;
    log.request("replayed").await;
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
    log.reopened()
        .deliver_to(&next, policy())
        .await
        .idle()
        .await;
    assert_eq!(texts(&next), ["replayed"]);
}
