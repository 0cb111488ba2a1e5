//! Delivery: contents, recipients, order, concurrency, and idleness of the bus.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use base64::{Engine, prelude::BASE64_STANDARD};
use cli::support::embedded_bus::DeliveryPolicy;
use runtime::Envelope;
use serde_json::json;
use shared::{
    bus::{Message, Publisher},
    event::{Function, Topic},
};
use tests::{endpoint::Endpoint, eventually::eventually, failing::Faults};

use super::{MessageLog, gated, policy, texts};

/// Compares with <https://cloud.google.com/pubsub/docs/push#receive_push>.
#[tokio::test]
async fn body_is_a_wrapped_push() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    let bus = log.deliver_to(&endpoint, policy()).await;
    let attributes = BTreeMap::from([("origin".to_owned(), "scheduler".to_owned())]);
    let message = Message {
        data: vec![0xff, 0x00, b'{'].into(),
        attributes: attributes.clone(),
    };
    let id = log
        .publisher
        .publish(Topic::IngestRequested, message)
        .await
        .unwrap();
    bus.idle().await;

    let [request] = &endpoint.received()[..] else {
        panic!("expected one delivery")
    };
    assert_eq!(request.headers[CONTENT_TYPE], "application/json");
    let expected = json!({
        "subscription": "projects/local/subscriptions/ingest",
        "deliveryAttempt": 1,
        "message": {
            "data": BASE64_STANDARD.encode([0xff, 0x00, b'{']),
            "attributes": { "origin": "scheduler" },
            "messageId": id,
            "message_id": id,
            "publishTime": "2021-07-20T04:00:00.123Z",
            "publish_time": "2021-07-20T04:00:00.123Z",
        },
    });
    assert_eq!(request.body, expected);
    let envelope = Envelope::parse(&HeaderMap::new(), &request.body.to_string().into()).unwrap();
    let published_at = Some(super::timestamp("2021-07-20T04:00:00.123Z"));
    let data = vec![0xff, 0x00, b'{'].into();
    assert_eq!(
        envelope,
        Envelope {
            message_id: id.0,
            published_at,
            attributes,
            data
        }
    );
}

#[tokio::test]
async fn function_receives_the_messages_of_its_topic() {
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
    for topic in Topic::all() {
        log.publish(topic, &topic.to_string()).await;
    }
    bus.idle().await;
    assert_eq!(
        (texts(&ingest), texts(&predict)),
        (vec!["ingest-requested".into()], vec!["day-ingested".into()])
    );
}

#[tokio::test]
async fn first_attempts_follow_the_order_of_publishing() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    let expected: Vec<_> = (0..12).map(|number| number.to_string()).collect();
    for text in &expected {
        log.request(text).await;
    }
    let policy = DeliveryPolicy {
        maximum_outstanding: 1,
        ..policy()
    };
    log.deliver_to(&endpoint, policy).await.idle().await;
    assert_eq!(texts(&endpoint), expected);
}

#[tokio::test]
async fn outstanding_messages_are_limited() {
    let (log, (endpoint, gate)) = (MessageLog::new(), gated().await);
    let bus = log
        .deliver_to(
            &endpoint,
            DeliveryPolicy {
                maximum_outstanding: 3,
                ..policy()
            },
        )
        .await;
    for number in 0..7 {
        log.request(&number.to_string()).await;
    }
    for acknowledged in 0..7 {
        let allowed = 7.min(acknowledged + 3);
        eventually("the allowed number of messages", async || {
            (endpoint.received().len() == allowed).then_some(())
        })
        .await;
        gate.add_permits(1);
    }
    bus.idle().await;
    assert_eq!(endpoint.received().len(), 7);
}

#[tokio::test]
async fn messages_of_several_processes_are_delivered() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    let bus = log.deliver_to(&endpoint, policy()).await;
    let others = log.reopened();
    let mut expected = Vec::new();
    for (log, text) in [
        (&log, "a"),
        (&others, "b"),
        (&log, "c"),
        (&log, "d"),
        (&others, "e"),
    ] {
        log.request(text).await;
        expected.push(text.to_owned());
    }
    bus.idle().await;
    let mut texts = texts(&endpoint);
    texts.sort();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn bus_without_messages_is_idle() {
    let (log, endpoint) = (MessageLog::new(), Endpoint::acknowledging().await);
    log.deliver_to(&endpoint, policy()).await.idle().await;
    assert_eq!(texts(&endpoint), [""; 0]);
}

#[tokio::test]
async fn bus_with_unacknowledged_message_is_not_idle() {
    let (log, (endpoint, gate)) = (MessageLog::new(), gated().await);
    let bus = log.deliver_to(&endpoint, policy()).await;
    log.request("slow").await;
    eventually("the message to arrive", async || endpoint.received().pop()).await;
    tokio::select! {
        biased;
        () = bus.idle() => panic!("the bus is idle before the message is acknowledged"),
        () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
    }
    gate.add_permits(1);
    bus.idle().await;
}

/// `ingest` triggers `predict`, which triggers `drift-check`. Each publishes before it acknowledges
/// its own message.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_waits_for_messages_published_by_handlers() {
    let log = MessageLog::new();
    let last = Endpoint::acknowledging().await;
    let second = publishing(&log, Topic::DriftCheckRequested).await;
    let first = publishing(&log, Topic::DayIngested).await;
    let subscriptions = [
        (Function::DriftCheck, &last),
        (Function::Predict, &second),
        (Function::Ingest, &first),
    ];
    let bus = log.start(&subscriptions, policy()).await;
    for round in 1..=20 {
        log.request("go").await;
        bus.idle().await;
        assert_eq!(
            [&first, &second, &last].map(|endpoint| endpoint.received().len()),
            [round; 3]
        );
    }
}

/// `idle` checks `predict` before its message is published, and `ingest` after its message is
/// acknowledged. Neither check alone finds a message, but the bus is not idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_waits_for_message_published_between_two_checks() {
    let (log, faults) = (MessageLog::new(), Arc::new(Faults::default()));
    let log = MessageLog::at(faults.wrap_store(&log.store));
    let ((first, first_gate), (second, second_gate)) = (gated().await, gated().await);
    let bus = Arc::new(
        log.start(
            &[(Function::Predict, &second), (Function::Ingest, &first)],
            policy(),
        )
        .await,
    );
    log.request("go").await;
    eventually("the message to arrive", async || first.received().pop()).await;

    let check = "look for bus/topics/day-ingested/000000000.json";
    faults.meet(&[check, "write bus/subscriptions/ingest.json"]);
    let checks_before = faults.calls().iter().filter(|call| *call == check).count();
    let watched = Arc::clone(&bus);
    let idle = tokio::spawn(async move { watched.idle().await });
    let has_checked = async || {
        (faults.calls().iter().filter(|call| *call == check).count() > checks_before).then_some(())
    };
    eventually("the check of predict", has_checked).await;
    log.publish(Topic::DayIngested, "go").await;
    first_gate.add_permits(1);
    eventually("the message at the second endpoint", async || {
        second.received().pop()
    })
    .await;
    assert!(
        !idle.is_finished(),
        "the second endpoint has an unacknowledged message"
    );
    second_gate.add_permits(1);
    idle.await.unwrap();
}

/// Starts an endpoint that publishes a message before it acknowledges.
async fn publishing(log: &MessageLog, topic: Topic) -> Endpoint {
    let publisher = log.publisher.clone();
    let respond = move |_| {
        let publisher = publisher.clone();
        async move {
            tokio::task::yield_now().await;
            publisher
                .publish(
                    topic,
                    Message {
                        data: "go".into(),
                        ..Message::default()
                    },
                )
                .await
                .unwrap();
            StatusCode::NO_CONTENT
        }
    };
    Endpoint::responding(respond).await
}
