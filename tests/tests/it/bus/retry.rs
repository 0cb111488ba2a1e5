//! What is not acknowledged comes again, ever later, until it is given up.

use std::{collections::BTreeMap, net::TcpListener, sync::Arc, time::Duration};

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use cli::support::embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription};
use serde_json::json;
use shared::{
    bus::{Message, Publisher},
    event::{Function, Topic},
};
use tests::{
    endpoint::{Endpoint, Received},
    eventually::eventually,
    failing::Faults,
};
use tokio::sync::Semaphore;

use super::{Desk, policy, refusing, texts};

/// The statuses that Pub/Sub takes for an acknowledgement, without 102, which is none of a whole answer.
#[tokio::test]
async fn success_acknowledges() {
    for status in [200, 201, 202, 204] {
        let (desk, endpoint) = (Desk::new(), refusing(u64::MAX, status).await);
        let bus = desk.deliver_to(&endpoint, policy()).await;
        desk.request("once").await;
        bus.idle().await;
        assert_eq!(
            (endpoint.received().len(), bus.dead_letters()),
            (1, 0),
            "{status}"
        );
    }
}

#[tokio::test]
async fn anything_else_is_a_refusal() {
    for status in [203, 205, 301, 400, 401, 403, 404, 409, 413, 429, 500, 503] {
        let (desk, endpoint) = (Desk::new(), refusing(1, status).await);
        let bus = desk.deliver_to(&endpoint, policy()).await;
        desk.request("twice").await;
        bus.idle().await;
        assert_eq!(
            (texts(&endpoint), bus.dead_letters()),
            (vec!["twice".to_owned(); 2], 0),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_refused_message_comes_again_after_growing_waits() {
    let (desk, endpoint) = (Desk::new(), refusing(4, 503).await);
    let (minimum, maximum) = (Duration::from_millis(10), Duration::from_millis(30));
    let policy = DeliveryPolicy {
        minimum_backoff: minimum,
        maximum_backoff: maximum,
        ..policy()
    };
    let bus = desk.deliver_to(&endpoint, policy).await;
    desk.request("again").await;
    bus.idle().await;

    let requests = endpoint.received();
    assert_eq!(
        requests.iter().map(Received::attempt).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    let ids: Vec<_> = requests.iter().map(Received::message_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // A wait may be longer on a busy machine, but never shorter.
    let waits = requests.windows(2).map(|pair| pair[1].at - pair[0].at);
    for (wait, least) in waits.zip([minimum, 2 * minimum, maximum, maximum]) {
        assert!(wait >= least, "{wait:?} is less than {least:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_refusal() {
    let answer = async |request: Received| {
        if request.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        StatusCode::NO_CONTENT
    };
    let (desk, endpoint) = (Desk::new(), Endpoint::answering(answer).await);
    let policy = DeliveryPolicy {
        acknowledgement_deadline: Duration::from_millis(100),
        ..policy()
    };
    let bus = desk.deliver_to(&endpoint, policy).await;
    desk.request("slow").await;
    bus.idle().await;
    assert_eq!(texts(&endpoint), ["slow", "slow"]);
}

/// With the attributes that <https://cloud.google.com/pubsub/docs/handling-failures> lists.
#[tokio::test]
async fn a_message_that_is_always_refused_becomes_a_dead_letter() {
    let (desk, endpoint) = (Desk::new(), refusing(u64::MAX, 503).await);
    let bus = desk
        .deliver_to(
            &endpoint,
            DeliveryPolicy {
                maximum_attempts: 3,
                ..policy()
            },
        )
        .await;
    let attributes = BTreeMap::from([("origin".to_owned(), "scheduler".to_owned())]);
    let payload: Vec<u8> = (0..=255).collect();
    let message = Message {
        data: payload.clone().into(),
        attributes,
    };
    desk.publisher
        .publish(Topic::IngestRequested, message)
        .await
        .unwrap();
    bus.idle().await;

    assert_eq!((endpoint.received().len(), bus.dead_letters()), (3, 1));
    let [dead_letter] = &desk.dead_letters().await[..] else {
        panic!("there is one dead letter")
    };
    assert_eq!(
        dead_letter.data.to_base64(),
        BASE64_STANDARD.encode(&payload)
    );
    let mut attributes = dead_letter.attributes.clone();
    let reason = attributes.remove("dead_letter_reason").unwrap();
    assert!(
        reason.contains("3 times") && reason.contains("503"),
        "{reason}"
    );
    let expected = [
        ("CloudPubSubDeadLetterSourceDeliveryCount", "3"),
        ("CloudPubSubDeadLetterSourceSubscription", "ingest"),
        ("CloudPubSubDeadLetterSourceSubscriptionProject", "local"),
        (
            "CloudPubSubDeadLetterSourceTopicPublishTime",
            "2021-07-20T04:00:00.123Z",
        ),
        ("origin", "scheduler"),
    ];
    assert_eq!(
        attributes,
        BTreeMap::from(expected.map(|(key, value)| (key.to_owned(), value.to_owned())))
    );
    assert_eq!(
        desk.stored_state().await.unwrap(),
        json!({ "next": 1, "pending": {} })
    );
}

#[tokio::test]
async fn a_refused_message_does_not_hold_up_the_others() {
    let answer = async |request: Received| {
        if request.text() == "bad" {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::NO_CONTENT
        }
    };
    let (desk, endpoint) = (Desk::new(), Endpoint::answering(answer).await);
    // With waits this long, the others come only if they do not wait for the first.
    let policy = DeliveryPolicy {
        minimum_backoff: Duration::from_secs(3600),
        maximum_outstanding: 1,
        ..policy()
    };
    let policy = DeliveryPolicy {
        maximum_backoff: policy.minimum_backoff,
        ..policy
    };
    let _bus = desk.deliver_to(&endpoint, policy).await;
    for text in ["bad", "good", "better"] {
        desk.request(text).await;
    }
    eventually("the others", async || {
        (endpoint.received().len() == 3).then_some(())
    })
    .await;
    assert_eq!(texts(&endpoint), ["bad", "good", "better"]);
}

#[tokio::test]
async fn an_endpoint_that_is_down_for_a_while_gets_its_messages_when_it_is_back() {
    let desk = Desk::new();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let subscription = Subscription {
        function: Function::Ingest,
        endpoint: format!("http://{address}/"),
    };
    let policy = DeliveryPolicy {
        maximum_attempts: u32::MAX,
        ..policy()
    };
    let bus = EmbeddedBus::start(desk.publisher.clone(), vec![subscription], policy)
        .await
        .unwrap();
    desk.request("waiting").await;
    eventually("attempts to fail", async || {
        let failed = desk.stored_state().await?["pending"]["0"].as_u64()?;
        (failed >= 3).then_some(())
    })
    .await;

    let endpoint = Endpoint::at(address, async |_| StatusCode::NO_CONTENT).await;
    bus.idle().await;
    let [request] = &endpoint.received()[..] else {
        panic!("it is delivered once")
    };
    assert_eq!(request.text(), "waiting");
    assert!(request.attempt() > 3, "{}", request.attempt());
    assert_eq!(bus.dead_letters(), 0);
}

/// The message was refused once, so a wait lies behind it; there is nothing to do until the endpoint answers.
#[tokio::test]
async fn a_bus_rests_while_its_messages_are_at_the_endpoint() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let answer = move |request: Received| {
        let gate = Arc::clone(&held);
        async move {
            if request.attempt() == 1 {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            gate.acquire().await.unwrap().forget();
            StatusCode::NO_CONTENT
        }
    };
    let (desk, endpoint, faults) = (
        Desk::new(),
        Endpoint::answering(answer).await,
        Arc::new(Faults::default()),
    );
    let desk = Desk::at(faults.wrap_store(&desk.store));
    let bus = desk.deliver_to(&endpoint, policy()).await;
    desk.request("held").await;
    eventually("the second attempt", async || {
        (endpoint.received().len() == 2).then_some(())
    })
    .await;
    let calls_before = faults.calls().len();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let calls = faults.calls().split_off(calls_before);
    assert!(
        calls.len() <= 5,
        "the bus does not rest: {} calls, as {:?}",
        calls.len(),
        calls[0]
    );
    gate.add_permits(1);
    bus.idle().await;
}
