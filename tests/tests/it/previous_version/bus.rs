//! Messages, subscription states and dead letters of the embedded bus.

use std::{collections::BTreeMap, sync::Arc};

use cli::{
    args::TargetArguments,
    support::{
        dead_letters::DeadLetters,
        embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription},
    },
};
use shared::{
    bus::{LogPublisher, LoggedMessage, Message, MessageId, Payload, Publisher, dead_letter},
    event::{Function, Topic},
};
use tests::endpoint::{Endpoint, Received};

use super::{PreviousState, clock, read_whole, timestamp};

impl PreviousState {
    fn publisher(&self) -> Arc<LogPublisher> {
        Arc::new(LogPublisher::new(self.store("bus"), Arc::new(clock())))
    }
}

/// Starts a bus with one subscription, and waits until all of its messages are delivered.
async fn deliver(publisher: Arc<LogPublisher>, function: Function, endpoint: &Endpoint) {
    let subscription = Subscription {
        function,
        endpoint: endpoint.url(),
    };
    EmbeddedBus::start(publisher, vec![subscription], DeliveryPolicy::default())
        .await
        .unwrap()
        .idle()
        .await;
}

#[tokio::test]
async fn message_is_read() {
    let state = PreviousState::copy();
    let path = "bus/topics/day-ingested/000000000.json";
    let message: LoggedMessage = read_whole(&*state.store("bus"), path).await;
    let attributes = [
        ("event_id", "ingest/2021-07-18"),
        ("event_type", "day-ingested"),
    ];
    let expected = LoggedMessage {
        message_id: MessageId("day-ingested-0".to_owned()),
        published_at: timestamp("2021-07-19T04:00:00Z"),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        data: Payload::Text(
            r#"{"type":"day-ingested","event_id":"ingest/2021-07-18","day":"2021-07-18","rows":480}"#
                .to_owned(),
        ),
    };
    assert_eq!(message, expected);
    let log = state.publisher().log();
    assert_eq!(
        log.read(Topic::DayIngested, 0).await.unwrap(),
        Some(expected)
    );
}

#[tokio::test]
async fn acknowledged_messages_are_not_delivered_again() {
    let (state, endpoint) = (PreviousState::copy(), Endpoint::acknowledging().await);
    let publisher = state.publisher();
    let next = Message {
        data: "next".into(),
        ..Message::default()
    };
    let id = publisher
        .publish(Topic::DriftCheckRequested, next)
        .await
        .unwrap();
    assert_eq!(id, MessageId("drift-check-requested-5".to_owned()));
    deliver(publisher, Function::DriftCheck, &endpoint).await;
    let texts: Vec<_> = endpoint.received().iter().map(Received::text).collect();
    assert_eq!(texts, ["next"]);
}

#[tokio::test]
async fn pending_message_is_delivered_with_its_number_of_attempts() {
    let (state, endpoint) = (PreviousState::copy(), Endpoint::acknowledging().await);
    deliver(state.publisher(), Function::FineTune, &endpoint).await;
    let received: Vec<_> = endpoint
        .received()
        .iter()
        .map(|request| (request.message_id().0, request.attempt()))
        .collect();
    assert_eq!(received, [("drift-detected-3".to_owned(), 3)]);
}

#[tokio::test]
async fn only_dead_letters_without_a_marker_are_left() {
    let state = PreviousState::copy();
    let target = TargetArguments {
        state: state.folder.path().to_owned(),
        cloud: false,
    };
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    let left = dead_letters.of(Function::Ingest).await.unwrap();
    let [dead_letter] = &left[..] else {
        panic!("{left:?}")
    };
    assert_eq!(dead_letter.message_id, "ingest-dead-letter-1");
    assert_eq!(dead_letter.since, timestamp("2021-07-21T04:00:00Z"));
    assert_eq!(&dead_letter.data[..], b"\xff");
    let reason = dead_letter.reason();
    assert!(
        reason.ends_with(": expected value at line 1 column 1"),
        "{reason}"
    );
    let attributes = [
        ("event_type", "ingest-requested"),
        ("first_published_at", "2021-07-21T03:59:59Z"),
    ];
    assert_eq!(
        dead_letter::restore(&dead_letter.attributes),
        BTreeMap::from(attributes.map(|(name, value)| (name.to_owned(), value.to_owned())))
    );
}
