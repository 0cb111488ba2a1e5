//! What is pushed, to whom, and when the bus is idle.

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

use super::{Desk, gated, policy, texts};

/// As <https://cloud.google.com/pubsub/docs/push#receive_push> shows it.
#[tokio::test]
async fn the_body_is_that_of_a_wrapped_push() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    let attributes = BTreeMap::from([("origin".to_owned(), "scheduler".to_owned())]);
    let message = Message {
        data: vec![0xff, 0x00, b'{'].into(),
        attributes: attributes.clone(),
    };
    let id = desk
        .publisher
        .publish(Topic::IngestRequested, message)
        .await
        .unwrap();
    bus.idle().await;

    let [request] = &endpoint.received()[..] else {
        panic!("it is delivered once")
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
    let envelope = Envelope::open(&HeaderMap::new(), &request.body.to_string().into()).unwrap();
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
async fn each_function_gets_the_messages_of_its_topic() {
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
    for topic in Topic::all() {
        desk.publish(topic, &topic.to_string()).await;
    }
    bus.idle().await;
    assert_eq!(
        (texts(&ingest), texts(&predict)),
        (vec!["ingest-requested".into()], vec!["day-ingested".into()])
    );
}

#[tokio::test]
async fn messages_are_first_tried_in_the_order_of_publishing() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    let expected: Vec<_> = (0..12).map(|number| number.to_string()).collect();
    for text in &expected {
        desk.request(text).await;
    }
    let policy = DeliveryPolicy {
        maximum_outstanding: 1,
        ..policy()
    };
    desk.deliver_to(&endpoint, policy).await.idle().await;
    assert_eq!(texts(&endpoint), expected);
}

#[tokio::test]
async fn no_more_messages_are_at_the_endpoint_than_allowed() {
    let (desk, (endpoint, gate)) = (Desk::new(), gated().await);
    let bus = desk
        .deliver_to(
            &endpoint,
            DeliveryPolicy {
                maximum_outstanding: 3,
                ..policy()
            },
        )
        .await;
    for number in 0..7 {
        desk.request(&number.to_string()).await;
    }
    for answered in 0..7 {
        let allowed = 7.min(answered + 3);
        eventually("as many messages as are allowed", async || {
            (endpoint.received().len() == allowed).then_some(())
        })
        .await;
        gate.add_permits(1);
    }
    bus.idle().await;
    assert_eq!(endpoint.received().len(), 7);
}

#[tokio::test]
async fn messages_of_several_processes_are_all_delivered() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    let others = desk.reopened();
    let mut expected = Vec::new();
    for (desk, text) in [
        (&desk, "a"),
        (&others, "b"),
        (&desk, "c"),
        (&desk, "d"),
        (&others, "e"),
    ] {
        desk.request(text).await;
        expected.push(text.to_owned());
    }
    bus.idle().await;
    let mut texts = texts(&endpoint);
    texts.sort();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn a_bus_without_messages_is_idle_at_once() {
    let (desk, endpoint) = (Desk::new(), Endpoint::acknowledging().await);
    desk.deliver_to(&endpoint, policy()).await.idle().await;
    assert_eq!(texts(&endpoint), [""; 0]);
}

#[tokio::test]
async fn a_bus_is_not_idle_while_a_message_is_at_the_endpoint() {
    let (desk, (endpoint, gate)) = (Desk::new(), gated().await);
    let bus = desk.deliver_to(&endpoint, policy()).await;
    desk.request("slow").await;
    eventually("the message to arrive", async || endpoint.received().pop()).await;
    tokio::select! {
        biased;
        () = bus.idle() => panic!("the message is not acknowledged"),
        () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
    }
    gate.add_permits(1);
    bus.idle().await;
}

/// `ingest` leads to `predict`, which leads to `drift-check`; each publishes while its own message is being delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_waits_for_what_handlers_publish() {
    let desk = Desk::new();
    let last = Endpoint::acknowledging().await;
    let second = publishing(&desk, Topic::DriftCheckRequested).await;
    let first = publishing(&desk, Topic::DayIngested).await;
    let subscriptions = [
        (Function::DriftCheck, &last),
        (Function::Predict, &second),
        (Function::Ingest, &first),
    ];
    let bus = desk.start(&subscriptions, policy()).await;
    for round in 1..=20 {
        desk.request("go").await;
        bus.idle().await;
        assert_eq!(
            [&first, &second, &last].map(|endpoint| endpoint.received().len()),
            [round; 3]
        );
    }
}

/// `predict` is looked at before its message is there, and `ingest` after its own is done: both are quiet, the bus is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_does_not_miss_a_message_that_moves_on_between_two_looks() {
    let (desk, faults) = (Desk::new(), Arc::new(Faults::default()));
    let desk = Desk::at(faults.wrap_store(&desk.store));
    let ((first, first_gate), (second, second_gate)) = (gated().await, gated().await);
    let bus = Arc::new(
        desk.start(
            &[(Function::Predict, &second), (Function::Ingest, &first)],
            policy(),
        )
        .await,
    );
    desk.request("go").await;
    eventually("the message to arrive", async || first.received().pop()).await;

    let look = "look for bus/topics/day-ingested/000000000.json";
    faults.meet(&[look, "write bus/subscriptions/ingest.json"]);
    let looks_before = faults.calls().iter().filter(|call| *call == look).count();
    let watched = Arc::clone(&bus);
    let idle = tokio::spawn(async move { watched.idle().await });
    let has_looked = async || {
        (faults.calls().iter().filter(|call| *call == look).count() > looks_before).then_some(())
    };
    eventually("the bus to be looked at", has_looked).await;
    desk.publish(Topic::DayIngested, "go").await;
    first_gate.add_permits(1);
    eventually("the message to move on", async || second.received().pop()).await;
    assert!(!idle.is_finished(), "a message is at the second endpoint");
    second_gate.add_permits(1);
    idle.await.unwrap();
}

/// Opens an endpoint that publishes a message before it answers.
async fn publishing(desk: &Desk, topic: Topic) -> Endpoint {
    let publisher = desk.publisher.clone();
    let answer = move |_| {
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
    Endpoint::answering(answer).await
}
