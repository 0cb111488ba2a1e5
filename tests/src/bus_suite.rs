//! Tests that every `Publisher` passes, asserted through a subscription.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use shared::{
    bus::{Message, MessageId, Publisher},
    event::{DayIngested, EventId, Function, Topic, decode},
};
use tokio::task::JoinSet;

use crate::eventually::eventually;

/// Expands to the tests of the suite. The expression `$target` creates a [`Setup`] for each test.
#[macro_export]
macro_rules! bus_suite {
    ($target:expr) => {
        $crate::suite_tests!(
            bus_suite,
            $target,
            [
                messages_arrive_unchanged,
                event_arrives_with_its_type_and_id,
                large_message_arrives,
                concurrently_published_messages_all_arrive,
                message_ids_are_unique,
            ]
        );
    };
}

/// The messages received by a subscription.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Returns the messages received so far with their ids. A redelivered message appears again.
    async fn messages(&self) -> Vec<(MessageId, Message)>;
}

/// The publisher under test, with a subscription to its topic.
pub struct Setup {
    /// The publisher under test.
    pub publisher: Arc<dyn Publisher>,
    /// The topic to publish to.
    pub topic: Topic,
    /// The subscription to the topic.
    pub inbox: Box<dyn Inbox>,
    /// A unique name, which marks the messages of this target in a shared topic.
    pub name: String,
}

impl Setup {
    /// Returns a message marked with the name of this target, so that tests can share the topic.
    fn message(&self, data: impl Into<Bytes>) -> Message {
        Message {
            data: data.into(),
            attributes: BTreeMap::from([("test".to_owned(), self.name.clone())]),
        }
    }

    async fn publish(&self, message: Message) -> MessageId {
        self.publisher.publish(self.topic, message).await.unwrap()
    }

    /// Waits for `count` distinct messages of this target, and returns them by id.
    async fn arrived(&self, count: usize) -> BTreeMap<MessageId, Message> {
        let is_ours = |message: &Message| message.attributes.get("test") == Some(&self.name);
        eventually("messages at the subscription", async || {
            let messages = self.inbox.messages().await.into_iter();
            let ours: BTreeMap<_, _> = messages.filter(|(_, message)| is_ours(message)).collect();
            (ours.len() >= count).then_some(ours)
        })
        .await
    }
}

/// Payload and attributes arrive unchanged: binary, non-ASCII and empty.
pub async fn messages_arrive_unchanged(target: &Setup) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut messages = vec![
        target.message(r#"{"type":"day-ingested"}"#),
        target.message(every_byte),
        target.message(""),
        target.message("\u{feff}vélo\n\"été\" 自転車"),
    ];
    let attributes = [
        ("origin", "scheduler"),
        ("clé", "valeur, \"été\"\n"),
        ("empty", ""),
    ];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
    messages[0].attributes.extend(attributes);
    let mut published = BTreeMap::new();
    for message in messages {
        published.insert(target.publish(message.clone()).await, message);
    }
    assert_eq!(target.arrived(published.len()).await, published);
}

/// An event arrives with the attributes `event_type` and `event_id`, for readers of the topic.
pub async fn event_arrives_with_its_type_and_id(target: &Setup) {
    let day = "2021-07-19".parse().unwrap();
    let event = DayIngested {
        event_id: EventId::of(Function::Ingest, format_args!("{day}@{}", target.name)),
        day,
        rows: 1_344,
    };
    let mut message = Message::of_event(&event);
    message.attributes.extend(target.message("").attributes);
    target.publish(message).await;
    let (_, arrived) = target.arrived(1).await.pop_first().unwrap();
    assert_eq!(decode::<DayIngested>(&arrived.data).unwrap(), event);
    assert_eq!(arrived.attributes["event_type"], "day-ingested");
    assert_eq!(arrived.attributes["event_id"], event.event_id.to_string());
}

/// A message of one megabyte arrives, far larger than any event.
pub async fn large_message_arrives(target: &Setup) {
    let message = target.message(vec![b'x'; 1_000_000]);
    target.publish(message.clone()).await;
    let (_, arrived) = target.arrived(1).await.pop_first().unwrap();
    assert!(
        arrived == message,
        "the message received differs from the message published"
    );
}

/// Each of forty concurrently published messages arrives at least once.
pub async fn concurrently_published_messages_all_arrive(target: &Setup) {
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let (publisher, topic) = (Arc::clone(&target.publisher), target.topic);
        let message = target.message(format!("message {number}"));
        tasks.spawn(async move { publisher.publish(topic, message).await.unwrap() });
    }
    let ids: BTreeSet<_> = tasks.join_all().await.into_iter().collect();
    let arrived = target.arrived(40).await;
    assert_eq!(arrived.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let texts: BTreeSet<_> = arrived.into_values().map(|message| message.data).collect();
    assert_eq!(texts.len(), 40);
}

/// Identical messages get different ids.
pub async fn message_ids_are_unique(target: &Setup) {
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        ids.insert(target.publish(target.message("the same")).await);
    }
    assert_eq!(ids.len(), 5);
    assert_eq!(
        target.arrived(5).await.into_keys().collect::<BTreeSet<_>>(),
        ids
    );
}
