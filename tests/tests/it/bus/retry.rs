//! Retries: unacknowledged messages are redelivered with backoff and become dead letters.

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

use super::{MessageLog, policy, rejecting_first, texts};

/// Covers the statuses that Pub/Sub accepts as acknowledgement, except 102, which is not a final
/// status.
#[tokio::test]
async fn success_statuses_acknowledge() {
    for status in [200, 201, 202, 204] {
        let (log, endpoint) = (MessageLog::new(), rejecting_first(u64::MAX, status).await);
        let bus = log.deliver_to(&endpoint, policy()).await;
        log.request("once").await;
        bus.idle().await;
        assert_eq!(
            (endpoint.received().len(), bus.dead_letters()),
            (1, 0),
            "{status}"
        );
    }
}

#[tokio::test]
async fn other_statuses_are_retried() {
    for status in [203, 205, 301, 400, 401, 403, 404, 409, 413, 429, 500, 503] {
        let (log, endpoint) = (MessageLog::new(), rejecting_first(1, status).await);
        let bus = log.deliver_to(&endpoint, policy()).await;
        log.request("twice").await;
        bus.idle().await;
        assert_eq!(
            (texts(&endpoint), bus.dead_letters()),
            (vec!["twice".to_owned(); 2], 0),
            "{status}"
        );
    }
}

#[tokio::test]
async fn retries_back_off_exponentially() {
    let (log, endpoint) = (MessageLog::new(), rejecting_first(4, 503).await);
    let (minimum, maximum) = (Duration::from_millis(10), Duration::from_millis(30));
    let policy = DeliveryPolicy {
        minimum_backoff: minimum,
        maximum_backoff: maximum,
        ..policy()
    };
    let bus = log.deliver_to(&endpoint, policy).await;
    log.request("again").await;
    bus.idle().await;

    let requests = endpoint.received();
    assert_eq!(
        requests.iter().map(Received::attempt).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    let ids: Vec<_> = requests.iter().map(Received::message_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // On a busy machine a delay may be longer than the backoff, but never shorter.
    let delays = requests.windows(2).map(|pair| pair[1].at - pair[0].at);
    for (delay, backoff) in delays.zip([minimum, 2 * minimum, maximum, maximum]) {
        assert!(delay >= backoff, "{delay:?} is less than {backoff:?}");
    }
}

#[tokio::test]
async fn missed_acknowledgement_deadline_is_retried() {
    let respond = async |request: Received| {
        if request.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        StatusCode::NO_CONTENT
    };
    let (log, endpoint) = (MessageLog::new(), Endpoint::responding(respond).await);
    let policy = DeliveryPolicy {
        acknowledgement_deadline: Duration::from_millis(100),
        ..policy()
    };
    let bus = log.deliver_to(&endpoint, policy).await;
    log.request("slow").await;
    bus.idle().await;
    assert_eq!(texts(&endpoint), ["slow", "slow"]);
}

/// The dead letter has the attributes of
/// <https://cloud.google.com/pubsub/docs/handling-failures>.
#[tokio::test]
async fn exhausted_attempts_become_a_dead_letter() {
    let (log, endpoint) = (MessageLog::new(), rejecting_first(u64::MAX, 503).await);
    let bus = log
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
    log.publisher
        .publish(Topic::IngestRequested, message)
        .await
        .unwrap();
    bus.idle().await;

    assert_eq!((endpoint.received().len(), bus.dead_letters()), (3, 1));
    let [dead_letter] = &log.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    assert_eq!(
        dead_letter.data.to_base64(),
        BASE64_STANDARD.encode(&payload)
    );
    let mut attributes = dead_letter.attributes.clone();
    let reason = attributes.remove("dead_letter_reason").unwrap();
    assert!(
        reason.contains("3 attempts") && reason.contains("503"),
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
        log.stored_state().await.unwrap(),
        json!({ "next": 1, "pending": {} })
    );
}

#[tokio::test]
async fn retried_message_does_not_block_others() {
    let respond = async |request: Received| {
        if request.text() == "bad" {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::NO_CONTENT
        }
    };
    let (log, endpoint) = (MessageLog::new(), Endpoint::responding(respond).await);
    // The others can arrive only if they do not wait for the backoff of the first message.
    let policy = DeliveryPolicy {
        minimum_backoff: Duration::from_secs(3600),
        maximum_outstanding: 1,
        ..policy()
    };
    let policy = DeliveryPolicy {
        maximum_backoff: policy.minimum_backoff,
        ..policy
    };
    let _bus = log.deliver_to(&endpoint, policy).await;
    for text in ["bad", "good", "better"] {
        log.request(text).await;
    }
    eventually("the other messages", async || {
        (endpoint.received().len() == 3).then_some(())
    })
    .await;
    assert_eq!(texts(&endpoint), ["bad", "good", "better"]);
}

#[tokio::test]
async fn messages_are_delivered_once_the_endpoint_recovers() {
    let log = MessageLog::new();
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
    let bus = EmbeddedBus::start(log.publisher.clone(), vec![subscription], policy)
        .await
        .unwrap();
    log.request("waiting").await;
    eventually("attempts to fail", async || {
        let failed = log.stored_state().await?["pending"]["0"].as_u64()?;
        (failed >= 3).then_some(())
    })
    .await;

    let endpoint = Endpoint::at(address, async |_| StatusCode::NO_CONTENT).await;
    bus.idle().await;
    let [request] = &endpoint.received()[..] else {
        panic!("expected one delivery")
    };
    assert_eq!(request.text(), "waiting");
    assert!(request.attempt() > 3, "{}", request.attempt());
    assert_eq!(bus.dead_letters(), 0);
}

/// The message is in its second attempt, so the bus has nothing to do until the endpoint responds.
#[tokio::test]
async fn bus_does_not_poll_while_messages_are_outstanding() {
    let gate = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&gate);
    let respond = move |request: Received| {
        let gate = Arc::clone(&permits);
        async move {
            if request.attempt() == 1 {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            gate.acquire().await.unwrap().forget();
            StatusCode::NO_CONTENT
        }
    };
    let (log, endpoint, faults) = (
        MessageLog::new(),
        Endpoint::responding(respond).await,
        Arc::new(Faults::default()),
    );
    let log = MessageLog::at(faults.wrap_store(&log.store));
    let bus = log.deliver_to(&endpoint, policy()).await;
    log.request("held").await;
    eventually("the second attempt", async || {
        (endpoint.received().len() == 2).then_some(())
    })
    .await;
    let calls_before = faults.calls().len();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let calls = faults.calls().split_off(calls_before);
    assert!(
        calls.len() <= 5,
        "the bus polls while it waits: {} calls, such as {:?}",
        calls.len(),
        calls[0]
    );
    gate.add_permits(1);
    bus.idle().await;
}
